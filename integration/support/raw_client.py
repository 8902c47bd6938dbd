"""A client that speaks the wire protocol byte by byte: for tests of the protocol, the differential test, evil clients."""

import socket
import struct
from typing import Callable, Optional

from support import wire
from support.deadlines import scaled
from support.scram import ScramClient, md5_answer
from support.wire import Message

READ_TIMEOUT_S = 10.0


class ServerError(Exception):
    """An ErrorResponse where none was expected."""

    def __init__(self, message: Message) -> None:
        super().__init__(f"{message.severity} {message.sqlstate}: {message.text}")
        self.message = message
        self.sqlstate = message.sqlstate


class RawClient:
    """One connection. Reads have a deadline; leaving a ``with`` block closes the socket without a goodbye."""

    def __init__(self, connection: socket.socket, read_timeout_s: float = READ_TIMEOUT_S) -> None:
        self.socket = connection
        self.socket.settimeout(scaled(read_timeout_s))
        self._unread = bytearray()
        self.parameters: dict[str, str] = {}
        self.process_id = 0
        self.secret = b""
        self.seen: list[Message] = []

    @classmethod
    def connect_tcp(
        cls, host: str, port: int, *, read_timeout_s: float = READ_TIMEOUT_S, receive_buffer: int = 0
    ) -> "RawClient":
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(scaled(read_timeout_s))
        try:
            connection.connect((host, port))
        except OSError:
            connection.close()
            raise
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(connection, read_timeout_s)

    @classmethod
    def connect_unix(cls, path: str) -> "RawClient":
        """``path`` of the socket; one that begins with a zero byte is in the abstract name space."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(scaled(READ_TIMEOUT_S))
        try:
            connection.connect(path)
        except OSError:
            connection.close()
            raise
        return cls(connection)

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the socket without Terminate, as a client that dies does."""
        self.socket.close()

    def reset(self) -> None:
        """Closes the socket so that the other side sees a connection reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def quit(self) -> None:
        """Says Terminate and closes."""
        self.send(wire.terminate())
        self.socket.close()

    # ---- bytes and messages ------------------------------------------------------------------------------------

    def send(self, *chunks: bytes) -> None:
        self.socket.sendall(b"".join(chunks))

    def send_sliced(self, data: bytes, size: int = 1) -> None:
        """Sends in pieces of ``size`` bytes, each a TCP segment of its own."""
        for at in range(0, len(data), size):
            self.socket.sendall(data[at : at + size])

    def read_exactly(self, count: int) -> bytes:
        while len(self._unread) < count:
            chunk = self.socket.recv(max(65536, count - len(self._unread)))
            if not chunk:
                raise ConnectionResetError("the server closed the connection")
            self._unread += chunk
        data = bytes(self._unread[:count])
        del self._unread[:count]
        return data

    def receive(self) -> Message:
        """The next message, whatever it is."""
        header = self.read_exactly(5)
        (length,) = struct.unpack("!I", header[1:])
        message = Message(chr(header[0]), self.read_exactly(length - 4))
        self.seen.append(message)
        if message.type == "S":
            name, value, _ = message.body.split(b"\0")
            self.parameters[name.decode()] = value.decode()
        return message

    def receive_until(self, *types: str) -> list[Message]:
        """Everything up to and including the first message of one of these types."""
        messages = [self.receive()]
        while messages[-1].type not in types:
            messages.append(self.receive())
        return messages

    def receive_ready(self) -> list[Message]:
        """Everything up to and including ReadyForQuery."""
        return self.receive_until("Z")

    def receive_to_end(self) -> list[Message]:
        """Everything until the server closes or resets the connection."""
        messages = []
        while True:
            try:
                messages.append(self.receive())
            except ConnectionError:
                return messages

    def receive_to_end_of_bytes(self) -> bytes:
        """Like receive_to_end(), for answers that need not be messages."""
        data = bytes(self._unread)
        self._unread.clear()
        try:
            while chunk := self.socket.recv(65536):
                data += chunk
        except ConnectionError:
            pass
        return data

    def receive_until_end_or_ready(self) -> list[Message]:
        """Everything up to ReadyForQuery, or until the server closes the connection."""
        messages = []
        try:
            messages.append(self.receive())
            while messages[-1].type != "Z":
                messages.append(self.receive())
        except ConnectionError:
            pass
        return messages

    # ---- login ---------------------------------------------------------------------------------------------------

    def log_in(
        self, *, password: Optional[str] = None, version: int = wire.PROTOCOL_3_0, **parameters: str
    ) -> list[Message]:
        """Startup and authentication up to ReadyForQuery; raises ServerError when refused."""
        self.send(wire.startup(parameters, version))
        start = len(self.seen)
        while True:
            message = self.receive()
            if message.type == "E":
                raise ServerError(message)
            if message.type == "R":
                self._authenticate(message, parameters["user"], password)
            elif message.type == "K":
                (self.process_id,) = struct.unpack_from("!I", message.body)
                self.secret = message.body[4:]
            elif message.type == "Z":
                return self.seen[start:]

    def _authenticate(self, message: Message, user: str, password: Optional[str]) -> None:
        (code,) = struct.unpack_from("!I", message.body)
        if code == 0:
            return
        assert password is not None, f"the server asked for authentication {code}"
        if code == 3:
            self.send(wire.frame("p", wire.text(password)))
        elif code == 5:
            self.send(wire.frame("p", wire.text(md5_answer(user, password, message.body[4:8]))))
        elif code == 10:
            self._scram(password)
        else:
            raise AssertionError(f"authentication {code} is not known here")

    def _scram(self, password: str) -> None:
        exchange = ScramClient(password)
        first = exchange.first()
        self.send(wire.frame("p", wire.text("SCRAM-SHA-256") + struct.pack("!I", len(first)) + first))
        self.send(wire.frame("p", exchange.final(self._sasl(11))))
        exchange.check(self._sasl(12))

    def _sasl(self, expected: int) -> bytes:
        message = self.receive()
        if message.type == "E":
            raise ServerError(message)
        (code,) = struct.unpack_from("!I", message.body)
        assert message.type == "R" and code == expected, message
        return message.body[4:]

    # ---- statements ----------------------------------------------------------------------------------------------

    def query(self, sql: str) -> list[Message]:
        """A simple query; everything up to ReadyForQuery, errors included."""
        self.send(wire.query(sql))
        return self.receive_ready()

    def rows(self, sql: str) -> list[list[Optional[str]]]:
        """The rows of a simple query as text; raises ServerError."""
        messages = self.query(sql)
        for message in messages:
            if message.type == "E":
                raise ServerError(message)
        return [
            [None if value is None else value.decode() for value in message.columns()]
            for message in messages
            if message.type == "D"
        ]

    def value(self, sql: str) -> Optional[str]:
        """The first column of the first row of a simple query."""
        return self.rows(sql)[0][0]

    def backend_pid(self) -> int:
        """The process id of the backend that serves this statement."""
        return int(self.value("SELECT pg_backend_pid()") or "0")

    def cancel(self, connect: Callable[[], "RawClient"]) -> None:
        """Asks for this client's statement to be cancelled, over a connection made by ``connect``."""
        with connect() as canceller:
            canceller.send(wire.cancel_request(self.process_id, self.secret))
            canceller.receive_to_end()


def types(messages: list[Message]) -> str:
    """The types of messages in a row, as one word, e.g. "12TDCZ"."""
    return "".join(message.type for message in messages)


def errors(messages: list[Message]) -> list[str]:
    """The SQLSTATEs of the ErrorResponses among ``messages``."""
    return [message.sqlstate for message in messages if message.type == "E"]
