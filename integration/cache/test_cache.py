"""Results kept for reuse in this process: the same answers as without, and never an old one."""

import os
import signal
import threading
import time
from typing import Any, Callable, Iterator

import psycopg
import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import scaled, wait_until
from support.postgres import Postgres
from support.raw_client import RawClient, errors
from support.weir import Weir

pytestmark = pytest.mark.needs_weir

EVERYTHING = {"enabled": True, "default_ttl": "60s"}


@pytest.fixture
def things(postgres: Postgres) -> Iterator[None]:
    postgres.execute(
        "DROP TABLE IF EXISTS part, thing CASCADE; CREATE TABLE thing (id int PRIMARY KEY, name text);"
        "INSERT INTO thing SELECT g, 'name ' || g FROM generate_series(1, 10) g;"
        "CREATE TABLE part (id int PRIMARY KEY, thing int REFERENCES thing ON DELETE CASCADE);"
        "INSERT INTO part SELECT g, g FROM generate_series(1, 10) g;"
        "CREATE VIEW named AS SELECT id, upper(name) AS name FROM thing"
    )
    yield
    postgres.execute("DROP TABLE part, thing CASCADE; DROP FUNCTION IF EXISTS slowly")


def started(start_weir: StartWeir, cache: Any = None, **more: Any) -> Weir:
    weir = start_weir({"cache": {**EVERYTHING, **(cache or {})}, **more})
    assert isinstance(weir, Weir)
    with weir.logged_in() as client:  # the catalog is read behind the first statements
        wait_until(lambda: hits_of(weir, lambda: client.query("SELECT count(*) FROM thing")) == 1, "results are kept")
    return weir


def counts(weir: Weir) -> dict[str, int]:
    row = weir.show("CACHE")[0]
    return {name: int(row[name]) for name in ("hits", "misses", "entries")}


def hits_of(weir: Weir, work: Any) -> int:
    before = counts(weir)["hits"]
    work()
    return counts(weir)["hits"] - before


def executions(postgres: Postgres, mark: str) -> int:
    return int(postgres.value(f"SELECT last_value FROM {mark}"))


READS = [
    "SELECT id, name FROM thing ORDER BY id",
    "SELECT t.id, count(p.id) FROM thing t LEFT JOIN part p ON p.thing = t.id GROUP BY t.id ORDER BY 1",
    "SELECT * FROM named ORDER BY id LIMIT 3",
    "WITH w AS (SELECT max(id) AS top FROM part) SELECT top FROM w",
    "VALUES (1, 'one'), (2, NULL)",
]


@pytest.mark.parametrize("sql", READS)
def test_second_answer_is_the_first_one(start_weir: StartWeir, things: None, sql: str) -> None:
    weir = started(start_weir)
    with weir.logged_in() as client, weir.logged_in() as other:
        first = client.query(sql)
        assert errors(first) == []
        # Not while the server's session is still looked after: then the server is asked once more.
        wait_until(lambda: hits_of(weir, lambda: client.query(sql)) == 1, "it is kept")
        assert client.query(sql) == first
        assert other.query(sql) == first


def batches(sql: str) -> list[list[bytes]]:
    return [
        [wire.parse(sql), wire.bind(), wire.execute(), wire.sync()],
        [wire.parse(sql), wire.bind(), wire.describe("P"), wire.execute(), wire.sync()],
        [wire.parse(sql), wire.describe("S"), wire.bind(), wire.execute(), wire.sync()],
        [wire.bind(name="kept"), wire.describe("P"), wire.execute(), wire.sync()],
        [wire.bind(name="kept"), wire.execute(), wire.sync()],
    ]


@pytest.mark.parametrize("which", range(5))
def test_extended_protocol_gets_what_the_server_would_say(
    start_weir: StartWeir, postgres: Postgres, things: None, which: int
) -> None:
    weir = started(start_weir)
    messages = batches(READS[0])[which]
    with weir.logged_in() as client, postgres.endpoint.logged_in() as direct:
        answers = []
        for one in (direct, client):
            one.send(wire.parse(READS[0], "kept"), wire.sync())
            one.receive_ready()
            for _ in range(3):
                one.send(*messages)
                answers.append(one.receive_ready())
        assert answers[0] == answers[1] == answers[2] == answers[3] == answers[4] == answers[5]

        def again() -> None:
            client.send(*messages, *messages)
            assert client.receive_ready() == answers[0]
            assert client.receive_ready() == answers[0]

        assert hits_of(weir, again) == 2


