"""Results that two Weirs share through one Redis: what one has read answers the other, and a write through either drops
it."""

import contextlib
import signal
import threading
from typing import Any, Callable, Iterator

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import scaled, stays_true, wait_until
from support.postgres import Postgres
from support.raw_client import RawClient, errors
from support.redis import Redis
from support.shared_cache import COUNTED, LEASE_S, PLACES, calls_of, figure, settings, state_of, store, wait_until_ready
from support.weir import Weir

pytestmark = pytest.mark.needs_weir

TABLES = (
    "DROP TABLE IF EXISTS part, thing, note CASCADE; CREATE TABLE thing (id int PRIMARY KEY, name text);"
    "INSERT INTO thing SELECT g, 'name ' || g FROM generate_series(1, 20) g;"
    "CREATE TABLE part (id int PRIMARY KEY, thing int REFERENCES thing ON DELETE CASCADE);"
    "INSERT INTO part SELECT g, g FROM generate_series(1, 20) g;"
    "CREATE TABLE note (thing int, at int DEFAULT 0);"
    "CREATE OR REPLACE FUNCTION take_note() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN INSERT INTO note VALUES (OLD.id); RETURN NULL; END';"
    "CREATE TRIGGER noted AFTER UPDATE OR DELETE ON part FOR EACH ROW EXECUTE FUNCTION take_note();"
    "CREATE VIEW named AS SELECT id, upper(name) AS name FROM thing;" + COUNTED
)

COUNT = "SELECT counted(count(*)) FROM thing"


@pytest.fixture
def things(postgres: Postgres) -> Iterator[None]:
    postgres.execute(TABLES)
    yield
    postgres.execute("DROP TABLE part, thing, note CASCADE")


class Pair:
    """Two Weirs, and how long the second may be behind."""

    def __init__(self, start_weir: StartWeir, redis: Redis, place: str) -> None:
        self.redis = redis
        self.a, self.b = (self._start(start_weir, place) for _ in range(2))
        self.behind_s = scaled(LEASE_S) if place == "memory" else 0.0
        wait_until_ready([self.a, self.b])

    def _start(self, start_weir: StartWeir, place: str) -> Weir:
        weir = start_weir(settings(self.redis.url(), max_size=PLACES[place]), http=True)
        assert isinstance(weir, Weir)
        return weir

    def check_seen(self, client: RawClient, sql: str, rows: Any) -> None:
        """That the other's client sees these rows: at once, or as soon as the news must have come."""
        if self.behind_s == 0:
            assert client.rows(sql) == rows, sql
        else:
            wait_until(lambda: client.rows(sql) == rows, sql, self.behind_s)


@pytest.fixture(params=list(PLACES))
def pair(
    request: pytest.FixtureRequest, start_weir: StartWeir, start_redis: Callable[..., Redis], things: None
) -> Pair:
    return Pair(start_weir, start_redis(), request.param)


READS = [
    "SELECT id, counted(id) FROM thing ORDER BY id",
    "SELECT t.id, counted(p.id) FROM thing t LEFT JOIN part p ON p.thing = t.id ORDER BY 1",
    "SELECT counted(id), name FROM named ORDER BY id LIMIT 3",
    "WITH w AS (SELECT max(id) AS top FROM part) SELECT counted(top) FROM w",
]


def test_what_one_has_read_answers_the_other(pair: Pair, postgres: Postgres) -> None:
    with pair.a.logged_in() as first, pair.b.logged_in() as second:
        for sql in READS:
            store(pair.a, first, sql)
            answer = first.query(sql)
            before = figure(pair.b, "redis_hits")

            def ask() -> None:
                assert second.query(sql) == answer

            assert calls_of(postgres, ask) == 0, sql
            assert figure(pair.b, "redis_hits") == before + 1


def test_extended_protocol_gets_what_the_other_was_told(pair: Pair, postgres: Postgres) -> None:
    sql = "SELECT counted(id), name FROM thing WHERE id = $1::int"
    before = figure(pair.a, "redis_stored")
    with pair.a.logged_in() as first, pair.b.logged_in() as second:
        for client in (first, second):
            client.send(wire.parse(sql, "kept"), wire.sync())
            assert errors(client.receive_ready()) == []

        def ask(client: RawClient, number: int) -> Any:
            client.send(wire.bind([str(number).encode()], name="kept"), wire.describe("P"), wire.execute(), wire.sync())
            return client.receive_ready()

        def is_stored() -> bool:
            ask(first, 7)
            return figure(pair.a, "redis_stored") > before

        wait_until(is_stored, "it is kept in Redis")
        assert calls_of(postgres, lambda: ask(second, 7)) == 0
        assert ask(second, 7) == ask(first, 7)
        # Another parameter is another result.
        assert [m.columns() for m in ask(second, 8) if m.type == "D"] == [[b"8", b"name 8"]]


