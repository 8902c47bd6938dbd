"""An aggregate under test: a database of its own, and `weir aggregate` on it."""

import random
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Optional, Sequence

from support.deadlines import scaled
from support.postgres import Postgres
from support.weir import find_binary

CONFIG = """
[auth]
method = "trust"
[cluster.main]
servers = ["127.0.0.1:{port}"]
[database.app]
cluster = "main"
user = "{user}"
[maintenance]
database = "app"
timezone = "{zone}"
"""

COLUMNS = {
    "n": "count(*)",
    "total": "sum(value)",
    "users": "count(distinct user_id)",
    "p50": "percentile_cont(0.5) within group (order by value)",
}


class Aggregate:
    """One definition; every call is a process of its own."""

    def __init__(self, postgres: Postgres, *, source: str = "events", target: str = "public.hourly",
                 time: str = "at", bucket: str = "1 hour", late: str = "2 days", track: str = "counters",
                 groups: Sequence[str] = ("app", "kind"), columns: Optional[dict[str, str]] = None,
                 zone: str = "UTC", user: str = "postgres", **more: str) -> None:
        self.postgres = postgres
        self.source, self.target, self.time = source, target, time
        self.groups, self.columns = list(groups), dict(COLUMNS if columns is None else columns)
        self.options = {"bucket": bucket, "late": late, "track": track, **more}
        self.folder = Path(tempfile.mkdtemp(prefix="weir-aggregate-"))
        self.config = self.folder / "weir.toml"
        self.config.write_text(CONFIG.format(port=postgres.port, zone=zone, user=user))

    def command(self, verb: str, *words: str) -> list[str]:
        command = [str(find_binary()), "aggregate", verb, "-c", str(self.config), *words]
        if verb in ("list", "forget"):
            return command
        command += ["--source", self.source, "--target", self.target, "--time", self.time]
        for name, value in self.options.items():
            if value:
                command += ["--" + name, value]
        for group in self.groups:
            command += ["--group-by", group]
        for name, expression in self.columns.items():
            command += ["--column", f"{name}={expression}"]
        return command

    def call(self, verb: str, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(self.command(verb, *words), capture_output=True, text=True, timeout=scaled(60))

    def run(self, *words: str) -> str:
        """A run that ends well. Returns what it says."""
        done = self.call("run", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stderr

    def refuse(self, verb: str = "run", *words: str) -> str:
        done = self.call(verb, *words)
        assert done.returncode == 2, done.stdout + done.stderr
        return done.stderr

    def start(self, *words: str) -> "subprocess.Popen[bytes]":
        return self.start_verb("run", *words)

    def start_verb(self, verb: str, *words: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(self.command(verb, *words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    # ---- what is right -------------------------------------------------------------------------------------------

    def query(self, bucket: str = "date_trunc('hour', at)", where: str = "true") -> str:
        """The fresh query, written by hand."""
        groups = ", ".join(self.groups)
        columns = ", ".join(self.columns.values())
        return f"SELECT {bucket}, {groups + ', ' if groups else ''}{columns} FROM {self.source} WHERE {where} " \
               f"GROUP BY {', '.join(str(i + 1) for i in range(len(self.groups) + 1))}"

    def stored(self, relation: str = "") -> str:
        names = ["bucket", *[group.split(" AS ")[-1] for group in self.groups], *self.columns]
        return f"SELECT {', '.join(names)} FROM {relation or self.target}"

    def difference(self, fresh: str, relation: str = "") -> list[Any]:
        stored = self.stored(relation)
        return self.postgres.execute(f"(SELECT 'missing', * FROM (({fresh}) EXCEPT ALL ({stored})) a) UNION ALL "
                                     f"(SELECT 'wrong', * FROM (({stored}) EXCEPT ALL ({fresh})) b) LIMIT 10")

    def check(self, bucket: str = "date_trunc('hour', at)") -> None:
        """The target is what a fresh query over the complete buckets gives."""
        fresh = self.query(bucket, f"{bucket} < (SELECT watermark FROM weir.aggregate)")
        assert self.difference(fresh) == []

    def state(self, column: str) -> Any:
        return self.postgres.value(f"SELECT {column} FROM weir.aggregate WHERE target = %s", [self.target])


SOURCE = """
CREATE TABLE events (id bigserial, at timestamptz NOT NULL, app int, kind text,
                     user_id int, value numeric)
"""
PARTITIONED = SOURCE + " PARTITION BY RANGE (at)"

ROW = "now() - interval '1 minute' * (%s)::float, nullif((random() * 4)::int, 4), " \
      "(ARRAY['view', 'click', NULL, ''])[1 + (random() * 3)::int], (random() * 50)::int, " \
      "round((random() * 1000)::numeric, 2)"


def insert(count: str, minutes: str) -> str:
    """`count` rows, each `minutes` (SQL) old."""
    return f"INSERT INTO events (at, app, kind, user_id, value) SELECT {ROW.replace('%s', minutes)} " \
           f"FROM generate_series(1, {count}) g"


def partition_by_days(postgres: Postgres, days: int = 4) -> None:
    for day in range(-days, 2):
        low, high = (postgres.value(f"SELECT (current_date + {d})::text") for d in (day, day + 1))
        name = f"events_{'m' if day < 0 else 'p'}{abs(day)}"
        postgres.execute(f"CREATE TABLE {name} PARTITION OF events FOR VALUES FROM ('{low}') TO ('{high}')")


def disturb(postgres: Postgres, chance: random.Random, oldest_minutes: int) -> str:
    """One change of rows of any age. Returns it."""
    age = chance.randrange(oldest_minutes)
    oldest = age + chance.randrange(1, 300)
    where = f"at BETWEEN now() - interval '{oldest} minutes' AND now() - interval '{age} minutes'"
    sql = chance.choice([
        insert(str(chance.randrange(1, 20)), f"({age} + g)"),
        f"UPDATE events SET value = value + 1, app = nullif(app, 2) WHERE {where}",
        f"UPDATE events SET at = at - interval '{chance.randrange(1, 90)} minutes' WHERE {where} AND app = 1",
        f"DELETE FROM events WHERE {where} AND user_id < 25",
        f"DELETE FROM events WHERE {where}",
    ])
    counted(postgres, f"SELECT setseed({chance.random()}); {sql}")
    return sql


def counted(postgres: Postgres, sql: str) -> None:
    """Runs it; the server's statistics know of it at once."""
    postgres.execute(sql + "; SELECT pg_stat_force_next_flush()")
