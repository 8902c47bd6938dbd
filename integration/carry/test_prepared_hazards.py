"""What could let one client meet another's statements, run a statement twice, or make the process swell or stall."""

import threading
import time
from typing import Callable

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import scaled, wait_until
from support.postgres import Postgres
from support.raw_client import RawClient, errors, types
from support.weir import Weir

pytestmark = pytest.mark.needs_weir

ONE = {"pool": {"max": 1}}


def ask(client: RawClient, *parts: bytes) -> list[wire.Message]:
    client.send(b"".join(parts) + wire.sync())
    return client.receive_ready()


def run(name: str = "") -> bytes:
    return wire.bind(name=name) + wire.execute()


def rows(messages: list[wire.Message]) -> list[list[bytes | None]]:
    return [message.columns() for message in messages if message.type == "D"]


@pytest.mark.parametrize("size", [6, 12, 20])
def test_unnamed_statement_that_came_in_two_pieces_is_carried(start_weir: StartWeir, size: int) -> None:
    weir = start_weir(ONE)
    with weir.logged_in() as client:
        parse = wire.parse("SELECT 42")
        client.send(parse[:size])
        time.sleep(0.1)
        client.send(parse[size:], wire.describe("S"), wire.sync())
        assert errors(client.receive_ready()) == []
        assert rows(ask(client, run())) == [[b"42"]]


def test_long_unnamed_statement_works_within_its_batch(start_weir: StartWeir) -> None:
    weir = start_weir(ONE)
    with weir.logged_in() as client:
        assert rows(ask(client, wire.parse(f"SELECT length('{'x' * 300_000}')"), run())) == [[b"300000"]]


def test_deallocate_prepared_without_a_name_runs_nothing_twice(start_weir: StartWeir, postgres: Postgres) -> None:
    postgres.execute("CREATE TABLE once (x int)")
    weir = start_weir(ONE)
    with weir.logged_in() as client:
        ask(client, wire.parse("SELECT 1", "s1"))
        ask(client, wire.parse("INSERT INTO once VALUES (1)"), wire.describe("S"))
        assert errors(ask(client, run())) == []
        ask(client, wire.parse("DEALLOCATE s1"), wire.describe("S"))
        messages = ask(client, run())
        assert types(messages) == "2CZ" and messages[1].body == b"DEALLOCATE\0"
        assert errors(ask(client, run("s1"))) == ["26000"]
    assert postgres.value("SELECT count(*) FROM once") == 1
    postgres.execute("DROP TABLE once")


def test_literals_are_read_by_the_settings_of_each_client(start_weir: StartWeir) -> None:
    weir = start_weir(ONE)
    sql = "SELECT extract(epoch FROM timestamptz '2024-01-01 00:00')::int, '01/02/2020'::date - date '2020-01-01'"
    for _ in range(2):
        for zone, style in (("UTC", "ISO, MDY"), ("America/New_York", "ISO, DMY")):
            with weir.logged_in(TimeZone=zone, DateStyle=style) as client:
                simple = [[value.encode() for value in row if value is not None] for row in client.rows(sql)]
                assert rows(ask(client, wire.parse(sql, "q"), run("q"))) == simple


def test_clients_that_differ_in_name_only_share_a_statement(start_weir: StartWeir) -> None:
    weir = start_weir(ONE)
    for name in ("one", "two"):
        with weir.logged_in(application_name=name) as client:
            assert rows(ask(client, wire.parse("SELECT 5", "q"), run("q"))) == [[b"5"]]
    assert weir.value("SELECT count(*) FROM pg_prepared_statements") == 1


def test_statement_follows_a_change_of_settings(start_weir: StartWeir) -> None:
    weir = start_weir(ONE)
    sql = "SELECT extract(epoch FROM timestamptz '2024-01-01 00:00')::int"
    with weir.logged_in() as first, weir.logged_in() as second:
        first.query("SET TimeZone = 'America/New_York'")
        assert rows(ask(first, wire.parse(sql, "q"), run("q"))) == [[b"1704085200"]]
        assert rows(ask(second, wire.parse(sql, "q"), run("q"))) == [[b"1704067200"]]
        first.query("SET TimeZone = 'UTC'")
        assert errors(ask(first, run("q"))) == []
        assert rows(ask(second, run("q"))) == [[b"1704067200"]]


