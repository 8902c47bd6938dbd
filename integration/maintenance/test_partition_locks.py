"""Partitions are attached while clients work: nobody waits for it, whoever else is in the way."""

import contextlib
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
import pytest

from conftest import StartWeir
from maintenance.conftest import Database
from support.deadlines import wait_until
from support.standstill import Standstill

pytestmark = pytest.mark.needs_weir

EVENTS = "CREATE TABLE events (id bigserial, ts timestamptz NOT NULL, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts)"
LONGEST_S = 0.3


class Load:
    """Clients of a Weir that insert and count, each statement timed."""

    def __init__(self, port: int, database: Database) -> None:
        self.longest = 0.0
        self.count = 0
        self.problems: list[Exception] = []
        self._standstill = Standstill()
        self._ending = threading.Event()
        self._where = f"host=127.0.0.1 port={port} dbname={database.name} user=postgres"
        self._threads = [threading.Thread(target=self._run, args=(sql,)) for sql in self._statements()]

    @staticmethod
    def _statements() -> list[str]:
        return [
            "INSERT INTO events (ts) VALUES (now())",
            "INSERT INTO events (ts) VALUES (now())",
            "SELECT count(*) FROM events WHERE ts > now() - interval '1 second'",
            "SELECT count(*) FROM events WHERE id = 1",
        ]

    def _run(self, sql: str) -> None:
        try:
            with psycopg.connect(self._where, autocommit=True) as client:
                while not self._ending.is_set():
                    began = time.monotonic()
                    client.execute(sql)
                    self.longest = max(self.longest, time.monotonic() - began)
                    self.count += 1
                    time.sleep(0.002)
        except Exception as problem:  # told by the test
            self.problems.append(problem)

    def __enter__(self) -> "Load":
        self._standstill.__enter__()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()
        self._standstill.__exit__()

    @property
    def longest_wait(self) -> float:
        """Seconds; without those that the machine stood still."""
        return self.longest - self._standstill.longest


def now_part() -> str:
    today = datetime.now(timezone.utc).date()
    return f"FOR VALUES FROM ('{today - timedelta(days=1)}') TO ('{today + timedelta(days=2)}')"


@pytest.mark.parametrize("default", [False, True])
def test_no_client_waits_while_partitions_are_attached(
    database: Database, start_weir: StartWeir, default: bool
) -> None:
    database.execute(EVENTS, f"CREATE TABLE present PARTITION OF events {now_part()}")
    if default:
        database.execute("CREATE TABLE rest PARTITION OF events DEFAULT")
    weir = start_weir()
    with contextlib.closing(database.connect()) as idle, contextlib.closing(database.connect()) as reader:
        for holder in (idle, reader):
            holder.execute("BEGIN")
            holder.execute("LOCK TABLE present IN ACCESS SHARE MODE")
        idle.execute("SELECT count(*) FROM events WHERE ts > now()")
        long_read = threading.Thread(target=lambda: reader.execute("SELECT pg_sleep(2)"))
        long_read.start()
        with Load(weir.port, database) as load:
            create = ("partition", "create", "events", "--interval", "daily", "--default", "keep")
            ahead = ("--ahead-min", "20 days", "--ahead-max", "30 days")
            if default:  # whoever reads all of the table has DEFAULT, too, and goes before long
                threading.Timer(1.0, lambda: idle.execute("COMMIT")).start()
            done = database.weir(*create, *ahead)
            long_read.join()
        idle.execute("COMMIT")
        reader.execute("COMMIT")
    assert "made" in done.said
    assert len(database.partitions("events")) > 25
    assert not load.problems
    assert load.count > 100
    assert load.longest_wait < LONGEST_S


@pytest.mark.parametrize("command", ["create", "cleanup"])
def test_who_has_a_partition_locked_is_named_and_nobody_waits_for_it(database: Database, tmp_path: Path, command: str) -> None:
    database.execute(
        EVENTS,
        "CREATE TABLE past PARTITION OF events FOR VALUES FROM ('2001-01-01') TO ('2001-01-02')",
        f"CREATE TABLE present PARTITION OF events {now_part()}",
        "CREATE TABLE rest PARTITION OF events DEFAULT",
    )
    config = tmp_path / "weir.toml"
    config.write_text(f"""
        auth = {{ method = "trust" }}
        cluster = {{ main = {{ servers = ["127.0.0.1:{database.postgres.port}"] }} }}
        database = {{ {database.name} = {{ cluster = "main" }} }}
        user = {{ postgres = {{}} }}
        maintenance = {{ database = "{database.name}", user = "postgres", max_blocker_age = "1s" }}
    """)
    switches = {
        "create": ("--interval", "daily", "--default", "keep"),
        "cleanup": ("--retention", "30 days", "--action", "drop", "--enforce"),
    }[command]
    with contextlib.closing(database.connect()) as holder:
        holder.execute("BEGIN")
        for table in ("past", "rest"):
            holder.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        holder.execute("SELECT 'a password' WHERE $$another$$ <> ''")
        wait_until(lambda: database.value(
            "SELECT count(*) FROM pg_stat_activity WHERE xact_start < clock_timestamp() - interval '1.1s'"
            " AND state = 'idle in transaction'") == 1, "it is old")
        began = time.monotonic()
        done = database.weir("partition", command, "events", *switches, "-c", str(config), status=None)
        took = time.monotonic() - began
        holder.execute("COMMIT")
    assert "holds AccessExclusiveLock" in done.said
    assert "SELECT" in done.said and "password" not in done.said and "another" not in done.said
    assert took < 15, "it waited for a lock"


# ---- DEFAULT -----------------------------------------------------------------------------------------------------


