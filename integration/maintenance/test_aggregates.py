"""A target is exactly what the query over the source gives, whatever happens to either."""

import random
import signal
import threading
import time
from typing import Any

import pytest
from support.aggregates import PARTITIONED, SOURCE, Aggregate, counted, disturb, insert, partition_by_days
from support.postgres import Postgres


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


def test_the_target_is_made_with_the_types_of_the_query(plain: Postgres) -> None:
    plain.execute(insert("500", "g * 7"))
    aggregate = Aggregate(plain)
    aggregate.run()
    aggregate.check()
    types = dict(plain.execute("SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = "
                               "'hourly'::regclass AND attnum > 0"))
    assert types == {"bucket": "timestamp with time zone", "app": "integer", "kind": "text", "n": "bigint",
                     "total": "numeric", "users": "bigint", "p50": "double precision"}
    assert plain.value("SELECT count(*) FROM hourly WHERE app IS NULL AND kind IS NULL") > 0
    assert aggregate.state("low_mark::text") == "-infinity"


@pytest.mark.parametrize("track", ["counters", "triggers"])
@pytest.mark.parametrize("kind", ["plain", "partitioned"])
def test_it_equals_a_fresh_query_after_any_change(kind: str, track: str, request: pytest.FixtureRequest) -> None:
    postgres = request.getfixturevalue(kind)
    postgres.execute("SELECT setseed(0.5)")
    postgres.execute(insert("3000", "g * 1.5"))
    aggregate = Aggregate(postgres, track=track, late="5 days")
    aggregate.run()
    aggregate.check()
    chance = random.Random(f"{kind} {track}")
    for turn in range(6):
        done = [disturb(postgres, chance, 4500) for _ in range(chance.randrange(1, 5))]
        if turn == 3:
            counted(postgres, "TRUNCATE events; " + insert("200", "g * 9"))
        aggregate.run()
        fresh = aggregate.query(where="at < (SELECT watermark FROM weir.aggregate)")
        assert aggregate.difference(fresh) == [], (turn, done)
    assert aggregate.call("verify").returncode == 0


def test_rows_straight_into_a_leaf_are_noticed(partitioned: Postgres) -> None:
    aggregate = Aggregate(partitioned, track="triggers", late="0")
    partitioned.execute(insert("100", "g * 20"))
    aggregate.run()
    partitioned.execute(insert("5", "1500").replace("INTO events ", "INTO events_m1 ")
                        if partitioned.value("SELECT (now() - interval '1500 minutes')::date = current_date - 1")
                        else insert("5", "1500").replace("INTO events ", "INTO events_m2 "))
    assert partitioned.value("SELECT count(*) FROM weir.aggregate_dirty") == 1
    aggregate.run()
    aggregate.check()
    assert partitioned.value("SELECT count(*) FROM weir.aggregate_dirty") == 0


def test_a_writer_in_flight_is_counted(plain: Postgres) -> None:
    """Thirteen rows, and not twelve."""
    plain.execute(insert("12", "60 + g"))
    for track in ("counters", "triggers"):
        plain.execute("DROP TABLE IF EXISTS hourly; DROP SCHEMA IF EXISTS weir CASCADE")
        aggregate = Aggregate(plain, track=track, late="0")
        aggregate.run()
        plain.execute("UPDATE weir.aggregate SET watermark = watermark - interval '2 hours', "
                      "threshold = threshold - interval '2 hours'")
        before = plain.value("SELECT count(*) FROM events")
        with plain.connect() as writer:
            writer.autocommit = False
            writer.execute(insert("1", "65"))
            run = threading.Thread(target=aggregate.run)
            run.start()
            time.sleep(0.3)
            writer.commit()
        run.join()
        assert before + 1 == plain.value("SELECT sum(n) FROM hourly")
        aggregate.check()


