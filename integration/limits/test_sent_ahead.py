"""What is sent to the server behind a statement whose cancel could hit it."""

import socket
from typing import Iterator

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import stays_true, wait_until
from support.fake_server import READY, FakeServer
from support.raw_client import types

pytestmark = pytest.mark.needs_weir

DONE = wire.frame("C", wire.text("SELECT 1"))


class SlowServer(FakeServer):
    """Answers nothing from a query that says ``first`` on, until it is told to go on."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.late = 0
        super().__init__(self.answer)

    def answer(self, connection: socket.socket, kind: str, body: bytes) -> None:
        self.seen.append(body)
        if kind != "Q":
            return
        if b"first" in body or self.late > 0:
            self.late += 1
        else:
            connection.sendall(DONE + READY)

    def go_on(self) -> None:
        late, self.late = self.late, 0
        self.connections[-1].sendall(late * (DONE + READY))

    def has_seen(self, text: bytes) -> bool:
        return any(text in body for body in self.seen)


@pytest.fixture
def server() -> Iterator[SlowServer]:
    server = SlowServer()
    yield server
    server.close()


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_simple_query_waits_behind_a_statement_with_a_limit(
    server: SlowServer, start_weir_at: StartWeir, mode: str
) -> None:
    weir = start_weir_at(server.port, {"pool": {"max": 1, "mode": mode}, "policy": {"statement_timeout": "20s"}})
    with weir.logged_in() as client:
        client.send(wire.query("SELECT first"), wire.query("SELECT second"))
        wait_until(lambda: server.has_seen(b"first"))
        stays_true(lambda: not server.has_seen(b"second"), 0.2)
        server.go_on()
        assert types(client.receive_ready()) == "CZ"
        assert types(client.receive_ready()) == "CZ"


def test_simple_query_goes_ahead_where_there_is_no_limit(server: SlowServer, start_weir_at: StartWeir) -> None:
    weir = start_weir_at(server.port, {"pool": {"max": 1, "mode": "session"}, "policy": {"statement_timeout": 0}})
    with weir.logged_in() as client:
        client.send(wire.query("SELECT first"), wire.query("SELECT second"))
        wait_until(lambda: server.has_seen(b"second"))
        server.go_on()
        assert types(client.receive_ready()) == "CZ"
        assert types(client.receive_ready()) == "CZ"