WRITES = [
    "INSERT INTO thing VALUES (31, 'new')",
    "UPDATE thing SET name = 'other' WHERE id = 1",
    "DELETE FROM thing WHERE id = 2",
    "WITH gone AS (DELETE FROM thing WHERE id = 3 RETURNING id) SELECT count(*) FROM gone",
    "SELECT 1; UPDATE thing SET name = 'string' WHERE id = 4",
    "BEGIN; UPDATE thing SET name = 'whole' WHERE id = 4; COMMIT",
    "DO $$ BEGIN UPDATE thing SET name = 'block' WHERE id = 5; END $$",
    "COPY thing FROM PROGRAM 'echo 32,copied' WITH (FORMAT csv)",
    "UPDATE named SET id = 40 WHERE id = 31",
    "MERGE INTO thing USING (VALUES (7)) v (id) ON thing.id = v.id WHEN MATCHED THEN UPDATE SET name = 'merged'",
    "ALTER TABLE thing ADD COLUMN more int DEFAULT 7",
    "ALTER TABLE thing ALTER COLUMN more TYPE text USING 'text'",
    "ALTER TABLE thing DROP COLUMN more",
    "CREATE OR REPLACE VIEW named AS SELECT id, 'view ' || lower(name) AS name FROM thing",
    "TRUNCATE thing CASCADE",
]

SEEN = ["SELECT * FROM thing ORDER BY id", "SELECT * FROM named ORDER BY id"]


def direct(postgres: Postgres, sql: str) -> list[list[Any]]:
    return [[None if value is None else str(value) for value in row] for row in postgres.execute(sql)]


@pytest.mark.parametrize("how", ["simple", "extended", "transaction"])
def test_write_through_one_drops_what_the_other_would_give(pair: Pair, postgres: Postgres, how: str) -> None:
    with pair.a.logged_in() as reader, pair.b.logged_in() as writer:
        for sql in WRITES:
            if ";" in sql and not (sql.startswith("DO") or how == "simple"):
                continue
            before = [reader.rows(read) for read in SEEN]
            assert [writer.rows(read) for read in SEEN] == before
            if how == "extended":
                writer.send(wire.extended(sql), wire.sync())
                assert errors(writer.receive_ready()) == [], sql
            elif how == "simple":
                assert errors(writer.query(sql)) == [], sql
            else:
                for statement in ("BEGIN", sql, "COMMIT"):
                    assert errors(writer.query(statement)) == [], sql
            after = [direct(postgres, read) for read in SEEN]
            assert after != before, sql
            assert [writer.rows(read) for read in SEEN] == after, sql
            for read, rows in zip(SEEN, after):
                pair.check_seen(reader, read, rows)


def test_copy_from_a_client_drops_what_the_other_would_give(pair: Pair, postgres: Postgres) -> None:
    with pair.a.logged_in() as reader, pair.b.logged_in() as writer:
        store(pair.a, reader, COUNT)
        writer.send(wire.query("COPY thing FROM STDIN"))
        writer.receive_until("G")
        writer.send(wire.copy_data(b"100\tcopied\n"), wire.copy_done())
        assert errors(writer.receive_ready()) == []
        pair.check_seen(reader, COUNT, [["21"]])


def test_cascades_and_triggers_reach_what_the_other_has_read(pair: Pair) -> None:
    with pair.a.logged_in() as reader, pair.b.logged_in() as writer:
        parts, notes = "SELECT counted(count(*)) FROM part", "SELECT counted(count(*)) FROM note"
        store(pair.a, reader, parts)
        store(pair.a, reader, notes)
        assert errors(writer.query("DELETE FROM thing WHERE id IN (1, 2)")) == []
        pair.check_seen(reader, parts, [["18"]])
        pair.check_seen(reader, notes, [["2"]])


