"""A primary is lost under load: pgbench, drivers and readers at once, through one endpoint."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Iterator

import pytest

from cluster.conftest import MakeCluster, StartSplit
from support.deadlines import scaled, wait_until
from support.postgres import BINARIES
from support.readers import Readers
from support.writers import TABLE, Writers

pytestmark = [pytest.mark.needs_weir, pytest.mark.timeout(60)]

PGBENCH = shutil.which("pgbench") or str(BINARIES / "pgbench")
POOL = 6
READS = "SELECT count(*) FROM kept;\n"
MIX = "\\set n random(1, 3)\n\\if :n = 1\nINSERT INTO kept VALUES (1);\n\\else\n" + READS + "\\endif\n"


class Bench:
    """A pgbench that runs until it is told to end; ``stderr`` then has what its clients met."""

    def __init__(self, weir: Any, folder: Path, script: str, clients: int) -> None:
        file = folder / f"{clients}.sql"
        file.write_text(script)
        command = [PGBENCH, "-h", weir.host, "-p", str(weir.port), "-U", "postgres", "-n", "-T", "600",
                   "-c", str(clients), "-f", str(file), "app"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                        env={"PATH": os.environ["PATH"]})
        self.clients, self.stderr = clients, ""

    def end(self) -> None:
        if self.process.poll() is None and not self.stderr:
            self.process.terminate()
        _, said = self.process.communicate(timeout=scaled(10))
        self.stderr += said or ""

    def aborted(self) -> list[str]:
        """What ended a client of it: pgbench gives up a client at its first error."""
        return [line for line in self.stderr.splitlines() if re.search(r"client \d+ .*abort", line)]


@pytest.fixture
def bench() -> Iterator[Any]:
    """``bench(weir, folder, script, clients)``"""
    started: list[Bench] = []

    def start(*arguments: Any) -> Bench:
        started.append(Bench(*arguments))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.end()


def test_primary_is_killed_and_a_replica_promoted(
    make_cluster: MakeCluster, start_split: StartSplit, bench: Any, tmp_path: Path
) -> None:
    """What was under way on a connection of the pool is told so, once; nobody else meets anything but a wait."""
    primary, first, second = make_cluster(2)
    primary.execute("CREATE TABLE kept (x int)")
    primary.execute(TABLE)
    weir = start_split(primary, first, second, pool={"max": POOL, "acquire_timeout": "60s"}, listen={"threads": 2})
    mixed, reading = bench(weir, tmp_path, MIX, 4), bench(weir, tmp_path, READS, 3)
    with Readers(weir, clients=2) as readers, Writers(weir) as writers:
        wait_until(writers.have_all_written)
        wait_until(lambda: primary.value("SELECT count(*) FROM kept") > 10)
        primary.kill()
        wait_until(lambda: weir.show("MEMBERS")[0]["state"] == "down")
        wait_until(lambda: readers.comes_to(second), "reads go on meanwhile")
        first.promote()
        written = writers.count()
        wait_until(lambda: writers.count() > written + 100, "writes go on")
        second.execute(f"ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port={first.port} user=postgres'")
        second.reload()
        wait_until(lambda: readers.comes_to(second), "and it recovers")
    for one in (mixed, reading):
        one.end()
    assert readers.failed == []
    assert reading.aborted() == [] and "ERROR" not in reading.stderr, reading.stderr
    assert all(failed in ([], ["08006"]) for failed in writers.failed), writers.failed
    met = sum(map(len, writers.failed)) + len(mixed.aborted())
    assert met <= POOL, (writers.failed, mixed.stderr)
    assert writers.twice_on(first) == []
