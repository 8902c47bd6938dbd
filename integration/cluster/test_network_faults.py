"""Cables that are pulled and servers that move: whoever is cut off is not told, so only deadlines help."""

import shutil
import threading
from typing import Any, Callable, Iterator

import pytest

from cluster.conftest import AT
from support import wire
from support.deadlines import stays_true, wait_until
from support.network import HousedPostgres, HousedReplica, HousedWeir, Network, why_not
from support.orders import is_waiting
from support.postgres import Template, make_folder
from support.raw_client import errors
from support.readers import Readers
from support.replica import copy_data

WHY_NOT = why_not()
pytestmark = [pytest.mark.needs_weir, pytest.mark.timeout(60),
              pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))]

# How soon somebody is missed. Without these a connection that is cut off lasts for as long as the kernel likes.
QUICK = {"probe_interval": "200ms", "probe_timeout": "500ms"}
# Nobody waits for longer than this where somebody else can answer: many times the above, far less than TCP's minutes.
BOUND_S = 6.0


class Town:
    """A primary and replicas, each on a machine of its own, and Weir on another; ``names`` go before addresses."""

    def __init__(self, template: Template, replicas: int, names: tuple[str, ...]) -> None:
        self.network = Network()
        self.folder = make_folder("weir-town-")
        self.hosts_file = self.folder / "hosts"
        self.names = names
        self.weir: Any = None
        self.members: list[HousedPostgres | HousedReplica] = [HousedPostgres(template, self.network.host())]
        self.primary.execute(AT)
        self.primary.execute("CREATE TABLE kept (x int)")
        for _ in range(replicas):
            self.members.append(HousedReplica(self.members[0], self.network.host()))
            self.members[-1].wait_until_near(self.primary)
        self.tell_names()

    @property
    def primary(self) -> Any:
        return self.members[0]

    def tell_names(self) -> None:
        """The file is the same one, with other lines: it is mounted."""
        lines = [f"{member.host} {name}" for member, name in zip(self.members, self.names)]
        self.hosts_file.write_text("\n".join(lines) + "\n")

    def start_weir(self, cluster: dict[str, Any], **changes: Any) -> Any:
        """Returns when reads are on a replica, if there is one."""
        hosts = [*self.names, *(member.host for member in self.members[len(self.names):])]
        servers = [f"{host}:{member.port}" for host, member in zip(hosts, self.members)]
        self.weir = HousedWeir(self.network.host(), {
            "cluster": {"main": {"servers": servers, **QUICK, **cluster}},
            "database": {"app": {"cluster": "main", "read_write_split": True}}, **changes}, self.hosts_file)
        with self.weir.logged_in() as client:
            wait_until(lambda: client.value("SELECT at()") in self.ports(self.members[1:]), "reads are on replicas")
        return self.weir

    @staticmethod
    def ports(members: list[Any]) -> set[str]:
        return {str(member.port) for member in members}

    def remove(self) -> None:
        try:
            if self.weir is not None:
                self.weir.stop()
        finally:
            for member in self.members:
                member.remove()
            self.network.remove()
            shutil.rmtree(self.folder, ignore_errors=True)


MakeTown = Callable[..., Town]


@pytest.fixture
def make_town(postgres_template: Template) -> Iterator[MakeTown]:
    """Builds one; what is there is stopped at the end, and checked."""
    built: list[Town] = []

    def make(replicas: int, names: tuple[str, ...] = ()) -> Town:
        built.append(Town(postgres_template, replicas, names))
        return built[-1]

    yield make
    for town in built:
        town.remove()


def member(weir: Any, index: int) -> dict[str, Any]:
    return weir.show("MEMBERS")[index]


# One connection to the primary: whoever comes second waits.
ONE = {"max": 1, "acquire_timeout": "60s"}
# Takes long enough to be under way when the cable is pulled.
SLOW_INSERT = "INSERT INTO kept SELECT 1 FROM pg_sleep(3)"


def insert(number: int) -> bytes:
    return wire.query(f"INSERT INTO kept VALUES ({number})")


def kept(server: Any) -> list[int]:
    return [row[0] for row in server.execute("SELECT x FROM kept ORDER BY x")]


def test_replica_that_is_cut_off_is_read_around(make_town: MakeTown) -> None:
    town = make_town(2)
    weir = town.start_weir({})
    _, first, second = town.members
    with Readers(weir, clients=4) as readers:
        with first.machine.is_cut():
            wait_until(lambda: member(weir, 1)["state"] == "down", "it is missed")
            wait_until(lambda: not readers.comes_to(first) and readers.comes_to(second))
        wait_until(lambda: readers.comes_to(first), "and it recovers")
    assert readers.failed == []
    assert readers.longest < BOUND_S


