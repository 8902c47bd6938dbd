"""Target and live view while writers with open transactions, runs and their ends go on at the same time."""

import contextlib
import random
import signal
import threading
import time
from typing import Any, Iterator

import psycopg
import pytest
from support.aggregates import SOURCE, Aggregate
from support.deadlines import scaled
from support.postgres import Postgres

SECONDS = 4
LET_GO = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable)
BUCKET = "date_trunc('second', at)"
ISOLATION = ["READ COMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]
COLUMNS = {"n": "count(*)", "total": "sum(value)", "mean": "avg(value)", "users": "count(distinct user_id)",
           "p50": "percentile_disc(0.5) within group (order by value)"}


@pytest.fixture
def busy(postgres_template: Any) -> Iterator[Postgres]:
    instance = Postgres(postgres_template)
    instance.execute(SOURCE + "; CREATE INDEX ON events (at); " + rows(1000, "random() * 5000"))
    yield instance
    instance.remove()


def rows(count: int, seconds: str) -> str:
    return ("INSERT INTO events (at, app, kind, user_id, value) SELECT clock_timestamp() - make_interval(secs => "
            f"{seconds}), nullif((random() * 4)::int, 4), (ARRAY['view', NULL, ''])[1 + (random() * 2)::int], "
            "(random() * 50)::int, CASE WHEN random() < 0.03 THEN 'NaN'::numeric WHEN random() < 0.9 THEN (random() * 1000)::int END "
            f"FROM generate_series(1, {count})")


def change(chance: random.Random) -> str:
    age = chance.choice([0, 1, 5, 1000]) * chance.random()
    where = f"at BETWEEN clock_timestamp() - make_interval(secs => {age + chance.choice([0.5, 5, 300])}) AND " \
            f"clock_timestamp() - make_interval(secs => {age})"
    return chance.choices([rows(30, "random() - 0.5"), rows(10, f"{age} + random() * 3"),
                           f"UPDATE events SET value = value + 1, app = nullif(app, 2) WHERE {where}",
                           f"UPDATE events SET at = at - interval '70 seconds' WHERE {where} AND app = 1",
                           f"DELETE FROM events WHERE {where} AND user_id < 25",
                           "TRUNCATE events; " + rows(50, "random() * 5000")], [6, 4, 2, 2, 1, 0.2])[0]


def write(postgres: Postgres, chance: random.Random, until: float) -> None:
    while time.monotonic() < until:
        with contextlib.closing(postgres.connect()) as connection, contextlib.suppress(*LET_GO):
            connection.autocommit = False
            connection.execute(f"SET TRANSACTION ISOLATION LEVEL {chance.choice(ISOLATION)}")
            connection.execute("SET LOCAL lock_timeout = '2s'")
            for _ in range(chance.randrange(1, 4)):
                connection.execute(change(chance))
                time.sleep(chance.choice([0, 0, 0.02, 0.5]) * chance.random())
            (connection.rollback if chance.random() < 0.1 else connection.commit)()


def unexplained(postgres: Postgres, aggregate: Aggregate) -> list[Any]:
    """Rows of the view that differ from a fresh query of the same moment, and whose buckets are not marked."""
    with contextlib.closing(postgres.connect()) as connection:
        connection.autocommit = False
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("LOCK TABLE events IN ACCESS SHARE MODE")  # no snapshot sees a TRUNCATE
        return connection.execute(
            f"WITH f AS MATERIALIZED ({aggregate.query(BUCKET)}), v AS MATERIALIZED ({aggregate.stored('live')}), "
            "d (bucket) AS (SELECT * FROM ((TABLE f EXCEPT ALL TABLE v) UNION ALL (TABLE v EXCEPT ALL TABLE f)) q) "
            "SELECT d.*, a.watermark, a.threshold FROM d, weir.aggregate a WHERE NOT EXISTS (SELECT FROM weir.aggregate_dirty m "
            "WHERE m.bucket = d.bucket) AND NOT EXISTS (SELECT FROM weir.aggregate_span s WHERE d.bucket >= s.low AND "
            "d.bucket < s.high) LIMIT 5").fetchall()


def test_the_view_is_right_at_every_moment(busy: Postgres) -> None:
    aggregate = Aggregate(busy, track="triggers", bucket="1 second", columns=COLUMNS, view="public.live")
    aggregate.run()
    chance = random.Random(15)
    until = time.monotonic() + scaled(SECONDS)
    writers = [threading.Thread(target=write, args=[busy, random.Random(seed), until]) for seed in range(3)]
    for writer in writers:
        writer.start()
    found: list[Any] = []
    while time.monotonic() < until and not found:
        run = aggregate.start()
        time.sleep(chance.random() * 0.3)
        found = unexplained(busy, aggregate)
        if chance.random() < 0.3:
            run.send_signal(chance.choice([signal.SIGKILL, signal.SIGTERM]))
        run.wait()
    for writer in writers:
        writer.join()
    assert found == []
    while (done := aggregate.call("run")).returncode == 1:
        assert "another Weir" in done.stderr
    assert done.returncode == 0, done.stderr
    aggregate.check(BUCKET)
    assert unexplained(busy, aggregate) == []
