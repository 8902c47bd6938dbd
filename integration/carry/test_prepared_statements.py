"""Named prepared statements in transaction mode: each client its own names, all on shared backends."""

import random
from typing import Any

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import reduced, wait_until
from support.postgres import Postgres
from support.raw_client import RawClient, errors, types
from support.weir import Weir

pytestmark = pytest.mark.needs_weir


def run(name: str, *values: bytes) -> bytes:
    return wire.bind(values, name=name) + wire.describe("P") + wire.execute()


def ask(client: RawClient, *parts: bytes) -> list[wire.Message]:
    client.send(b"".join(parts) + wire.sync())
    return client.receive_ready()


def names_on_server(client: RawClient) -> list[str]:
    return [str(row[0]) for row in client.rows("SELECT name FROM pg_prepared_statements ORDER BY 1")]


def hold_backends(weir: Weir, count: int) -> list[RawClient]:
    """Clients that each keep one backend in a transaction, so that others get what is left."""
    holders = [weir.logged_in() for _ in range(count)]
    for holder in holders:
        holder.query("BEGIN")
    return holders


def test_statement_follows_its_client_to_every_backend(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 3, "state": "forget"}})
    with weir.logged_in() as client:
        assert types(ask(client, wire.parse("SELECT pg_backend_pid(), $1::text", "s"))) == "1Z"
        seen = set()
        holders: list[RawClient] = []
        for _ in range(3):
            messages = ask(client, run("s", b"x"))
            assert types(messages) == "2TDCZ"
            pid, value = messages[2].columns()
            assert value == b"x"
            seen.add(pid)
            holders += hold_backends(weir, 1)  # which is lent the one used last
        for holder in holders:
            holder.quit()
        assert len(seen) == 3


def test_clients_with_the_same_text_share_one_statement(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1}})
    clients = [weir.logged_in() for _ in range(5)]
    for number, client in enumerate(clients):
        assert types(ask(client, wire.parse("SELECT 7", f"s{number}"), run(f"s{number}"))) == "12TDCZ"
    names = names_on_server(clients[0])
    assert len(names) == 1 and names[0].startswith("weir_")
    for client in clients:
        client.quit()


def test_same_name_means_something_else_to_another_client(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1}})
    with weir.logged_in() as one, weir.logged_in() as other:
        ask(one, wire.parse("SELECT 'one'", "s"))
        ask(other, wire.parse("SELECT 'other'", "s"))
        assert ask(one, run("s"))[2].columns() == [b"one"]
        assert ask(other, run("s"))[2].columns() == [b"other"]


def test_nobody_reaches_a_statement_by_its_name_on_the_backend(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1}})
    with weir.logged_in() as one, weir.logged_in() as other:
        ask(one, wire.parse("SELECT 'secret'", "s"))
        (name,) = names_on_server(other)
        failed = ask(other, run(name))
        assert errors(failed) == ["26000"]
        assert [m.text for m in failed if m.type == "E"] == [f'prepared statement "{name}" does not exist']
        assert types(ask(other, wire.close("S", name))) == "3Z"
        assert ask(one, run("s"))[2].columns() == [b"secret"]


def test_least_recently_used_is_closed_and_comes_back(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "prepared_statements": 3}})
    with weir.logged_in() as client:
        for number in range(10):
            assert types(ask(client, wire.parse(f"SELECT {number}", f"s{number}"))) == "1Z"
        assert len(names_on_server(client)) == 3
        for number in range(10):
            assert ask(client, run(f"s{number}"))[2].columns() == [str(number).encode()]
            assert len(names_on_server(client)) == 3
        client.send(*[run(f"s{number}") for number in range(10)], wire.sync())
        assert types(client.receive_ready()) == "2TDC" * 10 + "Z"
        assert len(names_on_server(client)) == 3


