"""min, max, idle timeout, lifetime, reserve, check before reuse, limits across pools."""

import os
import signal

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import stays_true, wait_until
from support.postgres import Postgres
from support.raw_client import errors

pytestmark = pytest.mark.needs_weir


def hold(weir: object, count: int, **parameters: str) -> list[object]:
    """So many clients, each in a transaction."""
    clients = [weir.logged_in(**parameters) for _ in range(count)]  # type: ignore[attr-defined]
    for client in clients:
        assert errors(client.query("BEGIN; SELECT 1")) == []
    return clients


def release(clients: list[object]) -> None:
    for client in clients:
        client.query("COMMIT")  # type: ignore[attr-defined]
        client.quit()  # type: ignore[attr-defined]


def test_cold_start_needs_no_backend(start_weir: StartWeir, postgres: Postgres) -> None:
    start_weir({"pool": {"min": 0}})
    stays_true(lambda: postgres.backends() == 0, 0.3)


def test_min_backends_are_kept_open_once_a_pool_is_used(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"pool": {"min": 3, "max": 5, "idle_timeout": "200ms"}})
    with weir.logged_in() as client:
        client.rows("SELECT 1")
        wait_until(lambda: postgres.backends() == 3, "three backends are open")
        release(hold(weir, 5))
        wait_until(lambda: postgres.backends() == 3, "the others were idle too long")
        stays_true(lambda: postgres.backends() == 3, 0.6)


def test_min_backends_are_replaced_when_they_die(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"pool": {"min": 2, "max": 5}})
    with weir.logged_in() as client:
        client.rows("SELECT 1")
        wait_until(lambda: postgres.backends() == 2, "two backends are open")
        before = set(postgres.backend_pids())
        postgres.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS pid", [list(before)])
        wait_until(lambda: postgres.backends() == 2 and not before & set(postgres.backend_pids()), "two new ones")


def test_idle_backends_are_closed_after_idle_timeout(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"pool": {"idle_timeout": "300ms"}})
    release(hold(weir, 4))
    assert postgres.backends() > 0
    wait_until(lambda: postgres.backends() == 0, "idle backends are closed")
    assert weir.value("SELECT 1") == 1


def test_idle_timeout_zero_keeps_backends(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"pool": {"idle_timeout": "0s"}})
    release(hold(weir, 3))
    stays_true(lambda: postgres.backends() == 3, 0.5)


def test_backends_are_replaced_after_their_lifetime(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "max_lifetime": "500ms"}})
    with weir.logged_in() as client:
        first = client.backend_pid()
        wait_until(lambda: client.backend_pid() != first, "the backend is replaced")


def test_lifetime_does_not_interrupt_a_transaction(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "max_lifetime": "300ms"}})
    with weir.logged_in() as client:
        client.query("BEGIN")
        first = client.backend_pid()
        client.query("SELECT pg_sleep(0.8)")
        assert client.backend_pid() == first
        client.query("COMMIT")
        wait_until(lambda: client.backend_pid() != first, "then it is replaced")


def test_lifetimes_are_staggered(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"pool": {"min": 6, "max": 6, "max_lifetime": "2s"}})
    release(hold(weir, 6))
    before = set(postgres.backend_pids())
    assert len(before) == 6
    wait_until(lambda: not set(postgres.backend_pids()) >= before, "the first is replaced", 10)
    # Not all of them at once: some of the first six are still there.
    assert set(postgres.backend_pids()) & before


def test_reserve_opens_after_waiting(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"pool": {"max": 2, "reserve": 1, "reserve_after": "300ms", "acquire_timeout": "10s"}})
    clients = hold(weir, 2)
    with weir.logged_in() as third, weir.logged_in() as fourth:
        third.send(wire.query("BEGIN"))
        assert postgres.backends() == 2
        assert errors(third.receive_ready()) == []
        assert postgres.backends() == 3
        fourth.send(wire.query("SELECT 1"))
        wait_until(lambda: weir.pool()["cl_waiting"] == 1, "the fourth waits")
        stays_true(lambda: postgres.backends() == 3, 0.6)
        third.query("COMMIT")
        assert errors(fourth.receive_ready()) == []
    release(clients)


def test_backend_that_died_while_idle_is_not_given_to_a_client(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"pool": {"max": 2}})
    with weir.logged_in() as client:
        pid = client.backend_pid()
        weir.wait_until_idle()
        postgres.execute("SELECT pg_terminate_backend(%s)", [pid])
        weir.wait_until_gone(pid)
        assert client.backend_pid() != pid


def test_backend_is_checked_before_reuse_after_check_after(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"pool": {"max": 1, "check_after": "1ms"}})
    with weir.logged_in() as client:
        pid = client.backend_pid()
        for _ in range(20):
            assert client.backend_pid() == pid


def test_backend_that_does_not_answer_its_check_is_replaced(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir(
        {"pool": {"max": 2, "check_after": "50ms"}, "cluster": {"main": {"connect_timeout": "500ms"}}}
    )
    with weir.logged_in() as client:
        pid = client.backend_pid()
        stays_true(lambda: True, 0.2)
        os.kill(pid, signal.SIGSTOP)
        try:
            assert client.backend_pid() != pid
        finally:
            os.kill(pid, signal.SIGCONT)


def test_database_limit_holds_over_all_users(start_weir: StartWeir, postgres: Postgres) -> None:
    postgres.execute("CREATE ROLE limited LOGIN")
    weir = start_weir(
        {
            "limits": {"max_database_connections": 2},
            "pool": {"max": 5, "acquire_timeout": "500ms"},
            "user": {"limited": {}},
        }
    )
    clients = hold(weir, 1) + hold(weir, 1, user="limited")
    with weir.logged_in() as third, weir.logged_in(database="other") as elsewhere:
        assert errors(third.query("SELECT 1")) == ["53300"]
        assert errors(elsewhere.query("SELECT 1")) == []
    release(clients)
    assert weir.value("SELECT 1") == 1
    weir.stop()
    wait_until(lambda: postgres.backends() == 0)
    postgres.execute("DROP ROLE limited")


def test_database_limit_takes_an_idle_backend_from_another_user(start_weir: StartWeir, postgres: Postgres) -> None:
    postgres.execute("CREATE ROLE second LOGIN")
    weir = start_weir(
        {
            "limits": {"max_database_connections": 2},
            "pool": {"max": 5, "acquire_timeout": "5s"},
            "user": {"second": {}},
        }
    )
    release(hold(weir, 2))
    assert postgres.backends() == 2
    assert weir.value("SELECT current_user", user="second") == "second"
    assert postgres.backends() <= 2
    weir.stop()
    wait_until(lambda: postgres.backends() == 0)
    postgres.execute("DROP ROLE second")


def test_user_limit_holds_over_all_databases(start_weir: StartWeir) -> None:
    weir = start_weir(
        {"limits": {"max_user_connections": 2}, "pool": {"max": 5, "acquire_timeout": "500ms"}}
    )
    clients = hold(weir, 1) + hold(weir, 1, database="other")
    with weir.logged_in() as third:
        assert errors(third.query("SELECT 1")) == ["53300"]
    release(clients)
