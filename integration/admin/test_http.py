"""/metrics, /healthz, /readyz."""

import socket
from typing import Any

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import wait_until
from support.raw_client import errors

pytestmark = pytest.mark.needs_weir

NAMES = {
    "weir_pool_connections": "gauge",
    "weir_pool_waiting_clients": "gauge",
    "weir_pool_size_max": "gauge",
    "weir_pool_utilization_ratio": "gauge",
    "weir_pool_wait_seconds": "histogram",
    "weir_pool_events_total": "counter",
    "weir_clients": "gauge",
    "weir_client_connections_total": "counter",
    "weir_statements_total": "counter",
    "weir_transactions_total": "counter",
    "weir_statement_errors_total": "counter",
    "weir_statement_seconds": "histogram",
    "weir_transaction_seconds": "histogram",
    "weir_bytes_total": "counter",
    "weir_build_info": "gauge",
}


def test_healthz_and_readyz_answer(start_weir: StartWeir) -> None:
    weir = start_weir(http=True)
    assert weir.http("/healthz")[0] == 200
    assert weir.value("SELECT 1") == 1
    wait_until(lambda: weir.http("/readyz")[0] == 200)
    assert weir.http("/not-there")[0] == 404


@pytest.mark.parametrize("name", NAMES)
def test_metric_is_there_with_its_type(start_weir: StartWeir, name: str) -> None:
    weir = start_weir(http=True)
    with weir.logged_in() as client:
        client.query("SELECT 1/0")
        assert weir.metrics().types.get(name) == NAMES[name]


def test_every_metric_has_the_prefix_and_counters_end_in_total(start_weir: StartWeir) -> None:
    weir = start_weir(http=True)
    assert weir.value("SELECT 1") == 1
    metrics = weir.metrics()
    for name, kind in metrics.types.items():
        assert name.startswith("weir_"), name
        assert (kind == "counter") == name.endswith("_total"), name


def test_pool_metrics_follow_the_pool(start_weir: StartWeir) -> None:
    weir: Any = start_weir({"pool": {"max": 2, "acquire_timeout": "20s"}}, http=True)
    clients = [weir.logged_in() for _ in range(3)]
    where = {"database": "app"}
    for client in clients[:2]:
        client.query("BEGIN; SELECT 1")
    clients[2].send(wire.query("SELECT 1"))
    wait_until(lambda: weir.metrics().sum("weir_pool_waiting_clients", **where) == 1)
    metrics = weir.metrics()
    assert metrics.sum("weir_pool_connections", state="used", **where) == 2
    assert metrics.sum("weir_pool_connections", state="idle", **where) == 0
    assert metrics.sum("weir_pool_size_max", **where) == 2
    assert metrics.sum("weir_pool_utilization_ratio", **where) == 1
    for client in clients[:2]:
        client.query("COMMIT")
    clients[2].receive_ready()
    wait_until(lambda: weir.metrics().sum("weir_pool_connections", state="idle", **where) == 2)
    metrics = weir.metrics()
    assert metrics.sum("weir_pool_wait_seconds_count", **where) >= 1
    assert metrics.sum("weir_pool_events_total", event="create_success", **where) == 2
    assert metrics.sum("weir_pool_events_total", event="acquire_success", **where) >= 3
    for client in clients:
        client.quit()


def test_statement_metrics_count(start_weir: StartWeir) -> None:
    weir = start_weir(http=True)
    with weir.logged_in() as client:
        for _ in range(20):
            client.rows("SELECT 1")
        assert errors(client.query("SELECT 1/0")) == ["22012"]
        client.query("BEGIN")
        client.query("COMMIT")
        metrics = weir.metrics()
        assert metrics.sum("weir_transactions_total") == 22
        assert metrics.sum("weir_statements_total") == 23
        assert metrics.sum("weir_statement_errors_total", **{"class": "22"}) == 1
        assert metrics.sum("weir_statement_seconds_count") == 23
        assert metrics.sum("weir_bytes_total") > 0


def test_clients_are_counted(start_weir: StartWeir) -> None:
    weir: Any = start_weir(http=True)
    clients = [weir.logged_in() for _ in range(5)]
    assert weir.metrics().sum("weir_clients") >= 5
    assert weir.metrics().sum("weir_client_connections_total") >= 5
    for client in clients:
        client.quit()
    wait_until(lambda: weir.metrics().sum("weir_clients") == 0)


def test_http_can_be_switched_on_with_a_password(start_weir: StartWeir) -> None:
    weir = start_weir({"http": {"user": "watcher", "password": "pencil"}}, http=True)
    assert weir.http("/metrics")[0] == 401
    assert weir.http("/healthz")[0] == 200
    assert weir.http("/readyz")[0] in (200, 503)


def test_evil_http_clients_harm_nobody(start_weir: StartWeir) -> None:
    weir = start_weir(http=True)
    for said in (b"", b"\0" * 1000, b"GET /" + b"x" * 100000, b"GET /metrics HTTP/9.9\r\n\r\n", wire.query("SELECT 1")):
        with socket.create_connection(("127.0.0.1", weir.http_port), 5) as connection:
            connection.sendall(said)
    assert weir.http("/healthz")[0] == 200
    assert weir.value("SELECT 1") == 1
