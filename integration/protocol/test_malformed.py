"""The evil client: whatever it sends, it gets an answer where there can be one, and nobody else notices."""

import os
import random
import struct
from typing import Any, Iterator

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import reduced, wait_until
from support.raw_client import RawClient, errors
from support.weir import Weir

pytestmark = [pytest.mark.needs_weir, pytest.mark.timeout(30)]

LENGTHS = [0, 1, 3, 2**31 - 1, 2**31, 2**32 - 1]
STARTUP = wire.startup({"user": "postgres", "database": "app"})


@pytest.fixture
def witness(start_weir: StartWeir) -> Iterator[Any]:
    """Weir with short deadlines and another client on it, which must still be served at the end."""
    weir = start_weir({"listen": {"client_login_timeout": "1s"}, "pool": {"max": 2}})
    with weir.logged_in() as other:
        yield weir
        assert other.value("SELECT 'still here'") == "still here"
    with weir.logged_in() as newcomer:
        assert newcomer.value("SELECT 'welcome'") == "welcome"


def refused(client: RawClient, *sqlstates: str) -> None:
    """The connection is ended, with at most one error, which is FATAL and of these codes."""
    messages = client.receive_to_end()
    failures = [message for message in messages if message.type == "E"]
    assert len(failures) == 1, messages
    assert failures[0].severity == "FATAL"
    assert failures[0].sqlstate in (sqlstates or ("08P01",))


@pytest.mark.parametrize("length", LENGTHS)
def test_startup_with_an_impossible_length_ends_the_connection(witness: Weir, length: int) -> None:
    with witness.raw() as client:
        client.send(struct.pack("!II", length, wire.PROTOCOL_3_0) + b"user\0postgres\0\0")
        messages = client.receive_to_end()
        assert errors(messages) in ([], ["08P01"])


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("kind", list("QPBEDCHSdcfFp"))
def test_message_with_an_impossible_length_is_a_protocol_violation(witness: Weir, kind: str, length: int) -> None:
    with witness.logged_in() as client:
        client.send(kind.encode() + struct.pack("!I", length) + b"1234")
        refused(client, "08P01", "54000")


@pytest.mark.parametrize("length", LENGTHS)
def test_goodbye_with_an_impossible_length_ends_the_connection(witness: Weir, length: int) -> None:
    with witness.logged_in() as client:
        client.send(b"X" + struct.pack("!I", length))
        client.receive_to_end()


@pytest.mark.parametrize("kind", ["\0", "\x01", "A", "R", "Z", "K", "?", "\x7f", "\xff"])
def test_unknown_message_type_is_a_protocol_violation(witness: Weir, kind: str) -> None:
    with witness.logged_in() as client:
        client.send(kind.encode("latin-1") + struct.pack("!I", 4))
        refused(client)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(wire.frame("Q", b"SELECT 1"), id="query without its zero byte"),
        pytest.param(wire.frame("Q", b""), id="query without anything"),
        pytest.param(wire.frame("P", b""), id="parse without anything"),
        pytest.param(wire.frame("P", b"name\0"), id="parse without text"),
        pytest.param(wire.frame("P", b"\0SELECT 1\0"), id="parse without types"),
        pytest.param(wire.frame("P", b"\0SELECT 1\0\xff\xff"), id="parse with types missing"),
        pytest.param(wire.frame("B", b""), id="bind without anything"),
        pytest.param(wire.frame("B", b"\0\0\x7f\xff"), id="bind with formats missing"),
        pytest.param(wire.frame("B", b"\0\0\0\0\0\x01\x7f\xff\xff\xff"), id="bind with a value missing"),
        pytest.param(wire.frame("B", b"no end"), id="bind with a name without end"),
        pytest.param(wire.frame("D", b""), id="describe without anything"),
        pytest.param(wire.frame("D", b"Z\0"), id="describe of an unknown kind"),
        pytest.param(wire.frame("C", b""), id="close without anything"),
        pytest.param(wire.frame("C", b"Z\0"), id="close of an unknown kind"),
        pytest.param(wire.frame("E", b"\0"), id="execute without a count"),
        pytest.param(wire.frame("F", b"\0\0"), id="function call cut short"),
    ],
)
def test_malformed_body_is_an_error_and_harms_nobody(witness: Weir, body: bytes) -> None:
    with witness.logged_in() as client:
        client.send(body + wire.sync())
        message = client.receive()
        # PostgreSQL answers some of these with ERROR and goes on; either way it is said that the message is bad.
        assert message.type == "E"
        assert message.sqlstate in ("08P01", "22P03", "22021", "26000", "34000"), message.fields()


