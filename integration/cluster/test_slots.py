"""Servers that have no place for another connection (53300)."""

import contextlib
import time
from typing import Any, Iterator

import pytest

from cluster.conftest import MakeCluster, StartSplit
from support import wire
from support.deadlines import scaled, stays_true, wait_until
from support.orders import is_waiting, said
from support.raw_client import RawClient, ServerError, errors
from support.readers import Readers

pytestmark = [pytest.mark.needs_weir, pytest.mark.timeout(60)]

FEW = {"max_connections": "25"}
# A superuser: there is a place left to ask a server who it is.
PROBED = {"probe_user": "postgres"}
MANY = 40


class Hogs:
    """Connections of somebody else, who takes every place that is left."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.held: list[RawClient] = []

    def fill(self) -> None:
        with contextlib.suppress(ServerError):
            while len(self.held) < MANY:
                self.held.append(RawClient.connect_tcp("127.0.0.1", self.server.port))
                self.held[-1].log_in(user="hog", database="app")
        assert len(self.held) < MANY

    def take_places_of(self, user: str) -> None:
        """The user's backends end, and their places are taken; some come back first, and end again."""
        gone = f"SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE usename = '{user}'"

        def is_alone() -> bool:
            self.fill()
            return bool(self.server.value(gone) == 0)

        wait_until(is_alone, "it has all places")

    def take_place_of_probe(self, user: str) -> None:
        """The connection ends by which Weir asks who the server is, and there is no place for another."""
        self.fill()
        gone = ("SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
                f" WHERE usename = '{user}' AND application_name = 'weir'")

        def is_away() -> bool:
            ended = self.server.value(gone)
            self.fill()
            return bool(ended == 0)

        wait_until(is_away, "it has its place")

    def leave(self) -> None:
        for one in self.held:
            one.close()
        self.held.clear()


@pytest.fixture
def hogs() -> Iterator[Any]:
    """``hogs(server)`` takes nothing yet; all leave at the end."""
    made: list[Hogs] = []

    def make(server: Any) -> Hogs:
        made.append(Hogs(server))
        return made[-1]

    yield make
    for one in made:
        one.leave()


def roles(primary: Any) -> None:
    """Neither may use the places that are kept for superusers."""
    primary.execute("CREATE ROLE hog LOGIN")
    primary.execute("CREATE ROLE app LOGIN")
    primary.execute("CREATE TABLE kept (x int)")
    primary.execute("GRANT ALL ON kept TO app")


def test_full_replica_is_read_around(make_cluster: MakeCluster, start_split: StartSplit, hogs: Any) -> None:
    primary, first, second = make_cluster(2, **FEW)
    roles(primary)
    patient = {"retry": {"connect": {"base": "4s", "max": "4s", "jitter": False}}}
    weir = start_split(primary, first, second, cluster=PROBED, user={"app": {}}, policy=patient)
    there = hogs(first)
    there.fill()
    with Readers(weir, user="app", clients=4) as readers:
        wait_until(lambda: readers.comes_to(second), "the other one serves them")
        assert not readers.comes_to(first) and not readers.comes_to(primary)
        assert readers.longest < scaled(2)  # nobody waits until the full one is tried again
        there.leave()
        wait_until(lambda: readers.comes_to(first), "and it recovers")
    assert readers.failed == []


def test_full_replicas_leave_the_reads_to_the_primary(
    make_cluster: MakeCluster, start_split: StartSplit, hogs: Any
) -> None:
    primary, replica = make_cluster(1, **FEW)
    roles(primary)
    weir = start_split(primary, replica, cluster=PROBED, user={"app": {}})
    there = hogs(replica)
    there.fill()
    with Readers(weir, user="app", clients=4) as readers:
        wait_until(lambda: readers.comes_to(primary), "the primary serves them")
        assert not readers.comes_to(replica)
        there.leave()
        wait_until(lambda: readers.comes_to(replica) and not readers.comes_to(primary), "and it recovers")
    assert readers.failed == []


