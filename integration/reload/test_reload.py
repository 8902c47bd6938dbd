"""HUP: all or nothing, under load, and it says what happened."""

import re
import threading

import psycopg
import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import stays_true, wait_until
from support.postgres import Postgres
from support.raw_client import ServerError, errors

pytestmark = pytest.mark.needs_weir


def test_larger_pool_serves_the_waiters(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"pool": {"max": 1, "acquire_timeout": "20s"}})
    with weir.logged_in() as holder, weir.logged_in() as waiter:
        holder.query("BEGIN")
        waiter.send(wire.query("SELECT 'served'"))
        wait_until(lambda: weir.pool()["cl_waiting"] == 1)
        weir.reload({"pool": {"max": 2}})
        assert waiter.receive_ready()[1].columns() == [b"served"]
        holder.query("COMMIT")


def test_smaller_pool_closes_backends_as_they_are_given_back(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"pool": {"max": 5}})
    clients = [weir.logged_in() for _ in range(5)]
    for client in clients:
        client.query("BEGIN; SELECT 1")
    weir.reload({"pool": {"max": 2}})
    stays_true(lambda: postgres.backends() == 5, 0.2)
    for client in clients:
        assert errors(client.query("COMMIT")) == []
    wait_until(lambda: postgres.backends() <= 2, "the surplus is closed")
    for client in clients:
        assert client.value("SELECT 1") == "1"
        client.quit()


def test_database_that_is_added_is_served(start_weir: StartWeir) -> None:
    weir = start_weir({"database": {"*": None, "app": {"cluster": "main"}}})
    with weir.raw() as client, pytest.raises(ServerError):
        client.log_in(user="postgres", database="shop")
    weir.reload({"database": {"shop": {"cluster": "main", "dbname": "other"}}})
    assert weir.value("SELECT current_database()", dbname="shop") == "other"


def test_database_that_is_removed_goes_on_for_the_clients_it_has(start_weir: StartWeir) -> None:
    weir = start_weir(
        {
            "listen": {"threads": 2},
            "pool": {"max": 1, "acquire_timeout": "5s"},
            "database": {"*": None, "app": {"cluster": "main"}, "other": {"cluster": "main"}},
        }
    )
    clients = [weir.raw() for _ in range(4)]
    for client in clients:
        client.log_in(user="postgres", database="other")
    weir.reload({"database": {"other": None}})
    for _ in range(3):  # the only backend goes from worker to worker
        for client in clients:
            assert client.value("SELECT 1") == "1"
    weir.reload({"database": {"other": {"cluster": "main"}}})
    assert weir.value("SELECT 1", dbname="other") == 1
    for client in clients:
        client.quit()


def test_database_that_is_removed_is_unknown_to_newcomers(start_weir: StartWeir) -> None:
    weir = start_weir({"database": {"*": None, "app": {"cluster": "main"}, "other": {"cluster": "main"}}})
    assert weir.value("SELECT 1", dbname="other") == 1
    weir.reload({"database": {"other": None}})
    with weir.raw() as client:
        with pytest.raises(ServerError) as refused:
            client.log_in(user="postgres", database="other")
        assert refused.value.sqlstate == "3D000"
    assert weir.value("SELECT 1") == 1


def test_user_that_is_added_may_log_in(start_weir: StartWeir) -> None:
    weir = start_weir({"auth": {"method": "scram-sha-256"}, "database": {"*": {"user": "postgres"}}})
    with pytest.raises(psycopg.OperationalError):
        weir.psycopg(user="alice", password="pencil")
    weir.reload({"user": {"alice": {"password": "pencil"}}})
    assert weir.value("SELECT 1", user="alice", password="pencil") == 1


