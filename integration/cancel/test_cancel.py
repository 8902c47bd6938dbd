"""Cancelling a statement: it works with every driver, and it never hits anybody else."""

import asyncio
import os
import threading
from typing import Any

import asyncpg
import psycopg
import psycopg2.errors
import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import wait_until
from support.endpoint import Endpoint
from support.postgres import Postgres
from support.raw_client import errors

SLEEP = "SELECT pg_sleep(60)"


def is_sleeping(postgres: Postgres, count: int = 1) -> bool:
    return postgres.backends("query LIKE '%pg_sleep(60)%' AND state = 'active'") == count


def test_psycopg_cancels(any_weir: Endpoint, postgres: Postgres) -> None:
    with any_weir.psycopg() as connection:

        def cancel() -> None:
            wait_until(lambda: is_sleeping(postgres))
            connection.cancel()

        thread = threading.Thread(target=cancel)
        thread.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute(SLEEP)
        thread.join()
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_psycopg2_cancels(any_weir: Endpoint, postgres: Postgres) -> None:
    connection = any_weir.psycopg2()

    def cancel() -> None:
        wait_until(lambda: is_sleeping(postgres))
        connection.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    with connection.cursor() as cursor:
        with pytest.raises(psycopg2.errors.QueryCanceled):
            cursor.execute(SLEEP)
        thread.join()
        cursor.execute("SELECT 2")
        assert cursor.fetchone() == (2,)
    connection.close()


def test_asyncpg_cancels_at_its_timeout(any_weir: Endpoint, postgres: Postgres) -> None:
    async def scenario() -> None:
        async with any_weir.asyncpg() as connection:
            with pytest.raises((asyncio.TimeoutError, asyncpg.QueryCanceledError)):
                await connection.fetchval(SLEEP, timeout=0.3)
            assert await connection.fetchval("SELECT 3") == 3

    asyncio.run(scenario())
    wait_until(lambda: is_sleeping(postgres, 0), "nobody sleeps any more")


def test_raw_client_cancels_with_its_key(any_weir: Endpoint, postgres: Postgres) -> None:
    with any_weir.logged_in() as client:
        client.send(wire.query(SLEEP))
        wait_until(lambda: is_sleeping(postgres))
        client.cancel(any_weir.raw)
        assert errors(client.receive_ready()) == ["57014"]
        assert client.value("SELECT 4") == "4"


@pytest.mark.needs_weir
def test_client_of_protocol_3_2_cancels_with_its_long_key(weir: Endpoint, postgres: Postgres) -> None:
    with weir.raw() as client:
        client.log_in(user="postgres", database="app", version=wire.PROTOCOL_3_2)
        client.send(wire.query(SLEEP))
        wait_until(lambda: is_sleeping(postgres))
        client.cancel(weir.raw)
        assert errors(client.receive_ready()) == ["57014"]


def test_cancel_within_a_transaction_fails_the_transaction_only(any_weir: Endpoint, postgres: Postgres) -> None:
    with any_weir.logged_in() as client:
        client.query("BEGIN")
        client.send(wire.query(SLEEP))
        wait_until(lambda: is_sleeping(postgres))
        client.cancel(any_weir.raw)
        messages = client.receive_ready()
        assert errors(messages) == ["57014"] and messages[-1].body == b"E"
        client.query("ROLLBACK")
        assert client.value("SELECT 5") == "5"