def test_parameters_and_formats_tell_results_apart(start_weir: StartWeir, things: None) -> None:
    weir = started(start_weir)
    sql = "SELECT name FROM thing WHERE id = $1::int"
    with weir.logged_in() as client:
        for _ in range(2):
            for number in (1, 2, 3):
                client.send(wire.parse(sql), wire.bind([str(number).encode()]), wire.execute(), wire.sync())
                rows = [message.columns() for message in client.receive_ready() if message.type == "D"]
                assert rows == [[f"name {number}".encode()]]


def test_unnamed_statement_is_there_behind_a_hit(start_weir: StartWeir, things: None) -> None:
    weir = started(start_weir)
    with weir.logged_in() as client:
        for _ in range(3):
            client.send(wire.extended(READS[0]), wire.sync())
            first = client.receive_ready()
            client.send(wire.bind(), wire.execute(), wire.sync())
            second = client.receive_ready()
            assert errors(second) == []
            assert [m for m in first if m.type == "D"] == [m for m in second if m.type == "D"]
        client.query(READS[0])
        client.query(READS[0])
        client.send(wire.bind(), wire.execute(), wire.sync())
        assert errors(client.receive_ready()) == ["26000"]  # a simple query throws it away


WRITES = [
    "INSERT INTO thing VALUES (11, 'new')",
    "UPDATE thing SET name = 'other' WHERE id = 1",
    "DELETE FROM thing WHERE id = 2",
    "TRUNCATE thing CASCADE",
    "WITH gone AS (DELETE FROM thing WHERE id = 3 RETURNING id) SELECT count(*) FROM gone",
    "SELECT 1; UPDATE thing SET name = 'string' WHERE id = 4",
    "DO $$ BEGIN UPDATE thing SET name = 'block' WHERE id = 5; END $$",
    "ALTER TABLE thing ADD COLUMN more int DEFAULT 7",
    "COPY thing FROM PROGRAM 'echo 12,copied' WITH (FORMAT csv)",
]


@pytest.mark.parametrize("sql", WRITES)
@pytest.mark.parametrize("how", ["simple", "extended", "transaction"])
def test_nothing_old_is_seen_after_a_write(start_weir: StartWeir, things: None, sql: str, how: str) -> None:
    if how == "extended" and ";" in sql and not sql.startswith("DO"):
        return
    weir = started(start_weir, listen={"threads": 2})
    reads = ["SELECT * FROM thing ORDER BY id", "SELECT * FROM named ORDER BY id"]
    with weir.logged_in() as reader, weir.logged_in() as writer, weir.logged_in() as third:
        before = [reader.query(read) for read in reads]
        assert [third.query(read) for read in reads] == before
        if how == "transaction":
            writer.query("BEGIN")
            assert errors(writer.query(sql)) == []
            own = [writer.query(read)[1:-1] for read in reads]
            assert own[0] != before[0][1:-1]
            assert [reader.query(read) for read in reads] == before if "ALTER" not in sql and "TRUNC" not in sql else True
            assert errors(writer.query("COMMIT")) == []
        elif how == "simple":
            assert errors(writer.query(sql)) == []
        else:
            writer.send(wire.extended(sql), wire.sync())
            assert errors(writer.receive_ready()) == []
        after = [reader.query(read) for read in reads]
        assert after[0] != before[0]
        assert [third.query(read) for read in reads] == after


def test_cascades_reach_what_was_read_from_other_tables(start_weir: StartWeir, things: None) -> None:
    weir = started(start_weir)
    with weir.logged_in() as client:
        assert client.value("SELECT count(*) FROM part") == "10"
        assert client.value("SELECT count(*) FROM part") == "10"
        client.query("DELETE FROM thing WHERE id = 1")
        assert client.value("SELECT count(*) FROM part") == "9"


NEVER = [
    "SELECT now()",
    "SELECT CURRENT_DATE",
    "SELECT random()",
    "SELECT count(*) FROM pg_class",
    "SELECT id FROM thing WHERE id = 1 FOR UPDATE",
    "SELECT 'today'::date",
    "SELECT pg_backend_pid() FROM thing",
    "SHOW work_mem",
    "EXPLAIN SELECT 1 FROM thing",
    "SELECT id FROM thing; SELECT 2",
]


@pytest.mark.parametrize("sql", NEVER)
def test_what_is_never_kept(start_weir: StartWeir, things: None, sql: str) -> None:
    weir = started(start_weir)
    with weir.logged_in() as client:

        def twice() -> None:
            assert errors(client.query(sql)) == []
            assert errors(client.query(sql)) == []

        assert hits_of(weir, twice) == 0