def test_write_in_a_transaction_is_told_with_its_commit(pair: Pair, postgres: Postgres) -> None:
    with pair.a.logged_in() as reader, pair.b.logged_in() as writer:
        for end, rows in (("ROLLBACK", [["20"]]), ("COMMIT", [["19"]])):
            assert errors(writer.query("BEGIN")) == []
            assert errors(writer.query("DELETE FROM thing WHERE id = 9")) == []
            assert writer.rows(COUNT) == [["19"]]
            # Nothing has happened yet.
            for _ in range(3):
                assert reader.rows(COUNT) == [["20"]]
            assert errors(writer.query(end)) == []
            pair.check_seen(reader, COUNT, rows)
            wait_until(lambda: calls_of(postgres, lambda: reader.rows(COUNT)) == 0, "it is kept again")
            assert reader.rows(COUNT) == rows


def test_only_what_was_written_to_is_dropped(pair: Pair, postgres: Postgres) -> None:
    parts = "SELECT counted(count(*)) FROM part"
    with pair.a.logged_in() as reader, pair.b.logged_in() as writer:
        store(pair.a, reader, parts)
        assert errors(writer.query("UPDATE thing SET name = 'x' WHERE id = 1")) == []
        assert calls_of(postgres, lambda: reader.rows(parts)) == 0
        assert calls_of(postgres, lambda: writer.rows(parts)) == 0


def test_clear_cache_clears_what_the_other_would_be_given(pair: Pair, postgres: Postgres) -> None:
    orders = ["CLEAR CACHE", "CLEAR CACHE thing", "CLEAR CACHE MATCHING 'SELECT counted*'"]
    with pair.a.logged_in() as first, pair.b.logged_in() as second, pair.a.logged_in(database="weir") as admin:
        for number, order in enumerate(orders):
            sql = f"SELECT counted(count(*)) FROM thing WHERE id > {-number}"
            rows = store(pair.a, first, sql)
            assert second.rows(sql) == rows
            # Past both: nobody hears of it.
            postgres.execute(f"DELETE FROM thing WHERE id = {number + 1}")
            assert second.rows(sql) == rows
            assert errors(admin.query(order)) == []
            for client in (first, second):  # the order does not wait for everybody to have heard
                wait_until(lambda: client.rows(sql) == [[str(19 - number)]], order, 3)


def test_users_and_settings_tell_results_apart(
    start_weir: StartWeir, start_redis: Callable[..., Redis], postgres: Postgres, things: None
) -> None:
    postgres.execute(
        "DROP ROLE IF EXISTS poor; CREATE ROLE poor LOGIN; DROP SCHEMA IF EXISTS aside CASCADE; CREATE SCHEMA aside;"
        "CREATE TABLE aside.thing AS SELECT 99 AS id"
    )
    changes = {**settings(start_redis().url()), "user": {"postgres": {}, "poor": {}}}
    a, b = start_weir(changes), start_weir(changes)
    wait_until_ready([a, b])
    sql = "SELECT max(id) FROM thing"
    try:
        with a.logged_in() as first, b.logged_in() as second, b.logged_in(user="poor") as poor:
            store(a, first, sql)
            assert errors(poor.query(sql)) == ["42501"]
            with b.logged_in() as other:
                other.query("SET search_path = aside, public")
                assert other.value(sql) == "99"
            before = figure(b, "redis_hits")
            assert second.value(sql) == "20"
            assert figure(b, "redis_hits") == before + 1
            first.query("GRANT SELECT ON thing TO poor")
            wait_until(lambda: errors(poor.query(sql)) == [], "it may")
            with a.logged_in(user="poor") as again:
                assert again.value(sql) == "20"
            second.query("REVOKE SELECT ON thing FROM poor")
            assert errors(poor.query(sql)) == ["42501"]
    finally:
        postgres.execute("DROP OWNED BY poor; DROP ROLE poor; DROP SCHEMA aside CASCADE")


def test_what_comes_from_redis_lives_no_longer(
    start_weir: StartWeir, start_redis: Callable[..., Redis], postgres: Postgres, things: None
) -> None:
    """Its time runs from when it was read from PostgreSQL, not from when another one has found it."""
    redis = start_redis()
    a, b = (start_weir(settings(redis.url(), default_ttl="3s")) for _ in range(2))
    wait_until_ready([a, b])
    with a.logged_in() as first, b.logged_in() as second:
        before = redis.keys("weir:r:*")
        store(a, first, COUNT)
        (key,) = set(redis.keys("weir:r:*")) - set(before)
        postgres.execute("DELETE FROM thing WHERE id = 1")
        wait_until(lambda: 0 < redis.number("PTTL", key) < 1000, "it is nearly gone")
        assert second.rows(COUNT) == [["20"]]
        wait_until(lambda: second.rows(COUNT) == [["19"]], "its time is up", 2)


