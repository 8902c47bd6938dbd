"""Every deadline ends what it should, says why, and nobody else notices."""

import os
import signal
import time
from typing import Callable

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import scaled, stays_true, wait_until
from support.postgres import Postgres
from support.raw_client import RawClient, errors

pytestmark = pytest.mark.needs_weir


def ends_with(client: RawClient, sqlstate: str) -> None:
    messages = client.receive_to_end()
    assert errors(messages) == [sqlstate], messages
    assert messages[-1].severity == "FATAL"


def test_acquire_timeout_is_an_error_that_tells_the_state_of_the_pool(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "acquire_timeout": "300ms"}})
    with weir.logged_in() as holder, weir.logged_in() as waiter:
        holder.query("BEGIN")
        began = time.monotonic()
        messages = waiter.query("SELECT 1")
        assert 0.25 <= time.monotonic() - began < scaled(2)
        assert [message.type for message in messages] == ["E", "Z"] and messages[-1].body == b"I"
        error = messages[0]
        assert error.sqlstate == "53300" and error.severity == "ERROR"
        assert error.text.startswith("query_wait_timeout")
        assert "app" in error.text
        holder.query("COMMIT")
        assert waiter.value("SELECT 1") == "1"


def test_acquire_timeout_in_a_pipeline_skips_to_its_sync(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "acquire_timeout": "200ms"}})
    with weir.logged_in() as holder, weir.logged_in() as waiter:
        holder.query("BEGIN")
        waiter.send(wire.extended("SELECT 1"), wire.extended("SELECT 2"), wire.sync())
        assert "".join(message.type for message in waiter.receive_ready()) == "EZ"
        holder.query("COMMIT")
        assert waiter.value("SELECT 1") == "1"


def test_acquire_timeout_of_a_message_that_has_not_arrived_whole(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "acquire_timeout": "200ms"}})
    with weir.logged_in() as holder, weir.logged_in() as waiter:
        holder.query("BEGIN")
        query = wire.query("SELECT length('" + "x" * 300000 + "')")
        waiter.send(query[:200000])
        assert waiter.receive().sqlstate == "53300"
        waiter.send(query[200000:])
        waiter.receive_ready()
        holder.query("COMMIT")
        assert waiter.value("SELECT 1") == "1"


def test_client_idle_timeout_disconnects_an_idle_client(start_weir: StartWeir) -> None:
    weir = start_weir({"listen": {"client_idle_timeout": "300ms"}})
    with weir.logged_in() as client:
        assert client.value("SELECT 1") == "1"
        ends_with(client, "57P05")


def test_client_idle_timeout_spares_the_busy(start_weir: StartWeir) -> None:
    weir = start_weir({"listen": {"client_idle_timeout": "300ms"}})
    with weir.logged_in() as client:
        assert errors(client.query("SELECT pg_sleep(0.8)")) == []
        client.query("BEGIN")
        assert errors(client.query("SELECT pg_sleep(0.1)")) == []
        client.query("COMMIT")
        ends_with(client, "57P05")


KEEPS = [
    pytest.param({"mode": "session"}, "SELECT 1", id="session mode"),
    pytest.param({"mode": "session"}, "", id="session mode, not a word"),
    pytest.param({"mode": "session", "idle_in_transaction_timeout": "10s"}, "BEGIN; COMMIT", id="two limits"),
    pytest.param({}, "CREATE TEMP TABLE mine ()", id="pinned"),
    pytest.param({}, "LISTEN something", id="listening"),
]


@pytest.mark.parametrize(("pool", "first"), KEEPS)
def test_client_idle_timeout_holds_for_who_keeps_a_connection(
    start_weir: StartWeir, postgres: Postgres, pool: dict[str, str], first: str
) -> None:
    weir = start_weir({"pool": {**pool, "max": 1}, "listen": {"client_idle_timeout": "400ms"}})
    with weir.logged_in() as client:
        began = time.monotonic()
        if first:
            assert errors(client.query(first)) == []
        message = client.receive()
        assert (message.severity, message.sqlstate, message.text) == ("FATAL", "57P05", "client_idle_timeout")
        assert 0.35 <= time.monotonic() - began < scaled(2)
        assert client.receive_to_end() == []
    with weir.logged_in() as other:
        assert other.value("SELECT to_regclass('mine') IS NULL") == "t"


