"""Health of the members of a cluster: of each, and of what they are together."""

from typing import Any

import pytest

from cluster.conftest import MakeCluster, StartSplit
from conftest import StartWeir
from support.deadlines import wait_until
from support.replica import servers

pytestmark = pytest.mark.needs_weir


def name_of(server: Any) -> str:
    return f"127.0.0.1:{server.port}"


def database(weir: Any) -> Any:
    """The database of the tests, as /api/health sees it."""
    return next(row for row in weir.api("health")["databases"] if row["database"] == "app")


def is_healthy(weir: Any) -> bool:
    return weir.health()["status"] == "healthy" and {row["health"] for row in weir.show("MEMBERS")} == {"healthy"}


def test_lost_replica_is_critical_and_the_whole_degraded(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica, other = make_cluster(replicas=2)
    weir = start_split(primary, replica, other)
    wait_until(lambda: is_healthy(weir), "healthy")
    assert (database(weir)["write"], database(weir)["read"]) == ("healthy", "healthy")
    assert database(weir)["readPoolSize"] >= 1
    replica.stop()
    wait_until(lambda: weir.health("member", name_of(replica))["status"] == "critical", "it is seen to be down")
    assert weir.health("cluster", "main")["status"] == "degraded"
    assert weir.health()["status"] == "degraded" and name_of(replica) in weir.health()["detail"]
    assert weir.health("member", name_of(other))["status"] == "healthy"
    assert (database(weir)["write"], database(weir)["read"]) == ("healthy", "degraded")
    labels = {"cluster": "main", "member": name_of(replica)}
    assert weir.metrics().sum("weir_member_health", **labels) == 2
    assert [row["health"] for row in weir.show("MEMBERS")] == ["healthy", "critical", "healthy"]
    assert weir.http("/readyz")[0] == 200
    replica.start()
    wait_until(lambda: is_healthy(weir), "and it recovers")
    assert weir.metrics().sum("weir_member_health", **labels) == 0


def test_lost_primary_is_critical_and_reads_go_on(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica = make_cluster()
    weir = start_split(primary, replica)
    wait_until(lambda: is_healthy(weir), "healthy")
    primary.stop()
    wait_until(lambda: weir.health("cluster", "main")["status"] == "critical", "it is seen to be down")
    row = weir.health("cluster", "main")
    assert row["detail"].startswith("has no primary") and row["recommendation"] == "start the primary, or promote a replica"
    assert weir.health()["status"] == "critical"
    assert weir.health("database", "app")["detail"] == "no primary"
    assert (database(weir)["write"], database(weir)["read"]) == ("critical", "healthy")
    status, reasons = weir.http("/readyz")
    assert status == 503 and "app: no primary" in reasons.splitlines()
    primary.start()
    wait_until(lambda: is_healthy(weir), "and it recovers")
    assert weir.http("/readyz")[0] == 200 and database(weir)["write"] == "healthy"


def test_after_a_promotion_the_old_primary_is_what_is_missing(make_cluster: MakeCluster, start_weir_at: StartWeir) -> None:
    """Nobody is connected: what is asked is the new primary, not the first server of the list."""
    primary, replica = make_cluster()
    weir: Any = start_weir_at(primary.port, {"cluster": servers(primary, replica), "database": {"app": {"cluster": "main"}}}, http=True)
    wait_until(lambda: is_healthy(weir), "healthy")
    primary.kill()
    wait_until(lambda: weir.http("/readyz")[0] == 503, "there is no primary")
    replica.promote()
    wait_until(lambda: weir.http("/readyz")[0] == 200, "there is one again")
    assert weir.health()["status"] == "degraded" and database(weir)["write"] == "healthy"
    primary.start()  # as if nothing had happened
    wait_until(lambda: weir.health("member", name_of(primary))["detail"] == "is a second primary, and not used", "split brain")
    assert weir.health()["status"] == "critical"
    assert database(weir)["write"] == "healthy"  # the new one is used
    primary.stop()
    wait_until(lambda: weir.health()["status"] == "degraded", "and it recovers as far as one server can")


def test_replica_that_is_behind_is_degraded(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica = make_cluster()
    weir = start_split(primary, replica, cluster={"max_replica_lag": "300ms"})
    replica.pause_replay()
    primary.execute("CREATE TABLE late (x int)")
    wait_until(lambda: weir.health("member", name_of(replica))["status"] == "degraded", "it is too far behind")
    row = weir.health("member", name_of(replica))
    assert row["detail"].startswith("is not read from: ") and " behind, by " in row["detail"]
    assert weir.health()["status"] == "degraded" and database(weir)["read"] == "degraded"
    replica.execute("SELECT pg_wal_replay_resume()")
    wait_until(lambda: is_healthy(weir), "and it recovers")


def test_members_over_http(make_cluster: MakeCluster, start_weir_at: StartWeir) -> None:
    primary, replica = make_cluster()
    weir: Any = start_weir_at(primary.port, {"cluster": servers(primary, replica)}, http=True)
    wait_until(lambda: is_healthy(weir), "healthy")
    shown = sorted(weir.show("MEMBERS"), key=lambda row: row["member"])
    page = weir.api("members?limit=1")
    rest = weir.api(f"members?cursor={page['next']}")
    items = page["items"] + rest["items"]
    assert rest["next"] is None and [item["member"] for item in items] == [row["member"] for row in shown]
    assert list(items[0]) == list(shown[0])
    of_primary = next(item for item in items if item["member"] == name_of(primary))
    assert of_primary["writes"] == 1 and of_primary["lag_bytes"] is None and of_primary["health"] == "healthy"