def test_statement_prepared_behind_a_set_in_one_batch_stays_with_its_client(start_weir: StartWeir) -> None:
    weir = start_weir(ONE)
    sql = "SELECT extract(epoch FROM timestamptz '2024-01-01 00:00')::int"
    with weir.logged_in() as first, weir.logged_in() as second:
        messages = ask(first, wire.parse("SET TimeZone = 'America/New_York'"), run(), wire.parse(sql, "q"), run("q"))
        assert rows(messages) == [[b"1704085200"]]
        assert rows(ask(second, wire.parse(sql, "q"), run("q"))) == [[b"1704067200"]]


def test_names_stay_apart_while_a_copy_ends(start_weir: StartWeir, postgres: Postgres) -> None:
    postgres.execute("CREATE TABLE copied (x int)")
    weir = start_weir(ONE)
    copy = wire.parse("COPY copied FROM STDIN") + wire.bind() + wire.execute() + wire.flush()
    end = wire.copy_data(b"1\n") + wire.copy_done() + wire.sync()
    with weir.logged_in() as first, weir.logged_in() as second:
        first.send(copy)
        first.receive_until("G")
        first.send(end, wire.parse("SELECT 'first'", "s1"), wire.sync())
        assert errors(first.receive_ready()) == []
        assert types(first.receive_ready()) == "1Z"
        assert errors(ask(second, wire.parse("SELECT 'second'", "s1"))) == []
        second.send(copy)
        second.receive_until("G")
        second.send(end, run("s1"), wire.sync())
        second.receive_ready()
        assert rows(second.receive_ready()) == [[b"second"]]
        assert rows(ask(first, run("s1"))) == [[b"first"]]
    postgres.execute("DROP TABLE copied")


@pytest.mark.parametrize("in_one_write", [False, True])
def test_named_statement_in_the_middle_of_a_copy_is_told_as_by_the_server(
    start_weir: StartWeir, postgres: Postgres, in_one_write: bool
) -> None:
    postgres.execute("CREATE TABLE copied (x int)")
    weir = start_weir(ONE)
    told = []
    for endpoint in (postgres.endpoint, weir):
        with endpoint.logged_in() as client:
            copy, parse = wire.query("COPY copied FROM STDIN"), wire.parse("SELECT 1", "s1") + wire.sync()
            if in_one_write:
                client.send(copy, parse)
            else:
                client.send(copy)
                client.receive_until("G")
                client.send(parse)
            told.append(errors(client.receive_until("E")))
    assert told[0] == told[1] == ["08P01"]
    postgres.execute("DROP TABLE copied")


def test_statement_thrown_away_by_our_name_for_it_comes_back(start_weir: StartWeir) -> None:
    weir = start_weir(ONE)
    with weir.logged_in() as client, weir.logged_in() as vandal:
        assert rows(ask(client, wire.parse("SELECT 7", "q"), run("q"))) == [[b"7"]]
        ours = vandal.value("SELECT name FROM pg_prepared_statements")
        vandal.query(f"DEALLOCATE {ours}")
        assert errors(ask(client, run("q"))) in ([], ["26000"])
        assert rows(ask(client, run("q"))) == [[b"7"]]


def test_refusal_that_gives_way_to_a_long_error_is_not_told_later(start_weir: StartWeir) -> None:
    weir = start_weir(ONE)
    with weir.logged_in() as client:
        ask(client, wire.parse("SELECT 1", "s"))
        assert errors(ask(client, wire.parse("SELECT '" + "x" * 70_000, "s"))) == ["42601"]
        messages = ask(client, run("other"))
        assert errors(messages) == ["26000"] and "other" in messages[0].text


def test_query_that_is_skipped_leaves_the_unnamed_statement(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir(ONE)
    for endpoint in (postgres.endpoint, weir):
        with endpoint.logged_in() as client:
            ask(client, wire.parse("SELECT 3"))
            client.send(wire.bind(name="nope"), wire.flush())
            assert client.receive().sqlstate == "26000"
            client.send(wire.query("SELECT 4"), wire.sync())
            client.receive_ready()
            assert rows(ask(client, run())) == [[b"3"]]


def test_named_statements_of_a_client_have_a_limit_together(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "prepared_statements": 2}})
    with weir.logged_in() as client:
        text = "SELECT '" + "x" * 4_000_000 + "'"
        told = [errors(ask(client, wire.parse(text, f"s{number}"))) for number in range(9)]
        assert told == [[]] * 8 + [["54000"]]
        ask(client, wire.close("S", "s0"))
        assert errors(ask(client, wire.parse(text, "s8"))) == []