def test_what_has_not_changed_is_not_written(plain: Postgres) -> None:
    plain.execute(insert("2000", "g * 2"))
    aggregate = Aggregate(plain)
    aggregate.run()
    before = plain.execute("SELECT ctid::text, xmin::text FROM hourly ORDER BY 1")
    aggregate.run()
    counted(plain, "UPDATE events SET value = value")  # all is computed again, and is the same
    plain.execute("INSERT INTO weir.aggregate_span (target, low, high) "
                  "VALUES ('public.hourly', '-infinity', 'infinity')")
    assert " 0 rows changed" in aggregate.run()
    assert plain.execute("SELECT ctid::text, xmin::text FROM hourly ORDER BY 1") == before
    counted(plain, "UPDATE events SET value = value + 1 WHERE id = (SELECT min(id) FROM events WHERE "
                  "at < date_trunc('hour', now()))")
    assert " 1 rows changed" in aggregate.run()


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Havana", "America/Sao_Paulo"])
def test_days_are_the_zones_own(zone: str, empty: Postgres) -> None:
    """Midnight is there twice in Havana, and not at all in Sao Paulo of 2018."""
    empty.execute("CREATE TABLE events (at timestamptz, app int)")
    empty.execute("INSERT INTO events SELECT t, 1 FROM generate_series('2018-01-01'::timestamptz, '2018-12-31', "
                  "'10 minutes') t")
    aggregate = Aggregate(empty, bucket="1 day", zone=zone, groups=(), columns={"n": "count(*)"}, track="triggers")
    aggregate.run()
    fresh = f"SELECT (at AT TIME ZONE '{zone}')::date::timestamp AT TIME ZONE '{zone}', count(*) FROM events GROUP BY 1"
    assert aggregate.difference(fresh) == []
    empty.execute("DELETE FROM events WHERE extract(minute FROM at) = 10 AND extract(hour FROM at) IN (2, 3, 4, 5)")
    aggregate.run()
    assert aggregate.difference(fresh) == []
    assert aggregate.call("verify").returncode == 0


@pytest.mark.parametrize("bucket, fresh", [
    ("1 week", "date_trunc('week', at)"), ("3 months", "date_trunc('quarter', at)"),
    ("15 minutes", "to_timestamp(floor(extract(epoch FROM at) / 900) * 900)"),
    ("2 months", "make_timestamptz(extract(year FROM at)::int, ((extract(month FROM at)::int - 1) / 2) * 2 + 1, 1, "
                 "0, 0, 0)"),
])
def test_buckets_of_any_length(bucket: str, fresh: str, plain: Postgres) -> None:
    plain.execute(insert("800", "g * 400"))
    aggregate = Aggregate(plain, bucket=bucket)
    aggregate.run()
    assert aggregate.difference(aggregate.query(fresh, "at < (SELECT watermark FROM weir.aggregate)")) == []
    assert aggregate.call("verify").returncode == 0


@pytest.mark.parametrize("type_name", ["timestamp", "date"])
def test_time_columns_without_a_zone(type_name: str, empty: Postgres) -> None:
    empty.execute(f"CREATE TABLE events (at {type_name}, app int)")
    fill = f"INSERT INTO events SELECT (now() - g * interval '5 hours')::{type_name}, g % 3 " \
           "FROM generate_series(1, 200) g"
    empty.execute(fill)
    aggregate = Aggregate(empty, bucket="1 day", groups=("app",), columns={"n": "count(*)"}, track="triggers")
    aggregate.run()
    empty.execute(fill)
    aggregate.run()
    aggregate.check(f"date_trunc('day', at)::{type_name}")


def test_killed_at_any_instant(plain: Postgres) -> None:
    plain.execute(insert("40000", "g * 0.5"))
    aggregate = Aggregate(plain, track="triggers", bucket="10 minutes")
    chance = random.Random(13)
    for turn in range(20):
        run = aggregate.start()
        time.sleep(chance.random() * 0.25)
        run.send_signal(signal.SIGKILL)
        run.wait()
        disturb(plain, chance, 20000)
    # The server may still be at the last statement of one that is gone.
    while (done := aggregate.call("run")).returncode == 1:
        assert "another Weir" in done.stderr
    assert done.returncode == 0, done.stderr
    bucket = "to_timestamp(floor(extract(epoch FROM at) / 600) * 600)"
    assert aggregate.difference(aggregate.query(bucket, "at < (SELECT watermark FROM weir.aggregate)")) == []