def test_doubled_name_is_an_error_that_undoes_its_batch(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"pool": {"max": 1}})
    postgres.execute("DROP TABLE IF EXISTS doubled; CREATE TABLE doubled (id int)")
    for endpoint in (weir, postgres.endpoint):
        with endpoint.logged_in() as client:
            assert types(ask(client, wire.parse("INSERT INTO doubled VALUES (1)", "s"))) == "1Z"
            messages = ask(client, run("s"), wire.parse("SELECT 2", "s"), run("s"))
            assert types(messages) == "2nCEZ"
            assert messages[3].text == 'prepared statement "s" already exists'
            assert messages[3].sqlstate == "42P05"
            assert client.value("SELECT count(*) FROM doubled") == "0"


def test_name_is_free_again_when_its_parse_failed(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1}})
    with weir.logged_in() as client:
        assert errors(ask(client, wire.parse("SELEC", "s"))) == ["42601"]
        assert errors(ask(client, run("s"))) == ["26000"]
        assert types(ask(client, wire.parse("SELECT 1", "s"), run("s"))) == "12TDCZ"


def test_parse_skipped_after_an_error_did_not_happen(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1}})
    with weir.logged_in() as client:
        ask(client, wire.parse("SELECT 5", "known"))  # so that the next one need not be sent
        failed = ask(client, wire.parse("SELECT 1/0", "bad"), run("bad"), wire.parse("SELECT 5", "s"))
        assert errors(failed) == ["22012"]
        assert errors(ask(client, run("s"))) == ["26000"]
        failed = ask(client, run("bad"), wire.close("S", "known"))
        assert errors(failed) == ["22012"]
        assert types(ask(client, run("known"))) == "2TDCZ"


@pytest.mark.parametrize("sql", ["DISCARD ALL", "DEALLOCATE ALL", "SELECT 1; DEALLOCATE ALL"])
def test_all_statements_can_be_thrown_away(start_weir: StartWeir, sql: str) -> None:
    weir = start_weir({"pool": {"max": 1}})
    with weir.logged_in() as client, weir.logged_in() as other:
        ask(client, wire.parse("SELECT 1", "s"))
        ask(other, wire.parse("SELECT 1", "s"))
        client.query(sql)
        assert errors(ask(client, run("s"))) == ["26000"]
        assert types(ask(other, run("s"))) == "2TDCZ"
        assert types(ask(client, wire.parse("SELECT 1", "s"), run("s"))) == "12TDCZ"


def test_describe_and_close_of_a_statement(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 2}})
    with weir.logged_in() as client:
        assert types(ask(client, wire.parse("SELECT $1::int", "s"), wire.describe("S", "s"))) == "1tTZ"
        holders = hold_backends(weir, 1)
        assert types(ask(client, wire.describe("S", "s"))) == "tTZ"
        assert types(ask(client, wire.close("S", "s"), wire.close("S", "s"))) == "33Z"
        assert errors(ask(client, wire.describe("S", "s"))) == ["26000"]
        for holder in holders:
            holder.quit()


def test_missing_statement_is_prepared_within_an_open_transaction(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 2}})
    with weir.logged_in() as client:
        ask(client, wire.parse("SELECT 1/$1::int", "s"), wire.parse("ROLLBACK", "back"))
        holders = hold_backends(weir, 1)
        client.query("BEGIN")
        assert errors(ask(client, run("s", b"0"))) == ["22012"]
        assert errors(ask(client, run("s", b"1"))) == ["25P02"]
        assert types(ask(client, run("back"))) == "2nCZ"
        assert types(ask(client, run("s", b"1"))) == "2TDCZ"
        for holder in holders:
            holder.quit()


def test_statement_whose_table_is_gone_fails_as_on_a_direct_connection(
    start_weir: StartWeir, postgres: Postgres
) -> None:
    postgres.execute("DROP TABLE IF EXISTS gone; CREATE TABLE gone (id int)")
    weir = start_weir({"pool": {"max": 2}})
    with weir.logged_in() as client:
        ask(client, wire.parse("SELECT * FROM gone", "s"))
        postgres.execute("DROP TABLE gone")
        holders = hold_backends(weir, 1)
        assert errors(ask(client, run("s"))) == ["42P01"]
        postgres.execute("CREATE TABLE gone (id int)")
        assert types(ask(client, run("s"))) == "2TCZ"
        for holder in holders:
            holder.quit()


