"""Replicas that have not followed a promotion: what they have is old for ever, or never was."""

from typing import Any

import pytest

from cluster.conftest import MakeCluster, StartSplit
from support.deadlines import stays_true, wait_until
from support.raw_client import RawClient, errors
from support.readers import Readers
from support.replica import copy_data

pytestmark = [pytest.mark.needs_weir, pytest.mark.timeout(60)]


def follow(replica: Any, primary: Any) -> None:
    """From now on it streams from there, if it can."""
    replica.execute(f"ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port={primary.port} user=postgres'")
    replica.reload()


def row(weir: Any, server: Any) -> dict[str, Any]:
    return next(row for row in weir.show("MEMBERS") if row["member"] == f"127.0.0.1:{server.port}")


def promoted(weir: Any, server: Any) -> None:
    server.promote()
    wait_until(lambda: row(weir, server)["role"] == "primary", "it is known to be the primary")


def never_reads(client: RawClient, server: Any) -> None:
    """Looks for a while: probes and clients come by several times."""
    stays_true(lambda: client.value("SELECT at()") != str(server.port), 1)


def test_replica_that_stays_behind_is_not_read_until_it_follows(
    make_cluster: MakeCluster, start_split: StartSplit
) -> None:
    """It streams from a primary that is no more, so it is as near to that as ever."""
    primary, first, second = make_cluster(2)
    primary.execute("CREATE TABLE kept (x int)")
    weir = start_split(primary, first, second)
    with weir.logged_in() as client, Readers(weir, clients=2) as readers:
        assert errors(client.query("INSERT INTO kept VALUES (1)")) == []
        for replica in (first, second):
            replica.wait_until_near(primary)
        primary.kill()
        promoted(weir, first)
        never_reads(client, second)
        shown = row(weir, second)
        assert (shown["role"], shown["state"], shown["reads"]) == ("replica", "up", 0)
        assert errors(client.query("INSERT INTO kept VALUES (2)")) == []
        assert client.value("SELECT sum(x) FROM kept") == "3"
        assert second.value("SELECT sum(x) FROM kept") == 1
        follow(second, first)
        wait_until(lambda: readers.comes_to(second), "and it recovers")
        assert row(weir, second)["reads"] == 1
        wait_until(lambda: client.value("SELECT at()") == str(second.port), "also for who has written")
        assert client.value("SELECT sum(x) FROM kept") == "3"
    assert readers.failed == []


def test_replica_that_has_gone_another_way_is_not_read(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    """It has what the promoted one never got, and cannot follow it."""
    primary, first, second = make_cluster(2)
    primary.execute("CREATE TABLE kept (x int)")
    weir = start_split(primary, first, second)
    with weir.logged_in() as client, Readers(weir, clients=2) as readers:
        first.wait_until_near(primary)
        first.stop()
        assert errors(client.query("INSERT INTO kept VALUES (1)")) == []
        second.wait_until_near(primary)
        primary.kill()
        first.start()
        promoted(weir, first)
        follow(second, first)
        never_reads(client, second)
        assert row(weir, second)["reads"] == 0
        assert (client.value("SELECT count(*) FROM kept"), second.value("SELECT count(*) FROM kept")) == ("0", 1)
        second.stop()
        copy_data(first, second)
        second.start()
        wait_until(lambda: readers.comes_to(second), "and it recovers")
        assert row(weir, second)["reads"] == 1
    assert readers.failed == []


def test_old_primary_that_comes_back_is_for_nothing(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, first, second = make_cluster(2)
    primary.execute("CREATE TABLE kept (x int)")
    weir = start_split(primary, first, second)
    with weir.logged_in() as client, Readers(weir, clients=2) as readers:
        primary.kill()
        promoted(weir, first)
        follow(second, first)
        primary.start()
        wait_until(lambda: row(weir, primary)["role"] == "split_brain", "it is seen")
        assert (row(weir, primary)["reads"], row(weir, primary)["writes"]) == (0, 0)
        never_reads(client, primary)
        for _ in range(10):
            assert client.value("INSERT INTO kept VALUES (1) RETURNING at()") == str(first.port)
        primary.stop()
        copy_data(first, primary)
        primary.start()
        wait_until(lambda: readers.comes_to(primary), "and it recovers")
        assert row(weir, primary)["role"] == "replica"
    assert readers.failed == []