def test_settings_and_users_tell_results_apart(start_weir: StartWeir, postgres: Postgres, things: None) -> None:
    postgres.execute("DROP SCHEMA IF EXISTS aside CASCADE; CREATE SCHEMA aside; CREATE TABLE aside.thing AS SELECT 99 AS id")
    weir = started(start_weir)
    with weir.logged_in() as client, weir.logged_in() as other:
        for _ in range(2):
            assert client.value("SELECT max(id) FROM thing") == "10"
            assert other.query("SET search_path = aside")
            assert other.value("SELECT max(id) FROM thing") == "99"
            assert errors(other.query("RESET search_path")) == []
            assert other.value("SELECT max(id) FROM thing") == "10"
        with weir.logged_in() as one:
            one.query("CREATE TEMP TABLE thing (id int)")
            assert one.value("SELECT max(id) FROM thing") is None
        assert client.value("SELECT max(id) FROM thing") == "10"


def test_stampede_runs_once(start_weir: StartWeir, postgres: Postgres, things: None) -> None:
    postgres.execute(
        "CREATE OR REPLACE FUNCTION slowly(x int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS"
        " 'BEGIN PERFORM pg_sleep(0.5); RETURN x; END'"
    )
    weir = started(start_weir, listen={"threads": 2, "max_clients": 1000}, pool={"max": 20})
    clients = [weir.logged_in() for _ in range(500)]
    sql = "SELECT slowly(max(id)) FROM thing"
    before = counts(weir)
    for client in clients:
        client.send(wire.query(sql))
    for client in clients:
        messages = client.receive_ready()
        assert errors(messages) == []
        assert [m.columns() for m in messages if m.type == "D"] == [[b"10"]]
    assert counts(weir)["misses"] - before["misses"] == 1
    for client in clients:
        client.close()


def test_another_one_takes_over_where_the_first_leaves(
    start_weir: StartWeir, postgres: Postgres, things: None
) -> None:
    postgres.execute(
        "CREATE OR REPLACE FUNCTION slowly(x int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS"
        " 'BEGIN PERFORM pg_sleep(0.5); RETURN x; END'"
    )
    weir = started(start_weir)
    sql = "SELECT slowly(min(id)) FROM thing"
    first = weir.logged_in()
    with weir.logged_in() as second, weir.logged_in() as third:
        first.send(wire.query(sql))
        time.sleep(0.1)
        second.send(wire.query(sql))
        third.send(wire.query(sql))
        time.sleep(0.1)
        first.close()
        for client in (second, third):
            messages = client.receive_ready()
            assert errors(messages) == []
            assert [m.columns() for m in messages if m.type == "D"] == [[b"1"]]


