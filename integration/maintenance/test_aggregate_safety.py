"""What would lose rows of a target, or count them wrong, without a word."""

import contextlib
import signal
import threading
from typing import Any

import psycopg
import pytest
from support.aggregates import PARTITIONED, SOURCE, Aggregate, counted, insert, partition_by_days
from support.deadlines import scaled, wait_until
from support.postgres import Postgres

BY_NUMBER = SOURCE + " PARTITION BY RANGE (id)"


@pytest.fixture(scope="module")
def server(postgres_template: Any) -> Any:
    instance = Postgres(postgres_template)
    yield instance
    instance.remove()


@pytest.fixture
def empty(server: Postgres) -> Postgres:
    server.execute("DROP SCHEMA IF EXISTS weir CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public; "
                   "GRANT USAGE ON SCHEMA public TO public")
    return server


@pytest.fixture
def plain(empty: Postgres) -> Postgres:
    empty.execute(SOURCE)
    return empty


@pytest.fixture
def partitioned(empty: Postgres) -> Postgres:
    empty.execute(PARTITIONED)
    partition_by_days(empty)
    return empty


def rewind(postgres: Postgres, hours: int) -> None:
    """As if the last run had been so long ago."""
    postgres.execute(f"DELETE FROM hourly WHERE bucket >= (SELECT watermark FROM weir.aggregate) - interval '{hours} hours'; "
                     f"UPDATE weir.aggregate SET watermark = watermark - interval '{hours} hours', "
                     f"threshold = threshold - interval '{hours} hours'")


def test_a_partition_that_is_replaced_before_its_time_is_summed_up(partitioned: Postgres) -> None:
    """Nothing has come of it yet, so that there is nothing to be kept."""
    partitioned.execute(insert("200", "60 + g * 10"))
    aggregate = Aggregate(partitioned)
    aggregate.run()
    rewind(partitioned, 20)
    name, bounds = partitioned.execute(
        "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = 'events'::regclass AND c.oid = (SELECT tableoid FROM events WHERE at < now() - interval "
        "'90 minutes' ORDER BY at DESC LIMIT 1)")[0]
    partitioned.execute(f"ALTER TABLE events DETACH PARTITION {name}; CREATE TABLE anew PARTITION OF events {bounds}; "
                        f"INSERT INTO anew SELECT * FROM {name}; DROP TABLE {name}")
    aggregate.run()
    aggregate.run()
    aggregate.check()


@pytest.mark.parametrize("track", ["counters", "triggers"])
def test_a_new_partition_by_number_leaves_the_sums_of_old_ones(track: str, empty: Postgres) -> None:
    empty.execute(BY_NUMBER + "; CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (101); "
                  "CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (101) TO (1001)")
    empty.execute(insert("100", "6000 - g"))
    empty.execute(insert("50", "600 - g"))
    aggregate = Aggregate(empty, track=track)
    aggregate.run()
    before = empty.value("SELECT sum(n) FROM hourly")
    empty.execute("DROP TABLE events_1")
    aggregate.run()
    empty.execute("CREATE TABLE events_3 PARTITION OF events FOR VALUES FROM (1001) TO (2001)")
    assert ": 0 buckets computed" in aggregate.run()
    empty.execute("CREATE TABLE events_4 (LIKE events INCLUDING ALL); INSERT INTO events_4 SELECT 2001 + g, now() - "
                  "interval '5 hours', 1, 'late', 1, 1 FROM generate_series(1, 7) g; "
                  "ALTER TABLE events ATTACH PARTITION events_4 FOR VALUES FROM (2001) TO (3001)")
    aggregate.run()
    assert empty.value("SELECT sum(n) FROM hourly") == before + 7


def test_what_changed_before_it_was_watched_is_found(plain: Postgres) -> None:
    plain.execute(insert("500", "g * 10"))
    aggregate = Aggregate(plain, late="0")
    aggregate.run()
    counted(plain, insert("5", "1500"))
    aggregate.options["track"] = "triggers"
    aggregate.run()
    aggregate.check()
    plain.execute("DO $$ DECLARE t text; BEGIN FOR t IN SELECT tgname FROM pg_trigger WHERE tgrelid = 'events'::regclass "
                  "LOOP EXECUTE format('DROP TRIGGER %I ON events', t); END LOOP; END $$")
    counted(plain, insert("5", "3000"))
    aggregate.run()
    aggregate.check()


