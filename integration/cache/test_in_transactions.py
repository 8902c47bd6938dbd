"""Reads in transactions that have done nothing else are answered as outside of one; all others by the server."""

import threading
import time
from typing import Any, Callable, Iterator

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import wait_until
from support.postgres import Postgres
from support.raw_client import RawClient, errors
from support.shared_cache import COUNTED, calls_of
from support.weir import Weir

pytestmark = pytest.mark.needs_weir

PLAIN = "SELECT id, name FROM thing ORDER BY id"
READ = "SELECT counted(id), name FROM thing ORDER BY id"


@pytest.fixture
def things(postgres: Postgres) -> Iterator[None]:
    postgres.execute(
        "DROP TABLE IF EXISTS thing; CREATE TABLE thing (id int PRIMARY KEY, name text);"
        "INSERT INTO thing SELECT g, 'name ' || g FROM generate_series(1, 3) g;" + COUNTED
    )
    yield
    postgres.execute("DROP TABLE thing; DROP FUNCTION counted; DROP SEQUENCE calls")


Start = Callable[..., Weir]


@pytest.fixture
def start(start_weir: StartWeir, things: None) -> Start:
    """Starts a Weir that keeps all it can, and that knows the catalog."""

    def started(**changes: Any) -> Weir:
        weir = start_weir({"cache": {"enabled": True, "default_ttl": "60s"}, **changes})
        assert isinstance(weir, Weir)
        wait_until_known(weir)
        return weir

    return started


def wait_until_known(weir: Weir) -> None:
    with weir.logged_in() as client:
        wait_until(lambda: hits_of(weir, lambda: client.query("SELECT count(*) FROM thing")) == 1, "results are kept")


def hits_of(weir: Weir, work: Callable[[], Any]) -> int:
    before = int(weir.show("CACHE")[0]["hits"])
    work()
    return int(weir.show("CACHE")[0]["hits"]) - before


def answered(client: RawClient, *messages: bytes) -> Any:
    client.send(*messages)
    return client.receive_ready()


def styles(sql: str) -> dict[str, list[bytes]]:
    return {
        "simple": [wire.query(sql)],
        "unnamed": [wire.parse(sql), wire.bind(), wire.describe("P"), wire.execute(), wire.sync()],
        "described": [wire.parse(sql), wire.describe("S"), wire.bind(), wire.execute(), wire.sync()],
        "named": [wire.bind(name="kept"), wire.execute(), wire.sync()],
    }


def converse(one: RawClient, begin: str, messages: list[bytes]) -> list[Any]:
    """The same read over and over in one transaction, the last two of them at once."""
    said = [answered(one, wire.query(begin))]
    said += [answered(one, *messages) for _ in range(4)]
    said.append(answered(one, *messages, *messages))
    said.append(one.receive_ready())
    return said + [answered(one, wire.query("SELECT 1")), answered(one, wire.query("COMMIT"))]


def begin_with_a_hit(weir: Weir, client: RawClient, begin: str, messages: list[bytes]) -> None:
    """Not while the server's session is still looked after: then all of the transaction is the server's."""

    def is_hit() -> bool:
        answered(client, wire.query("ROLLBACK"))
        answered(client, wire.query(begin))
        return hits_of(weir, lambda: answered(client, *messages)) == 1

    wait_until(is_hit, "it is given within a transaction")


@pytest.mark.parametrize("begin", ["BEGIN", "START TRANSACTION READ ONLY", "BEGIN ISOLATION LEVEL READ COMMITTED"])
def test_transaction_that_only_reads_is_answered_as_by_the_server(start: Start, postgres: Postgres, begin: str) -> None:
    weir = start()
    with weir.logged_in() as client, postgres.endpoint.logged_in() as direct:
        for one in (direct, client):
            answered(one, wire.parse(PLAIN, "kept"), wire.sync())
        for style, messages in styles(PLAIN).items():
            assert converse(client, begin, messages) == converse(direct, begin, messages), style
            begin_with_a_hit(weir, client, begin, messages)
            client.query("COMMIT")


