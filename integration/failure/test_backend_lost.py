"""Backends that break at the worst moments. Every test ends with: and it recovers."""

import socket
from typing import Any, Callable

import psycopg
import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import scaled, wait_until
from support.fault_gate import FaultGate
from support.postgres import Postgres
from support.raw_client import ServerError, errors

pytestmark = pytest.mark.needs_weir

OpenGate = Callable[[int], FaultGate]


def test_backend_that_is_terminated_during_a_statement_is_an_error_not_a_disconnect(
    start_weir: StartWeir, postgres: Postgres
) -> None:
    weir = start_weir({"pool": {"max": 1}})
    with weir.logged_in() as client:
        pid = client.backend_pid()
        client.send(wire.query("SELECT pg_sleep(60)"))
        wait_until(lambda: postgres.backends("query LIKE '%pg_sleep(60)%' AND state = 'active'") == 1)
        postgres.execute("SELECT pg_terminate_backend(%s)", [pid])
        messages = client.receive_ready()
        # PostgreSQL says 57P01 before it hangs up; a client must not take that for its own connection's end.
        assert len(errors(messages)) == 1 and errors(messages)[0] in ("08006", "57P01")
        assert next(m for m in messages if m.type == "E").severity == "ERROR"
        assert messages[-1].body == b"I"
        assert client.backend_pid() != pid


def test_backend_that_is_terminated_in_a_transaction_ends_the_transaction(
    start_weir: StartWeir, postgres: Postgres
) -> None:
    weir = start_weir({"pool": {"max": 2}})
    with weir.logged_in() as client:
        client.query("BEGIN")
        pid = client.backend_pid()
        postgres.execute("SELECT pg_terminate_backend(%s)", [pid])
        wait_until(lambda: pid not in postgres.backend_pids())
        messages = client.query("SELECT 1")
        assert errors(messages) == ["08006"]
        assert messages[-1].type == "Z"
        if messages[-1].body == b"E":
            assert errors(client.query("ROLLBACK")) == []
        assert client.value("SELECT 1") == "1"
        assert client.backend_pid() != pid


def test_psycopg_goes_on_after_its_backend_was_lost(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"pool": {"max": 1}})
    with weir.psycopg() as connection:
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("fault", ["reset", "close_on_data"])
def test_connection_that_breaks_during_a_statement_is_an_error(
    postgres: Postgres, start_weir_at: StartWeir, open_gate: OpenGate, fault: str
) -> None:
    gate = open_gate(postgres.port)
    weir = start_weir_at(gate.port, {"pool": {"max": 2}})
    with weir.logged_in() as client:
        for _ in range(2):  # the first one is looked at, and may have left what is taken away
            client.rows("SELECT 1")
            weir.wait_until_idle()
        setattr(gate.faults, fault, True)
        messages = client.query("SELECT 2")
        assert errors(messages) == ["08006"] and messages[-1].body == b"I"
        setattr(gate.faults, fault, False)
        wait_until(lambda: errors(client.query("SELECT 3")) == [], "and it recovers")


def test_connection_that_breaks_while_it_is_looked_at_is_nobodys_error(
    postgres: Postgres, start_weir_at: StartWeir, open_gate: OpenGate
) -> None:
    gate = open_gate(postgres.port)
    weir = start_weir_at(gate.port, {"pool": {"max": 1}})
    with weir.logged_in() as client:
        pid = client.backend_pid()
        weir.wait_until_idle()
        client.send(wire.query("SELECT 1 FROM pg_sleep(0.5)"))
        wait_until(lambda: postgres.backends("query LIKE '%pg_sleep(0.5)%' AND state = 'active'") == 1)
        gate.faults.close_on_request = True  # the answer passes; what Weir asks the catalog then does not
        assert errors(client.receive_ready()) == []
        weir.wait_until_gone(pid)
        gate.faults.close_on_request = False
        assert client.backend_pid() != pid


def test_connection_that_breaks_between_two_messages_of_a_result_is_an_error(
    postgres: Postgres, start_weir_at: StartWeir, open_gate: OpenGate
) -> None:
    gate = open_gate(postgres.port)
    weir = start_weir_at(gate.port, {"pool": {"max": 1}})
    with weir.logged_in() as client:
        # PostgreSQL sends a notice at once, and what it had to say before it.
        client.send(wire.query("SELECT 1; DO $$ BEGIN RAISE NOTICE 'now'; PERFORM pg_sleep(60); END $$"))
        assert "".join(message.type for message in client.receive_until("N")) == "TDCN"
        gate.close_connections()
        messages = client.receive_ready()
        assert errors(messages) == ["08006"] and messages[-1].body == b"I"
        assert client.value("SELECT 2") == "2"
    postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60); END%'"
                     " AND pid <> pg_backend_pid()")


