"""A primary that does not move: it takes connections, and answers nothing."""

import pytest

from cluster.conftest import MakeCluster, StartSplit
from support import wire
from support.deadlines import stays_true, wait_until
from support.orders import is_waiting
from support.raw_client import errors
from support.readers import Readers

pytestmark = [pytest.mark.needs_weir, pytest.mark.timeout(60)]

QUICK = {"probe_interval": "200ms", "probe_timeout": "500ms"}


# One connection to the primary: whoever comes second waits.
ONE = {"max": 1, "acquire_timeout": "60s"}
# Takes long enough to be under way when the server stops.
SLOW_INSERT = "INSERT INTO kept SELECT 1 FROM pg_sleep(2)"


def insert(number: int) -> bytes:
    return wire.query(f"INSERT INTO kept VALUES ({number})")


def test_writes_wait_until_it_moves_again_and_reads_do_not(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica = make_cluster()
    primary.execute("CREATE TABLE kept (x int)")
    weir = start_split(primary, replica, cluster=QUICK, pool=ONE)
    with weir.logged_in() as early, weir.logged_in() as late, Readers(weir, clients=2) as readers:
        assert errors(early.query("INSERT INTO kept VALUES (0)")) == []
        early.send(wire.query(SLOW_INSERT))
        primary.wait_until_running(SLOW_INSERT)
        with primary.is_frozen():
            wait_until(lambda: weir.show("MEMBERS")[0]["state"] == "down", "it is missed")
            late.send(insert(2))
            wait_until(lambda: readers.comes_to(replica))
            stays_true(lambda: is_waiting(early) and is_waiting(late), 0.3)
        assert errors(early.receive_ready()) + errors(late.receive_ready()) == []
        assert errors(early.query("INSERT INTO kept VALUES (3)")) == []  # and it recovers
    assert primary.execute("SELECT x FROM kept ORDER BY x") == [(0,), (1,), (2,), (3,)]
    assert readers.failed == []


def test_another_is_promoted_meanwhile(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica = make_cluster()
    primary.execute("CREATE TABLE kept (x int)")
    weir = start_split(primary, replica, cluster=QUICK, pool=ONE)
    with weir.logged_in() as early, weir.logged_in() as late, Readers(weir, clients=2) as readers:
        assert errors(early.query("INSERT INTO kept VALUES (0)")) == []
        replica.wait_until_near(primary)
        early.send(wire.query(SLOW_INSERT))
        primary.wait_until_running(SLOW_INSERT)
        with primary.is_frozen():
            wait_until(lambda: weir.show("MEMBERS")[0]["state"] == "down", "it is missed")
            late.send(insert(2))
            replica.promote()
            assert errors(early.receive_ready()) == ["08006"]  # it may yet do it
            assert errors(late.receive_ready()) == []
        wait_until(lambda: weir.show("MEMBERS")[0]["role"] == "split_brain", "it is seen, and not used")
        for number in range(3, 10):
            assert errors(early.query(f"INSERT INTO kept VALUES ({number})")) == []  # and it recovers
    assert replica.execute("SELECT x FROM kept ORDER BY x") == [(0,), *((x,) for x in range(2, 10))]
    assert readers.failed == []
