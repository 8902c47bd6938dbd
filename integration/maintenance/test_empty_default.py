"""The rows of a DEFAULT partition get partitions of their own while clients go on writing."""

import contextlib
import random
import signal
import time
from typing import Any

import pytest

from conftest import StartWeir
from maintenance.conftest import Database, Result
from maintenance.test_convert_load import ALL, LONGEST_S, MOST_KIB, ROWS, Load, run

pytestmark = pytest.mark.needs_weir

TABLE = (
    "CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY, ts timestamptz NOT NULL, n bigint NOT NULL,"
    " twice bigint GENERATED ALWAYS AS (n * 2) STORED, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts)",
    "CREATE INDEX by_n ON events (n)",
    "CREATE VIEW seen AS SELECT id, n FROM events",
    "CREATE TABLE rest PARTITION OF events DEFAULT",
)
KEYLESS = (
    "CREATE TABLE events (ts timestamptz, n bigint NOT NULL) PARTITION BY RANGE (ts)",
    "CREATE TABLE rest PARTITION OF events DEFAULT",
)


def fill(rows: int) -> str:
    return f"INSERT INTO events (ts, n) SELECT now() - i * interval '10 hours' / {rows} * 500, i FROM generate_series(1, {rows}) i"


def empty(database: Database, *more: str, interval: str = "1 month", status: "int | None" = 0) -> Result:
    return database.weir("partition", "convert", "events", "--empty-default", "--interval", interval, *more, status=status)


def leftovers(database: Database) -> int:
    return int(
        database.value(
            "SELECT (SELECT count(*) FROM pg_class WHERE relname LIKE '%weir\\_%' AND relkind <> 'i')"
            " + (SELECT count(*) FROM pg_proc WHERE proname LIKE '%weir%')"
            " + (SELECT count(*) FROM pg_trigger WHERE tgname LIKE '%weir%')"
            " + (SELECT count(*) FROM pg_constraint WHERE conname LIKE 'weir%')"
        )
    )


def test_rows_get_partitions_of_their_own(database: Database) -> None:
    database.execute(
        *TABLE,
        "CREATE TABLE kinds (id bigint PRIMARY KEY)",
        "INSERT INTO kinds SELECT generate_series(1, 3000)",
        "ALTER TABLE events ADD CONSTRAINT of_kind FOREIGN KEY (n) REFERENCES kinds",
        "ALTER TABLE events ADD CONSTRAINT positive CHECK (n > 0)",
        "CREATE ROLE reader_of_events",
        "GRANT SELECT ON events TO reader_of_events",
        fill(2000),
        "INSERT INTO events (ts, n) VALUES ('2097-01-01', 1), ('infinity', 2)",
    )
    try:
        wanted = database.execute("SELECT count(*), sum(n), sum(twice) FROM events")
        done = empty(database)
        assert "2000 rows of public.rest went to" in done.said and "2 stay" in done.said
        assert database.execute("SELECT count(*), sum(n), sum(twice) FROM events") == wanted
        assert database.value("SELECT count(*) FROM rest") == 2
        assert database.value("SELECT count(*) FROM rest_old") == 2002
        assert leftovers(database) == 0
        assert database.value("SELECT bool_and(has_table_privilege('reader_of_events', oid, 'SELECT')) FROM pg_class WHERE relname LIKE 'events\\_p%' AND relkind = 'r'")
        assert database.value(
            "SELECT bool_and(n = 2) FROM (SELECT count(*) AS n FROM pg_index JOIN pg_inherits ON inhrelid = indexrelid"
            " WHERE indrelid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'events'::regclass) GROUP BY indrelid) i"
        )
        database.execute("INSERT INTO events (ts, n) VALUES (now(), 5)")
        assert database.value("SELECT max(id) FROM events") == 2003
        assert "nothing that belongs" in empty(database).said
    finally:
        database.execute("DROP TABLE events, rest_old CASCADE", "DROP ROLE reader_of_events")


def test_partitions_that_are_there_are_kept(database: Database) -> None:
    database.execute(*TABLE, "CREATE TABLE mine PARTITION OF events FOR VALUES FROM ('2020-01-10') TO ('2020-01-20')")
    database.execute(
        "INSERT INTO events (ts, n) SELECT timestamptz '2019-12-25 00:00+00' + i * interval '1 day', i FROM generate_series(0, 59) i"
    )
    empty(database)
    assert database.value("SELECT count(*) FROM rest") == 0
    assert database.execute("SELECT count(*), sum(n) FROM events") == [(60, 1770)]
    assert database.execute("SELECT count(*) FROM mine") == [(10,)]
    assert len(database.partitions("events")) == 6