def test_connection_that_breaks_inside_one_message_ends_the_client(
    postgres: Postgres, start_weir_at: StartWeir, open_gate: OpenGate
) -> None:
    gate = open_gate(postgres.port)
    weir = start_weir_at(gate.port, {"pool": {"max": 1}})
    with weir.logged_in() as client:
        client.rows("SELECT 1")
        gate.faults.limit_bytes = 5_000_000
        client.send(wire.query("SELECT repeat('x', 20000000)"))
        # Half a DataRow is with the client: nothing can be said within it, so the connection is closed.
        client.receive_to_end()
        gate.faults.limit_bytes = None
    wait_until(lambda: weir.value("SELECT 2") == 2, "and it recovers")


def test_connection_that_breaks_during_copy_in_is_an_error(
    postgres: Postgres, start_weir_at: StartWeir, open_gate: OpenGate
) -> None:
    gate = open_gate(postgres.port)
    weir = start_weir_at(gate.port, {"pool": {"max": 1}})
    with weir.logged_in() as client:
        client.query("CREATE TABLE copy_lost (id int)")
        client.send(wire.query("COPY copy_lost FROM STDIN"))
        client.receive_until("G")
        client.send(wire.copy_data(b"1\n"))
        gate.close_connections()
        messages = client.receive_ready()
        assert errors(messages) == ["08006"]
        client.send(wire.copy_data(b"2\n"), wire.copy_done())
        assert client.value("SELECT count(*) FROM copy_lost") == "0"
        client.query("DROP TABLE copy_lost")


def test_pipeline_over_a_connection_that_breaks_gets_an_answer_for_every_sync(
    postgres: Postgres, start_weir_at: StartWeir, open_gate: OpenGate
) -> None:
    gate = open_gate(postgres.port)
    weir = start_weir_at(gate.port, {"pool": {"max": 1}})
    with weir.logged_in() as client:
        client.rows("SELECT 1")
        client.send(*[wire.extended(f"SELECT {n}, pg_sleep(0.05)") + wire.sync() for n in range(10)])
        client.receive_ready()
        gate.close_connections()
        answers = [client.receive_ready() for _ in range(9)]
        assert any(errors(answer) == ["08006"] for answer in answers)
        assert client.value("SELECT 2") == "2"


def test_frozen_backend_does_not_hold_up_other_backends(
    postgres: Postgres, start_weir_at: StartWeir, open_gate: OpenGate
) -> None:
    frozen, sound = open_gate(postgres.port), postgres.port
    weir = start_weir_at(
        frozen.port,
        {
            "cluster": {"sound": {"servers": [f"127.0.0.1:{sound}"]}},
            "database": {"other": {"cluster": "sound"}},
        },
    )
    with weir.logged_in() as client, weir.logged_in(database="other") as other:
        client.rows("SELECT 1")
        frozen.faults.frozen = True
        client.send(wire.query("SELECT 'late'"))
        for number in range(20):
            assert other.value(f"SELECT {number}") == str(number)
        frozen.faults.frozen = False
        assert client.receive_ready()[1].columns() == [b"late"]


def test_connect_timeout_ends_a_dial_that_hangs(
    postgres: Postgres, start_weir_at: StartWeir, open_gate: OpenGate
) -> None:
    gate = open_gate(postgres.port)
    gate.faults.frozen = True
    weir = start_weir_at(
        gate.port,
        {"cluster": {"main": {"connect_timeout": "300ms"}}, "pool": {"acquire_timeout": "2s", "max": 2}},
    )
    with weir.raw() as client, pytest.raises(ServerError) as refused:
        client.log_in(user="postgres", database="app")
        client.rows("SELECT 1")
    assert refused.value.sqlstate in ("08006", "08001", "57P03", "53300")
    gate.faults.frozen = False
    wait_until(lambda: can_ask(weir), "and it recovers")


def can_ask(weir: Any) -> bool:
    try:
        return bool(weir.value("SELECT 1") == 1)
    except psycopg.OperationalError:
        return False