def test_writes_wait_for_a_place_on_the_primary(make_cluster: MakeCluster, start_split: StartSplit, hogs: Any) -> None:
    primary, replica = make_cluster(1, **FEW)
    roles(primary)
    weir = start_split(primary, replica, cluster=PROBED, user={"app": {}})
    with weir.logged_in(user="app") as client, weir.logged_in(user="app") as other:
        assert errors(client.query("INSERT INTO kept VALUES (1)")) == []
        weir.wait_until_idle()
        there = hogs(primary)
        there.take_places_of("app")
        for one in (client, other):
            one.send(wire.query("INSERT INTO kept VALUES (2)"))
        stays_true(lambda: is_waiting(client) and is_waiting(other), 0.5)
        with weir.logged_in() as reader:
            assert reader.value("SELECT at()") == str(replica.port)
        there.leave()
        assert errors(client.receive_ready()) + errors(other.receive_ready()) == []
        assert errors(client.query("INSERT INTO kept VALUES (3)")) == []  # and it recovers
    assert primary.execute("SELECT x FROM kept ORDER BY x") == [(1,), (2,), (2,), (3,)]


def test_full_primary_is_not_asked_for_more_all_the_time(
    make_cluster: MakeCluster, start_split: StartSplit, hogs: Any
) -> None:
    """Clients share the one connection there is; each time it comes back nothing is known better."""
    primary, replica = make_cluster(1, **FEW)
    roles(primary)
    pauses = {"retry": {"connect": {"base": "500ms", "max": "1s", "jitter": False}}}
    weir = start_split(primary, replica, cluster=PROBED, user={"app": {}}, policy=pauses, listen={"threads": 1})
    with weir.logged_in(user="app") as first:
        assert errors(first.query("INSERT INTO kept VALUES (0)")) == []
        weir.wait_until_idle()
        hogs(primary).fill()
        clients = [weir.logged_in(user="app") for _ in range(5)]
        began = time.monotonic()
        while time.monotonic() < began + scaled(2):
            for client in clients:
                client.send(wire.query("INSERT INTO kept VALUES (1)"))
            assert [errors(client.receive_ready()) for client in clients] == [[]] * 5
        took = time.monotonic() - began
        for client in clients:
            client.close()
    assert primary.value("SELECT count(*) FROM kept") > 10
    # The first time as many at once as may be, and then one after each pause.
    assert weir.log.count("backend_login_failed") <= 8 + took / 0.5


def test_wait_for_a_place_on_the_primary_has_an_end(
    make_cluster: MakeCluster, start_split: StartSplit, hogs: Any
) -> None:
    primary, replica = make_cluster(1, **FEW)
    roles(primary)
    weir = start_split(primary, replica, cluster=PROBED, user={"app": {}}, pool={"acquire_timeout": "500ms"})
    with weir.logged_in(user="app") as client:
        assert errors(client.query("INSERT INTO kept VALUES (1)")) == []
        weir.wait_until_idle()
        there = hogs(primary)
        there.take_places_of("app")
        sqlstate, text = said(client, "INSERT INTO kept VALUES (2)")
        assert sqlstate == "53300" and "remaining connection slots are reserved" in text
        there.leave()
        wait_until(lambda: errors(client.query("INSERT INTO kept VALUES (3)")) == [], "and it recovers")
    assert primary.execute("SELECT x FROM kept ORDER BY x") == [(1,), (3,)]


def test_full_primary_is_used_by_the_connections_that_there_are(
    make_cluster: MakeCluster, start_split: StartSplit, hogs: Any
) -> None:
    """That it has no place for who asks does not mean that it is down."""
    primary, replica = make_cluster(1, **FEW)
    roles(primary)
    weir = start_split(primary, replica, cluster={"probe_user": "app"}, user={"app": {}})
    with weir.logged_in(user="app") as client:
        assert errors(client.query("INSERT INTO kept VALUES (1)")) == []
        weir.wait_until_idle()
        there = hogs(primary)
        there.take_place_of_probe("app")
        wait_until(lambda: weir.show("MEMBERS")[0]["problem"], "it cannot be asked")
        for number in range(2, 20):
            assert errors(client.query(f"INSERT INTO kept VALUES ({number})")) == []
        there.leave()
        wait_until(lambda: weir.show("MEMBERS")[0]["problem"] in (None, ""), "and it recovers")
        assert errors(client.query("INSERT INTO kept VALUES (20)")) == []
