"""A server that logs everybody in and then says what a test wants."""

import socket
import struct
import threading
from typing import Callable

from support import wire

PARAMETERS = {"server_version": "15.0", "client_encoding": "UTF8", "DateStyle": "ISO, MDY"}
READY = wire.frame("Z", b"I")
CANCEL_CODE = 80877102
SSL_CODE = 80877103


def parameter(name: str, value: str) -> bytes:
    return wire.frame("S", wire.text(name) + wire.text(value))


class FakeServer:
    """Listens on a port of its own; ``on_message`` answers what comes after the login."""

    def __init__(self, on_message: Callable[[socket.socket, str, bytes], None]) -> None:
        self.on_message = on_message
        self.connections: list[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.listener.close()
        for connection in self.connections:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader:
            try:
                (length,) = struct.unpack("!I", reader.read(4))
                startup = reader.read(length - 4)
                if struct.unpack_from("!I", startup) == (SSL_CODE,):
                    connection.sendall(b"N")
                    (length,) = struct.unpack("!I", reader.read(4))
                    startup = reader.read(length - 4)
                if struct.unpack_from("!I", startup) == (CANCEL_CODE,):
                    return
                told = b"".join(parameter(name, value) for name, value in PARAMETERS.items())
                key = wire.frame("K", struct.pack("!II", 1, 2))
                self.connections.append(connection)
                connection.sendall(wire.frame("R", struct.pack("!I", 0)) + told + key + READY)
                while kind := reader.read(1):
                    (length,) = struct.unpack("!I", reader.read(4))
                    self.on_message(connection, kind.decode(), reader.read(length - 4))
            except (OSError, struct.error):
                pass