@pytest.mark.timeout(300 if ALL else 30)  # two million rows are written twice
def test_nobody_waits_and_no_row_is_missed(database: Database, start_weir: StartWeir) -> None:
    database.execute(*TABLE, fill(ROWS))
    weir = start_weir()
    with Load(weir.port, database) as load:
        time.sleep(0.3)
        status, said, most = run(database, "--empty-default", "--interval", "1 month")
        time.sleep(0.3)
    assert status == 0, said
    assert most < MOST_KIB
    assert not load.problems
    assert load.longest_wait < LONGEST_S
    wanted = (ROWS + load.rows, ROWS * (ROWS + 1) // 2 + load.total)
    assert database.execute("SELECT count(*), sum(n) FROM seen") == [wanted]
    assert database.value("SELECT count(*) FROM rest") == 0
    assert leftovers(database) == 0


def test_rows_without_a_key_are_moved_in_slices(database: Database) -> None:
    database.execute(*KEYLESS, fill(20_000), "INSERT INTO events VALUES (NULL, 1)")
    wanted = database.execute("SELECT count(*), sum(n) FROM events")
    done = empty(database)
    assert "20000 rows of public.rest went to" in done.said and "1 stay" in done.said
    assert database.execute("SELECT count(*), sum(n) FROM events") == wanted
    assert database.value("SELECT count(*) FROM rest") == 1
    database.execute("INSERT INTO events SELECT now() - interval '3 years', i FROM generate_series(1, 6000) i")
    assert "too many rows at one time" in empty(database, status=2).said


def test_truncated_meanwhile_it_gives_up(database: Database) -> None:
    database.execute(*TABLE, fill(100_000))
    process = database.start("partition", "convert", "events", "--empty-default", "--interval", "1 month")
    while not database.value("SELECT count(*) FROM pg_trigger WHERE tgname = 'weir_journal_truncate'"):
        time.sleep(0.002)
    database.execute("TRUNCATE events")
    _, said = process.communicate()
    assert process.returncode == 2 and "was truncated meanwhile" in said, said
    assert leftovers(database) == 0
    assert database.value("SELECT count(*) FROM events") == 0


def test_truncated_by_replication_it_gives_up_as_well(database: Database) -> None:
    database.execute(*TABLE, fill(100_000))
    with contextlib.closing(database.connect()) as replica:
        replica.execute("SET session_replication_role = replica")
        process = database.start("partition", "convert", "events", "--empty-default", "--interval", "1 month")
        while not database.value("SELECT count(*) FROM pg_trigger WHERE tgname = 'weir_journal_truncate'"):
            time.sleep(0.002)
        replica.execute("TRUNCATE rest")
    _, said = process.communicate()
    assert process.returncode == 2 and "was truncated meanwhile" in said, said
    assert database.value("SELECT count(*) FROM events") == 0


def test_table_that_is_not_weirs_is_not_taken_for_leftovers(database: Database) -> None:
    database.execute(*TABLE, fill(100), "CREATE TABLE events_weir_stage AS SELECT 7 AS mine")
    said = empty(database, status=2).said
    assert "events_weir_stage" in said
    assert database.value("SELECT mine FROM events_weir_stage") == 7


REFUSED = {
    "refers to it": (
        "CREATE TABLE refers (id bigint, ts timestamptz, FOREIGN KEY (id, ts) REFERENCES events)",
    ),
    "view of_rest depends on it": ("CREATE VIEW of_rest AS SELECT n FROM rest",),
    "public.rest_old is there already": ("CREATE TABLE rest_old ()",),
    "trigger own is its own": (
        "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER own AFTER INSERT ON rest FOR EACH ROW EXECUTE FUNCTION t()",
    ),
    "publication p has it under its own name": ("CREATE PUBLICATION p FOR TABLE rest",),
    "partitions would be needed": ("INSERT INTO events (ts, n) SELECT now() - i * interval '40 days', i FROM generate_series(1, 60) i",),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_emptied_is_said_and_left(database: Database, words: str) -> None:
    database.execute(*TABLE, "INSERT INTO events (ts, n) VALUES (now(), 1)", *REFUSED[words])
    count = database.value("SELECT count(*) FROM rest")
    assert words in empty(database, status=2).said
    assert database.value("SELECT count(*) FROM rest") == count
    assert leftovers(database) == 0


def test_dry_run_changes_nothing(database: Database) -> None:
    database.execute(*TABLE, fill(100))
    shown = empty(database, "--dry-run")
    assert "DETACH PARTITION" in shown.out and "weir_journal" in shown.out and "would go to" in shown.said
    assert leftovers(database) == 0 and database.value("SELECT count(*) FROM rest") == 100


def test_killed_at_any_moment_it_ends_the_same(database: Database) -> None:
    database.execute(*TABLE, fill(3000))
    began = time.monotonic()
    empty(database)
    took = time.monotonic() - began
    names = database.partitions("events")
    rng = random.Random(11)
    cut_short = 0
    for moment in [rng.uniform(0, took) for _ in range(20)]:
        database.execute("DROP VIEW seen", "DROP TABLE events, rest_old", *TABLE, fill(3000))
        process = database.start("partition", "convert", "events", "--empty-default", "--interval", "1 month")
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        cut_short += process.returncode != 0
        while database.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1347899184"):
            time.sleep(0.005)
        database.execute("INSERT INTO events (ts, n) VALUES (now(), 0)", "UPDATE events SET n = 0 WHERE n = 0")
        empty(database)
        if database.value("SELECT count(*) FROM rest"):  # what came behind the swap
            database.execute("DROP TABLE rest_old")
            empty(database)
        assert database.execute("SELECT count(*), sum(n) FROM events") == [(3001, 3000 * 3001 // 2)]
        assert database.partitions("events") == names
        assert leftovers(database) == 0
    assert cut_short > 10


def test_long_reader_is_named_and_nobody_stands_behind(
    database: Database, start_weir: StartWeir, tmp_path: Any
) -> None:
    database.execute(*TABLE, fill(1000))
    config = tmp_path / "weir.toml"
    config.write_text(
        f"""
        auth.method = "trust"
        cluster.main.servers = ["127.0.0.1:{database.postgres.port}"]
        database.{database.name}.cluster = "main"
        user.postgres = {{}}
        maintenance = {{ database = "{database.name}", user = "postgres", max_blocker_age = "100ms" }}
        """
    )
    weir = start_weir()
    with contextlib.closing(database.connect()) as reader, Load(weir.port, database, clients=2) as load:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM events")
        time.sleep(0.3)
        said = empty(database, "-c", str(config), status=1).said
        assert "put off" in said and "weir-integration-harness" in said
        reader.execute("COMMIT")
        empty(database, "-c", str(config))
    assert not load.problems
    assert load.longest_wait < LONGEST_S
    assert database.value("SELECT count(*) FROM rest") == 0 and leftovers(database) == 0