def test_two_at_once(plain: Postgres) -> None:
    plain.execute(insert("20000", "g * 0.5"))
    aggregate = Aggregate(plain)
    runs = [aggregate.start() for _ in range(3)]
    codes = sorted(run.wait() for run in runs)
    assert set(codes) <= {0, 1} and 0 in codes
    aggregate.check()


def test_another_definition_is_refused_and_rebuilt(plain: Postgres) -> None:
    plain.execute(insert("3000", "g * 2"))
    plain.execute("CREATE ROLE reader")
    aggregate = Aggregate(plain, track="triggers", view="public.live")
    aggregate.run()
    plain.execute("GRANT SELECT ON hourly TO reader")
    aggregate.columns["top"] = "max(value)"
    del aggregate.columns["p50"]
    why = aggregate.refuse()
    assert "column p50 = percentile_cont" in why and "backfill --rebuild public.hourly" in why
    done = aggregate.call("backfill", "--rebuild")
    assert done.returncode == 0, done.stderr
    aggregate.check()
    plain.execute(insert("10", "g * 100"))
    aggregate.run()
    aggregate.check()
    aggregate.groups = ["app"]
    aggregate.options["bucket"] = "1 day"
    assert aggregate.call("backfill", "--rebuild").returncode == 0
    aggregate.check("date_trunc('day', at)")
    plain.execute("DELETE FROM events WHERE id % 3 = 0")
    aggregate.run()
    aggregate.check("date_trunc('day', at)")
    assert plain.value("SELECT has_table_privilege('reader', 'hourly', 'SELECT')")
    assert aggregate.difference(aggregate.query("date_trunc('day', at)"), "live") == []
    plain.execute("DROP OWNED BY reader; DROP ROLE reader")


@pytest.mark.parametrize("track", ["counters", "triggers"])
def test_buckets_of_a_partition_that_is_gone_stay(track: str, partitioned: Postgres) -> None:
    partitioned.execute(insert("1000", "g * 4"))
    aggregate = Aggregate(partitioned, track=track, late="10 days")
    aggregate.run()
    before = partitioned.value("SELECT sum(n) FROM hourly")
    partitioned.execute("ALTER TABLE events DETACH PARTITION events_m2; TRUNCATE events_m2")
    assert "stays as it is: its source is gone" in aggregate.run()
    assert partitioned.value("SELECT sum(n) FROM hourly") == before
    assert aggregate.call("verify").returncode == 0
    counted(partitioned, "UPDATE events SET value = value + 1")
    aggregate.run()
    assert partitioned.value("SELECT sum(n) FROM hourly") == before
    assert partitioned.value("SELECT count(*) FROM weir.aggregate_frozen") == 1


@pytest.mark.parametrize("new", ["DEFAULT", "the same bounds"])
def test_what_is_frozen_stays_whatever_part_appears(new: str, partitioned: Postgres) -> None:
    """A partition that is made anew, by an INSERT that missed it or by hand, brings the old rows back to nobody."""
    partitioned.execute(insert("2000", "g % 1200"))
    aggregate = Aggregate(partitioned)
    aggregate.run()
    before = partitioned.execute(aggregate.stored() + " ORDER BY 1, 2, 3")
    name, bounds = partitioned.execute(
        "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = 'events'::regclass AND EXISTS (SELECT FROM events e WHERE e.tableoid = c.oid) "
        "ORDER BY (SELECT min(at) FROM events e WHERE e.tableoid = c.oid) LIMIT 1")[0]
    partitioned.execute(f"ALTER TABLE events DETACH PARTITION {name}")
    aggregate.run()
    partitioned.execute(f"CREATE TABLE anew PARTITION OF events {'DEFAULT' if new == 'DEFAULT' else bounds}")
    aggregate.run()
    aggregate.run()
    assert partitioned.execute(aggregate.stored() + " ORDER BY 1, 2, 3") == before


