"""What the ledger says of statements in a cluster: where they ran, and each of them once."""

import time
from typing import Any

import pytest

from cluster.conftest import MakeCluster, StartSplit
from conftest import StartWeir
from support import wire
from support.deadlines import wait_until
from support.raw_client import RawClient, errors
from support.replica import servers

pytestmark = [pytest.mark.needs_weir, pytest.mark.timeout(60)]

LEDGER: dict[str, Any] = {"path": "weir-ledger.db", "sample_rate": 1.0}


def kept(weir: Any, words: str) -> list[dict[str, Any]]:
    return [row for row in weir.show("SLOW") if words in row["query"]]


def counts(weir: Any, words: str) -> tuple[int, int]:
    """Calls and errors of SHOW STATEMENTS."""
    rows = [row for row in weir.show("STATEMENTS") if words in row["query"]]
    return sum(row["calls"] for row in rows), sum(row["errors"] for row in rows)


def test_read_whose_client_is_slow_to_take_it_is_its_replicas(
    make_cluster: MakeCluster, start_split: StartSplit
) -> None:
    primary, replica = make_cluster()
    primary.execute("CREATE TABLE things AS SELECT repeat('x', 1000000) AS a FROM generate_series(1, 20)")
    weir = start_split(
        primary,
        replica,
        ledger=LEDGER,
        limits={"client_buffer": "64MiB"},
        policy={"slow_query": "200ms", "explain_slow": True},
    )
    member = next(row["member"] for row in weir.show("MEMBERS") if row["role"] == "replica")
    with RawClient.connect_tcp(weir.host, weir.port, receive_buffer=4096) as client:
        client.log_in(user="postgres", database="app")
        client.send(wire.query("SELECT * FROM things"))
        weir.wait_until_idle()
        time.sleep(0.3)
        assert kept(weir, "things") == []
        assert len(client.receive_ready()) == 23
        (row,) = wait_until(lambda: kept(weir, "things"), "it is kept")
    assert row["member"] == member and row["sending_ms"] >= 250 and row["plan"] and "things" in row["plan"]
    line = next(line for line in weir.log.splitlines() if " slow_statement_plan " in line)
    assert f"member={member}" in line


def test_read_that_is_run_elsewhere_is_told_of_once(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, *replicas = make_cluster(2)
    primary.execute("CREATE FUNCTION slow() RETURNS int LANGUAGE plpgsql STABLE AS"
                    " 'BEGIN PERFORM pg_sleep(30); RETURN 1; END'")
    weir = start_split(primary, *replicas, ledger=LEDGER, policy={"retry": {"statement": {"attempts": 2}}})

    def end_it(how: str) -> bool:
        return any(server.execute(f"SELECT {how}(pid) FROM pg_stat_activity"
                                  " WHERE query = 'SELECT slow()' AND state = 'active'")
                   for server in (primary, *replicas))

    with weir.logged_in() as client:
        client.send(wire.query("SELECT slow()"))
        wait_until(lambda: end_it("pg_terminate_backend"))
        wait_until(lambda: end_it("pg_cancel_backend"))
        assert errors(client.receive_ready()) == ["57014"]
        (row,) = wait_until(lambda: kept(weir, "slow ("), "it is kept")
        assert (row["sqlstate"], row["retried"]) == ("57014", 1)
        wait_until(lambda: counts(weir, "slow (") == (1, 1), "it is counted")
        client.send(wire.query("SELECT slow()"))
        for _ in range(2):
            wait_until(lambda: end_it("pg_terminate_backend"))
        assert errors(client.receive_ready()) == ["08006"]
        row, _ = wait_until(lambda: len(kept(weir, "slow (")) == 2 and kept(weir, "slow ("), "it is kept")
        assert (row["sqlstate"], row["retried"]) == ("08006", 1)
        assert row["member"] in [f"127.0.0.1:{replica.port}" for replica in replicas]
        wait_until(lambda: counts(weir, "slow (") == (2, 2), "it is counted")


def test_statement_that_a_breaker_refuses_is_a_failed_one(make_cluster: MakeCluster, start_weir_at: StartWeir) -> None:
    primary, replica = make_cluster()
    primary.execute("CREATE ROLE worker LOGIN")
    replica.wait_until_near(primary)
    breaker = {"min_calls": 5, "window": "5s", "open_for": "30s"}
    weir = start_weir_at(primary.port, {
        "cluster": servers(primary, replica), "database": {"app": {"cluster": "main"}}, "policy": {"breaker": breaker},
        "user": {"worker": {}}, "pool": {"acquire_timeout": "500ms"}, "ledger": LEDGER})
    with weir.logged_in(user="worker") as client:
        client.query("SELECT 1")
        primary.execute("ALTER ROLE worker CONNECTION LIMIT 0")
        primary.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'worker'")
        wait_until(lambda: errors(client.query("SELECT 1")) == ["57P03"])
        for run in (wire.query, lambda sql: wire.extended(sql) + wire.sync()):
            client.send(run("SELECT 1 AS refused"))
            assert errors(client.receive_ready()) == ["57P03"]
    rows = wait_until(lambda: len(kept(weir, "as refused")) == 2 and kept(weir, "as refused"), "they are kept")
    assert {(row["sqlstate"], row["wait_reason"]) for row in rows} == {("57P03", None)}
    assert all("circuit breaker" in row["message"] for row in rows)
