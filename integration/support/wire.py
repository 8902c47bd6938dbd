"""PostgreSQL's messages as bytes: builders for what a client says, readers for what it hears.

Source: PostgreSQL 15 manual, chapter "Frontend/Backend Protocol", section "Message Formats".
"""

import struct
from dataclasses import dataclass
from typing import Iterable, Optional, Sequence

PROTOCOL_3_0 = 196608
PROTOCOL_3_2 = 196610
SSL_REQUEST = 80877103
GSSENC_REQUEST = 80877104
CANCEL_REQUEST = 80877102


@dataclass(frozen=True)
class Message:
    """One message from a server: its type as a one-character string, and its body."""

    type: str
    body: bytes

    def fields(self) -> dict[str, str]:
        """The fields of an ErrorResponse or a NoticeResponse by their one-letter codes."""
        found = {}
        for part in self.body.split(b"\0"):
            if part:
                found[chr(part[0])] = part[1:].decode()
        return found

    @property
    def sqlstate(self) -> str:
        return self.fields().get("C", "")

    @property
    def severity(self) -> str:
        return self.fields().get("V", self.fields().get("S", ""))

    @property
    def text(self) -> str:
        return self.fields().get("M", "")

    def columns(self) -> list[Optional[bytes]]:
        """The values of a DataRow."""
        (count,) = struct.unpack_from("!H", self.body)
        at, values = 2, []
        for _ in range(count):
            (length,) = struct.unpack_from("!i", self.body, at)
            at += 4
            if length < 0:
                values.append(None)
            else:
                values.append(self.body[at : at + length])
                at += length
        return values


def frame(kind: str, body: bytes = b"") -> bytes:
    return kind.encode() + struct.pack("!I", len(body) + 4) + body


def text(value: str) -> bytes:
    return value.encode() + b"\0"


def startup(parameters: dict[str, str], version: int = PROTOCOL_3_0) -> bytes:
    body = struct.pack("!I", version)
    for name, value in parameters.items():
        body += text(name) + text(value)
    body += b"\0"
    return struct.pack("!I", len(body) + 4) + body


def request(code: int, rest: bytes = b"") -> bytes:
    """SSLRequest, GSSENCRequest, CancelRequest."""
    return struct.pack("!II", 8 + len(rest), code) + rest


def cancel_request(process_id: int, secret: bytes) -> bytes:
    return request(CANCEL_REQUEST, struct.pack("!I", process_id) + secret)


def query(sql: str) -> bytes:
    return frame("Q", text(sql))


def parse(sql: str, name: str = "", types: Sequence[int] = ()) -> bytes:
    oids = struct.pack(f"!H{len(types)}I", len(types), *types)
    return frame("P", text(name) + text(sql) + oids)


def bind(
    values: Iterable[Optional[bytes]] = (), *, portal: str = "", name: str = "", result_format: int = 0
) -> bytes:
    values = list(values)
    body = text(portal) + text(name) + struct.pack("!HH", 0, len(values))
    for value in values:
        body += struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value
    return frame("B", body + struct.pack("!HH", 1, result_format))


def describe(kind: str, name: str = "") -> bytes:
    return frame("D", kind.encode() + text(name))


def execute(portal: str = "", rows: int = 0) -> bytes:
    return frame("E", text(portal) + struct.pack("!I", rows))


def close(kind: str, name: str = "") -> bytes:
    return frame("C", kind.encode() + text(name))


def sync() -> bytes:
    return frame("S")


def flush() -> bytes:
    return frame("H")


def terminate() -> bytes:
    return frame("X")


def copy_data(data: bytes) -> bytes:
    return frame("d", data)


def copy_done() -> bytes:
    return frame("c")


def copy_fail(reason: str) -> bytes:
    return frame("f", text(reason))


def function_call(oid: int, arguments: Sequence[bytes]) -> bytes:
    """FunctionCall with every argument and the result in binary."""
    body = struct.pack("!IHHH", oid, 1, 1, len(arguments))
    for argument in arguments:
        body += struct.pack("!i", len(argument)) + argument
    return frame("F", body + struct.pack("!H", 1))


def extended(sql: str, values: Iterable[Optional[bytes]] = ()) -> bytes:
    """One statement through the unnamed statement and portal, without the closing Sync."""
    return parse(sql) + bind(values) + describe("P") + execute()