def test_long_names_and_texts(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1}})
    with weir.logged_in() as client:
        text = "SELECT '" + "x" * 3_000_000 + "'"
        assert types(ask(client, wire.parse(text, "long"), run("long"))) == "12TDCZ"
        client.send_sliced(wire.parse("SELECT 4", "s") + run("s") + wire.sync())
        assert types(client.receive_ready()) == "12TDCZ"
        assert errors(ask(client, wire.parse("SELECT 1", "n" * 9000))) == ["54000"]
        assert errors(ask(client, wire.bind(name="n" * 9000))) == ["54000"]
        assert types(ask(client, run("s"))) == "2TDCZ"


def test_psycopg_prepares_by_itself(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 2}})
    connections = [weir.psycopg(prepare_threshold=1, autocommit=True) for _ in range(6)]
    for turn in range(reduced(30, at_least=5)):
        for number, connection in enumerate(connections):
            row = connection.execute("SELECT %s::int + %s::int", [turn, number]).fetchone()
            assert row == (turn + number,)
    for connection in connections:
        connection.close()


def test_thousands_of_statements(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 2}})
    count = reduced(3000, at_least=300)
    with weir.logged_in() as client, weir.logged_in() as other:
        for who in (client, other):
            for start in range(0, count, 100):
                who.send(*[wire.parse(f"SELECT {n}", f"s{n}") for n in range(start, start + 100)], wire.sync())
                assert types(who.receive_ready()) == "1" * 100 + "Z"
        for number in random.Random(1).sample(range(count), 300):
            assert ask(client, run(f"s{number}"))[2].columns() == [str(number).encode()]
        assert len(names_on_server(client)) <= 200


def essence(messages: list[wire.Message]) -> list[Any]:
    """Messages without reports, and without where in its source PostgreSQL misses an unnamed statement."""
    found: list[Any] = []
    for message in messages:
        if message.type == "E":
            fields = message.fields()
            is_about_unnamed = fields["M"].startswith("unnamed ")
            found.append({k: v for k, v in fields.items() if k not in "FLR" or not is_about_unnamed})
        elif message.type not in "SN":
            found.append(message)
    return found


def is_told_failed(answer: list[Any]) -> bool:
    """In a failed transaction a statement cannot be put on a backend that lacks it: 25P02 comes first."""
    return [part["C"] for part in answer if isinstance(part, dict)] == ["25P02"] and answer[-1].body == b"E"


def random_part(rng: random.Random) -> bytes:
    name = rng.choice(["a", "b", "c", ""])
    match rng.randrange(9):
        case 0 | 1 | 2:
            sql = rng.choice(["SELECT 1", "SELECT 1", "SELECT 'b'::text", "SELEC", "SELECT 1/0", "BEGIN", "ROLLBACK"])
            return wire.parse(sql, name)
        case 3 | 4 | 5:
            return run(name)
        case 6:
            return wire.describe("S", name)
        case 7:
            return wire.close("S", name)
        case _:
            return wire.flush()


def random_write(rng: random.Random) -> bytes:
    """Bytes to send, which are owed one ReadyForQuery."""
    if rng.random() < 0.15:
        sql = rng.choice(["DEALLOCATE ALL", "DISCARD ALL", "DEALLOCATE a", "DEALLOCATE b", "BEGIN", "COMMIT", "ROLLBACK", "SELECT 3", "SELECT 1/0"])
        return wire.query(sql)
    return b"".join(random_part(rng) for _ in range(rng.randint(1, 6))) + wire.sync()


