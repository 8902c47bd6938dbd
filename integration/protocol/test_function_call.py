"""The FunctionCall message: old, rarely used, still served."""

import struct

import pytest

from support import wire
from support.endpoint import Endpoint
from support.raw_client import errors, types

pytestmark = pytest.mark.also_cached

INT4_PLUS = 177  # the OID of int4pl(int4, int4) in every PostgreSQL


def number(value: int) -> bytes:
    return struct.pack("!i", value)


def test_function_call_returns_its_value(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        client.send(wire.function_call(INT4_PLUS, [number(40), number(2)]))
        messages = client.receive_ready()
        assert types(messages) == "VZ"
        assert messages[0].body == struct.pack("!i", 4) + number(42)


def test_function_call_that_fails_leaves_the_connection_usable(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        client.send(wire.function_call(INT4_PLUS, [number(2**31 - 1), number(1)]))
        messages = client.receive_ready()
        assert types(messages) == "EZ" and errors(messages) == ["22003"]
        client.send(wire.function_call(1, []))
        assert errors(client.receive_ready()) == ["42883"]
        assert client.value("SELECT 1") == "1"


def test_function_calls_are_pipelined_with_statements(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        call = wire.function_call(INT4_PLUS, [number(1), number(2)])
        client.send(call, wire.query("SELECT 1"), call, wire.extended("SELECT 2") + wire.sync(), call)
        assert [types(client.receive_ready()) for _ in range(5)] == ["VZ", "TDCZ", "VZ", "12TDCZ", "VZ"]
