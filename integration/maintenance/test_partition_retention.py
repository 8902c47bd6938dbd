"""Old partitions go: detached first, dropped later, never more than was said, and what a crash has left is finished."""

import contextlib
import random
import threading
import time
from datetime import datetime, timezone
from typing import Any

import pytest

from maintenance.conftest import Database
from support.deadlines import wait_until

pytestmark = pytest.mark.needs_weir

EVENTS = "CREATE TABLE events (id bigint, ts timestamptz NOT NULL, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts)"


def month(ahead: int) -> str:
    now = datetime.now(timezone.utc)
    months = now.year * 12 + now.month - 1 + ahead
    return f"{months // 12}-{months % 12 + 1:02}-01"


def fill(database: Database, first: int = -6, last: int = 2, table: str = EVENTS) -> None:
    """Partitions m_0, m_1, … of a month each, a row in each."""
    parts = [
        f"CREATE TABLE m_{i} PARTITION OF events FOR VALUES FROM ('{month(ahead)}') TO ('{month(ahead + 1)}')"
        for i, ahead in enumerate(range(first, last))
    ]
    rows = [f"INSERT INTO events (id, ts) VALUES ({i}, '{month(ahead)}')" for i, ahead in enumerate(range(first, last))]
    database.execute(table, *parts, *rows)


def cleanup(database: Database, *switches: str, status: int = 0) -> Any:
    return database.weir("partition", "cleanup", "events", *switches, status=status)


def test_nothing_goes_unless_it_is_enforced(database: Database) -> None:
    fill(database)
    said = cleanup(database, "--retention", "2 months").said
    assert "public.m_0" in said and "enforce" in said and "m_4" not in said
    assert len(database.partitions("events")) == 8


def test_upper_bound_decides_and_a_run_takes_two(database: Database) -> None:
    fill(database)
    cleanup(database, "--retention", "2 months", "--enforce")
    assert database.partitions("events") == [f"m_{i}" for i in range(2, 8)]
    assert database.value("SELECT count(*) FROM m_0") == 1
    cleanup(database, "--retention", "2 months", "--enforce", "--max-drops", "9")
    assert database.partitions("events")[0] == "m_4"
    assert "no partition is older" in cleanup(database, "--retention", "2 months", "--enforce").said


def test_last_partition_stays_however_old(database: Database) -> None:
    fill(database, -9, -6)
    cleanup(database, "--retention", "1 month", "--enforce", "--max-drops", "9")
    assert database.partitions("events") == ["m_2"]


def test_what_is_dropped_is_in_quarantine_first(database: Database) -> None:
    fill(database)
    drop = ["--retention", "4 months", "--enforce", "--action", "drop"]
    assert "kept until" in cleanup(database, *drop, "--quarantine", "7 days").said
    assert database.value("SELECT count(*) FROM m_0") == 1
    note = database.value("SELECT obj_description('m_0'::regclass)::json ->> 'detached'")
    assert note[:10] == str(datetime.now(timezone.utc).date())
    database.execute("UPDATE pg_description SET description = replace(description, left(%s, 4), '2020')", parameters=[note])
    cleanup(database, *drop, "--quarantine", "7 days")
    assert database.value("SELECT to_regclass('m_0')") is None
    assert database.value("SELECT to_regclass('m_2')") is not None


def test_what_was_detached_to_be_kept_is_never_dropped(database: Database) -> None:
    fill(database)
    cleanup(database, "--retention", "4 months", "--enforce")
    cleanup(database, "--retention", "4 months", "--enforce", "--action", "drop", "--quarantine", "0 days")
    assert database.value("SELECT count(*) FROM m_0") == 1


def test_archive_moves_to_its_schema(database: Database) -> None:
    fill(database)
    archive = ["--retention", "4 months", "--enforce", "--action", "archive"]
    assert "archive_schema" in cleanup(database, *archive, status=2).said
    assert "CREATE SCHEMA" in cleanup(database, *archive, "--archive-schema", "kept", status=2).said
    assert len(database.partitions("events")) == 8
    database.execute("CREATE SCHEMA kept")
    cleanup(database, *archive, "--archive-schema", "kept")
    assert database.value("SELECT count(*) FROM kept.m_0") == 1


def test_own_comment_survives_the_detach(database: Database) -> None:
    fill(database)
    database.execute("""COMMENT ON TABLE m_0 IS 'mine "quoted" \\ and ä'""")
    cleanup(database, "--retention", "4 months", "--enforce")
    assert database.value("SELECT obj_description('m_0'::regclass)::json ->> 'was'") == 'mine "quoted" \\ and ä'