def test_last_replica_that_is_cut_off_is_read_around(make_town: MakeTown) -> None:
    town = make_town(1)
    weir = town.start_weir({})
    primary, replica = town.members
    with Readers(weir, clients=4) as readers:
        with replica.machine.is_cut():
            wait_until(lambda: not readers.comes_to(replica) and readers.comes_to(primary), "the primary serves them")
        wait_until(lambda: readers.comes_to(replica) and not readers.comes_to(primary), "and it recovers")
    assert readers.failed == []
    assert readers.longest < BOUND_S


def test_writes_wait_for_a_primary_that_is_cut_off_and_reads_do_not(make_town: MakeTown) -> None:
    """What is under way when it happens is answered when the cable is back; nothing is done twice."""
    town = make_town(1)
    weir = town.start_weir({}, pool=ONE)
    primary, replica = town.members
    clients = [weir.logged_in() for _ in range(3)]
    running, early, late = clients
    with running, early, late, Readers(weir, clients=4) as readers:
        assert errors(early.query("INSERT INTO kept VALUES (0)")) == []
        running.send(wire.query(SLOW_INSERT))
        primary.wait_until_running(SLOW_INSERT)
        with primary.machine.is_cut():
            early.send(insert(2))
            wait_until(lambda: member(weir, 0)["state"] == "down", "it is missed")
            late.send(insert(3))
            wait_until(lambda: readers.comes_to(replica))
            stays_true(lambda: all(is_waiting(client) for client in clients), 0.5)
        assert [errors(client.receive_ready()) for client in clients] == [[], [], []]
        assert kept(primary) == [0, 1, 2, 3]
        assert errors(early.query("INSERT INTO kept VALUES (4)")) == []  # and it recovers
    assert readers.failed == []
    assert readers.longest < BOUND_S


def test_another_is_promoted_for_a_primary_that_is_cut_off(make_town: MakeTown) -> None:
    town = make_town(1)
    weir = town.start_weir({}, pool=ONE)
    primary, first = town.members
    with weir.logged_in() as early, weir.logged_in() as late, Readers(weir, clients=4) as readers:
        assert errors(early.query("INSERT INTO kept VALUES (0)")) == []
        first.wait_until_near(primary)
        early.send(wire.query(SLOW_INSERT))
        primary.wait_until_running(SLOW_INSERT)
        with primary.machine.is_cut():
            wait_until(lambda: member(weir, 0)["state"] == "down", "it is missed")
            late.send(insert(2))
            stays_true(lambda: is_waiting(late), 0.3)
            first.promote()
            assert errors(early.receive_ready()) == ["08006"]  # it may have been done there
            assert errors(late.receive_ready()) == []
            assert errors(early.query("INSERT INTO kept VALUES (3)")) == []
            assert kept(first) == [0, 2, 3]
        wait_until(lambda: member(weir, 0)["role"] == "split_brain", "the old one is seen, and not used")
        for number in range(4, 10):
            assert errors(early.query(f"INSERT INTO kept VALUES ({number})")) == []
        assert kept(first) == [0, 2, *range(3, 10)]
        assert 4 not in kept(primary)
        primary.stop()
        copy_data(first, primary)
        primary.start()
        wait_until(lambda: readers.comes_to(primary), "and it recovers")
    assert readers.failed == []
    assert readers.longest < BOUND_S


def test_nothing_is_sent_to_a_primary_that_is_known_to_be_cut_off(make_town: MakeTown) -> None:
    """Connections to it are idle, and look as good as ever."""
    town = make_town(1)
    weir = town.start_weir({})
    primary, replica = town.members
    clients = [weir.logged_in() for _ in range(3)]
    for client in clients:
        client.send(wire.query("INSERT INTO kept SELECT 0 FROM pg_sleep(0.5)"))
    assert [errors(client.receive_ready()) for client in clients] == [[], [], []]
    weir.wait_until_idle()
    replica.wait_until_near(primary)
    with primary.machine.is_cut():
        wait_until(lambda: member(weir, 0)["state"] == "down", "it is missed")
        for number, client in enumerate(clients, 1):
            client.send(insert(number))
        stays_true(lambda: all(is_waiting(client) for client in clients), 0.3)
        replica.promote()
        assert [errors(client.receive_ready()) for client in clients] == [[], [], []]
        assert kept(replica) == [0, 0, 0, 1, 2, 3]
    wait_until(lambda: member(weir, 0)["role"] == "split_brain", "the old one is seen, and not used")
    for client in clients:
        assert errors(client.query("INSERT INTO kept VALUES (4)")) == []  # and it recovers
        client.close()
    assert set(kept(primary)) == {0}


