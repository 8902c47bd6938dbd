"""What a server sends without being asked, at the worst of times."""

import socket
import struct
from typing import Iterator

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import stays_true, wait_until
from support.fake_server import READY, FakeServer, parameter

pytestmark = pytest.mark.needs_weir

NOTIFICATION = wire.frame("A", struct.pack("!I", 5) + wire.text("channel") + wire.text("x" * 4000))


def answer(connection: socket.socket, kind: str, _: bytes) -> None:
    if kind == "Q":
        connection.sendall(wire.frame("C", wire.text("SELECT 1")) + READY)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    server = FakeServer(answer)
    yield server
    server.close()


def test_login_with_half_a_notification_on_the_backend(server: FakeServer, start_weir_at: StartWeir) -> None:
    weir = start_weir_at(server.port, {"pool": {"max": 1}})
    weir.logged_in().quit()
    # The defaults are unknown again, so the next login borrows the backend to learn them.
    server.connections[0].sendall(parameter("DateStyle", "German, DMY") + NOTIFICATION[:3000])
    wait_until(lambda: weir.pool()["sv_idle"] == 1)
    client = weir.logged_in()
    server.connections[0].sendall(NOTIFICATION[3000:])
    assert [message.type for message in client.query("SELECT 1")] == ["C", "Z"]
    assert len(server.connections) == 1
    client.quit()
    stays_true(lambda: weir.process.poll() is None, 0.1)
