"""A planned change of roles: the primary ends in order, a replica is promoted, the old primary follows it."""

from typing import Any

import pytest

from cluster.conftest import MakeCluster, StartSplit
from support.deadlines import wait_until
from support.orders import ask
from support.raw_client import errors
from support.readers import Readers
from support.writers import TABLE, Writers

pytestmark = [pytest.mark.needs_weir, pytest.mark.timeout(60)]


def switch(primary: Any, replica: Any) -> None:
    """By the book: a primary that ends in order has given all it has to those that stream from it."""
    primary.stop()
    replica.promote()
    (primary.data / "standby.signal").touch()
    conninfo = f"primary_conninfo = 'host=127.0.0.1 port={replica.port} user=postgres'\n"
    with open(primary.data / "postgresql.auto.conf", "a") as settings:
        settings.write(conninfo)
    primary.start()


@pytest.mark.parametrize("is_paused", [True, False], ids=["paused", "under_way"])
def test_no_statement_is_lost(make_cluster: MakeCluster, start_split: StartSplit, is_paused: bool) -> None:
    """With PAUSE nobody meets anything; without it, those whose statements the server has broken off are told."""
    primary, replica = make_cluster()
    primary.execute(TABLE)
    weir = start_split(primary, replica, pool={"acquire_timeout": "60s"})
    with weir.logged_in() as idle, Readers(weir, clients=2) as readers, Writers(weir) as writers:
        assert errors(idle.query("SELECT 1")) == []
        wait_until(writers.have_all_written)
        if is_paused:
            assert ask(weir, "PAUSE app") != []
        switch(primary, replica)
        if is_paused:
            wait_until(lambda: weir.show("MEMBERS")[1]["role"] == "primary")
            ask(weir, "RESUME app")
        written = writers.count()
        wait_until(lambda: writers.count() > written + 100, "writes go on")
        wait_until(lambda: readers.comes_to(primary), "and it recovers: the old primary is read from")
        assert errors(idle.query("INSERT INTO written VALUES (-1, 0)")) == []
    assert readers.failed == []
    allowed: list[list[str]] = [[]] if is_paused else [[], ["08006"], ["57P01"]]
    assert all(failed in allowed for failed in writers.failed), writers.failed
    assert writers.lost_on(replica) == set() and writers.twice_on(replica) == []
    wait_until(lambda: writers.lost_on(primary) == set(), "the old primary has followed")


def test_open_transactions_end_and_their_sessions_do_not(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica = make_cluster()
    primary.execute(TABLE)
    weir = start_split(primary, replica)
    with weir.logged_in() as inside, weir.logged_in() as outside:
        assert errors(outside.query("INSERT INTO written VALUES (1, 0)")) == []
        inside.query("BEGIN")
        assert errors(inside.query("INSERT INTO written VALUES (2, 0)")) == []
        switch(primary, replica)
        wait_until(lambda: weir.show("MEMBERS")[1]["role"] == "primary")
        assert errors(inside.query("COMMIT")) in (["08006"], ["57P01"])
        for client in (inside, outside):
            assert errors(client.query("INSERT INTO written VALUES (3, 0)")) == []  # and it recovers
    assert replica.execute("SELECT client FROM written ORDER BY 1") == [(1,), (3,), (3,)]