def test_interrupted_detach_is_finished_first(database: Database) -> None:
    fill(database)
    with contextlib.closing(database.connect()) as reader, contextlib.closing(database.connect()) as other:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM events")
        other.execute("SET statement_timeout = '200ms'")
        with pytest.raises(Exception, match="statement timeout"):
            other.execute("ALTER TABLE events DETACH PARTITION m_0 CONCURRENTLY")
        reader.execute("COMMIT")
    assert database.value("SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = 'm_0'::regclass")
    analyzed = database.weir("partition", "analyze", "events", "--json", status=2).items
    assert any("FINALIZE" in (row["advice"] or "") for row in analyzed)
    assert "detach is finished" in cleanup(database, "--retention", "5 months", "--enforce").said
    assert database.partitions("events") == [f"m_{i}" for i in range(1, 8)]


def test_default_partition_means_a_plain_detach(database: Database) -> None:
    fill(database)
    database.execute("CREATE TABLE rest PARTITION OF events DEFAULT")
    cleanup(database, "--retention", "4 months", "--enforce")
    assert "m_0" not in database.partitions("events")


def test_referenced_rows_keep_their_partition_and_no_other(database: Database) -> None:
    fill(database)
    database.execute(
        "CREATE TABLE refers (id bigint, ts timestamptz, FOREIGN KEY (id, ts) REFERENCES events)",
        f"INSERT INTO refers VALUES (0, '{month(-6)}')",
    )
    said = cleanup(database, "--retention", "3 months", "--enforce", "--max-drops", "9", status=2).said
    assert "refers" in said
    assert database.partitions("events")[0] == "m_0"
    assert "m_1" not in database.partitions("events")
    assert database.value("SELECT count(*) FROM refers") == 1


def test_foreign_keys_go_before_the_table(database: Database) -> None:
    with_key = EVENTS.replace("id bigint,", "id bigint, other int REFERENCES others,")
    database.execute("CREATE TABLE others (id int PRIMARY KEY)")
    fill(database, table=with_key)
    database.execute("INSERT INTO others VALUES (1)", "UPDATE events SET other = 1")
    cleanup(database, "--retention", "4 months", "--enforce", "--action", "drop", "--quarantine", "0 days")
    assert database.value("SELECT to_regclass('m_0')") is None
    assert database.value("SELECT count(*) FROM others") == 1


def test_integer_keys_keep_a_number_of_them(database: Database) -> None:
    database.execute("CREATE TABLE events (id bigserial PRIMARY KEY) PARTITION BY RANGE (id)")
    database.weir("partition", "create", "events", "--interval", "1000")
    database.execute("SELECT setval('events_id_seq', 3500)")
    cleanup(database, "--retention", "2000", "--enforce")
    assert database.bounds("events")[0] == ("1000", "2000")
    assert "does not fit" in cleanup(database, "--retention", "2 months", "--enforce", status=2).said


def test_dry_run_shows_what_would_go(database: Database) -> None:
    fill(database)
    shown = cleanup(database, "--retention", "4 months", "--dry-run").out
    assert 'DETACH PARTITION "public"."m_0" CONCURRENTLY' in shown
    assert len(database.partitions("events")) == 8


# ---- killed at any moment ----------------------------------------------------------------------------------------


def end_state(database: Database) -> list[tuple[Any, ...]]:
    return database.execute(
        "SELECT c.relname, c.relkind, pg_get_expr(c.relpartbound, c.oid), (SELECT count(*) FROM pg_index"
        " WHERE indrelid = c.oid), (SELECT array_agg(conname::text ORDER BY conname) FROM pg_constraint"
        " WHERE conrelid = c.oid) FROM pg_class c WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p') ORDER BY c.relname"
    )


def kill_at_random(database: Database, *command: str) -> None:
    process = database.start(*command)
    time.sleep(random.uniform(0, 0.15))
    process.kill()
    process.communicate()
    # What was sent is carried out to its end: the lock is free when nobody is there any more.
    wait_until(
        lambda: database.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'weir-maintenance'") == 0,
        "the server has noticed",
    )


