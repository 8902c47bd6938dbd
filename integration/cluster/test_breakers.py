"""A member that fails too many calls gets none for a while."""

import contextlib
import time
from typing import Any

import pytest

from cluster.conftest import MakeCluster, StartSplit
from conftest import StartWeir
from support.deadlines import wait_until
from support.raw_client import RawClient, ServerError, errors
from support.replica import Replica, servers

pytestmark = pytest.mark.needs_weir

QUICK = {"min_calls": 5, "window": "5s", "open_for": "2s", "half_open_calls": 2}


def members(primary: Any, replica: Any) -> dict[str, Any]:
    """A cluster, and a role that works in it."""
    primary.execute("CREATE ROLE worker LOGIN")
    replica.wait_until_near(primary)
    return servers(primary, replica)


def breaker(weir: Any, server: Any) -> Any:
    return next(row for row in weir.show("BREAKERS") if row["member"] == f"127.0.0.1:{server.port}")


def break_logins(server: Any) -> None:
    """The role has no place there any more, for a while."""
    server.execute("ALTER ROLE worker CONNECTION LIMIT 0")
    server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'worker'")


def test_primary_that_fails_is_left_alone_and_recovers(make_cluster: MakeCluster, start_weir_at: StartWeir) -> None:
    primary, replica = make_cluster()
    weir = start_weir_at(primary.port, {
        "cluster": members(primary, replica), "database": {"app": {"cluster": "main"}}, "policy": {"breaker": QUICK}, "user": {"worker": {}},
        "pool": {"acquire_timeout": "1500ms"}}, http=True)
    with weir.logged_in(user="worker") as client:
        client.query("SELECT 1")
        assert breaker(weir, primary)["state"] == "closed" and breaker(weir, primary)["successes"] == 1
        break_logins(primary)
        wait_until(lambda: bool(errors(client.query("SELECT 1"))) and breaker(weir, primary)["state"] == "open")
        began = time.monotonic()
        with pytest.raises(ServerError) as refused:
            client.rows("SELECT 1")
        assert refused.value.sqlstate == "57P03" and "circuit breaker" in str(refused.value)
        assert refused.value.message.fields()["H"].startswith("It is tried again in ")
        assert time.monotonic() - began < 1  # at once, and not when acquire_timeout is over
        assert breaker(weir, primary)["rejected"] >= 1 and breaker(weir, primary)["trips"] == 1
        labels = {"cluster": "main", "member": f"127.0.0.1:{primary.port}"}
        assert weir.metrics().sum("weir_breaker_state", **labels) == 2
        assert weir.metrics().sum("weir_breaker_trips_total", **labels) == 1
        primary.execute("ALTER ROLE worker CONNECTION LIMIT -1")
        wait_until(lambda: errors(client.query("SELECT 1")) == [], "and it recovers")
        wait_until(lambda: client.query("SELECT 1") and breaker(weir, primary)["state"] == "closed")


def test_operator_says_that_it_is_well(make_cluster: MakeCluster, start_weir_at: StartWeir) -> None:
    primary, replica = make_cluster()
    weir = start_weir_at(primary.port, {
        "cluster": members(primary, replica), "database": {"app": {"cluster": "main"}},
        "policy": {"breaker": {**QUICK, "open_for": "10m"}}, "user": {"worker": {}}, "pool": {"acquire_timeout": "500ms"}})
    with weir.logged_in(user="worker") as client:
        client.query("SELECT 1")
        break_logins(primary)
        wait_until(lambda: bool(errors(client.query("SELECT 1"))) and breaker(weir, primary)["state"] == "open")
        primary.execute("ALTER ROLE worker CONNECTION LIMIT -1")
        assert errors(client.query("SELECT 1")) == ["57P03"]
        with weir.logged_in(database="weir") as console:
            assert errors(console.query(f"RESET BREAKER 127.0.0.1:{primary.port}")) == []
            assert errors(console.query("RESET BREAKER '10.9.9.9:1'")) == ["42704"]
            assert errors(console.query("RESET BREAKER")) == []
        assert breaker(weir, primary)["state"] == "closed"
        wait_until(lambda: errors(client.query("SELECT 1")) == [])


def test_replica_that_fails_is_read_around(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    """Nobody but the role cannot get in there: a role is limited on all members alike, so the replica is filled up."""
    primary = make_cluster(0, max_connections="30")[0]
    replica = Replica(primary, max_connections="30")
    held: list[Any] = []
    try:
        primary.execute("CREATE ROLE worker LOGIN")
        weir = start_split(primary, replica, policy={"breaker": QUICK}, user={"worker": {}})
        with contextlib.suppress(ServerError):
            while len(held) < 40:
                held.append(RawClient.connect_tcp("127.0.0.1", replica.port))
                held[-1].log_in(user="worker", database="app")
        assert len(held) < 40
        with weir.logged_in(user="worker") as client:
            for _ in range(50):
                assert client.value("SELECT at()") == str(primary.port)
            wait_until(lambda: client.value("SELECT at()") and breaker(weir, replica)["state"] == "open")
            for one in held:
                one.close()
            wait_until(lambda: client.value("SELECT at()") == str(replica.port), "and it recovers")
            wait_until(lambda: client.value("SELECT at()") and breaker(weir, replica)["state"] == "closed")
    finally:
        replica.remove()
