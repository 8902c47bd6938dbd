"""Whatever becomes of a member, reads go on: what it has not answered is answered by another one."""

import threading
import time
from typing import Any

import pytest

from cluster.conftest import MakeCluster, StartSplit
from support.deadlines import scaled, wait_until
from support.raw_client import errors, types
from support.readers import Readers
from support.replica import Replica

pytestmark = [pytest.mark.needs_weir, pytest.mark.timeout(60)]


@pytest.mark.parametrize("threads", [1, 2])
def test_replica_is_killed_and_comes_back(make_cluster: MakeCluster, start_split: StartSplit, threads: int) -> None:
    primary, first, second = make_cluster(2)
    weir = start_split(primary, first, second, listen={"threads": threads})
    with Readers(weir) as readers:
        first.kill()
        time.sleep(scaled(1))
        wait_until(lambda: not readers.comes_to(first) and readers.comes_to(second))
        first.start()
        wait_until(lambda: readers.comes_to(first), "and it recovers")
    assert readers.failed == []


def test_last_replica_is_killed(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica = make_cluster()
    weir = start_split(primary, replica)
    with Readers(weir) as readers:
        replica.kill()
        wait_until(lambda: readers.comes_to(primary), "the primary serves them")
        replica.start()
        wait_until(lambda: readers.comes_to(replica) and not readers.comes_to(primary), "and it recovers")
    assert readers.failed == []


def test_replica_that_does_not_move(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, first, second = make_cluster(2)
    weir = start_split(primary, first, second, cluster={"probe_timeout": "500ms"})
    with Readers(weir) as readers:
        with first.is_frozen():
            time.sleep(scaled(2))
            wait_until(lambda: not readers.comes_to(first) and readers.comes_to(second))
        wait_until(lambda: readers.comes_to(first), "and it recovers")
    assert readers.failed == []


def test_primary_is_lost(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, first, second = make_cluster(2)
    weir = start_split(primary, first, second)
    with Readers(weir) as readers:
        primary.kill()
        time.sleep(scaled(1))
        assert readers.comes_to(first) or readers.comes_to(second)
        first.promote()
        wait_until(lambda: weir.show("MEMBERS")[1]["role"] == "primary")
        time.sleep(scaled(0.5))
        readers.longest = 0
        time.sleep(scaled(0.5))
    assert readers.failed == []
    with weir.logged_in() as client:
        assert errors(client.query("CREATE TABLE after (x int)")) == []


def test_what_replay_is_in_the_way_of_runs_elsewhere(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    """A recovery conflict: the replica cancels a read that looks at what the primary has removed."""
    primary = make_cluster(0)[0]
    replica = Replica(primary, hot_standby_feedback="off", max_standby_streaming_delay="0")
    try:
        primary.execute("CREATE TABLE t AS SELECT g AS x FROM generate_series(1, 1000) g")
        primary.execute("CREATE FUNCTION slow() RETURNS text LANGUAGE plpgsql STABLE AS 'BEGIN PERFORM pg_sleep(1);"
                        " RETURN (SELECT count(*)::text FROM t); END'")
        weir = start_split(primary, replica)
        before = weir.metrics().sum("weir_retries_total", kind="replica", outcome="attempt")
        with weir.logged_in() as client:
            client.query("SELECT at()")
            wait_until(lambda: client.value("SELECT at()") == str(replica.port))
            results: list[Any] = []

            def read() -> None:
                for _ in range(5):
                    results.append(client.query("SELECT count(*), slow() FROM t"))

            thread = threading.Thread(target=read)
            thread.start()
            for _ in range(10):
                time.sleep(scaled(0.3))
                primary.execute("DELETE FROM t WHERE x % 10 = 3")
                primary.execute("INSERT INTO t SELECT 3 FROM generate_series(1, 100)")
                primary.execute("VACUUM t")
            thread.join()
            assert all(types(messages) == "TDCZ" for messages in results), [types(m) for m in results]
            assert weir.metrics().sum("weir_retries_total", kind="replica", outcome="attempt") > before
    finally:
        replica.remove()
