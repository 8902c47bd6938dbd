"""What is healthy, degraded and critical, and JSON over HTTP."""

import json
import signal
import subprocess
from typing import Any, Callable

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import scaled, wait_until
from support.orders import ask
from support.postgres import Postgres
from support.raw_client import RawClient, errors
from support.weir import find_binary

pytestmark = pytest.mark.needs_weir

POOL = ("pool", "app/postgres")
FOUR = {"pool": {"min": 0, "max": 4, "acquire_timeout": "60s"}, "database": {"app": {"cluster": "main"}}}
# Pools are judged by what they have done in the last second or two.
QUICK = {"admin": {"stats_period": "1s"}}
OFF = {"pool_usage": [0.0, 0.0], "pool_wait": ["0s", "0s"], "error_rate": [0.0, 0.0], "average_response": ["0s", "0s"]}


def gauge(weir: Any, name: str = "weir_pool_health", **labels: str) -> float:
    return weir.metrics().sum(name, **labels)


def leave(clients: list[RawClient]) -> None:
    for client in clients:
        client.quit()


def test_full_pool_is_critical_and_recovers(start_weir: StartWeir) -> None:
    weir: Any = start_weir(FOUR, http=True)
    clients = [weir.logged_in() for _ in range(4)]
    for client in clients[:3]:
        client.query("BEGIN")
    assert weir.health(*POOL)["status"] == "healthy"  # 75 %
    clients[3].query("BEGIN")
    row = weir.health(*POOL)
    assert row["status"] == "critical" and row["detail"].startswith("pool_usage is 100 %, critical from 95 %; 0 clients wait")
    assert row["recommendation"] == "raise pool.max, or shorten transactions"
    overall = weir.health()
    assert overall["status"] == "critical" and "pool app/postgres: pool_usage is 100 %" in overall["detail"]
    assert gauge(weir, database="app") == 2
    body = weir.api("health")
    assert body["overall"] == "critical"
    assert body["recommendations"] == ["pool app/postgres: raise pool.max, or shorten transactions"]
    for client in clients:
        client.query("COMMIT")
    wait_until(lambda: weir.health(*POOL)["status"] == "healthy", "and it recovers")
    assert weir.health()["status"] == "healthy" and gauge(weir, database="app") == 0
    leave(clients)


def test_waiting_is_judged_while_it_lasts(start_weir: StartWeir) -> None:
    weir: Any = start_weir({**FOUR, "health": {**OFF, "pool_wait": ["10ms", "300ms"]}}, http=True)
    clients = [weir.logged_in() for _ in range(5)]
    for client in clients[:4]:
        client.query("BEGIN")
    assert weir.health(*POOL)["status"] == "healthy"  # full, and nobody waits
    clients[4].send(wire.query("SELECT 1"))
    wait_until(lambda: weir.health(*POOL)["status"] == "critical", "somebody waits too long")
    assert weir.health(*POOL)["detail"].startswith("pool_wait is ")
    (database,) = [row for row in weir.api("health")["databases"] if row["database"] == "app"]
    assert (database["write"], database["read"]) == ("critical", "critical")
    assert (database["writePoolSize"], database["writeIdleCount"], database["writeWaitingCount"]) == (4, 0, 1)
    assert (database["readPoolSize"], database["readIdleCount"], database["readWaitingCount"]) == (0, 0, 0)
    for client in clients[:4]:
        client.query("COMMIT")
    clients[4].receive_ready()
    wait_until(lambda: weir.health(*POOL)["status"] == "healthy", "and it recovers")
    leave(clients)


def longest_wait(weir: Any) -> float:
    """In seconds, as SHOW POOLS has it."""
    return int(weir.pool()["maxwait"]) + int(weir.pool()["maxwait_us"]) / 1e6


def test_waiting_for_resume_is_no_emergency(start_weir: StartWeir) -> None:
    weir: Any = start_weir({**FOUR, "health": {**OFF, "pool_wait": ["10ms", "300ms"]}}, http=True)
    with weir.logged_in() as client:
        client.query("SELECT 1")
        assert ask(weir, "PAUSE app") == ["CZ"]
        client.send(wire.query("SELECT 1"))
        wait_until(lambda: longest_wait(weir) > 0.4, "it waits for long")
        row = weir.health(*POOL)
        assert row["status"] == "degraded" and ": waits for RESUME; 1 clients wait" in row["detail"]
        assert not row["recommendation"]
        assert run_health(weir).returncode == 1
        assert gauge(weir, database="app") == 1
        assert ask(weir, "RESUME app") == ["CZ"]
        client.receive_ready()
    wait_until(lambda: weir.health()["status"] == "healthy", "and it recovers")


def test_statements_that_lose_their_server_are_errors_and_others_are_not(start_weir: StartWeir) -> None:
    weir: Any = start_weir({**FOUR, **QUICK, "health": {**OFF, "error_rate": [0.1, 0.3]}}, http=True)
    with weir.logged_in() as client:
        for _ in range(40):
            assert errors(client.query("SELECT 1/0")) == ["22012"]
        assert weir.health(*POOL)["status"] == "healthy"  # its own faults

        def rate_is_high() -> bool:
            for _ in range(10):
                client.query("SELECT 1")
                assert errors(client.query("SELECT pg_terminate_backend(pg_backend_pid())")) == ["08006"]
            row = weir.health(*POOL)
            return row["status"] == "critical" and row["detail"].startswith("error_rate is ")

        wait_until(rate_is_high, "half of the statements lose their connection")
        assert gauge(weir, database="app") == 2
        wait_until(lambda: client.rows("SELECT 1") and weir.health(*POOL)["status"] == "healthy", "and it recovers")