def test_cancel_of_an_idle_client_does_nothing(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        for number in range(20):
            client.cancel(any_weir.raw)
            assert client.value(f"SELECT {number}") == str(number)


@pytest.mark.needs_weir
def test_cancel_of_an_idle_client_does_not_hit_who_has_its_backend_now(
    start_weir: StartWeir, postgres: Postgres
) -> None:
    weir = start_weir({"pool": {"max": 1}})
    with weir.logged_in() as idle, weir.logged_in() as busy:
        assert idle.backend_pid() == busy.backend_pid()
        busy.send(wire.query("SELECT pg_sleep(0.4), 'whole'"))
        wait_until(lambda: postgres.backends("query LIKE '%whole%' AND state = 'active'") == 1)
        for _ in range(10):
            idle.cancel(weir.raw)
        assert errors(busy.receive_ready()) == []


def test_cancel_with_a_wrong_key_does_nothing(any_weir: Endpoint, postgres: Postgres) -> None:
    with any_weir.logged_in() as client:
        client.send(wire.query("SELECT pg_sleep(0.5), 'whole'"))
        wait_until(lambda: postgres.backends("query LIKE '%whole%' AND state = 'active'") == 1)
        wrong_last = client.secret[:-1] + bytes([client.secret[-1] ^ 1])
        keys = [
            (client.process_id, os.urandom(4)),
            (client.process_id, wrong_last),
            (client.process_id ^ 1, client.secret),
            (0, b"\0\0\0\0"),
            (client.process_id, client.secret + b"more"),
            (client.process_id, os.urandom(32)),
        ]
        for process_id, secret in keys:
            with any_weir.raw() as canceller:
                canceller.send(wire.cancel_request(process_id, secret))
                assert canceller.receive_to_end_of_bytes() == b""
        assert errors(client.receive_ready()) == []


@pytest.mark.needs_weir
def test_keys_of_clients_differ_and_are_not_postgresqls(weir: Endpoint) -> None:
    clients = [weir.logged_in() for _ in range(30)]
    assert len({(client.process_id, client.secret) for client in clients}) == 30
    assert len({client.secret for client in clients}) == 30
    for client in clients:
        client.quit()


@pytest.mark.needs_weir
def test_waiting_client_is_cancelled_without_a_backend(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "acquire_timeout": "20s"}})
    with weir.logged_in() as holder, weir.logged_in() as waiter:
        holder.query("BEGIN")
        waiter.send(wire.query("SELECT 'never'"))
        wait_until(lambda: weir.pool()["cl_waiting"] == 1)
        waiter.cancel(weir.raw)
        assert errors(waiter.receive_ready()) == ["57014"]
        assert holder.value("SELECT 1") == "1"
        holder.query("COMMIT")
        assert waiter.value("SELECT 2") == "2"


def test_canceller_that_hangs_up_at_once_still_cancels(any_weir: Endpoint, postgres: Postgres) -> None:
    with any_weir.logged_in() as client:
        client.send(wire.query(SLEEP))
        wait_until(lambda: is_sleeping(postgres))
        canceller = any_weir.raw()
        canceller.send(wire.cancel_request(client.process_id, client.secret))
        canceller.close()
        assert errors(client.receive_ready()) == ["57014"]


def test_cancelled_pipeline_goes_on_after_its_sync(any_weir: Endpoint, postgres: Postgres) -> None:
    with any_weir.logged_in() as client:
        client.send(wire.extended(SLEEP), wire.extended("SELECT 2"), wire.sync(), wire.query("SELECT 'next'"))
        wait_until(lambda: is_sleeping(postgres))
        client.cancel(any_weir.raw)
        assert errors(client.receive_ready()) == ["57014"]
        assert client.receive_ready()[1].columns() == [b"next"]


@pytest.mark.needs_weir
def test_many_cancels_at_once_reach_their_statements(start_weir: StartWeir, postgres: Postgres) -> None:
    weir: Any = start_weir({"pool": {"max": 20}})
    clients = [weir.logged_in() for _ in range(20)]
    for client in clients:
        client.send(wire.query(SLEEP))
    wait_until(lambda: is_sleeping(postgres, 20), "all sleep")
    threads = [threading.Thread(target=client.cancel, args=(weir.raw,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in clients:
        assert errors(client.receive_ready()) == ["57014"]
        client.quit()


@pytest.mark.needs_weir
def test_backend_is_not_lent_while_its_cancel_is_under_way(
    start_weir_at: StartWeir, postgres: Postgres, open_gate: Any
) -> None:
    gate = open_gate(postgres.port)
    weir = start_weir_at(gate.port, {"pool": {"max": 1, "acquire_timeout": "10s"}})
    with weir.logged_in() as asker, weir.logged_in() as other:
        asker.send(wire.query("SELECT pg_sleep(0.3)"))
        wait_until(lambda: postgres.backends("query LIKE '%pg_sleep(0.3)%' AND state = 'active'") == 1)
        # The connection that carries the cancel is slow; meanwhile the statement ends by itself.
        gate.faults.delay_s = 0.5
        asker_cancel = threading.Thread(target=asker.cancel, args=(weir.raw,))
        asker_cancel.start()
        assert errors(asker.receive_ready()) in ([], ["57014"])
        gate.faults.delay_s = 0.0
        for _ in range(50):
            assert errors(other.query("SELECT pg_sleep(0.01)")) == []
        asker_cancel.join()