def swells(weir: Weir, client: RawClient, piece: bytes, during_s: float) -> int:
    """Sends what is answered here and reads nothing back; returns how much the process grew meanwhile."""
    before = weir.resident_bytes()
    client.socket.settimeout(0.2)
    ends = time.monotonic() + during_s
    while time.monotonic() < ends:
        try:
            client.socket.send(piece)
        except (TimeoutError, BlockingIOError):
            pass
        except OSError:
            break
    return weir.resident_bytes() - before


@pytest.mark.memory
def test_answers_that_nobody_reads_do_not_pile_up(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 2}})
    with weir.logged_in() as client:
        assert swells(weir, client, wire.close("S", "x") * 10_000, 2) < 32 << 20


@pytest.mark.memory
def test_refusals_that_nobody_reads_do_not_pile_up(
    own_postgres: Callable[..., Postgres], start_weir_at: StartWeir
) -> None:
    postgres = own_postgres()
    weir = start_weir_at(postgres.port, {"pool": {"max": 1, "acquire_timeout": "100ms"}})
    with weir.logged_in() as client:
        postgres.kill()
        ends = time.monotonic() + 1
        while time.monotonic() < ends:  # until it is known to fail, and each request is refused at once
            client.query("SELECT 1")
        assert swells(weir, client, wire.sync() * 10_000, 2) < 32 << 20


@pytest.mark.memory
def test_names_nobody_knows_do_not_pile_up_behind_a_long_statement(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 2}})
    with weir.logged_in() as client:
        client.send(wire.parse("SELECT pg_sleep(30)"), run(), wire.flush())
        assert swells(weir, client, wire.describe("S", "n" * 8000) * 20, 2) < 32 << 20
        client.reset()


def test_what_is_answered_here_behind_a_long_statement_stalls_nobody(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 3}})
    with weir.logged_in() as client, weir.logged_in() as other:
        client.send(wire.parse("SELECT pg_sleep(2)"), run(), wire.flush())
        sender = threading.Thread(target=client.send, args=(wire.close("S", "x") * 400_000 + wire.sync(),))
        sender.start()
        slowest = 0.0
        for _ in range(20):
            began = time.monotonic()
            assert other.value("SELECT 1") == "1"
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.05)
        reader = threading.Thread(target=client.receive_ready)
        reader.start()
        reader.join()
        sender.join()
        assert slowest < scaled(1)


def test_batch_of_thousands_without_a_flush_is_answered_whole(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1}})
    with weir.logged_in() as client:
        ask(client, wire.parse("SELECT 1", "q"))
        batch = (run("q") + wire.close("S", "x")) * 6_000 + wire.sync()
        sender = threading.Thread(target=client.send, args=(batch,))
        sender.start()
        assert types(client.receive_ready()) == "2DC3" * 6_000 + "Z"
        sender.join()


def test_pause_between_execute_and_sync_counts_as_idle(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "idle_in_transaction_timeout": "300ms", "acquire_timeout": "10s"}})
    with weir.logged_in() as client, weir.logged_in() as other:
        client.send(wire.parse("SELECT 1"), run())
        wait_until(lambda: weir.pool()["sv_active"] == 1)
        assert other.value("SELECT 1") == "1"
        assert errors([message for message in client.receive_to_end() if message.type == "E"]) == ["25P03"]


@pytest.mark.parametrize("pool", [{"mode": "session"}, {"prepared_statements": 0}])
def test_unknown_name_costs_no_connection_where_names_are_passed_through(
    start_weir: StartWeir, pool: dict[str, object]
) -> None:
    weir = start_weir({"pool": {"max": 1, **pool}})
    pids = set()
    for _ in range(2):
        with weir.logged_in() as client:
            assert errors(ask(client, run("nope"))) == ["26000"]
            assert errors(ask(client, wire.parse("SELECT 1", "twice"), wire.parse("SELECT 1", "twice"))) == ["42P05"]
            ask(client, wire.close("S", "twice"))
            pids.add(client.backend_pid())
            client.quit()
    assert len(pids) == 1
