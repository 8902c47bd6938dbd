"""Just enough of PostgreSQL's protocol to hold thousands of sockets and to read slowly.

A driver would spend more memory on its own side than the proxy under test; these are bare sockets.
Only servers that trust us are spoken to.
"""

import socket
import struct

from processes import Failed

AUTHENTICATION_OK = 0


def startup_message(user, database):
    """A protocol 3.0 StartupMessage."""
    body = struct.pack("!I", 3 << 16)
    for key, value in (("user", user), ("database", database), ("application_name", "bench")):
        body += key.encode() + b"\0" + value.encode() + b"\0"
    body += b"\0"
    return struct.pack("!I", len(body) + 4) + body


def query_message(sql):
    """A simple Query."""
    body = sql.encode() + b"\0"
    return b"Q" + struct.pack("!I", len(body) + 4) + body


def read_exactly(sock, count):
    """This many bytes from a blocking socket."""
    parts = b""
    while len(parts) < count:
        more = sock.recv(count - len(parts))
        if not more:
            raise Failed("the connection was closed")
        parts += more
    return parts


def read_until_ready(sock):
    """Reads messages up to ReadyForQuery; an ErrorResponse raises Failed."""
    while True:
        kind, length = struct.unpack("!cI", read_exactly(sock, 5))
        body = read_exactly(sock, length - 4)
        if kind == b"E":
            raise Failed(b" ".join(body.split(b"\0")).decode(errors="replace"))
        if kind == b"R" and struct.unpack("!I", body[:4])[0] != AUTHENTICATION_OK:
            raise Failed("the server asks for a password; the bench needs trust")
        if kind == b"Z":
            return


def connect(port, user, database, receive_buffer=0):
    """A logged-in blocking socket."""
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(60)
    sock.connect(("127.0.0.1", port))
    sock.sendall(startup_message(user, database))
    read_until_ready(sock)
    return sock