@pytest.mark.parametrize("seed", range(8))
def test_random_batches_give_the_same_messages_as_a_direct_connection(
    start_weir: StartWeir, postgres: Postgres, seed: int
) -> None:
    """Clients that take turns on shared backends; each has a twin with a connection of its own."""
    rng = random.Random(seed)
    weir = start_weir({"pool": {"max": 3, "prepared_statements": 2, "acquire_timeout": "20s"}})
    count = 2  # each may hold a backend in an open transaction
    clients = [(weir.logged_in(), postgres.endpoint.logged_in()) for _ in range(count)]
    noise = weir.logged_in()
    for step in range(reduced(600, at_least=100)):
        ask(noise, wire.parse(f"SELECT {rng.randrange(4)}", "n"), run("n"), wire.close("S", "n"))
        client, twin = rng.choice(clients)
        write = random_write(rng)
        answers = []
        for side in (client, twin):
            side.send(write)
            answers.append(essence(side.receive_ready()))
        if answers[0] != answers[1] and is_told_failed(answers[0]):
            for side in (client, twin):  # from here they are no longer alike
                side.query("ROLLBACK")
                side.query("DEALLOCATE ALL")
            continue
        assert answers[0] == answers[1], f"seed {seed}, step {step}: {write!r}"
    for client, twin in clients:
        client.quit()
        twin.quit()
    noise.quit()


def test_pools_of_several_threads_hand_statements_on(start_weir: StartWeir) -> None:
    weir = start_weir({"listen": {"threads": 2}, "pool": {"max": 1}})
    clients = [weir.logged_in() for _ in range(6)]
    for number, client in enumerate(clients):
        assert types(ask(client, wire.parse("SELECT 1", "s"), wire.parse(f"SELECT {number}", "own"))) == "11Z"
    for _ in range(reduced(20, at_least=3)):
        for number, client in enumerate(clients):
            assert ask(client, run("own"))[2].columns() == [str(number).encode()]
    assert len(names_on_server(clients[0])) == 6
    for client in clients:
        client.quit()


def test_prepared_statements_survive_the_loss_of_their_backend(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"pool": {"max": 1}})
    with weir.logged_in() as client:
        ask(client, wire.parse("SELECT 1", "s"))
        postgres.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) pid", [postgres.backend_pids()])
        wait_until(lambda: postgres.backends() == 0, "the backend is gone")
        wait_until(lambda: types(ask(client, run("s"))) == "2TDCZ", "the statement runs again")


def test_names_pass_through_untouched_when_turned_off(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "prepared_statements": 0}})
    with weir.logged_in() as client:
        ask(client, wire.parse("SELECT 1", "mine"))
        assert names_on_server(client) == ["mine"]


def test_metrics_count_what_was_prepared(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1}})
    with weir.logged_in() as one, weir.logged_in() as other:
        ask(one, wire.parse("SELECT 1", "s"))
        ask(other, wire.parse("SELECT 1", "s"))
        ask(other, run("s"))
        with weir.psycopg(dbname="weir", autocommit=True) as admin:
            cursor = admin.execute("SHOW STATS")
            assert cursor.description is not None
            names = [column.name for column in cursor.description]
            row = next(dict(zip(names, row)) for row in cursor if row[0] == "app")
        assert int(row["total_client_parse_count"]) == 2
        assert int(row["total_server_parse_count"]) == 1
        assert int(row["total_bind_count"]) == 1


@pytest.mark.parametrize("seed", range(12))
def test_random_batches_in_one_write_give_the_same_messages(
    start_weir: StartWeir, postgres: Postgres, seed: int
) -> None:
    """What is sent before the answer to an earlier batch is known."""
    rng = random.Random(100 + seed)
    weir = start_weir({"pool": {"max": 2, "prepared_statements": 2, "acquire_timeout": "20s"}})
    with weir.logged_in() as client, postgres.endpoint.logged_in() as twin, weir.logged_in() as other:
        for step in range(reduced(200, at_least=40)):
            writes = [random_write(rng) for _ in range(rng.randint(1, 4))]
            answers = []
            for side in (client, twin):
                side.send(b"".join(writes))
                answers.append([essence(side.receive_ready()) for _ in writes])
            if answers[0] != answers[1]:
                assert any(is_told_failed(answer) for answer in answers[0]), f"seed {seed}, step {step}: {writes}\n{answers[0]}\n{answers[1]}"
            for side in (client, twin):
                side.query("ROLLBACK")
                if answers[0] != answers[1]:
                    side.query("DEALLOCATE ALL")
            assert types(ask(other, wire.parse("SELECT 1", "n"), run("n"), wire.close("S", "n"))) == "12TDC3Z"
    assert "protocol_violation" not in weir.log