def test_what_a_transaction_has_read_is_kept_for_others(start: Start, postgres: Postgres) -> None:
    weir = start()
    with weir.logged_in() as client, weir.logged_in() as other:
        client.query("BEGIN")
        rows = client.rows(READ)
        assert calls_of(postgres, lambda: other.rows(READ)) == 0
        assert client.rows(READ) == other.rows(READ) == rows
        client.query("ROLLBACK")


OTHERS = {
    "a write of another table": "INSERT INTO other VALUES (1)",
    "a write of its table": "UPDATE thing SET name = name || '!' WHERE id = 1",
    "a lock": "SELECT id FROM thing FOR UPDATE",
    "a setting": "SET LOCAL search_path = pg_temp, public",
    "an isolation": "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "a savepoint": "SAVEPOINT s",
    "a temporary table": "CREATE TEMP TABLE passing (id int) ON COMMIT DROP",
    "a volatile function": "SELECT random()",
    "a cursor": "DECLARE c CURSOR FOR SELECT 1",
    "a copy": "COPY other FROM STDIN",
    "several statements": "SELECT 1; SELECT 2",
    "nothing": "",
}


@pytest.mark.parametrize("what", list(OTHERS))
def test_transaction_that_does_something_else_asks_the_server_from_then_on(
    start: Start, postgres: Postgres, what: str
) -> None:
    postgres.execute("DROP TABLE IF EXISTS other; CREATE TABLE other (id int)")
    weir = start()
    with weir.logged_in() as client:
        begin_with_a_hit(weir, client, "BEGIN", [wire.query(PLAIN)])
        client.send(wire.query(OTHERS[what]))
        if what == "a copy":
            client.receive_until("G")
            client.send(wire.copy_done())
        assert errors(client.receive_ready()) == []
        assert hits_of(weir, lambda: client.rows(PLAIN)) == 0
        if what == "a write of its table":
            assert client.rows(PLAIN)[0][1] == "name 1!"
        client.query("ROLLBACK")
        wait_until(lambda: hits_of(weir, lambda: client.rows(PLAIN)) == 1, "it is given again")
        assert client.rows(PLAIN)[0][1] == "name 1"
    postgres.execute("DROP TABLE other")


@pytest.mark.parametrize(
    "begin",
    ["BEGIN ISOLATION LEVEL REPEATABLE READ", "BEGIN ISOLATION LEVEL SERIALIZABLE", "BEGIN; SELECT 1", "SELECT 1; BEGIN"],
)
def test_transaction_with_a_snapshot_of_its_own_asks_the_server(start: Start, postgres: Postgres, begin: str) -> None:
    weir = start()
    with weir.logged_in() as client, weir.logged_in() as writer:
        client.rows(READ)
        assert errors(client.query(begin)) == []
        assert calls_of(postgres, lambda: client.rows(READ)) == 3
        assert errors(writer.query("UPDATE thing SET name = 'new' WHERE id = 1")) == []
        client.rows("SELECT 1")
        if "ISOLATION" in begin:
            assert client.rows(READ)[0][1] == "name 1"
        client.query("COMMIT")
        assert client.rows(READ)[0][1] == "new"


@pytest.mark.parametrize(
    "isolation",
    ["SET default_transaction_isolation = 'repeatable read'",
     "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ"],
)  # fmt: skip
def test_isolation_that_was_just_set_is_found(start: Start, isolation: str) -> None:
    """The transaction begins while the session is still being looked at."""
    weir = start()
    with weir.logged_in() as reader, weir.logged_in() as writer:
        for number in range(20):
            assert errors(writer.query(f"UPDATE thing SET name = 'n{number}' WHERE id = 1")) == []
            with weir.logged_in() as client:
                client.query(isolation)
                client.query("BEGIN")
                client.rows("SELECT id FROM thing")
                assert errors(writer.query(f"UPDATE thing SET name = 'new' WHERE id = 1")) == []
                assert reader.rows(READ)[0][1] == "new"
                assert client.rows(READ)[0][1] == f"n{number}"
                assert reader.rows(READ)[0][1] == "new"
                client.query("COMMIT")


