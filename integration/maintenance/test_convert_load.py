"""Clients work through Weir while a table is converted: none waits for it, and none misses a row."""

import contextlib
import os
import threading
import time
from typing import Any

import psycopg
import pytest

from conftest import StartWeir
from maintenance.conftest import Database
from support.standstill import Standstill

pytestmark = pytest.mark.needs_weir

LONGEST_S = 0.3
ALL = os.environ.get("WEIR_TEST_ALL") == "1"
ROWS = 2_000_000 if ALL else 200_000
MOST_KIB = 100 * 1024

TABLE = (
    "CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, ts timestamptz, n bigint NOT NULL)",
    f"INSERT INTO events (ts, n) SELECT now() - i * interval '1 minute', i FROM generate_series(1, {ROWS}) i",
    "CREATE VIEW seen AS SELECT id, n FROM events",
)


class Load:
    """Clients that each know what they have written: inserts, updates and deletes of their own rows."""

    def __init__(self, port: int, database: Database, clients: int = 4) -> None:
        self.times: list[float] = []
        self.rows = 0
        self.total = 0
        self.ids: list[int] = []
        self.problems: list[Exception] = []
        self._lock = threading.Lock()
        self._standstill = Standstill()
        self._ending = threading.Event()
        self._where = f"host=127.0.0.1 port={port} dbname={database.name} user=postgres"
        self._threads = [threading.Thread(target=self._run, args=(i,)) for i in range(clients)]

    def _timed(self, client: "psycopg.Connection[Any]", sql: str, values: tuple[Any, ...]) -> Any:
        began = time.monotonic()
        cursor = client.execute(sql, values)
        rows = cursor.fetchall() if cursor.description else []
        with self._lock:
            self.times.append(time.monotonic() - began)
        return rows

    def _run(self, number: int) -> None:
        own: dict[int, int] = {}
        seen: list[int] = []
        try:
            with psycopg.connect(self._where, autocommit=True) as client:
                turn = 0
                while not self._ending.is_set():
                    turn += 1
                    ((made,),) = self._timed(client, "INSERT INTO events (ts, n) VALUES (now(), %s) RETURNING id", (turn,))
                    own[made] = turn
                    seen.append(made)
                    if turn % 3 == 0:
                        changed = seen[turn // 2]
                        if changed in own:
                            self._timed(client, "UPDATE events SET n = n + 5 WHERE id = %s", (changed,))
                            own[changed] += 5
                    if turn % 5 == 0:
                        gone = seen[turn // 3]
                        if own.pop(gone, None) is not None:
                            self._timed(client, "DELETE FROM events WHERE id = %s", (gone,))
                    if turn % 7 == 0:  # what was written a moment ago is seen by way of the view
                        rows = self._timed(client, "SELECT n FROM seen WHERE id = %s", (made,))
                        assert rows == ([(own[made],)] if made in own else []), (rows, made)
                    time.sleep(0.002)
        except Exception as problem:  # told by the test
            self.problems.append(problem)
        with self._lock:
            self.rows += len(own)
            self.total += sum(own.values())
            self.ids += seen

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
        ordered = sorted(self.times) or [0.0]
        self.longest = ordered[-1]
        p99 = ordered[int(len(ordered) * 0.99)]
        print(f"{len(ordered)} statements, p99 {p99 * 1000:.1f} ms, max {self.longest * 1000:.1f} ms")

    @property
    def longest_wait(self) -> float:
        """Seconds; without those that the machine stood still."""
        return self.longest - self._standstill.longest


def run(database: Database, *arguments: str) -> tuple[int, str, int]:
    """Runs it, and returns its exit status, what it said and the most memory it had, in KiB."""
    process = database.start("partition", "convert", "events", *arguments)
    most = 0
    while process.poll() is None:
        with contextlib.suppress(OSError, StopIteration):
            with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
                most = max(most, int(next(line for line in status if line.startswith("VmHWM")).split()[1]))
        time.sleep(0.01)
    _, said = process.communicate()
    return process.returncode, said, most


def check(database: Database, load: Load) -> None:
    assert not load.problems
    assert len(load.times) > 200
    assert load.longest_wait < LONGEST_S
    assert len(set(load.ids)) == len(load.ids)
    wanted = (ROWS + load.rows, ROWS * (ROWS + 1) // 2 + load.total)
    assert database.execute("SELECT count(*), sum(n) FROM events") == [wanted]
    assert database.execute("SELECT count(*), sum(n) FROM seen") == [wanted]


def test_nobody_waits_and_no_row_is_missed(database: Database, start_weir: StartWeir) -> None:
    database.execute(*TABLE)
    weir = start_weir()
    with Load(weir.port, database) as load:
        time.sleep(0.3)
        status, said, most = run(
            database, "--key", "ts", "--interval", "1 month", "--widen-primary-key"
        )
        time.sleep(0.3)
    assert status == 0, said
    check(database, load)
    assert most < MOST_KIB
    assert database.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'events'::regclass") > 10


def test_long_reader_is_named_and_nobody_stands_behind(database: Database, start_weir: StartWeir, tmp_path: Any) -> None:
    database.execute(TABLE[0], TABLE[1].replace(str(ROWS), "1000"), TABLE[2])
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
    given = ("--key", "ts", "--interval", "1 month", "--widen-primary-key", "-c", str(config))
    weir = start_weir()
    with contextlib.closing(database.connect()) as reader, Load(weir.port, database, clients=2) as load:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM events")
        time.sleep(0.3)
        status, said, _ = run(database, *given)
        assert status == 1 and "put off" in said and "weir-integration-harness" in said
        assert "the next run goes on" in said
        reader.execute("COMMIT")
        status, said, _ = run(database, *given)
    assert status == 0, said
    assert not load.problems
    assert load.longest_wait < LONGEST_S
