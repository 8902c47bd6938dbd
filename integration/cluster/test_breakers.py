"""A member that fails too many calls gets none for a while."""

import time
from typing import Any

import pytest

from cluster.conftest import MakeCluster, StartSplit
from conftest import StartWeir
from support.deadlines import scaled, wait_until
from support.raw_client import ServerError, errors
from support.replica import servers

pytestmark = pytest.mark.needs_weir

QUICK = {"min_calls": 5, "window": "5s", "open_for": "2s", "half_open_calls": 2}


def members(primary: Any, replica: Any) -> dict[str, Any]:
    """A cluster whose members are asked by a user of their own."""
    primary.execute("CREATE ROLE prober LOGIN SUPERUSER")
    replica.wait_until_near(primary)
    cluster = servers(primary, replica)
    cluster["main"]["probe_user"] = "prober"
    return cluster


def breaker(weir: Any, server: Any) -> Any:
    return next(row for row in weir.show("BREAKERS") if row["member"] == f"127.0.0.1:{server.port}")


def break_logins(server: Any) -> None:
    """Whoever wants to log in there is refused; who asks it as a member is not."""
    server.write_hba(["host all prober all trust", "host replication all all trust", "host all all all reject"])
    server.reload()


def test_primary_that_fails_is_left_alone_and_recovers(make_cluster: MakeCluster, start_weir_at: StartWeir) -> None:
    primary, replica = make_cluster()
    weir = start_weir_at(primary.port, {
        "cluster": members(primary, replica), "database": {"app": {"cluster": "main"}}, "policy": {"breaker": QUICK},
        "pool": {"acquire_timeout": "500ms"}}, http=True)
    with weir.logged_in() as client:
        client.query("SELECT 1")
        assert breaker(weir, primary)["state"] == "closed" and breaker(weir, primary)["successes"] == 1
        hba = primary.data.joinpath("pg_hba.conf").read_text().splitlines()
        break_logins(primary)
        primary.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'app' AND pid <> pg_backend_pid()")
        wait_until(lambda: bool(errors(client.query("SELECT 1"))) and breaker(weir, primary)["state"] == "open")
        began = time.monotonic()
        with pytest.raises(ServerError) as refused:
            client.rows("SELECT 1")
        assert refused.value.sqlstate == "57P03" and "circuit breaker" in str(refused.value)
        assert refused.value.message.fields()["H"].startswith("It is tried again in ")
        assert time.monotonic() - began < scaled(0.4)  # at once
        assert breaker(weir, primary)["rejected"] >= 1 and breaker(weir, primary)["trips"] == 1
        labels = {"cluster": "main", "member": f"127.0.0.1:{primary.port}"}
        assert weir.metrics().sum("weir_breaker_state", **labels) == 2
        assert weir.metrics().sum("weir_breaker_trips_total", **labels) == 1
        primary.write_hba(hba)
        primary.reload()
        wait_until(lambda: errors(client.query("SELECT 1")) == [], "and it recovers")
        wait_until(lambda: client.query("SELECT 1") and breaker(weir, primary)["state"] == "closed")


def test_operator_says_that_it_is_well(make_cluster: MakeCluster, start_weir_at: StartWeir) -> None:
    primary, replica = make_cluster()
    weir = start_weir_at(primary.port, {
        "cluster": members(primary, replica), "database": {"app": {"cluster": "main"}},
        "policy": {"breaker": {**QUICK, "open_for": "10m"}}, "pool": {"acquire_timeout": "500ms"}})
    with weir.logged_in() as client:
        hba = primary.data.joinpath("pg_hba.conf").read_text().splitlines()
        client.query("SELECT 1")
        break_logins(primary)
        primary.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'app' AND pid <> pg_backend_pid()")
        wait_until(lambda: bool(errors(client.query("SELECT 1"))) and breaker(weir, primary)["state"] == "open")
        primary.write_hba(hba)
        primary.reload()
        assert errors(client.query("SELECT 1")) == ["57P03"]
        with weir.logged_in(database="weir") as console:
            assert errors(console.query(f"RESET BREAKER 127.0.0.1:{primary.port}")) == []
            assert errors(console.query("RESET BREAKER '10.9.9.9:1'")) == ["42704"]
            assert errors(console.query("RESET BREAKER")) == []
        assert breaker(weir, primary)["state"] == "closed"
        wait_until(lambda: errors(client.query("SELECT 1")) == [])


def test_replica_that_fails_is_read_around(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica = make_cluster()
    primary.execute("CREATE ROLE prober LOGIN SUPERUSER")
    weir = start_split(primary, replica, cluster={"probe_user": "prober"}, policy={"breaker": QUICK})
    hba = replica.data.joinpath("pg_hba.conf").read_text().splitlines()
    break_logins(replica)
    replica.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'app' AND pid <> pg_backend_pid()")
    with weir.logged_in() as client:
        for _ in range(50):
            assert client.value("SELECT at()") == str(primary.port)
        wait_until(lambda: client.value("SELECT at()") and breaker(weir, replica)["state"] == "open")
        replica.write_hba(hba)
        replica.reload()
        wait_until(lambda: client.value("SELECT at()") == str(replica.port), "and it recovers")
        wait_until(lambda: client.value("SELECT at()") and breaker(weir, replica)["state"] == "closed")