@pytest.mark.parametrize("extra", [wire.frame("H", b"x"), wire.frame("S", b"x"), wire.frame("c", b"x")])
def test_message_that_should_be_empty_but_is_not_harms_nobody(witness: Weir, extra: bytes) -> None:
    with witness.logged_in() as client:
        client.send(extra + wire.query("SELECT 1") + wire.terminate())
        client.receive_to_end()


def test_garbage_before_authentication_ends_the_connection(witness: Weir) -> None:
    for seed in range(reduced(50)):
        with witness.raw() as client:
            client.send(random.Random(seed).randbytes(200))
            client.socket.shutdown(1)
            client.receive_to_end_of_bytes()


def test_garbage_after_login_ends_the_connection(witness: Weir) -> None:
    for seed in range(reduced(50)):
        with witness.logged_in() as client:
            client.send(random.Random(seed).randbytes(200))
            client.socket.shutdown(1)
            client.receive_to_end_of_bytes()


def test_http_request_ends_the_connection(witness: Weir) -> None:
    with witness.raw() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: weir\r\n\r\n")
        client.receive_to_end_of_bytes()


def test_tls_hello_without_asking_ends_the_connection(witness: Weir) -> None:
    with witness.raw() as client:
        client.send(bytes.fromhex("16030100c8010000c40303") + os.urandom(200))
        client.receive_to_end_of_bytes()


def test_huge_startup_is_refused(witness: Weir) -> None:
    with witness.raw() as client:
        client.send(wire.startup({"user": "postgres", "x": "y" * 20000}))
        assert errors(client.receive_to_end()) in ([], ["08P01"])


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"user\0postgres\0", id="no end"),
        pytest.param(b"user\0postgres", id="no end of a value"),
        pytest.param(b"user\0", id="a name without a value"),
        pytest.param(b"user\0postgres\0\0extra", id="bytes after the end"),
        pytest.param(b"user\0\0\0", id="an empty user"),
        pytest.param(b"\0", id="no parameters"),
        pytest.param(b"user\0postgres\0options\0-c\0\0", id="options cut short"),
        pytest.param(b"user\0postgres\0options\0-c=\0\0", id="options without a name"),
        pytest.param(b"user\0postgres\0options\0-c =\0\0", id="options with a blank name"),
        pytest.param(b"user\0postgres\0options\0--\\\0\0", id="options ending in a backslash"),
    ],
)
def test_malformed_startup_is_refused(witness: Weir, body: bytes) -> None:
    with witness.raw() as client:
        client.send(struct.pack("!II", 8 + len(body), wire.PROTOCOL_3_0) + body)
        messages = client.receive_until_end_or_ready()
        assert len(errors(messages)) <= 1


@pytest.mark.parametrize("said", [b"", b"\0", b"\0\0\0", STARTUP[:-1], wire.request(wire.SSL_REQUEST)])
def test_half_a_startup_and_silence_ends_at_the_login_timeout(witness: Weir, said: bytes) -> None:
    with witness.raw() as client:
        client.send(said)
        client.receive_to_end_of_bytes()


def test_half_a_header_after_login_waits_without_harm(witness: Weir) -> None:
    with witness.logged_in() as client:
        query = wire.query("SELECT 'late'")
        client.send(query[:3])
        assert witness.value("SELECT 1") == 1
        client.send(query[3:])
        assert client.receive_ready()[1].columns() == [b"late"]


def test_client_that_hangs_up_at_every_byte_of_its_login_leaves_nothing_behind(witness: Weir) -> None:
    conversation = wire.request(wire.SSL_REQUEST) + STARTUP + wire.query("SELECT 1")
    before = witness.open_sockets()
    for length in range(len(conversation)):
        with witness.raw() as client:
            client.send(conversation[:length])
    for length in range(0, len(conversation), 5):
        client = witness.raw()
        client.send(conversation[:length])
        client.reset()
    wait_until(lambda: witness.open_sockets() <= before + 3, "descriptors are given back")


def test_second_startup_after_login_is_a_protocol_violation(witness: Weir) -> None:
    with witness.logged_in() as client:
        client.send(STARTUP)
        refused(client)


@pytest.mark.parametrize("count", [2, 10])
def test_encryption_requests_without_end_are_refused(witness: Weir, count: int) -> None:
    with witness.raw() as client:
        client.send(wire.request(wire.SSL_REQUEST) * count)
        client.receive_to_end_of_bytes()


def test_cancel_request_with_a_bad_length_is_dropped(witness: Weir) -> None:
    for secret in (b"", b"1", b"123", b"x" * 257, b"x" * 5000):
        with witness.raw() as client:
            client.send(wire.cancel_request(1, secret))
            client.receive_to_end_of_bytes()
