"""pgbench: no error, and never more than eight backends."""

import os
import re
import shutil
import subprocess
import threading
from typing import Any, Iterator

import pytest

from conftest import StartWeir
from support.deadlines import scaled
from support.postgres import BINARIES, Postgres

pytestmark = [pytest.mark.needs_weir, pytest.mark.timeout(60)]

PGBENCH = shutil.which("pgbench") or str(BINARIES / "pgbench")
SECONDS = 3
POOL = 8


def pgbench(port: int, *arguments: str) -> str:
    command = [PGBENCH, "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", *arguments, "app"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=scaled(50), env={"PATH": os.environ["PATH"]}
    )
    assert done.returncode == 0, done.stderr
    assert "ERROR" not in done.stderr and "FATAL" not in done.stderr, done.stderr
    return done.stdout


@pytest.fixture
def bench_tables(postgres: Postgres) -> Iterator[None]:
    if not postgres.value("SELECT to_regclass('pgbench_accounts') IS NOT NULL"):
        pgbench(postgres.port, "-i", "-q", "-s", "1")
    yield


# pgbench prepares with a blocking call: in session mode, where clients keep what they got, a ninth client would stop
# the thread that the first eight need in order to finish, with any pooler.
@pytest.mark.parametrize(
    ("protocol", "mode", "clients"),
    [
        ("simple", "transaction", 64),
        ("extended", "transaction", 64),
        ("prepared", "transaction", 64),
        ("prepared", "session", 8),
    ],
)
def test_pgbench_over_a_pool_of_eight(
    start_weir: StartWeir, postgres: Postgres, bench_tables: None, protocol: str, mode: str, clients: int
) -> None:
    weir: Any = start_weir({"pool": {"mode": mode, "max": POOL, "acquire_timeout": "5m"}})
    highest = [0]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            highest[0] = max(highest[0], postgres.backends())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        how = ["-S", "-n", "-c", str(clients), "-j", "2", "-M", protocol, "-T", str(SECONDS)]
        report = pgbench(weir.port, *how)
    finally:
        done.set()
        watcher.join()
    failed = re.search(r"number of failed transactions: (\d+)", report)
    processed = re.search(r"number of transactions actually processed: (\d+)", report)
    assert failed is not None and int(failed.group(1)) == 0
    assert processed is not None and int(processed.group(1)) > 0
    assert 0 < highest[0] <= POOL


@pytest.mark.parametrize("threads", [1, 2])
def test_pgbench_with_writes_and_reconnects(
    start_weir: StartWeir, postgres: Postgres, bench_tables: None, threads: int
) -> None:
    weir: Any = start_weir({"listen": {"threads": threads}, "pool": {"max": POOL, "acquire_timeout": "30s"}})
    pgbench(weir.port, "-n", "-c", "16", "-j", "2", "-T", "2")
    pgbench(weir.port, "-n", "-S", "-C", "-c", "8", "-j", "2", "-T", "1")
    branches = postgres.value("SELECT sum(bbalance) FROM pgbench_branches")
    assert branches == postgres.value("SELECT sum(abalance) FROM pgbench_accounts")
    assert branches == postgres.value("SELECT sum(delta) FROM pgbench_history")