def test_readers_and_writers_agree(start_weir: StartWeir, postgres: Postgres) -> None:
    """Each table has a version that only grows. Nobody sees an older one than was committed, and told, before it
    asked, nor than it has seen."""
    postgres.execute(
        "DROP TABLE IF EXISTS v0, v1, thing CASCADE; CREATE TABLE v0 (v int); INSERT INTO v0 VALUES (0);"
        "CREATE TABLE v1 (v int); INSERT INTO v1 VALUES (0); CREATE TABLE thing (id int)"
    )
    weir = started(start_weir, listen={"threads": 2}, pool={"max": 8})
    committed = [0, 0]
    failures: list[str] = []
    ends = time.monotonic() + scaled(5)
    reads = [0]

    def write(table: int) -> None:
        with weir.logged_in() as client:
            version = 0
            while time.monotonic() < ends and not failures:
                version += 1
                sql = f"UPDATE v{table} SET v = {version}"
                if version % 3 == 0:
                    client.query("BEGIN")
                    client.query(sql)
                    client.query("COMMIT")
                elif version % 3 == 1:
                    client.query(sql)
                else:
                    client.send(wire.extended(sql), wire.sync())
                    client.receive_ready()
                committed[table] = version
                time.sleep(0.002)

    def read(table: int) -> None:
        seen = 0
        with weir.logged_in() as client:
            while time.monotonic() < ends and not failures:
                least = max(seen, committed[table])
                seen = int(client.value(f"SELECT v FROM v{table}") or 0)
                reads[0] += 1
                if seen < least:
                    failures.append(f"v{table}: {seen}, and {least} was committed or seen")

    threads = [threading.Thread(target=write, args=(table,)) for table in (0, 1)]
    threads += [threading.Thread(target=read, args=(table,)) for table in (0, 1) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert counts(weir)["hits"] > 100, (reads, counts(weir))


def test_lost_server_keeps_its_tables_out(start_weir: StartWeir, postgres: Postgres, things: None) -> None:
    """Whether a write was committed whose connection is gone nobody knows: nothing of its table is kept for a while."""
    weir = started(start_weir)
    with weir.logged_in() as client, weir.logged_in() as writer:
        client.query(READS[0])
        writer.query("BEGIN")
        writer.query("UPDATE thing SET name = 'lost' WHERE id = 1")
        postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state LIKE 'idle in%'")
        wait_until(lambda: errors(client.query("SELECT 1")) == [], "it goes on")

        def twice() -> None:
            client.query(READS[0])
            client.query(READS[0])

        assert hits_of(weir, twice) == 0


def test_what_is_old_is_served_while_one_renews_it(start_weir: StartWeir, postgres: Postgres, things: None) -> None:
    weir = started(start_weir, {"default_ttl": "1s", "stale_while_revalidate": "60s", "invalidate_on_write": False})
    sql = "SELECT name, pg_catalog.count(*) OVER () FROM thing WHERE id = 1"
    with weir.logged_in() as client, weir.logged_in() as other:
        assert client.value(sql) == "name 1"
        wait_until(lambda: hits_of(weir, lambda: client.query(sql)) == 1, "it is kept")
        # Nobody is told of writes.
        assert errors(other.query("UPDATE thing SET name = 'new' WHERE id = 1")) == []
        assert client.value(sql) == "name 1"
        before = int(weir.show("CACHE")[0]["stale"])

        def is_renewed() -> bool:
            client.send(wire.query(sql))
            other.send(wire.query(sql))
            return {one.receive_ready()[1].columns()[0] for one in (client, other)} == {b"new"}

        wait_until(is_renewed, "it is renewed")
        assert int(weir.show("CACHE")[0]["stale"]) >= before


ROW, PARTS = "VALUES (1, 'one')", "SELECT count(*) FROM part"


@pytest.mark.parametrize(
    "order, left",
    [("MATCHING 'values (1*'", [ROW, PARTS]), ("MATCHING 'VALUES (1*'", [PARTS]), ("part", [ROW]), ("", [])],
)
def test_what_is_not_cleared_stays(start_weir: StartWeir, things: None, order: str, left: list[str]) -> None:
    weir = started(start_weir)
    with weir.logged_in() as client, weir.logged_in(database="weir") as admin:
        for sql in (ROW, PARTS):
            wait_until(lambda: hits_of(weir, lambda: client.query(sql)) == 1, "it is kept")
        before = counts(weir)["entries"]
        admin.query(f"CLEAR CACHE {order}".strip())
        assert counts(weir)["entries"] == (before - 2 + len(left) if order else 0)
        for sql in left:
            assert hits_of(weir, lambda: client.query(sql)) == 1


def test_reload_to_another_database_finds_nothing_of_the_old_one(
    start_weir: StartWeir, postgres: Postgres, things: None
) -> None:
    postgres.execute("DROP SCHEMA IF EXISTS aside CASCADE; CREATE SCHEMA aside; CREATE TABLE aside.thing AS SELECT 99 AS id")
    database = {"app": {"cluster": "main"}}
    weir = started(start_weir, database=database)
    with weir.logged_in() as client:
        sql = "SELECT max(id) FROM thing"
        wait_until(lambda: hits_of(weir, lambda: client.query(sql)) == 1, "it is kept")
        assert client.value(sql) == "10"
        weir.reload({"database": {"app": {"cluster": "main", "set": {"search_path": "aside"}}}})
        wait_until(lambda: client.value("SHOW search_path") == "aside", "sessions begin otherwise")
        assert client.value(sql) == "99"


def start_again(server: Postgres) -> None:
    server.kill()
    server.start()


def crash_of_one_backend(server: Postgres) -> None:
    """The server starts all processes again, but for the first: its start time stays what it was."""
    with server.connect() as victim:
        os.kill(victim.info.backend_pid, signal.SIGKILL)
        with pytest.raises(psycopg.OperationalError):
            wait_until(lambda: victim.execute("SELECT 1") and False, "it is gone")


@pytest.mark.parametrize("crash", [start_again, crash_of_one_backend])
def test_after_a_crash_of_the_server_nothing_from_before_is_given(
    own_postgres: Callable[..., Postgres], start_weir_at: StartWeir, crash: Callable[[Postgres], None]
) -> None:
    """What the server had not written down is gone with it, such as the rows of an unlogged table."""
    server = own_postgres()
    server.execute("CREATE UNLOGGED TABLE lost (id int); INSERT INTO lost VALUES (1)")
    server.execute("CHECKPOINT")
    weir = start_weir_at(server.port, {"cache": EVERYTHING})
    sql = "SELECT count(*) FROM lost"
    with weir.logged_in() as client:
        wait_until(lambda: hits_of(weir, lambda: client.query(sql)) == 1, "results are kept")
        crash(server)
        wait_until(lambda: errors(client.query("SELECT 1")) == [], "it is back")
        assert client.value(sql) == "0"
        wait_until(lambda: hits_of(weir, lambda: client.query(sql)) == 1, "results are kept again")
        assert client.value(sql) == "0"