def test_a_source_that_was_made_partitioned_is_watched_as_a_whole(plain: Postgres) -> None:
    plain.execute(insert("300", "60 + g * 10"))
    aggregate = Aggregate(plain, track="triggers")
    aggregate.run()
    plain.execute("ALTER TABLE events RENAME TO events_old; ALTER TABLE events_old ALTER at SET NOT NULL; "
                  "CREATE TABLE events (LIKE events_old INCLUDING DEFAULTS) PARTITION BY RANGE (at); "
                  "ALTER TABLE events ATTACH PARTITION events_old FOR VALUES FROM (MINVALUE) TO ('2100-01-01')")
    counted(plain, insert("5", "1500"))  # through the parent, which nothing watches yet
    aggregate.run()
    aggregate.check()


def test_a_rebuild_over_several_runs_misses_nothing(plain: Postgres) -> None:
    plain.execute(insert("300", "60 + g * 5"))
    aggregate = Aggregate(plain, late="1 day")
    aggregate.run()
    rewind(plain, 10)
    aggregate.columns["top"] = "max(value)"
    with plain.connect() as reader:
        reader.autocommit = False
        reader.execute("SELECT count(*) FROM hourly")
        for turn in range(2):
            rebuild = aggregate.start_verb("backfill", "--rebuild")
            wait_until(lambda: plain.value("SELECT count(*) FROM pg_locks WHERE NOT granted") > 0 or
                       rebuild.poll() is not None, "it waits for the reader")
            rebuild.send_signal(signal.SIGTERM)
            assert rebuild.wait() == 1
            if turn == 0:
                counted(plain, insert("5", "300"))
        reader.rollback()
    assert aggregate.call("backfill", "--rebuild").returncode == 0
    aggregate.run()
    aggregate.check()


def test_a_column_that_has_another_type_now_is_not_rounded(plain: Postgres) -> None:
    plain.execute("ALTER TABLE events ALTER value TYPE integer")
    plain.execute(insert("100", "60 + g"))
    aggregate = Aggregate(plain, columns={"n": "count(*)", "total": "sum(value)"})
    aggregate.run()
    plain.execute("ALTER TABLE events ALTER value TYPE numeric; UPDATE events SET value = value + 0.4")
    why = aggregate.refuse()
    assert "column total is bigint, and the aggregate gives numeric" in why and "backfill --rebuild" in why
    assert aggregate.call("backfill", "--rebuild").returncode == 0
    aggregate.check()


def test_rows_that_a_policy_hides_are_not_left_out_silently(plain: Postgres) -> None:
    plain.execute("DROP ROLE IF EXISTS poor; CREATE ROLE poor LOGIN; GRANT SELECT ON events TO poor; GRANT CREATE ON "
                  "DATABASE app TO poor; GRANT CREATE, USAGE ON SCHEMA public TO poor; "
                  "ALTER TABLE events ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON events USING (app = 1)")
    try:
        why = Aggregate(plain, user="poor").refuse()
        assert "row-level security of public.events hides rows from poor" in why
        assert plain.value("SELECT to_regclass('hourly') IS NULL")
    finally:
        plain.execute("DROP OWNED BY poor CASCADE; DROP ROLE poor")


def test_a_view_of_somebody_elses_is_left_alone(plain: Postgres) -> None:
    plain.execute(insert("100", "60 + g"))
    plain.execute("CREATE VIEW live AS SELECT 1 AS mine")
    aggregate = Aggregate(plain, view="public.live")
    assert "view public.live is there and is not the live view of public.hourly" in aggregate.refuse()
    aggregate.options["view"] = ""
    aggregate.run()
    aggregate.options["view"] = "public.live"
    aggregate.columns["top"] = "max(value)"
    assert "is not the live view" in aggregate.refuse("backfill", "--rebuild")
    assert plain.value("SELECT mine FROM live") == 1