def test_wait_for_a_primary_that_is_cut_off_has_an_end(make_town: MakeTown) -> None:
    town = make_town(1)
    weir = town.start_weir({"failover_hold": "1s"}, listen={"tcp_user_timeout": "1s"}, pool=ONE)
    primary, _ = town.members
    with weir.logged_in() as early, weir.logged_in() as late, Readers(weir, clients=4) as readers:
        assert errors(early.query("INSERT INTO kept VALUES (0)")) == []
        with primary.machine.is_cut():
            early.send(insert(1))
            wait_until(lambda: member(weir, 0)["state"] == "down", "it is missed")
            assert errors(late.query("INSERT INTO kept VALUES (2)")) == ["57P03"]
            # On a slow machine it was sent when the primary was missed already.
            assert errors(early.receive_ready()) in (["08006"], ["57P03"])
            assert errors(early.query("INSERT INTO kept VALUES (3)")) == ["57P03"]
            assert not readers.failed
        wait_until(lambda: errors(late.query("INSERT INTO kept VALUES (4)")) == [], "and it recovers")
        assert errors(early.query("INSERT INTO kept VALUES (5)")) == []
        assert set(kept(primary)) - {1} == {0, 4, 5}
    assert readers.failed == []
    assert readers.longest < BOUND_S


NAMES = ("one.weir.test", "two.weir.test")


class Writer:
    """A client that writes numbers without end; ``failed`` has the SQLSTATEs."""

    def __init__(self, weir: Any) -> None:
        self.weir, self.over = weir, threading.Event()
        self.failed: list[str] = []
        self.written = 0
        self.thread = threading.Thread(target=self.work)

    def work(self) -> None:
        with self.weir.logged_in() as client:
            while not self.over.is_set():
                met = errors(client.query(f"INSERT INTO kept VALUES ({self.written})"))
                self.failed += met
                self.written += not met

    def __enter__(self) -> "Writer":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()


def move(town: Town, index: int) -> None:
    """A server that has ended begins at another address, which its name then stands for."""
    moving: Any = town.members[index]
    moving.move_to(town.network.host())
    town.tell_names()


def end(server: Any, is_cut: bool) -> None:
    """In order, or so that nobody is told."""
    if is_cut:
        server.machine.cut()
        server.kill()
    else:
        server.stop()


@pytest.mark.parametrize("is_cut", [False, True], ids=["stopped", "vanished"])
def test_replica_moves_to_another_address(make_town: MakeTown, is_cut: bool) -> None:
    """A machine that has vanished does not even refuse: what was open to it is silent."""
    town = make_town(1, NAMES)
    weir = town.start_weir({})
    _, replica = town.members
    with Readers(weir, clients=4) as readers:
        end(replica, is_cut)
        move(town, 1)
        replica.wait_until_near(town.primary)
        wait_until(lambda: readers.comes_to(replica) and not readers.comes_to(town.primary), "and it recovers")
        assert member(weir, 1)["state"] == "up"
    assert readers.failed == []
    assert readers.longest < BOUND_S


@pytest.mark.parametrize("is_cut", [False, True], ids=["stopped", "vanished"])
def test_primary_moves_to_another_address(make_town: MakeTown, is_cut: bool) -> None:
    town = make_town(1, NAMES)
    weir = town.start_weir({})
    primary, replica = town.members
    with weir.logged_in() as idle, Readers(weir, clients=4) as readers:
        with Writer(weir) as writer:
            wait_until(lambda: writer.written > 10)
            assert errors(idle.query("INSERT INTO kept VALUES (-1)")) == []
            end(primary, is_cut)
            wait_until(lambda: member(weir, 0)["state"] == "down", "it is missed")
            move(town, 0)
            written = writer.written
            wait_until(lambda: writer.written > written + 10, "and it recovers")
        assert errors(idle.query("INSERT INTO kept VALUES (-2)")) == []
        wait_until(lambda: readers.comes_to(replica) or readers.comes_to(primary))
    assert writer.failed in ([], ["08006"], ["57P01"])  # what was under way, once
    assert readers.failed == []
    assert readers.longest < BOUND_S