@pytest.mark.timeout(90)
@pytest.mark.parametrize("default", [False, True])
def test_killed_runs_leave_nothing_that_the_next_does_not_finish(database: Database, default: bool) -> None:
    create = ("partition", "create", "events", "--interval", "monthly", "--default", "guard")
    create += ("--ahead-min", "12 months")  # else what is there after the kill may be enough
    drop = ("partition", "cleanup", "events", "--retention", "2 months", "--enforce", "--max-drops", "9")
    drop += ("--action", "drop", "--quarantine", "0 days")

    def prepare() -> None:
        database.execute("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
        fill(database)
        if default:
            database.execute("CREATE TABLE rest PARTITION OF events DEFAULT", "INSERT INTO events VALUES (9, '2001-01-01')")

    prepare()
    database.weir(*create)
    database.weir(*drop)
    wanted = end_state(database)
    for _ in range(5):
        prepare()
        kill_at_random(database, *create)
        database.weir(*create)
        kill_at_random(database, *drop)
        database.weir(*drop)
        assert end_state(database) == wanted


def test_two_runners_at_once_make_each_partition_once(database: Database) -> None:
    database.execute(EVENTS)
    results: list[Any] = []

    def run() -> None:
        results.append(database.weir("partition", "create", "events", "--interval", "monthly", status=None))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(database.partitions("events")) == 13
    assert {result.status for result in results} <= {0, 1}
    standby = [result for result in results if result.status == 1]
    assert all("another Weir" in result.said for result in standby)


def test_what_somebody_else_detaches_is_not_ours_to_drop(database: Database) -> None:
    """An attempt that was killed before it began has left its mark on a partition that is still attached."""
    fill(database)
    mark = '{"by":"weir","table":"public.events","detached":"2020-01-01 00:00:00+00","action":"drop","was":"of ours"}'
    database.execute(f"COMMENT ON TABLE m_7 IS '{mark}'")
    drop = ("--retention", "4 months", "--enforce", "--action", "drop", "--quarantine", "0 days", "--max-drops", "9")
    cleanup(database, *drop)
    assert database.value("SELECT to_regclass('m_0')") is None
    assert database.value("SELECT obj_description('m_7'::regclass)") == "of ours"
    database.execute("ALTER TABLE events DETACH PARTITION m_7")
    cleanup(database, *drop)
    assert database.value("SELECT count(*) FROM m_7") == 1


def test_an_attempt_that_fails_leaves_no_mark(database: Database) -> None:
    fill(database)
    database.execute(
        "CREATE TABLE refers (id bigint, ts timestamptz, FOREIGN KEY (id, ts) REFERENCES events)",
        "INSERT INTO refers SELECT id, ts FROM m_0",
        "COMMENT ON TABLE m_0 IS 'of ours'",
    )
    said = cleanup(database, "--retention", "5 months", "--enforce", status=2).said
    assert "m_0" in said
    assert "m_0" in database.partitions("events")
    assert database.value("SELECT obj_description('m_0'::regclass)") == "of ours"


# ---- partitions that are partitioned or foreign ------------------------------------------------------------------

HALVES = (
    "CREATE TABLE m_0 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2020-02-01') PARTITION BY HASH (id)",
    "CREATE TABLE m_0_a PARTITION OF m_0 FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
    "CREATE TABLE m_0_b PARTITION OF m_0 FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
    "CREATE TABLE m_1 PARTITION OF events FOR VALUES FROM ('2020-02-01') TO ('2020-03-01')",
    "INSERT INTO events SELECT i, '2020-01-15' FROM generate_series(1, 2000) i",
    "ANALYZE m_0_a, m_0_b",
)


def test_partitioned_partition_is_listed_with_all_that_is_in_it(database: Database) -> None:
    database.execute(EVENTS, *HALVES)
    rows = {row["partition"]: row for row in database.weir("partition", "list", "events", "--json").items}
    whole, halves = rows["public.m_0"], [rows["public.m_0_a"], rows["public.m_0_b"]]
    assert whole["state"] == "partitioned"
    assert whole["rows"] == sum(half["rows"] for half in halves) == 2000
    assert whole["bytes"] == sum(half["bytes"] for half in halves) > 0


def test_partitioned_partition_is_archived_whole(database: Database) -> None:
    database.execute(EVENTS, *HALVES, "CREATE SCHEMA kept")
    archive = ("--retention", "1 month", "--enforce", "--action", "archive", "--archive-schema", "kept")
    cleanup(database, *archive)
    assert database.value("SELECT count(*) FROM kept.m_0") == 2000
    assert database.value("SELECT count(*) FROM pg_class WHERE relname LIKE 'm\\_0%' AND relnamespace = 'public'::regnamespace") == 0
    database.execute("ALTER TABLE kept.m_0_b SET SCHEMA public")  # as a run that moved only the uppermost has left it
    cleanup(database, *archive)
    assert database.value("SELECT to_regclass('kept.m_0_b') IS NOT NULL")


def test_partitioned_partition_is_dropped_whole(database: Database) -> None:
    database.execute(EVENTS, *HALVES)
    cleanup(database, "--retention", "1 month", "--enforce", "--action", "drop", "--quarantine", "0 days")
    assert database.value("SELECT count(*) FROM pg_class WHERE relname LIKE 'm\\_0%'") == 0
    assert database.partitions("events") == ["m_1"]


def test_foreign_partition_goes_as_others_do(database: Database) -> None:
    fill(database, -1, 2, table=EVENTS.replace(", PRIMARY KEY (id, ts)", ""))
    database.execute(
        "CREATE FOREIGN DATA WRAPPER nowhere",
        "CREATE SERVER far FOREIGN DATA WRAPPER nowhere",
        "CREATE FOREIGN TABLE old PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2020-02-01') SERVER far",
    )
    cleanup(database, "--retention", "1 year", "--enforce", "--action", "drop", "--quarantine", "0 days")
    assert database.value("SELECT to_regclass('old')") is None
    assert len(database.partitions("events")) == 3
