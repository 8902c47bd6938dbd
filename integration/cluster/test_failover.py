"""Who is primary is asked; while there is none, writes wait for one."""

import threading
import time
from typing import Any

import pytest

from cluster.conftest import MakeCluster
from conftest import StartWeir
from support import wire
from support.deadlines import scaled, wait_until
from support.raw_client import errors
from support.replica import servers

pytestmark = pytest.mark.needs_weir

IN_RECOVERY = "SELECT pg_is_in_recovery()"


def is_served_by(client: Any, server: Any) -> bool:
    """Whether it is now; what is under way when the primary changes fails."""
    messages = client.query("SHOW port")
    return errors(messages) in ([], ["08006"]) and any(
        message.type == "D" and message.columns() == [str(server.port).encode()] for message in messages
    )


def test_statements_go_to_the_primary_whichever_it_is(make_cluster: MakeCluster, start_weir_at: StartWeir) -> None:
    primary, replica = make_cluster()
    for members in ((primary, replica), (replica, primary)):
        weir = start_weir_at(primary.port, {"cluster": servers(*members)})
        with weir.logged_in() as client:
            assert client.value(IN_RECOVERY) == "f"
            assert client.value("SHOW port") == str(primary.port)


def test_writes_wait_for_the_promotion_and_go_on(make_cluster: MakeCluster, start_weir_at: StartWeir) -> None:
    primary, replica = make_cluster()
    primary.execute("CREATE TABLE kept (x int)")
    replica.wait_until_near(primary)
    weir = start_weir_at(primary.port, {"cluster": servers(primary, replica), "pool": {"acquire_timeout": "2s"}})
    with weir.logged_in() as client, weir.logged_in() as waiting:
        client.rows("SELECT 1")
        primary.kill()
        waiting.send(wire.query("INSERT INTO kept VALUES (1) RETURNING x"))
        time.sleep(scaled(2.5))  # longer than anybody waits for a connection where there is a primary
        replica.promote()
        messages = waiting.receive_ready()
        assert errors(messages) == []
        assert client.value("SHOW port") == str(replica.port)
        assert replica.value("SELECT count(*) FROM kept") == 1


def test_members_are_shown(make_cluster: MakeCluster, start_weir_at: StartWeir) -> None:
    primary, replica = make_cluster()
    weir = start_weir_at(primary.port, {"cluster": servers(primary, replica)}, http=True)
    wait_until(lambda: [row["state"] for row in weir.show("MEMBERS")] == ["up", "up"])
    first, second = weir.show("MEMBERS")
    assert (first["member"], first["role"], first["writes"]) == (f"127.0.0.1:{primary.port}", "primary", 1)
    assert (second["member"], second["role"], second["writes"]) == (f"127.0.0.1:{replica.port}", "replica", 0)
    assert second["reads"] == 1 and second["lag_bytes"] is not None
    metrics = weir.metrics()
    labels = {"cluster": "main", "member": f"127.0.0.1:{replica.port}"}
    assert metrics.sum("weir_member_up", **labels) == 1
    assert metrics.sum("weir_member_role", **labels) == 1
    replica.stop()
    wait_until(lambda: weir.show("MEMBERS")[1]["state"] == "down")
    assert weir.show("MEMBERS")[1]["problem"] and weir.show("MEMBERS")[1]["reads"] == 0
    replica.start()
    wait_until(lambda: weir.show("MEMBERS")[1]["state"] == "up", "and it recovers")


def test_wait_for_a_primary_has_an_end(make_cluster: MakeCluster, start_weir_at: StartWeir) -> None:
    primary, replica = make_cluster()
    cluster = servers(primary, replica)
    cluster["main"]["failover_hold"] = "1s"
    weir = start_weir_at(primary.port, {"cluster": cluster})
    with weir.logged_in() as client:
        client.rows("SELECT 1")
        weir.wait_until_idle()
        primary.stop()
        wait_until(lambda: "member_down" in weir.log, "it is seen to be down")
        messages = client.query("SELECT 2")
        assert errors(messages) == ["57P03"]
        assert "no primary within failover_hold" in next(m.text for m in messages if m.type == "E")
        primary.start()
        assert errors(client.query("SELECT 3")) == []  # and it recovers


def test_transaction_on_the_old_primary_ends_when_there_is_another(
    make_cluster: MakeCluster, start_weir_at: StartWeir
) -> None:
    """Two of them out of recovery: the one on the newer timeline is it, and the other one is not used."""
    primary, replica = make_cluster()
    weir = start_weir_at(primary.port, {"cluster": servers(primary, replica)})
    with weir.logged_in() as client, weir.logged_in() as other:
        client.query("BEGIN")
        client.query("CREATE TABLE lost (x int)")
        replica.promote()
        wait_until(lambda: is_served_by(other, replica), "the new one is used")
        messages = client.query("COMMIT")
        assert errors(messages) == ["08006"]
        assert client.value("SHOW port") == str(replica.port)
        wait_until(lambda: "split_brain_began" in weir.log, "it is told")
        for _ in range(20):
            assert other.value("SHOW port") == str(replica.port)


def test_clients_under_load_meet_no_error_but_what_was_under_way(
    make_cluster: MakeCluster, start_weir_at: StartWeir
) -> None:
    primary, replica = make_cluster()
    primary.execute("CREATE TABLE counted (x int)")
    replica.wait_until_near(primary)
    weir = start_weir_at(primary.port, {"cluster": servers(primary, replica), "listen": {"threads": 2}})
    over = threading.Event()
    met: list[list[Any]] = []

    def work() -> None:
        seen: list[Any] = []
        met.append(seen)
        with weir.logged_in() as client:
            while not over.is_set():
                seen += errors(client.query("INSERT INTO counted VALUES (1)"))

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    time.sleep(scaled(0.5))
    primary.kill()
    time.sleep(scaled(0.5))
    replica.promote()
    wait_until(lambda: replica.value("SELECT count(*) FROM counted WHERE xmin::text::bigint > 0") > 0, "they go on")
    time.sleep(scaled(1))
    over.set()
    for thread in threads:
        thread.join()
    assert all(len(seen) <= 1 for seen in met) and {error for seen in met for error in seen} <= {"08006"}
    assert sum(len(seen) for seen in met) <= 8  # no more than were running on the pool's connections