def future(days: int) -> str:
    return str(datetime.now(timezone.utc) + timedelta(days=days))


@pytest.mark.parametrize("policy", ["none", "keep", "guard"])
def test_rows_of_default_move_to_the_partition_that_is_made(database: Database, policy: str) -> None:
    database.execute(
        EVENTS,
        f"CREATE TABLE present PARTITION OF events {now_part()}",
        "CREATE TABLE rest PARTITION OF events DEFAULT",
        f"INSERT INTO events (ts) SELECT '{future(5)}' FROM generate_series(1, 700)",
        "INSERT INTO events (ts) VALUES ('2001-01-01')",
        "ALTER TABLE rest ADD CONSTRAINT weir_guard_left CHECK (ts < '2099-01-01') NOT VALID",
    )
    done = database.weir(
        *("partition", "create", "events", "--interval", "daily", "--default", policy),
        *("--ahead-min", "20 days", "--ahead-max", "20 days"),
        status=1 if policy == "none" else 0,
    )
    assert "700 rows" in done.said
    assert ("default = \"none\"" in done.said) == (policy == "none")
    assert database.value("SELECT count(*) FROM rest") == 1
    assert database.value("SELECT count(*) FROM events") == 701
    assert database.value("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'weir_guard%'") == 0


def test_too_many_rows_of_default_are_left_and_told(database: Database) -> None:
    database.execute(
        EVENTS,
        f"CREATE TABLE present PARTITION OF events {now_part()}",
        "CREATE TABLE rest PARTITION OF events DEFAULT",
        f"INSERT INTO events (ts) SELECT '{future(5)}' FROM generate_series(1, 5000)",
    )
    create = ("partition", "create", "events", "--interval", "daily", "--default", "keep", "--ahead-min", "20 days")
    done = database.weir(*create, "--ahead-max", "20 days", status=2)
    assert "--empty-default" in done.said
    assert database.value("SELECT count(*) FROM rest") == 5000
    assert len(database.partitions("events")) > 15  # the others are there
    (default, *_) = [
        row
        for row in database.weir("partition", "analyze", "events", "--json", status=None).items
        if row["partition"] == "public.rest"
    ]
    assert "5000 rows" in default["finding"]


def test_rows_that_others_refer_to_are_not_moved(database: Database) -> None:
    database.execute(
        EVENTS,
        f"CREATE TABLE present PARTITION OF events {now_part()}",
        "CREATE TABLE rest PARTITION OF events DEFAULT",
        f"INSERT INTO events (id, ts) VALUES (1, '{future(5)}')",
        "CREATE TABLE refers (id bigint, ts timestamptz, FOREIGN KEY (id, ts) REFERENCES events ON DELETE CASCADE)",
        "INSERT INTO refers SELECT id, ts FROM events",
    )
    done = database.weir(
        *("partition", "create", "events", "--interval", "daily", "--default", "keep"),
        *("--ahead-min", "20 days", "--ahead-max", "20 days"),
        status=2,
    )
    assert "refer" in done.said
    assert database.value("SELECT count(*) FROM refers") == 1


MOVING = {
    "refer to it": (
        "CREATE TABLE refers (id bigint, ts timestamptz, FOREIGN KEY (id, ts) REFERENCES rest ON DELETE CASCADE)",
        "INSERT INTO refers SELECT id, ts FROM events",
    ),
    "is published": ("CREATE PUBLICATION p FOR TABLE rest",),
    "it is published": ("CREATE PUBLICATION p FOR TABLES IN SCHEMA public",),
}


@pytest.mark.parametrize("words", MOVING)
def test_rows_of_default_are_not_moved_where_it_can_be_seen(database: Database, words: str) -> None:
    database.execute(
        EVENTS,
        f"CREATE TABLE present PARTITION OF events {now_part()}",
        "CREATE TABLE rest PARTITION OF events DEFAULT",
        f"INSERT INTO events (id, ts) VALUES (1, '{future(5)}')",
        *MOVING[words],
    )
    done = database.weir(
        *("partition", "create", "events", "--interval", "daily", "--default", "keep"),
        *("--ahead-min", "20 days", "--ahead-max", "20 days"),
        status=2,
    )
    assert words in done.said
    assert database.value("SELECT count(*) FROM rest") == 1
    if "refer" in words:
        assert database.value("SELECT count(*) FROM refers") == 1


# ---- findings ----------------------------------------------------------------------------------------------------


def test_analysis_finds_what_was_planted_and_nothing_else(database: Database) -> None:
    database.execute(EVENTS)
    database.weir("partition", "create", "events", "--interval", "daily")
    database.execute("INSERT INTO events (ts) VALUES (now())", "ANALYZE events")
    assert database.weir("partition", "analyze", status=0).out.count("\n") <= 1
    database.execute(
        "CREATE TABLE plain (id int)",
        "INSERT INTO plain SELECT generate_series(1, 2000)",
        "ANALYZE plain",
        "CREATE INDEX odd ON ONLY events (ts)",
        "CREATE TABLE bare (ts timestamptz) PARTITION BY RANGE (ts)",
        "CREATE TABLE hashed (id int) PARTITION BY HASH (id)",
    )
    found = database.weir("partition", "analyze", "--threshold", "1000", "--json", status=2).items
    assert [row["severity"] for row in found] == sorted(
        (row["severity"] for row in found), key=["critical", "warn", "info"].index
    )
    words = {row["table"]: row["finding"] for row in found}
    assert "is not partitioned" in words["public.plain"]
    assert "no partition holds now" in words["public.bare"]
    assert "misses the index odd" in words["public.events"]
    assert "HASH" in words["public.hashed"]