def test_rows_older_than_the_source_stay(plain: Postgres) -> None:
    plain.execute(insert("100", "g / 10.0"))
    aggregate = Aggregate(plain, track="triggers")
    aggregate.run()
    plain.execute("UPDATE hourly SET bucket = bucket - interval '400 days' WHERE bucket = (SELECT min(bucket) FROM hourly)")
    old = plain.execute("SELECT * FROM hourly WHERE bucket < now() - interval '300 days'")
    plain.execute("TRUNCATE weir.aggregate, weir.aggregate_part, weir.aggregate_frozen, weir.aggregate_dirty, "
                  "weir.aggregate_span")
    aggregate.run()  # a target that was there before
    plain.execute("TRUNCATE events")
    aggregate.run()
    assert plain.execute("SELECT * FROM hourly") == old


def test_an_aggregate_that_is_not_wanted_any_more_is_forgotten(partitioned: Postgres) -> None:
    partitioned.execute(insert("500", "g % 1200"))
    aggregate = Aggregate(partitioned, track="triggers")
    aggregate.run()
    kept = partitioned.execute(aggregate.stored())
    done = aggregate.call("forget", "public.hourly")
    assert done.returncode == 0, done.stderr
    assert partitioned.value("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == 0
    assert partitioned.value("SELECT count(*) FROM pg_proc WHERE pronamespace = 'weir'::regnamespace") == 0
    assert partitioned.value("SELECT count(*) FROM weir.aggregate") == 0
    assert sorted(map(str, partitioned.execute(aggregate.stored()))) == sorted(map(str, kept))
    assert "public.hourly: is no aggregate" in aggregate.call("forget", "public.hourly").stderr


def test_a_role_that_was_given_the_schema_alone_can_run(plain: Postgres) -> None:
    plain.execute(insert("100", "g"))
    plain.execute("CREATE ROLE keeper LOGIN; CREATE SCHEMA weir AUTHORIZATION keeper; CREATE SCHEMA sums AUTHORIZATION "
                  "keeper; GRANT SELECT ON events TO keeper")
    aggregate = Aggregate(plain, target="sums.hourly", user="keeper")
    aggregate.run()
    aggregate.check()


def test_the_live_view_is_right_at_any_time(plain: Postgres) -> None:
    plain.execute(insert("1500", "g"))
    aggregate = Aggregate(plain, view="public.live", track="triggers")
    aggregate.run()
    assert aggregate.difference(aggregate.query(), "live") == []
    plain.execute(insert("50", "g / 10.0 - 5"))  # now, and a little ahead
    plain.execute("UPDATE weir.aggregate SET low_mark = watermark - interval '5 hours'")
    aggregate.run()
    assert aggregate.difference(aggregate.query(), "live") == []
    plain.execute("UPDATE weir.aggregate SET low_mark = watermark - interval '5 hours'")
    assert aggregate.difference(aggregate.query(), "live") == []


def test_verify_says_what_differs_and_repair_mends_it(plain: Postgres) -> None:
    plain.execute(insert("1000", "g"))
    aggregate = Aggregate(plain)
    aggregate.run()
    assert aggregate.call("verify").returncode == 0
    spoilt = plain.value("UPDATE hourly SET n = n + 1 WHERE ctid = (SELECT ctid FROM hourly ORDER BY bucket LIMIT 1) "
                         "RETURNING bucket")
    found = aggregate.call("verify", "--csv")
    assert found.returncode == 1
    assert found.stdout.splitlines() == ["bucket,rows", spoilt.strftime("%Y-%m-%d %H:%M:%S+00") + ",2"]
    assert aggregate.call("verify", "--from", spoilt.strftime("%Y-%m-%d %H:59:59+00")).returncode in (0, 1)
    assert aggregate.call("verify", "--to", spoilt.isoformat()).returncode == 0
    assert aggregate.call("verify", "--repair").returncode == 1
    aggregate.run()
    assert aggregate.call("verify").returncode == 0