def test_users_file_is_read_again(start_weir: StartWeir) -> None:
    weir = start_weir(
        {"auth": {"method": "md5", "users_file": "users.txt"}, "database": {"*": {"user": "postgres"}}},
        files={"users.txt": '"alice" "pencil"\n'},
    )
    assert weir.value("SELECT 1", user="alice", password="pencil") == 1
    (weir.folder / "users.txt").write_text('"alice" "crayon"\n')
    weir.reload()
    assert weir.value("SELECT 1", user="alice", password="crayon") == 1


def test_broken_file_changes_nothing_and_says_why(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 3}})
    with weir.logged_in() as client:
        assert client.value("SELECT 1") == "1"
        good = weir.config_path.read_text()
        for broken in (
            good + "\n[pool\n",
            good.replace("max = 3", 'max = "many"'),
            good.replace("max = 3", "max = 3\nmaxx = 4"),
            good.replace("[pool]", "[poool]"),
            "",
        ):
            seen = len(weir.log)
            weir.config_path.write_text(broken)
            weir.hang_up(seen)
            if broken:
                assert re.search(r"weir\.toml:\d+", weir.log[seen:]), weir.log[seen:]
            assert client.value("SELECT 2") == "2"
            assert weir.value("SELECT 3") == 3
        weir.config_path.write_text(good)
        config = {row["key"]: row["value"] for row in weir.show("CONFIG")}
        assert config["pool.max"] == "3"


def test_setting_that_needs_a_restart_is_named(start_weir: StartWeir) -> None:
    weir = start_weir({"listen": {"threads": 1}})
    seen = len(weir.log)
    weir.reload({"listen": {"threads": 2}})
    assert "threads" in weir.log[seen:]
    assert weir.value("SELECT 1") == 1


def test_changed_server_address_moves_the_pool(start_weir: StartWeir, postgres: Postgres, open_gate: object) -> None:
    gate = open_gate(postgres.port)  # type: ignore[operator]
    weir = start_weir({"pool": {"max": 2}})
    with weir.logged_in() as client:
        first = client.backend_pid()
        weir.reload({"cluster": {"main": {"servers": [f"127.0.0.1:{gate.port}"]}}})
        wait_until(lambda: client.backend_pid() != first, "backends go to the new address")
    assert gate.accepted > 0


def test_client_limit_is_reloaded(start_weir: StartWeir) -> None:
    weir = start_weir({"listen": {"max_clients": 1}})
    with weir.logged_in():
        with weir.raw() as second, pytest.raises(ServerError):
            second.log_in(user="postgres", database="app")
        weir.reload({"listen": {"max_clients": 10}})
        assert weir.value("SELECT 1") == 1


def test_log_level_is_reloaded(start_weir: StartWeir) -> None:
    weir = start_weir({"log": {"level": "error"}})
    weir.write_settings({"log": {"level": "debug"}})
    import signal

    weir.signal(signal.SIGHUP)
    wait_until(lambda: weir.value("SELECT 1") == 1 and "debug" in weir.log.lower(), "debug lines appear")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("threads", [1, 2])
def test_reload_under_load_loses_nothing(start_weir: StartWeir, postgres: Postgres, threads: int) -> None:
    weir = start_weir({"listen": {"threads": threads}, "pool": {"max": 4, "acquire_timeout": "20s"}})
    stop = threading.Event()
    failures: list[BaseException] = []
    done = [0]

    def work(number: int) -> None:
        try:
            with weir.psycopg() as connection:
                while not stop.is_set():
                    with connection.transaction():
                        pid = connection.execute("SELECT pg_backend_pid()").fetchone()
                        assert connection.execute("SELECT pg_backend_pid()").fetchone() == pid
                    done[0] += 1
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for worker in workers:
        worker.start()
    for size in (1, 8, 2, 6, 3, 1, 4):
        weir.reload({"pool": {"max": size}, "database": {f"extra{size}": {"cluster": "main"}}})
        before = done[0]
        wait_until(lambda: done[0] > before + 50 or failures)
        wait_until(lambda: postgres.backends() <= size or failures, f"at most {size} backends")
    stop.set()
    for worker in workers:
        worker.join()
    assert failures == []
