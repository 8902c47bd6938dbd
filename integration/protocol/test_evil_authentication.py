"""Evil clients in the middle of authentication."""

import struct
from typing import Any, Iterator

import pytest

from conftest import StartWeir
from support import wire
from support.raw_client import RawClient, errors
from support.scram import ScramClient

pytestmark = [pytest.mark.needs_weir]

STARTUP = wire.startup({"user": "alice", "database": "app"})
IMPERSONATION = wire.startup({"user": "postgres", "database": "app"})


@pytest.fixture
def scram_weir(start_weir: StartWeir) -> Iterator[Any]:
    weir = start_weir(
        {
            "listen": {"client_login_timeout": "1s"},
            "auth": {"method": "scram-sha-256"},
            "user": {"alice": {"password": "secret"}, "postgres": {"password": "other"}},
            "database": {"*": {"user": "postgres"}},
        }
    )
    yield weir
    with weir.raw() as client:
        client.log_in(user="alice", database="app", password="secret")
        assert client.value("SELECT 1") == "1"


def sasl_initial(data: bytes, mechanism: str = "SCRAM-SHA-256") -> bytes:
    return wire.frame("p", wire.text(mechanism) + struct.pack("!i", len(data)) + data)


def started(weir: Any) -> RawClient:
    client: RawClient = weir.raw()
    client.send(STARTUP)
    message = client.receive()
    assert message.type == "R" and struct.unpack_from("!I", message.body) == (10,)
    return client


def is_refused(client: RawClient) -> None:
    messages = client.receive_to_end()
    assert errors(messages) != [] and "Z" not in [message.type for message in messages]
    assert errors(messages)[0] in ("08P01", "28P01", "28000", "0A000")


def test_second_startup_during_scram_does_not_log_in(scram_weir: Any) -> None:
    with started(scram_weir) as client:
        client.send(IMPERSONATION)
        is_refused(client)
    with started(scram_weir) as client:
        client.send(sasl_initial(ScramClient("secret").first()))
        client.receive()
        client.send(IMPERSONATION)
        is_refused(client)


def test_statements_before_authentication_are_not_run(scram_weir: Any) -> None:
    with scram_weir.raw() as client:
        client.send(STARTUP + wire.query("CREATE TABLE stolen (id int)"))
        messages = client.receive_to_end()
        assert "C" not in [message.type for message in messages]
        assert "Z" not in [message.type for message in messages]


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(wire.frame("p", b""), id="nothing"),
        pytest.param(wire.frame("p", b"SCRAM-SHA-256"), id="a mechanism without end"),
        pytest.param(sasl_initial(b"n,,n=,r=abc", "SCRAM-SHA-1"), id="an unknown mechanism"),
        pytest.param(sasl_initial(b"n,,n=,r=abc", "SCRAM-SHA-256-PLUS"), id="a mechanism not offered"),
        pytest.param(sasl_initial(b""), id="an empty message"),
        pytest.param(sasl_initial(b"y"), id="one letter"),
        pytest.param(sasl_initial(b"p=tls-unique,,n=,r=abc"), id="channel binding"),
        pytest.param(sasl_initial(b"n,,n=,r="), id="an empty nonce"),
        pytest.param(sasl_initial(b"n,a=other,n=,r=abc"), id="an authorization name"),
        pytest.param(sasl_initial(b"n,,m=x,n=,r=abc"), id="a mandatory extension"),
        pytest.param(sasl_initial(b"\xff" * 100), id="bytes that are no text"),
        pytest.param(wire.frame("p", b"SCRAM-SHA-256\0\x7f\xff\xff\xff"), id="a length beyond the message"),
        pytest.param(b"p\0\0\0\0", id="length 0"),
        pytest.param(b"p\x7f\xff\xff\xff", id="length 2^31-1"),
        pytest.param(b"p\xff\xff\xff\xff", id="length 2^32-1"),
        pytest.param(wire.query("SELECT 1"), id="a query"),
        pytest.param(wire.sync(), id="a sync"),
    ],
)
def test_malformed_first_answer_is_refused(scram_weir: Any, message: bytes) -> None:
    with started(scram_weir) as client:
        client.send(message)
        is_refused(client)


@pytest.mark.parametrize(
    "final",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"c=biws", id="no nonce"),
        pytest.param(b"c=biws,r={nonce}", id="no proof"),
        pytest.param(b"c=biws,r={nonce},p=", id="an empty proof"),
        pytest.param(b"c=biws,r={nonce},p=AAAA", id="a short proof"),
        pytest.param(b"c=biws,r={nonce},p=!!!!", id="a proof that is not base64"),
        pytest.param(b"c=biws,r={nonce},p=" + b"A" * 43 + b"=", id="a wrong proof"),
        pytest.param(b"c=eSws,r={nonce},p=" + b"A" * 43 + b"=", id="another channel flag"),
        pytest.param(b"c=biws,r=other,p=" + b"A" * 43 + b"=", id="another nonce"),
    ],
)
def test_malformed_final_answer_is_refused(scram_weir: Any, final: bytes) -> None:
    with started(scram_weir) as client:
        client.send(sasl_initial(ScramClient("secret").first()))
        first = client.receive().body[4:]
        nonce = first.split(b",")[0][2:]
        client.send(wire.frame("p", final.replace(b"{nonce}", nonce)))
        is_refused(client)


def test_silence_during_scram_ends_at_the_login_timeout(scram_weir: Any) -> None:
    with started(scram_weir) as client:
        client.receive_to_end()
