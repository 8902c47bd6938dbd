"""TERM: nobody new, transactions finish, idle clients are told, and the process ends by itself."""

import os
import signal
import threading

import psycopg
import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import stays_true, wait_until
from support.postgres import Postgres
from support.raw_client import errors

pytestmark = pytest.mark.needs_weir


def test_idle_process_ends_at_once(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir()
    assert weir.value("SELECT 1") == 1
    weir.signal(signal.SIGTERM)
    assert weir.wait_exit(5) == 0
    wait_until(lambda: postgres.backends() == 0, "its backends are closed")


def test_idle_clients_are_told_57p01(start_weir: StartWeir) -> None:
    weir = start_weir()
    clients = [weir.logged_in() for _ in range(10)]
    clients[0].rows("SELECT 1")
    weir.signal(signal.SIGTERM)
    for client in clients:
        messages = client.receive_to_end()
        assert errors(messages) == ["57P01"] and messages[-1].severity == "FATAL"
        client.close()
    assert weir.wait_exit(5) == 0


def test_nobody_new_is_accepted(start_weir: StartWeir) -> None:
    weir = start_weir()
    with weir.logged_in() as client:
        client.query("BEGIN")
        weir.signal(signal.SIGTERM)
        wait_until(lambda: is_refused(weir), "newcomers are refused")
        assert client.value("SELECT 1") == "1"
        assert errors(client.query("COMMIT")) == []
        assert errors(client.receive_to_end()) == ["57P01"]
    assert weir.wait_exit(5) == 0


def is_refused(weir: object) -> bool:
    try:
        weir.psycopg(connect_timeout=2).close()  # type: ignore[attr-defined]
    except psycopg.OperationalError:
        return True
    return False


def test_transaction_finishes_before_the_end(start_weir: StartWeir, postgres: Postgres) -> None:
    postgres.execute("CREATE TABLE drained (id int)")
    weir = start_weir()
    with weir.logged_in() as client:
        client.query("BEGIN")
        client.query("INSERT INTO drained VALUES (1)")
        weir.signal(signal.SIGTERM)
        stays_true(weir.is_running, 0.3)
        assert errors(client.query("INSERT INTO drained VALUES (2)")) == []
        messages = client.query("COMMIT")
        assert errors(messages) == [] and messages[-1].body == b"I"
        assert errors(client.receive_to_end()) == ["57P01"]
    assert weir.wait_exit(5) == 0
    assert postgres.value("SELECT count(*) FROM drained") == 2
    postgres.execute("DROP TABLE drained")


def test_statement_finishes_before_the_end(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir()
    with weir.logged_in() as client:
        client.send(wire.query("SELECT pg_sleep(0.5), 'whole'"))
        wait_until(lambda: postgres.backends("query LIKE '%whole%' AND state = 'active'") == 1)
        weir.signal(signal.SIGTERM)
        messages = client.receive_ready()
        assert errors(messages) == [] and messages[1].columns()[1] == b"whole"
        assert errors(client.receive_to_end()) == ["57P01"]
    assert weir.wait_exit(5) == 0


def test_waiting_clients_are_served_or_told(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "acquire_timeout": "20s"}})
    with weir.logged_in() as holder, weir.logged_in() as waiter:
        holder.query("BEGIN")
        waiter.send(wire.query("SELECT 'served'"))
        wait_until(lambda: weir.pool()["cl_waiting"] == 1)
        weir.signal(signal.SIGTERM)
        stays_true(weir.is_running, 0.2)
        holder.query("COMMIT")
        messages = waiter.receive_to_end()
        assert errors(messages) == ["57P01"]
    assert weir.wait_exit(5) == 0


def test_waiting_client_that_says_goodbye_is_served_before_the_end(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "acquire_timeout": "20s"}})
    with weir.logged_in() as holder, weir.logged_in() as waiter:
        holder.query("LISTEN keeps_it")
        waiter.send(wire.query("SELECT 'served'"), wire.terminate())
        wait_until(lambda: weir.pool()["cl_waiting"] == 1)
        weir.signal(signal.SIGTERM)
        assert errors(holder.receive_to_end()) == ["57P01"]
        waiter.receive_to_end()
    assert weir.wait_exit(5) == 0