def test_a_rebuild_keeps_who_may_read_the_live_view(plain: Postgres) -> None:
    plain.execute("DROP ROLE IF EXISTS reader; CREATE ROLE reader; " + insert("100", "60 + g"))
    aggregate = Aggregate(plain, view="public.live")
    aggregate.run()
    plain.execute("GRANT SELECT ON live TO reader WITH GRANT OPTION; GRANT SELECT (n) ON live TO PUBLIC; "
                  "COMMENT ON VIEW live IS 'for the dashboard''s sake'")
    acl = "SELECT relacl::text FROM pg_class WHERE oid = 'live'::regclass"
    before = plain.value(acl)
    aggregate.columns["top"] = "max(value)"
    del aggregate.columns["p50"]
    done = aggregate.call("backfill", "--rebuild")
    assert done.returncode == 0, done.stderr
    assert plain.value(acl) == before
    assert plain.value("SELECT attacl::text FROM pg_attribute WHERE attrelid = 'live'::regclass AND attname = 'n'") == \
        "{=r/postgres}"
    assert plain.value("SELECT obj_description('live'::regclass)") == "for the dashboard's sake"
    assert aggregate.difference(aggregate.query(), "live") == []
    plain.execute("DROP OWNED BY reader; DROP ROLE reader")


def test_the_live_view_of_one_that_is_forgotten_shows_the_target(plain: Postgres) -> None:
    plain.execute(insert("100", "60 + g"))
    aggregate = Aggregate(plain, view="public.live")
    aggregate.run()
    assert aggregate.call("forget", "public.hourly").returncode == 0
    assert plain.value("SELECT sum(n) FROM live") == plain.value("SELECT sum(n) FROM hourly") > 0


@pytest.mark.parametrize("type_name", ["timestamptz", "timestamp", "date"])
def test_rows_from_before_christ(type_name: str, empty: Postgres) -> None:
    empty.execute(f"CREATE TABLE events (at {type_name}, app int)")
    empty.execute("INSERT INTO events VALUES ('0044-03-15 BC', 1), ('0001-12-31 BC', 1), ('0001-01-01', 1), (now() - "
                  "interval '3 days', 1)")
    aggregate = Aggregate(empty, bucket="1 day", groups=("app",), columns={"n": "count(*)"}, view="public.live")
    aggregate.run()
    aggregate.check(f"date_trunc('day', at)::{type_name}")
    assert aggregate.call("verify").returncode == 0
    assert empty.value("SELECT sum(n) FROM live") == 4


def test_history_of_a_source_that_is_empty_stays(plain: Postgres) -> None:
    plain.execute("CREATE TABLE hourly (bucket timestamptz, app int, kind text, n bigint, total numeric, users bigint, "
                  "p50 double precision); CREATE UNIQUE INDEX ON hourly (bucket, app, kind); "
                  "INSERT INTO hourly VALUES ('2024-01-01 00:00+00', 1, 'view', 5, 5, 5, 5)")
    aggregate = Aggregate(plain, track="triggers")
    aggregate.run()
    plain.execute("TRUNCATE events; " + insert("10", "60 + g"))
    aggregate.run()
    assert plain.value("SELECT sum(n) FROM hourly WHERE bucket < '2025-01-01'") == 5
    assert plain.value("SELECT sum(n) FROM hourly") >= 5


class Readers:
    """Read all the time, and wait for no lock longer than clients of a dashboard would."""

    def __init__(self, postgres: Postgres, *queries: str) -> None:
        self.postgres = postgres
        self.ended = threading.Event()
        self.wrong: list[Any] = []
        self.threads = [threading.Thread(target=self.read, args=[query]) for query in queries]
        for thread in self.threads:
            thread.start()

    def read(self, query: str) -> None:
        with contextlib.closing(self.postgres.connect()) as connection:
            connection.execute(f"SET lock_timeout = {scaled(0.3) * 1000:.0f}")
            while not self.ended.is_set():
                try:
                    rows = connection.execute(query).fetchall()
                    self.wrong.extend(row for row in rows if None in row)
                except psycopg.Error as error:
                    self.wrong.append(error)

    def end(self) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()


