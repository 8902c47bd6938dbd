"""What clients cost, and that nothing is kept once they are gone."""

import contextlib
import resource
import socket
from typing import Any, Iterator

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import wait_until

pytestmark = [pytest.mark.needs_weir, pytest.mark.memory, pytest.mark.timeout(120)]

IDLE_CLIENTS = 8000
BYTES_PER_IDLE_CLIENT = 700
STARTUP = wire.startup({"user": "postgres", "database": "app"})


@pytest.fixture(autouse=True)
def many_descriptors() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * IDLE_CLIENTS + 1000:
        pytest.skip(f"needs more than {hard} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextlib.contextmanager
def idle_clients(weir: Any, count: int) -> Iterator[list[socket.socket]]:
    """So many clients that have logged in and say nothing."""
    with contextlib.ExitStack() as stack:
        connections = []
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection((weir.host, weir.port), 10))
            connection.sendall(STARTUP)
            connections.append(connection)
            data = b""
            while not data.endswith(b"Z\0\0\0\x05I"):
                data += connection.recv(65536)
        yield connections


def test_idle_client_costs_at_most_700_bytes(start_weir: StartWeir) -> None:
    weir: Any = start_weir({"listen": {"max_clients": 20000, "backlog": 4096}})
    with idle_clients(weir, 500):
        # The first ones pay for what is allocated once.
        before = weir.own_bytes()
        with idle_clients(weir, IDLE_CLIENTS):
            after = weir.own_bytes()
            assert (after - before) / IDLE_CLIENTS <= BYTES_PER_IDLE_CLIENT
            # A raw client: the drivers wait with select(), which ends at 1,024 descriptors.
            with weir.logged_in() as client:
                assert client.value("SELECT 1") == "1"


def test_clients_that_come_and_go_leave_no_memory_and_no_descriptors(start_weir: StartWeir) -> None:
    weir: Any = start_weir()

    def wave() -> None:
        with idle_clients(weir, 300) as connections:
            for connection in connections:
                connection.sendall(wire.query("SELECT repeat('x', 1000)"))
            for connection in connections:
                data = b""
                while not data.endswith(b"Z\0\0\0\x05I"):
                    data += connection.recv(65536)

    for _ in range(3):
        wave()
    # After the first waves: every worker has its loop and the pool has its connections.
    wait_until(lambda: weir.open_sockets() < 40, "the first clients are gone")
    sockets = weir.open_sockets()
    before = weir.resident_bytes()
    for _ in range(10):
        wave()
    assert weir.resident_bytes() - before < 1024 * 1024
    wait_until(lambda: weir.open_sockets() <= sockets, "descriptors are given back")


def test_idle_clients_cost_no_cpu(start_weir: StartWeir) -> None:
    weir: Any = start_weir()
    with idle_clients(weir, 1000):
        assert weir.cpu_share(1.0) < 0.03