def test_deallocate_in_sql_of_what_was_prepared_by_message(start_weir: StartWeir) -> None:
    """As Rails and psycopg do it."""
    weir = start_weir({"pool": {"max": 1}})
    with weir.logged_in() as client, weir.logged_in() as other:
        for who in (client, other):
            ask(who, wire.parse("SELECT 1", "s"), wire.parse("SELECT 2", "Mixed"))
        answer = client.query("DEALLOCATE s")
        assert [(m.type, m.body) for m in answer] == [("C", b"DEALLOCATE\0"), ("Z", b"I")]
        assert errors(ask(client, run("s"))) == ["26000"]
        assert errors(client.query("DEALLOCATE s")) == ["26000"]
        assert types(client.query('DEALLOCATE PREPARE "Mixed";')) == "CZ"
        assert types(ask(other, run("s"), run("Mixed"))) == "2TDC2TDCZ"
        assert len(names_on_server(client)) == 2
        ask(client, wire.parse("SELECT 1", "s"))
        client.query("BEGIN")
        client.query("SELECT 1/0")
        assert errors(client.query("DEALLOCATE s")) == ["25P02"]
        client.query("ROLLBACK")
        assert types(ask(client, run("s"))) == "2TDCZ"


def test_deallocate_among_other_statements(start_weir: StartWeir, postgres: Postgres) -> None:
    """As psqlODBC does it within a transaction."""
    weir = start_weir({"pool": {"max": 1}})
    sql = 'SAVEPOINT svp;DEALLOCATE "_PLAN0x1";RELEASE svp'
    with weir.logged_in() as client, weir.logged_in() as other, postgres.endpoint.logged_in() as twin:
        for who in (client, other, twin):
            ask(who, wire.parse("SELECT 1", "_PLAN0x1"))
        answers = []
        for who in (client, twin):
            answers.append([])
            for step in ("BEGIN", sql, sql, "ROLLBACK", sql, "SELECT 3;DEALLOCATE x;SELECT 4"):
                answers[-1].append(essence(who.query(step)))
            answers[-1].append(essence(ask(who, run("_PLAN0x1"))))
            answers[-1].append(essence(ask(who, wire.parse("SELECT 2", "_PLAN0x1"), wire.parse("SELECT 3", "x"))))
            for step in ("SELECT 3;DEALLOCATE x;SELECT 4", "BEGIN", "SELECT 1/0", sql, "ROLLBACK"):
                answers[-1].append(essence(who.query(step)))
            answers[-1].append(essence(ask(who, run("_PLAN0x1"))))
        assert answers[0] == answers[1]
        assert types(ask(other, run("_PLAN0x1"))) == "2TDCZ"


def test_psycopg_lets_go_of_what_it_used_least(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 2}})
    connections = [weir.psycopg(prepare_threshold=0, autocommit=True) for _ in range(3)]
    for connection in connections:
        connection.prepared_max = 4
    for turn in range(20):
        for connection in connections:
            assert connection.execute(f"SELECT {turn}").fetchone() == (turn,)
    for connection in connections:
        connection.close()


def test_show_clients_and_servers_count_statements(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1}})
    with weir.logged_in() as client:
        ask(client, wire.parse("SELECT 1", "a"), wire.parse("SELECT 1", "b"))
        with weir.psycopg(dbname="weir", autocommit=True) as admin:
            found = {}
            for what in ("CLIENTS", "SERVERS"):
                cursor = admin.execute(f"SHOW {what}")
                assert cursor.description is not None
                names = [column.name for column in cursor.description]
                found[what] = [dict(zip(names, row)) for row in cursor]
        assert [row["prepared_statements"] for row in found["CLIENTS"] if row["database"] == "app"] == [2]
        assert [row["prepared_statements"] for row in found["SERVERS"]] == [1]