@pytest.mark.parametrize("change", ["columns", "group", "groups", "bucket", "type", "nothing"])
def test_readers_go_on_whatever_changes(change: str, plain: Postgres) -> None:
    """Other keys or another type under the same name: rows of both kinds are there for a while."""
    plain.execute("INSERT INTO events (at, app, kind, value) SELECT now() - g % 3000 * interval '1 hour', g / 3000, "
                  "CASE WHEN g % 3 > 0 THEN 'view' END, g FROM generate_series(1, 90000) g")
    aggregate = Aggregate(plain, view="public.live", groups=["app"], columns={"n": "count(*)", "total": "sum(value)"})
    aggregate.run()
    plain.execute("ALTER TABLE hourly ALTER n SET NOT NULL, ADD CHECK (total IS NOT NULL); CREATE VIEW own AS SELECT "
                  "bucket, n FROM hourly")
    bucket = "date_trunc('hour', at)"
    recent = "WHERE bucket > now() - interval '50 hours'"
    readers = Readers(plain, f"SELECT n FROM hourly {recent}", f"SELECT n FROM live {recent}", f"SELECT n FROM own {recent}")
    if change == "columns":
        aggregate.columns["top"] = "max(value)"
        del aggregate.columns["total"]
    elif change == "group":
        aggregate.groups = ["app", "kind"]
    elif change == "groups":
        aggregate.groups = ["value % 7 AS rest"]
    elif change == "bucket":
        aggregate.options["bucket"] = "1 day"
        bucket = "date_trunc('day', at)"
    elif change == "type":
        aggregate.columns["total"] = "max(value)::float8"
    done = aggregate.call("backfill", "--rebuild")
    readers.end()
    assert done.returncode == 0, done.stderr
    assert readers.wrong == []
    if change != "groups":
        aggregate.check(bucket)
        assert aggregate.difference(aggregate.query(bucket), "live") == []
    assert aggregate.call("verify").returncode == 0
    assert plain.value("SELECT count(*) FROM pg_attribute WHERE attrelid = 'hourly'::regclass AND attname ~ '^weir_next'") == 0
    assert plain.value("SELECT to_regclass('weir.\"next_public.hourly\"') IS NULL")
    aggregate.run()


def test_a_view_in_the_way_of_a_rebuild_is_named_before_it_begins(plain: Postgres) -> None:
    plain.execute(insert("100", "60 + g"))
    aggregate = Aggregate(plain, view="public.live")
    aggregate.run()
    plain.execute("CREATE VIEW own AS SELECT bucket, p50 FROM hourly")
    del aggregate.columns["p50"]
    assert "own reads column p50 of public.hourly" in aggregate.refuse("backfill", "--rebuild")
    plain.execute("DROP VIEW own; CREATE VIEW own AS SELECT n FROM live")
    assert "own reads column n of public.live" in aggregate.refuse("backfill", "--rebuild")
    assert plain.value("SELECT next_definition IS NULL FROM weir.aggregate")
    plain.execute("DROP VIEW own")
    assert aggregate.call("backfill", "--rebuild").returncode == 0


def test_a_rebuild_that_is_given_up_leaves_nothing(plain: Postgres) -> None:
    plain.execute(insert("300", "60 + g * 5"))
    aggregate = Aggregate(plain, track="triggers", groups=["app"], view="public.live")
    aggregate.run()
    with plain.connect() as holder:
        holder.autocommit = False
        holder.execute("COMMENT ON VIEW live IS 'in use'")  # so that the new rows cannot be shown
        rebuild = Aggregate(plain, track="triggers", groups=["kind"], view="public.live").start_verb(
            "backfill", "--rebuild")
        wait_until(lambda: plain.value("SELECT count(*) FROM pg_locks WHERE NOT granted") > 0, "it waits for the view")
        assert plain.value("SELECT count(*) FROM pg_attribute WHERE attrelid = 'hourly'::regclass AND attname = "
                           "'weir_next_kind'") == 1
        rebuild.kill()
        rebuild.wait()
        wait_until(lambda: plain.backends() == 0, "the server has noticed")
        holder.rollback()
    aggregate.check()
    plain.execute("DELETE FROM events WHERE id % 5 = 0")
    aggregate.run()
    aggregate.check()
    assert aggregate.difference(aggregate.query(), "live") == []
    assert plain.value("SELECT count(*) FROM pg_attribute WHERE attrelid = 'hourly'::regclass AND attname ~ "
                       "'^weir_next'") == 0
    assert plain.value("SELECT count(*) FROM pg_index WHERE indrelid = 'hourly'::regclass AND indisunique") == 1
    assert plain.value("SELECT to_regclass('weir.\"next_public.hourly\"') IS NULL")
