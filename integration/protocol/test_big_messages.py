"""Messages larger than any buffer."""

import hashlib
import struct
import threading
from typing import Any

import pytest

from conftest import StartWeir
from support import wire
from support.endpoint import Endpoint
from support.raw_client import RawClient, errors

MEBIBYTE = 1024 * 1024
CHUNK = b"0123456789abcdef" * 4096


def send_parameter(client: RawClient, sql: str, megabytes: int) -> None:
    """Parse, Bind with one text parameter of so many megabytes, Execute, Sync; never whole in memory."""
    size = megabytes * MEBIBYTE
    client.send(wire.parse(sql))
    head = b"\0\0" + struct.pack("!HH", 0, 1) + struct.pack("!i", size)
    tail = struct.pack("!H", 0)
    client.send(b"B" + struct.pack("!I", 4 + len(head) + size + len(tail)) + head)
    for _ in range(size // len(CHUNK)):
        client.send(CHUNK)
    client.send(tail, wire.execute(), wire.sync())


@pytest.mark.timeout(60)
def test_parameter_of_a_hundred_megabytes_arrives_whole(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        digest = hashlib.md5(CHUNK * (100 * MEBIBYTE // len(CHUNK))).hexdigest().encode()
        send_parameter(client, "SELECT md5($1::text)", 100)
        messages = client.receive_ready()
        assert [message.columns() for message in messages if message.type == "D"] == [[digest]]
        assert client.value("SELECT 1") == "1"


@pytest.mark.timeout(60)
def test_value_of_a_hundred_megabytes_comes_back_whole(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        value = client.value("SELECT repeat('0123456789', 10 * 1024 * 1024)")
        assert value is not None and len(value) == 100 * MEBIBYTE
        assert value.count("0123456789") == 10 * MEBIBYTE


@pytest.mark.timeout(60)
def test_statement_text_of_many_megabytes_is_run(any_weir: Endpoint) -> None:
    literal = "x" * (30 * MEBIBYTE)
    with any_weir.logged_in() as client:
        assert client.value(f"SELECT length('{literal}')") == str(30 * MEBIBYTE)
        client.send(wire.extended(f"SELECT length('{literal}')"), wire.sync())
        row = next(message for message in client.receive_ready() if message.type == "D")
        assert row.columns() == [str(30 * MEBIBYTE).encode()]


@pytest.mark.needs_weir
@pytest.mark.memory
@pytest.mark.timeout(60)
def test_big_messages_do_not_stay_in_memory(start_weir: StartWeir) -> None:
    weir: Any = start_weir()
    with weir.logged_in() as client:
        before = weir.resident_bytes()
        peak = [before]
        done = threading.Event()

        def watch() -> None:
            while not done.wait(0.02):
                peak.append(weir.resident_bytes())

        watcher = threading.Thread(target=watch)
        watcher.start()
        send_parameter(client, "SELECT length($1::text)", 100)
        client.receive_ready()
        client.value("SELECT repeat('0123456789', 10 * 1024 * 1024)")
        done.set()
        watcher.join()
        assert max(peak) - before < 16 * MEBIBYTE


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_value_of_nearly_a_gigabyte_comes_back(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        client.socket.settimeout(120)
        # 1 GB is PostgreSQL's own limit for a value, and for a message to the client with all its overhead.
        value = client.value("SELECT repeat('0123456789', 100 * 1000 * 1000)")
        assert value is not None and len(value) == 1_000_000_000


@pytest.mark.needs_weir
def test_message_above_max_message_is_refused(start_weir: StartWeir) -> None:
    weir = start_weir({"limits": {"max_message": "1MiB"}})
    with weir.logged_in() as client, weir.logged_in() as other:
        assert client.value(f"SELECT length('{'x' * 900_000}')") == "900000"
        client.send(b"Q" + struct.pack("!I", 2 * MEBIBYTE))
        messages = client.receive_to_end()
        assert errors(messages) == ["54000"] and messages[-1].severity == "FATAL"
        assert other.value("SELECT 1") == "1"


@pytest.mark.needs_weir
def test_message_above_max_message_inside_a_transaction_rolls_it_back(start_weir: StartWeir) -> None:
    weir = start_weir({"limits": {"max_message": "1MiB"}, "pool": {"max": 1}})
    with weir.logged_in() as client, weir.logged_in() as other:
        client.query("BEGIN")
        client.query("CREATE TABLE never (id int)")
        client.send(wire.copy_data(b"")[:1] + struct.pack("!I", 2 * MEBIBYTE))
        assert errors(client.receive_to_end()) == ["54000"]
        assert other.value("SELECT count(*) FROM pg_class WHERE relname = 'never'") == "0"