@pytest.mark.parametrize(("pool", "first"), KEEPS)
def test_client_idle_timeout_spares_the_busy_who_keep_a_connection(
    start_weir: StartWeir, pool: dict[str, str], first: str
) -> None:
    weir = start_weir({"pool": {**pool, "max": 1}, "listen": {"client_idle_timeout": "400ms"}})
    with weir.logged_in() as client:
        if first:
            assert errors(client.query(first)) == []
        assert errors(client.query("SELECT pg_sleep(1)")) == []
        assert errors(client.query("BEGIN")) == []
        time.sleep(1)  # in a transaction: that is another limit's business
        assert errors(client.query("COMMIT")) == []
        for _ in range(5):
            time.sleep(0.2)
            assert client.value("SELECT 1") == "1"
        ends_with(client, "57P05")


def test_client_idle_timeout_that_a_reload_brings_holds_for_who_keeps_a_connection(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"mode": "session"}})
    with weir.logged_in() as client:
        weir.reload({"listen": {"client_idle_timeout": "300ms"}})
        ends_with(client, "57P05")


def test_idle_in_transaction_timeout_ends_the_client_and_frees_the_backend(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "idle_in_transaction_timeout": "300ms"}})
    with weir.logged_in() as client, weir.logged_in() as other:
        client.query("BEGIN")
        client.query("CREATE TABLE never (id int)")
        other.send(wire.query("SELECT count(*) FROM pg_class WHERE relname = 'never'"))
        ends_with(client, "25P03")
        assert other.receive_ready()[1].columns() == [b"0"]


def test_idle_in_transaction_timeout_spares_running_statements(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"idle_in_transaction_timeout": "300ms"}})
    with weir.logged_in() as client:
        client.query("BEGIN")
        assert errors(client.query("SELECT pg_sleep(0.8)")) == []
        assert errors(client.query("COMMIT")) == []
        stays_true(lambda: True, 0.6)
        assert client.value("SELECT 1") == "1"


def test_transaction_timeout_ends_a_long_transaction(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"pool": {"max": 1, "transaction_timeout": "400ms"}})
    with weir.logged_in() as client, weir.logged_in() as other:
        client.query("BEGIN")
        client.send(wire.query("SELECT pg_sleep(600)"))
        ends_with(client, "25P04")
        assert other.value("SELECT 1") == "1"
        assert postgres.backends("query LIKE '%pg_sleep(600)%' AND state = 'active'") == 0


def test_transaction_timeout_spares_short_transactions(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"transaction_timeout": "500ms"}})
    with weir.logged_in() as client:
        for _ in range(8):
            assert errors(client.query("BEGIN; SELECT pg_sleep(0.1); COMMIT")) == []


def test_client_login_timeout_ends_a_silent_client(start_weir: StartWeir) -> None:
    weir = start_weir({"listen": {"client_login_timeout": "300ms"}})
    before = weir.open_sockets()
    clients = [weir.raw() for _ in range(10)]
    for client in clients:
        client.receive_to_end_of_bytes()
        client.close()
    wait_until(lambda: weir.open_sockets() <= before + 1, "their descriptors are given back")


def test_client_login_timeout_does_not_touch_those_who_are_in(start_weir: StartWeir) -> None:
    weir = start_weir({"listen": {"client_login_timeout": "300ms"}})
    with weir.logged_in() as client:
        stays_true(lambda: True, 0.7)
        assert client.value("SELECT 1") == "1"