def test_second_term_ends_it_at_once(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir()
    with weir.logged_in() as client:
        client.query("BEGIN")
        weir.signal(signal.SIGTERM)
        stays_true(weir.is_running, 0.3)
        weir.signal(signal.SIGTERM)
        weir.exit_code_expected = weir.wait_exit(5)
        client.receive_to_end()
    assert weir.exit_code_expected >= 0
    wait_until(lambda: postgres.backends() == 0, "its backends are closed")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_int_and_quit_end_it_too(start_weir: StartWeir, number: signal.Signals) -> None:
    weir = start_weir()
    with weir.logged_in() as client:
        assert client.value("SELECT 1") == "1"
        weir.signal(number)
        weir.exit_code_expected = weir.wait_exit(5)
        assert weir.exit_code_expected >= 0, "it ended by the signal instead of handling it"


def test_readyz_says_no_during_a_drain(start_weir: StartWeir) -> None:
    weir = start_weir(http=True)
    with weir.logged_in() as client:
        client.query("BEGIN")
        wait_until(lambda: weir.http("/readyz")[0] == 200)
        weir.signal(signal.SIGTERM)
        wait_until(lambda: weir.http("/readyz")[0] == 503)
        client.query("COMMIT")
    assert weir.wait_exit(5) == 0


@pytest.mark.timeout(60)
@pytest.mark.parametrize("threads", [1, 2])
def test_drain_under_load_loses_no_transaction(start_weir: StartWeir, postgres: Postgres, threads: int) -> None:
    postgres.execute("CREATE TABLE ledgers (client int, step int)")
    weir = start_weir({"listen": {"threads": threads}, "pool": {"max": 4, "acquire_timeout": "20s"}})
    committed: list[tuple[int, int]] = []
    failures: list[BaseException] = []

    def work(number: int) -> None:
        """Until it is told to go: two inserts a transaction. What was acknowledged must be there."""
        try:
            with weir.logged_in() as client:
                for step in range(1_000_000):
                    for statement in (
                        "BEGIN",
                        f"INSERT INTO ledgers VALUES ({number}, {step})",
                        f"INSERT INTO ledgers VALUES ({number}, {step})",
                        "COMMIT",
                    ):
                        client.send(wire.query(statement))
                        found = errors(client.receive_until("Z", "E"))
                        if found:
                            # Only between transactions may we be sent away.
                            assert found == ["57P01"] and statement == "BEGIN", (found, statement)
                            return
                    committed.append((number, step))
        except ConnectionError:
            # The goodbye raced with our next statement: it was read by nobody, or the reset overtook it.
            return
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for worker in workers:
        worker.start()
    wait_until(lambda: len(committed) > 200)
    weir.signal(signal.SIGTERM)
    for worker in workers:
        worker.join()
    assert failures == []
    assert weir.wait_exit(10) == 0
    rows = postgres.execute("SELECT client, step, count(*) FROM ledgers GROUP BY 1, 2")
    assert all(count == 2 for _, _, count in rows)
    assert {(client, step) for client, step, _ in rows} == set(committed)
    postgres.execute("DROP TABLE ledgers")


def test_drain_closes_the_unix_socket_file(start_weir: StartWeir, tmp_path: object) -> None:
    weir = start_weir({"listen": {"addresses": [f"unix:{tmp_path}"]}})
    path = f"{tmp_path}/.s.PGSQL.6432"
    assert os.path.exists(path)
    weir.signal(signal.SIGTERM)
    assert weir.wait_exit(5) == 0
    assert not os.path.exists(path)


def test_client_whose_request_was_refused_is_told_of_the_end(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "acquire_timeout": "500ms"}})
    with weir.logged_in() as holder, weir.logged_in() as refused, weir.logged_in() as skipping:
        holder.query("BEGIN")
        refused.send(wire.query("SELECT 1"))
        skipping.send(wire.parse("SELECT 1"), wire.flush())
        wait_until(lambda: weir.pool()["cl_waiting"] == 2)
        weir.signal(signal.SIGTERM)
        assert errors(refused.receive_to_end()) == ["53300", "57P01"]
        assert skipping.receive().sqlstate == "53300"
        skipping.send(wire.sync())
        assert errors(skipping.receive_to_end()) == ["57P01"]
        holder.query("COMMIT")
    assert weir.wait_exit(5) == 0


def test_client_whose_backend_is_lost_is_told_of_the_end(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir()
    with weir.logged_in() as client:
        client.query("BEGIN")
        pid = client.backend_pid()
        weir.signal(signal.SIGTERM)
        stays_true(weir.is_running, 0.2)
        postgres.execute(f"SELECT pg_terminate_backend({pid})")
        assert errors(client.receive_to_end()) == ["57P01"]
    assert weir.wait_exit(5) == 0