def test_setting_that_was_just_made_is_of_the_key(start: Start, postgres: Postgres) -> None:
    postgres.execute(
        "DROP SCHEMA IF EXISTS other CASCADE; CREATE SCHEMA other;"
        "CREATE TABLE other.thing (id int, name text); INSERT INTO other.thing VALUES (1, 'other')"
    )
    weir = start()
    with weir.logged_in() as usual:
        usual.rows(PLAIN)
        for _ in range(20):
            with weir.logged_in() as client:
                client.query("SET search_path = other")
                client.query("BEGIN")
                for _ in range(3):
                    assert client.rows(PLAIN) == [["1", "other"]]
                client.query("COMMIT")
            assert usual.rows(PLAIN)[0] == ["1", "name 1"]
    postgres.execute("DROP SCHEMA other CASCADE")


def test_batch_that_the_server_has_the_beginning_of_is_its_to_end(start: Start, postgres: Postgres) -> None:
    weir = start()
    batch = wire.parse(PLAIN) + wire.bind() + wire.execute() + wire.sync()
    with weir.logged_in() as client, postgres.endpoint.logged_in() as direct:
        client.rows(PLAIN)
        conversations = []
        for one in (direct, client):
            said = [one.query("BEGIN"), answered(one, batch), answered(one, batch)]
            one.send(wire.parse("SELECT 'first'"), wire.flush())
            said.append(one.receive_until("1"))
            said += [answered(one, batch), answered(one, wire.bind(), wire.execute(), wire.sync())]
            one.send(wire.parse("SELEC"), wire.flush())
            said.append(one.receive_until("E"))
            said += [answered(one, batch), one.query("COMMIT"), answered(one, batch)]
            conversations.append(said)
        assert conversations[0] == conversations[1]


def test_portions_of_a_portal_go_on_where_they_were(start: Start, postgres: Postgres) -> None:
    weir = start()
    batch = wire.parse(PLAIN) + wire.bind() + wire.execute() + wire.sync()
    with weir.logged_in() as client, postgres.endpoint.logged_in() as direct:
        conversations = []
        for one in (direct, client):
            said = [answered(one, batch), answered(one, batch), one.query("BEGIN")]
            said.append(answered(one, wire.parse("SELECT id FROM thing"), wire.bind(), wire.execute("", 1), wire.sync()))
            said.append(answered(one, batch))
            said.append(answered(one, wire.execute(), wire.sync()))
            conversations.append([*said, one.query("COMMIT")])
        assert conversations[0] == conversations[1]


@pytest.mark.parametrize("where", ["the client", "its login", "the user", "the database"])
def test_another_default_isolation_is_found(start: Start, postgres: Postgres, where: str) -> None:
    usual = "default_transaction_isolation"
    change = {
        "the user": f"ALTER ROLE postgres SET {usual} = 'repeatable read'",
        "the database": f"ALTER DATABASE app SET {usual} = 'repeatable read'",
    }.get(where)
    if change:
        postgres.execute(change)
    try:
        weir = start()
        parameters = {usual: "repeatable read"} if where == "its login" else {}
        with weir.logged_in(**parameters) as client, weir.logged_in() as writer:
            if where == "the client":
                client.query(f"SET {usual} = 'repeatable read'")
            client.rows(READ)
            client.query("BEGIN")
            assert client.rows(READ)[0][1] == "name 1"
            assert errors(writer.query("UPDATE thing SET name = 'new' WHERE id = 1")) == []
            for _ in range(2):
                writer.rows(READ)  # it is kept as it is now
            assert client.rows(READ)[0][1] == "name 1"
            client.query("COMMIT")
    finally:
        postgres.execute(f"ALTER ROLE postgres RESET {usual}; ALTER DATABASE app RESET {usual}")


