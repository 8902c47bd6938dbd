"""PostgreSQL is killed, stopped, restarted, started late. Clients get errors in time, and everything recovers."""

import threading
import time
from typing import Any, Callable

import psycopg
import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import scaled, wait_until
from support.ports import free_port
from support.postgres import Postgres
from support.raw_client import ServerError, errors

pytestmark = pytest.mark.needs_weir

OwnPostgres = Callable[..., Postgres]


class Workers:
    """Clients that run statements over and over, and count what they meet."""

    def __init__(self, weir: Any, count: int) -> None:
        self.successes = 0
        self.disconnects = 0
        self.unexpected: list[BaseException] = []
        self._weir = weir
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(count)]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int) -> None:
        connection = None
        step = 0
        while not self._stop.is_set():
            try:
                if connection is None:
                    connection = self._weir.psycopg()
                step += 1
                row = connection.execute("SELECT %s::int", (number * 100000 + step,)).fetchone()
                assert row == (number * 100000 + step,)
                with self._lock:
                    self.successes += 1
            except psycopg.OperationalError:
                if connection is not None and connection.closed:
                    with self._lock:
                        self.disconnects += 1
                    connection = None
                self._stop.wait(0.02)
            except BaseException as error:  # noqa: BLE001
                self.unexpected.append(error)
                return
        if connection is not None:
            connection.close()

    def wait_for_success(self, deadline_s: float = 20) -> None:
        before = self.successes
        wait_until(lambda: self.successes > before + len(self._threads) * 3, "statements succeed", deadline_s)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        assert self.unexpected == []


@pytest.mark.timeout(90)
@pytest.mark.parametrize("threads", [1, 2])
def test_kill_under_load_disconnects_nobody_and_recovers(
    own_postgres: OwnPostgres, start_weir_at: StartWeir, threads: int
) -> None:
    postgres = own_postgres()
    weir = start_weir_at(
        postgres.port, {"listen": {"threads": threads}, "pool": {"max": 5, "acquire_timeout": "1s"}}
    )
    workers = Workers(weir, 20)
    workers.wait_for_success()
    postgres.kill()
    wait_until(lambda: not postgres.is_ready())
    postgres.start()
    workers.wait_for_success()
    postgres.kill()
    postgres.start()
    workers.wait_for_success()
    workers.stop()
    assert workers.disconnects == 0
    wait_until(lambda: weir.pool()["cl_waiting"] == 0)
    assert postgres.backends() <= 5


@pytest.mark.timeout(60)
def test_restart_of_postgresql_is_survived(own_postgres: OwnPostgres, start_weir_at: StartWeir) -> None:
    postgres = own_postgres()
    weir = start_weir_at(postgres.port, {"pool": {"acquire_timeout": "2s"}})
    with weir.logged_in() as client:
        assert client.value("SELECT 1") == "1"
        postgres.stop()
        postgres.start()
        wait_until(lambda: errors(client.query("SELECT 2")) == [], "the same client goes on")


def test_login_while_the_server_is_down_is_an_error_in_time_and_recovers(
    own_postgres: OwnPostgres, start_weir_at: StartWeir
) -> None:
    postgres = own_postgres()
    postgres.stop()
    weir = start_weir_at(postgres.port, {"pool": {"acquire_timeout": "1s"}})
    began = time.monotonic()
    with weir.raw() as client, pytest.raises(ServerError) as refused:
        client.log_in(user="postgres", database="app")
        client.rows("SELECT 1")
    assert time.monotonic() - began < scaled(5)
    assert refused.value.sqlstate in ("08006", "08001", "57P03", "53300")
    postgres.start()

    def works() -> bool:
        try:
            return bool(weir.value("SELECT 1") == 1)
        except psycopg.OperationalError:
            return False

    wait_until(works, "and it recovers", 20)


def test_weir_starts_while_the_server_is_down(start_weir_at: StartWeir) -> None:
    weir = start_weir_at(free_port(), {"pool": {"acquire_timeout": "500ms", "min": 2}}, http=True)
    assert weir.show("VERSION")
    status, _ = weir.http("/healthz")
    assert status == 200


def test_server_that_is_starting_up_is_waited_for(own_postgres: OwnPostgres, start_weir_at: StartWeir) -> None:
    postgres = own_postgres()
    postgres.stop()
    weir = start_weir_at(postgres.port, {"pool": {"acquire_timeout": "15s"}})
    values: list[object] = []
    asking = threading.Thread(target=lambda: values.append(weir.value("SELECT 1")))
    asking.start()
    wait_until(lambda: weir.show("CLIENTS"), "the client is there")
    postgres.launch()
    asking.join()
    assert values == [1]


def test_clients_that_wait_while_the_server_is_down_are_served_when_it_is_back(
    own_postgres: OwnPostgres, start_weir_at: StartWeir
) -> None:
    postgres = own_postgres()
    weir = start_weir_at(postgres.port, {"pool": {"acquire_timeout": "15s"}})
    with weir.logged_in() as client:
        pid = client.backend_pid()
        weir.wait_until_idle()
        postgres.stop()
        weir.wait_until_gone(pid)
        client.send(wire.query("SELECT 'back'"))
        postgres.start()
        messages = client.receive_ready()
        assert errors(messages) == [] and messages[1].columns() == [b"back"]


def test_readyz_tells_whether_postgresql_is_there(own_postgres: OwnPostgres, start_weir_at: StartWeir) -> None:
    postgres = own_postgres()
    weir = start_weir_at(postgres.port, {"pool": {"acquire_timeout": "500ms"}}, http=True)
    assert weir.value("SELECT 1") == 1
    wait_until(lambda: weir.http("/readyz")[0] == 200, "ready")
    postgres.stop()

    def asked_in_vain() -> bool:
        try:
            weir.value("SELECT 1")
        except psycopg.OperationalError:
            return True
        return False

    wait_until(asked_in_vain)
    wait_until(lambda: weir.http("/readyz")[0] == 503, "not ready")
    assert weir.http("/healthz")[0] == 200
    postgres.start()
    wait_until(lambda: not asked_in_vain())
    wait_until(lambda: weir.http("/readyz")[0] == 200, "ready again")


def test_out_of_connections_at_postgresql_is_told_and_passes(
    own_postgres: OwnPostgres, start_weir_at: StartWeir
) -> None:
    postgres = own_postgres(max_connections="8", superuser_reserved_connections="3")
    postgres.execute("CREATE ROLE plain LOGIN")
    weir = start_weir_at(postgres.port, {"pool": {"max": 20, "acquire_timeout": "1s"}, "user": {"plain": {}}})
    clients = [weir.logged_in(user="plain") for _ in range(8)]
    found = [errors(client.query("BEGIN; SELECT 1")) for client in clients]
    assert found.count([]) == 5
    assert all(error in ([], ["53300"]) for error in found)
    for client in clients:
        client.query("ROLLBACK")
    assert clients[-1].value("SELECT 1") == "1"
    for client in clients:
        client.quit()