def test_slow_statements_show_in_the_average(start_weir: StartWeir) -> None:
    weir: Any = start_weir({**FOUR, **QUICK, "health": {**OFF, "average_response": ["5ms", "10m"]}})
    with weir.logged_in() as client:

        def average_is_high() -> bool:
            for _ in range(20):
                client.query("SELECT pg_sleep(0.02)")
            row = weir.health(*POOL)
            return row["status"] == "degraded" and row["detail"].startswith("average_response is ")

        wait_until(average_is_high, "statements are slow")
        wait_until(lambda: weir.health(*POOL)["status"] == "healthy", "and it recovers")


def test_thresholds_change_on_reload_and_by_set(start_weir: StartWeir) -> None:
    weir: Any = start_weir(FOUR, http=True)
    with weir.logged_in() as client:
        client.query("BEGIN")
        assert weir.health(*POOL)["status"] == "healthy"
        weir.reload({"health": {"pool_usage": [0.25, 0.5]}})
        assert weir.health(*POOL)["status"] == "degraded"  # 25 % exactly
        weir.reload({"health": {"pool_usage": [0.1, 0.25]}})
        assert weir.health(*POOL)["status"] == "critical" and gauge(weir, database="app") == 2
        assert "does not ascend" in weir.reload({"health": {"pool_usage": [0.5, 0.25]}}) + weir.log
        assert weir.health(*POOL)["status"] == "critical"
        with weir.psycopg(dbname="weir", user="postgres", autocommit=True) as console:
            console.execute("SET health.pool_usage = '0, 0'")
        assert weir.health(*POOL)["status"] == "healthy" and weir.api("health")["overall"] == "healthy"
        client.query("COMMIT")


def test_server_that_is_down_is_critical_and_recovers(own_postgres: Callable[..., Postgres], start_weir_at: StartWeir) -> None:
    server = own_postgres()
    weir: Any = start_weir_at(server.port, http=True)
    wait_until(lambda: weir.health()["status"] == "healthy", "healthy")
    server.stop()
    wait_until(lambda: weir.health()["status"] == "critical", "it is seen")
    assert any(row["check"] == "database" and row["status"] == "critical" for row in weir.api("health")["checks"])
    server.start()
    wait_until(lambda: weir.health()["status"] == "healthy", "and it recovers")


def run_health(weir: Any, *options: str) -> "subprocess.CompletedProcess[str]":
    """``weir health`` with the configuration of a running Weir."""
    binary = find_binary()
    assert binary is not None
    command = [str(binary), "health", "-c", str(weir.config_path), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=scaled(30))


def test_command_says_how_the_process_does(start_weir: StartWeir) -> None:
    weir: Any = start_weir({**FOUR, "http": {"user": "watcher", "password": "pencil"}}, http=True)
    assert weir.http("/healthz")[0] == 200  # its port is open
    done = run_health(weir)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("healthy\nhealthy   process\n")
    with weir.logged_in() as client:
        client.query("BEGIN")
        weir.reload({"health": {"pool_usage": [0.25, 0.5]}})
        done = run_health(weir)
        assert done.returncode == 1 and "degraded  pool app/postgres: pool_usage is 25 %" in done.stdout
        assert "          -> raise pool.max, or shorten transactions" in done.stdout
        weir.reload({"health": {"pool_usage": [0.1, 0.25]}})
        done = run_health(weir, "--json")
        assert done.returncode == 2 and json.loads(done.stdout)["overall"] == "critical"
        client.query("COMMIT")
    weir.write_settings({"http": {"password": "pen"}})
    done = run_health(weir)
    assert (done.returncode, done.stdout) == (2, "") and "401" in done.stderr
    weir.signal(signal.SIGQUIT)
    weir.wait_exit()
    done = run_health(weir)
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.startswith(f"127.0.0.1:{weir.http_port}: ")
    weir.write_settings({"http": {"address": "", "user": "", "password": ""}})
    assert "http.address is not set" in run_health(weir).stderr


@pytest.mark.parametrize("path", ["health", "members", "pools"])
def test_api_needs_the_password(start_weir: StartWeir, path: str) -> None:
    weir = start_weir({"http": {"user": "watcher", "password": "pencil"}}, http=True)
    assert weir.http("/api/" + path)[0] == 401
    assert weir.http("/api/" + path, login="watcher:pen")[0] == 401
    status, body = weir.http("/api/" + path, login="watcher:pencil")
    assert status == 200 and json.loads(body)


def test_pools_come_in_pages_with_the_columns_of_show(start_weir: StartWeir) -> None:
    weir: Any = start_weir({**FOUR, "database": {"app": {"cluster": "main"}, "postgres": {"cluster": "main"}}}, http=True)
    clients = [weir.logged_in(database=name) for name in ("app", "postgres")]
    for client in clients:
        client.query("SELECT 1")
    shown = weir.show("POOLS")
    everything = weir.api("pools")
    assert everything["next"] is None
    names = ("database", "user", "max", "min", "pool_mode", "load_balance_hosts")
    assert [[item[name] for name in names] for item in everything["items"]] == [[row[name] for name in names] for row in shown]
    assert list(everything["items"][0]) == list(shown[0])
    first = weir.api("pools?limit=1")
    second = weir.api(f"pools?limit=1&cursor={first['next']}")
    assert [item["database"] for page in (first, second) for item in page["items"]] == [row["database"] for row in shown[:2]]
    for query in ("limit=0", "limit=x", "cursor=%20", "page=1", "limit=1&limit=2"):
        status, body = weir.http("/api/pools?" + query)
        assert status == 400 and "accepted: " in body
    assert weir.http("/api/nothing")[0] == 404
    leave(clients)