def test_commit_of_another_client_is_seen_by_the_next_read(start: Start) -> None:
    weir = start()
    with weir.logged_in() as client, weir.logged_in() as writer:
        client.query("BEGIN")
        for number in range(20):
            assert errors(writer.query(f"UPDATE thing SET name = 'n{number}' WHERE id = 1")) == []
            for _ in range(2):
                assert client.rows(READ)[0][1] == f"n{number}"
        client.query("COMMIT")


def test_server_hears_of_a_client_that_reads_all_the_time(start: Start, postgres: Postgres) -> None:
    """Else it ends sessions that leave a transaction idle."""
    postgres.execute("ALTER ROLE postgres SET idle_in_transaction_session_timeout = '1s'")
    try:
        weir = start()
        with weir.logged_in() as client:
            client.query("BEGIN")
            end = time.monotonic() + 3
            while time.monotonic() < end:
                assert len(client.rows(READ)) == 3
                time.sleep(0.01)
            assert errors(client.query("COMMIT")) == []
    finally:
        postgres.execute("ALTER ROLE postgres RESET idle_in_transaction_session_timeout")


def test_client_that_reads_is_not_idle_in_transaction(start: Start) -> None:
    weir = start(pool={"idle_in_transaction_timeout": "1s"})
    with weir.logged_in() as client:
        client.query("BEGIN")
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            assert len(client.rows(READ)) == 3
            time.sleep(0.01)
        assert errors(client.query("COMMIT")) == []
        client.query("BEGIN")
        client.rows(READ)
        client.rows(READ)
        assert client.receive_to_end()[-1].type == "E"


def test_unnamed_statement_is_there_behind_an_answer(start: Start) -> None:
    weir = start()
    with weir.logged_in() as client:
        client.query("BEGIN")
        for _ in range(3):
            client.send(wire.parse("SELECT name FROM thing WHERE id = $1::int"), wire.bind([b"1"]), wire.execute())
            client.send(wire.sync())
            client.receive_ready()
            client.send(wire.bind([b"2"]), wire.execute(), wire.sync())
            rows = [message.columns() for message in client.receive_ready() if message.type == "D"]
            assert rows == [[b"name 2"]]
        client.rows("SELECT 1")
        client.rows("SELECT 1")
        client.send(wire.bind([b"2"]), wire.execute(), wire.sync())
        assert errors(client.receive_ready()) == ["26000"]
        client.query("ROLLBACK")


def test_waiting_for_another_read_never_holds_a_connection(start: Start, postgres: Postgres) -> None:
    """The one that reads it would be waiting for that connection."""
    weir = start(pool={"max": 2})
    postgres.execute(
        "CREATE OR REPLACE FUNCTION slowly(x int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS"
        " 'BEGIN PERFORM pg_sleep(0.5); RETURN x; END'"
    )
    sql = "SELECT slowly(1)"
    results: list[Any] = []

    def read_inside() -> None:
        with weir.logged_in() as client:
            client.query("BEGIN")
            results.append(client.rows(sql))
            client.query("COMMIT")

    threads = [threading.Thread(target=read_inside) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[["1"]]] * 6
    postgres.execute("DROP FUNCTION slowly")


def test_drivers_transactions_are_answered(start: Start, postgres: Postgres) -> None:
    weir = start()
    with weir.psycopg(autocommit=False) as connection:
        for number in range(3):
            rows = connection.execute(PLAIN).fetchall()
            assert rows[0] == (1, "name 1" if number == 0 else f"n{number - 1}")
            assert connection.execute(PLAIN).fetchall() == rows
            with weir.psycopg() as writer:
                writer.execute(f"UPDATE thing SET name = 'n{number}' WHERE id = 1")
            connection.commit()