def test_two_servers_never_answer_for_each_other(
    own_postgres: Callable[..., Postgres], start_weir_at: Callable[..., Weir], start_redis: Callable[..., Redis]
) -> None:
    """Databases, tables and their ids are the same: one is a copy of the other."""
    redis = start_redis()
    servers = [own_postgres(), own_postgres()]
    for number, server in enumerate(servers):
        server.execute("CREATE TABLE thing (id int, name text)")
        server.execute(f"INSERT INTO thing SELECT g, 'server {number}' FROM generate_series(1, 20) g;" + COUNTED)
    a, b = (start_weir_at(server.port, settings(redis.url(), max_size="0B")) for server in servers)
    wait_until_ready([a, b])
    sql = "SELECT name, counted(id) FROM thing WHERE id = 1"
    with a.logged_in() as first, b.logged_in() as second:
        store(a, first, sql)
        for _ in range(3):
            assert first.rows(sql) == [["server 0", "1"]]
            assert second.rows(sql) == [["server 1", "1"]]
        before = figure(a, "redis_hits")
        assert errors(second.query("UPDATE thing SET name = 'written' WHERE id = 1")) == []
        assert second.rows(sql) == [["written", "1"]]
        assert first.rows(sql) == [["server 0", "1"]]
        assert figure(a, "redis_hits") >= before


def test_commit_prepared_by_the_other_drops_everything(
    own_postgres: Callable[..., Postgres], start_weir_at: Callable[..., Weir], start_redis: Callable[..., Redis]
) -> None:
    server = own_postgres(max_prepared_transactions="5")
    server.execute(TABLES)
    redis = start_redis()
    a, b, c = (start_weir_at(server.port, settings(redis.url(), max_size="0B")) for _ in range(3))
    wait_until_ready([a, b, c])
    with a.logged_in() as first, b.logged_in() as second, c.logged_in() as third:
        store(c, third, COUNT)
        for statement in ("BEGIN", "DELETE FROM thing WHERE id = 1", "PREPARE TRANSACTION 'kept'"):
            assert errors(first.query(statement)) == []
        wait_until(lambda: calls_of(server, lambda: third.rows(COUNT)) == 0, "it is kept")
        assert third.rows(COUNT) == [["20"]]
        assert errors(second.query("COMMIT PREPARED 'kept'")) == []
        assert [client.rows(COUNT) for client in (first, second, third)] == [[["19"]]] * 3


def test_figures_are_in_metrics_too(pair: Pair) -> None:
    with pair.a.logged_in() as client:
        store(pair.a, client, COUNT)
    assert state_of(pair.a) == "up"
    assert pair.a.metrics().sum("weir_redis_up") == 1
    assert pair.a.metrics().sum("weir_redis_errors_total") == figure(pair.a, "redis_errors")
    assert figure(pair.a, "redis_late") == 0


def test_killed_with_writes_under_way_it_leaves_nothing_old(pair: Pair, postgres: Postgres) -> None:
    """Nobody says what became of them; PostgreSQL may still commit them."""
    sql = "SELECT id, name FROM thing ORDER BY id"

    def write(number: int) -> None:
        with contextlib.suppress(ConnectionError), pair.b.logged_in() as client:
            turn = 0
            while True:
                turn += 1
                client.query(f"UPDATE thing SET name = 'turn {turn}' WHERE id = {number}")

    writers = [threading.Thread(target=write, args=(number,)) for number in range(1, 5)]
    with pair.a.logged_in() as reader:
        store(pair.a, reader, sql)
        for thread in writers:
            thread.start()
        wait_until(lambda: "turn 20" in str(reader.rows(sql)), "they write")
        pair.b.exit_code_expected = -signal.SIGKILL
        pair.b.kill()
        for thread in writers:
            thread.join()
        wait_until(lambda: postgres.backends("backend_xid IS NOT NULL") == 0, "nothing is under way")
        rows = direct(postgres, sql)
        pair.check_seen(reader, sql, rows)
        stays_true(lambda: reader.rows(sql) == rows, 0.5)