def test_timeouts_hold_in_session_mode_too(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"mode": "session", "idle_in_transaction_timeout": "300ms", "max": 1}})
    with weir.logged_in() as client:
        client.query("BEGIN")
        ends_with(client, "25P03")
    assert weir.value("SELECT 1") == 1


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(wire.parse("SELECT 1") + wire.flush(), id="no Sync"),
        pytest.param(wire.query(f"SELECT '{'x' * 40_000}'")[:30_000], id="half a Query"),
        pytest.param(wire.parse("SELECT 1", "named") + wire.flush(), id="no Sync behind a named statement"),
    ],
)
@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_idle_in_transaction_timeout_ends_who_stops_in_its_first_exchange(
    start_weir: StartWeir, mode: str, first: bytes
) -> None:
    weir = start_weir({"pool": {"mode": mode, "max": 1, "idle_in_transaction_timeout": "300ms", "acquire_timeout": "10s"}})
    with weir.logged_in() as client:
        client.send(first)
        wait_until(lambda: weir.pool()["sv_active"] == 1)
        with weir.logged_in() as other:  # in session mode it waits right here
            other.send(wire.query("SELECT 1"))
            assert errors([m for m in client.receive_to_end() if m.type == "E"]) == ["25P03"]
            assert errors(other.receive_ready()) == []


def test_transaction_timeout_ends_one_long_statement(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"pool": {"max": 1, "transaction_timeout": "400ms", "acquire_timeout": "10s"}})
    with weir.logged_in() as client, weir.logged_in() as other:
        client.send(wire.query("SELECT pg_sleep(600)"))
        ends_with(client, "25P04")
        assert other.value("SELECT 1") == "1"
        assert postgres.backends("query LIKE '%pg_sleep(600)%' AND state = 'active'") == 0


def test_idle_in_transaction_timeout_spares_who_sends_slowly(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"idle_in_transaction_timeout": "500ms"}})
    with weir.logged_in() as client:
        query = wire.query("SELECT length('" + "x" * 50 + "')")
        for at in range(0, len(query), 10):
            client.send(query[at : at + 10])
            time.sleep(0.2)
        assert errors(client.receive_ready()) == []


def test_transaction_timeout_counts_no_idle_time_of_a_session(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"mode": "session", "transaction_timeout": "500ms"}})
    with weir.logged_in() as client:
        assert client.value("SELECT 1") == "1"
        time.sleep(0.7)
        assert errors(client.query("BEGIN")) == []
        assert errors(client.query("COMMIT")) == []
        time.sleep(0.7)
        assert client.value("SELECT 1") == "1"


def test_server_process_that_stops_while_it_is_given_settings_is_left(
    start_weir: StartWeir, postgres: Postgres
) -> None:
    weir = start_weir({"pool": {"max": 1, "acquire_timeout": "30s"}})
    with weir.logged_in(application_name="first") as first, weir.logged_in(application_name="second") as second:
        stopped = first.backend_pid()
        wait_until(lambda: weir.pool()["sv_idle"] == 1)
        os.kill(stopped, signal.SIGSTOP)
        try:
            assert errors(second.query("SELECT 1")) == []  # nothing of it had been sent there
            assert second.backend_pid() != stopped
        finally:
            os.kill(stopped, signal.SIGCONT)


def test_timeouts_of_transactions_leave_replication_alone(
    own_postgres: Callable[..., Postgres], start_weir_at: StartWeir
) -> None:
    postgres = own_postgres(max_wal_senders="4", wal_level="replica")
    limits = {"transaction_timeout": "300ms", "idle_in_transaction_timeout": "300ms"}
    weir = start_weir_at(postgres.port, {"pool": limits, "listen": {"client_idle_timeout": "500ms"}})
    with weir.raw() as client:
        client.log_in(user="postgres", database="app", replication="database")
        assert errors(client.query("IDENTIFY_SYSTEM")) == []
        client.send(wire.query("START_REPLICATION PHYSICAL 0/1000000"))
        assert client.receive_until("W", "E")[-1].type == "W"
        time.sleep(0.8)
        client.send(wire.copy_done())
        assert client.receive_until("Z", "E")[-1].type == "Z"
