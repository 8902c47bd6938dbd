"""A gate between Weir and PostgreSQL that misbehaves on demand. The words are Toxiproxy's."""

import contextlib
import selectors
import socket
import struct
import threading
import time
from dataclasses import dataclass
from typing import Iterator, Optional


@dataclass
class Faults:
    """What is done to the bytes, in both directions; read anew for every piece."""

    delay_s: float = 0.0  # latency: each piece waits this long
    frozen: bool = False  # timeout: nothing passes, nothing is closed
    slice_bytes: int = 0  # slicer: pieces of this size; 0 = as they come
    limit_bytes: Optional[int] = None  # limit_data: after so many bytes to the client the connection is closed
    reset: bool = False  # reset_peer: the next piece resets both sides
    close_on_data: bool = False  # close both sides when the next piece arrives
    close_on_request: bool = False  # close both sides when the next piece for the server arrives
    refuse: bool = False  # down: new connections are closed at once


class _Pair:
    """One connection through the gate: two sockets and a thread per direction."""

    def __init__(self, gate: "FaultGate", client: socket.socket, server: socket.socket) -> None:
        self._gate = gate
        self._client = client
        self._server = server
        self._to_client = 0
        for connection in (client, server):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for source, target in ((client, server), (server, client)):
            threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                for piece in self._pieces(data):
                    if not self._pass(piece, target):
                        return
        self.close()

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        size = self._gate.faults.slice_bytes or len(data)
        for at in range(0, len(data), size):
            yield data[at : at + size]

    def _pass(self, piece: bytes, target: socket.socket) -> bool:
        """Forwards one piece unless a fault says otherwise; false = the connection is over."""
        faults = self._gate.faults
        while faults.frozen and not self._gate.closed.is_set():
            self._gate.closed.wait(0.01)
        if faults.delay_s:
            time.sleep(faults.delay_s)
        if faults.reset:
            self.reset()
            return False
        if faults.close_on_data or (faults.close_on_request and target is self._server):
            self.close()
            return False
        if target is self._client and faults.limit_bytes is not None:
            piece = piece[: max(0, faults.limit_bytes - self._to_client)]
        target.sendall(piece)
        if target is self._client:
            self._to_client += len(piece)
            if faults.limit_bytes is not None and self._to_client >= faults.limit_bytes:
                self.close()
                return False
        return True

    def close(self) -> None:
        for connection in (self._client, self._server):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def reset(self) -> None:
        self._gate.forget(self)
        for connection in (self._client, self._server):
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                # Wakes the thread that reads here and sends nothing; closing is then what sends the reset.
                connection.shutdown(socket.SHUT_RD)
        for connection in (self._client, self._server):
            connection.close()


class FaultGate:
    """Listens on a free port of 127.0.0.1 and forwards to ``target``; ``faults`` may change at any time."""

    def __init__(self, target_port: int) -> None:
        self.target = ("127.0.0.1", target_port)
        self.faults = Faults()
        self.closed = threading.Event()
        self.accepted = 0
        self._pairs: set[_Pair] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._accept_all, daemon=True)
        self._thread.start()

    def _accept_all(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            while not self.closed.is_set():
                if selector.select(timeout=0.05):
                    self._accept_one()

    def _accept_one(self) -> None:
        client, _ = self._listener.accept()
        self.accepted += 1
        if self.faults.refuse:
            client.close()
            return
        try:
            server = socket.create_connection(self.target, 5)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        with self._lock:
            self._pairs.add(_Pair(self, client, server))

    def forget(self, pair: _Pair) -> None:
        with self._lock:
            self._pairs.discard(pair)

    def close_connections(self) -> None:
        """Closes what is open now; new connections come through."""
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            pair.close()

    def close(self) -> None:
        self.closed.set()
        self._thread.join()
        self._listener.close()
        self.close_connections()