@pytest.mark.parametrize("fault", ["refuse", "reset", "close_on_data"])
def test_login_while_connections_fail_is_an_error_in_time(
    postgres: Postgres, start_weir_at: StartWeir, open_gate: OpenGate, fault: str
) -> None:
    gate = open_gate(postgres.port)
    setattr(gate.faults, fault, True)
    weir = start_weir_at(gate.port, {"pool": {"acquire_timeout": "1s"}})
    with weir.raw() as client, pytest.raises(ServerError) as refused:
        client.log_in(user="postgres", database="app")
        client.rows("SELECT 1")
    assert refused.value.sqlstate in ("08006", "08001", "57P03", "53300")
    setattr(gate.faults, fault, False)
    wait_until(lambda: can_ask(weir), "and it recovers", 20)


def test_dials_are_not_repeated_in_a_tight_loop(
    postgres: Postgres, start_weir_at: StartWeir, open_gate: OpenGate
) -> None:
    gate = open_gate(postgres.port)
    gate.faults.refuse = True
    weir = start_weir_at(gate.port, {"pool": {"acquire_timeout": "2s"}})
    with weir.raw() as client, pytest.raises(ServerError):
        client.log_in(user="postgres", database="app")
        client.rows("SELECT 1")
    assert gate.accepted < 100
    assert weir.cpu_share(0.5) < 0.2


def test_server_that_is_not_postgresql_is_a_clear_error(postgres: Postgres, start_weir_at: StartWeir) -> None:
    import threading

    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def babble() -> None:
        listener.settimeout(0.05)
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.close()

    thread = threading.Thread(target=babble)
    thread.start()
    weir = start_weir_at(listener.getsockname()[1], {"pool": {"acquire_timeout": "1s"}})
    with weir.raw() as client, pytest.raises(ServerError):
        client.log_in(user="postgres", database="app")
        client.rows("SELECT 1")
    stop.set()
    thread.join()
    listener.close()


def test_wrong_host_name_is_an_error_in_time(start_weir_at: StartWeir) -> None:
    weir = start_weir_at(
        1,
        {"cluster": {"main": {"servers": ["not-there.invalid:5432"]}}, "pool": {"acquire_timeout": "1s"}},
    )
    with weir.raw() as client, pytest.raises(ServerError) as refused:
        client.socket.settimeout(scaled(10))
        client.log_in(user="postgres", database="app")
        client.rows("SELECT 1")
    assert refused.value.sqlstate in ("08006", "08001", "57P03", "53300")
    assert weir.show("VERSION")


def test_host_name_is_resolved(postgres: Postgres, start_weir_at: StartWeir) -> None:
    weir = start_weir_at(1, {"cluster": {"main": {"servers": [f"localhost:{postgres.port}"]}}})
    assert weir.value("SELECT 1") == 1


def test_forged_messages_from_a_backend_end_that_backend_only(
    postgres: Postgres, start_weir_at: StartWeir, open_gate: OpenGate
) -> None:
    import threading

    listener = socket.create_server(("127.0.0.1", 0))

    def forge() -> None:
        while True:  # Weir also looks whether anybody is there, and says nothing
            connection, _ = listener.accept()
            if connection.recv(1000):
                break
            connection.close()
        login = b"R\0\0\0\x08\0\0\0\0" + b"K\0\0\0\x0c\0\0\0\x01\0\0\0\x02" + b"Z\0\0\0\x05I"
        connection.sendall(login)
        connection.recv(1000)
        connection.sendall(b"T\0\0\0\0garbage")
        connection.recv(1000)
        connection.close()

    thread = threading.Thread(target=forge)
    thread.start()
    weir = start_weir_at(
        postgres.port,
        {
            "cluster": {
                "forged": {
                    "servers": [f"127.0.0.1:{listener.getsockname()[1]}"],
                    "tls": {"mode": "disable"},
                }
            },
            "database": {"forged": {"cluster": "forged"}},
            "pool": {"max": 1, "acquire_timeout": "1s"},
        },
    )
    with weir.raw() as client:
        client.log_in(user="postgres", database="forged")
        client.send(wire.query("SELECT 1"))
        try:
            assert errors(client.receive_ready()) in (["08006"], ["08P01"])
        except ConnectionError:
            pass
    thread.join()
    listener.close()
    assert weir.value("SELECT 1") == 1
