"""Reads go to replicas where that is safe, and nowhere else."""

from collections import Counter
from typing import Any

import pytest

from cluster.conftest import MakeCluster, StartSplit
from conftest import StartWeir
from support import wire
from support.deadlines import wait_until
from support.orders import console
from support.raw_client import RawClient, errors, types
from support.replica import servers

pytestmark = pytest.mark.needs_weir


def ports(*members: Any) -> set[str]:
    return {str(member.port) for member in members}


def test_reads_are_on_replicas_and_the_rest_on_the_primary(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, *replicas = make_cluster(2)
    weir = start_split(primary, *replicas)
    with weir.logged_in() as client:
        assert {client.value("SELECT at()") for _ in range(20)} == ports(*replicas)
        client.query("CREATE TABLE t (x int)")
        client.query("CREATE SEQUENCE s")
        client.query("INSERT INTO t VALUES (1)")
        for sql in ("INSERT INTO t VALUES (1) RETURNING at()", "WITH a AS (DELETE FROM t WHERE x > 1) SELECT at()",
                    "SELECT at() FROM t FOR UPDATE", "SELECT at(), nextval('s')",
                    "SELECT at(); SELECT 1", "/* weir: route=primary */ SELECT at()",
                    "/* weir: route=replica */ INSERT INTO t VALUES (1) RETURNING at()"):
            wait_until(lambda: client.value("SELECT at()") in ports(*replicas), "its own writes are there")
            assert client.value(sql) in ports(primary), sql
        wait_until(lambda: client.value("SELECT at()") in ports(*replicas))
        assert client.value("/* weir: route=replica */ SELECT at(), random()") in ports(*replicas)
        client.query("BEGIN")
        assert client.value("SELECT at()") in ports(primary)
        client.query("COMMIT")


def test_pools_of_replicas_are_told_apart_and_counted_in(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica = make_cluster()
    weir = start_split(primary, replica)
    with weir.logged_in() as client:
        wait_until(lambda: client.value("SELECT at()") == str(replica.port))
        weir.wait_until_idle()
        at_replica = {"database": "app", "member": f"127.0.0.1:{replica.port}"}
        assert weir.metrics().sum("weir_pool_connections", **at_replica) >= 1
        rows = [row for row in weir.show("POOLS") if row["database"] == "app"]
        assert len(rows) == 1 and rows[0]["open"] >= 2 and rows[0]["max"] == 16


def test_read_only_transactions_are_on_one_replica(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, *replicas = make_cluster(2)
    weir = start_split(primary, *replicas)
    with weir.logged_in() as client:
        for begin in ("BEGIN READ ONLY", "START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"):
            client.query(begin)
            seen = {client.value("SELECT at()") for _ in range(10)}
            assert len(seen) == 1 and seen < ports(*replicas)
            assert errors(client.query("DELETE FROM pg_description")) == ["25006"]
            client.query("ROLLBACK")
        client.query("SET default_transaction_read_only = on")
        wait_until(lambda: client.value("SELECT at()") in ports(*replicas), "what it has set is there too")
        client.query("BEGIN")
        assert client.value("SELECT at()") in ports(*replicas)
        client.query("COMMIT")
        client.query("BEGIN READ WRITE")
        assert client.value("SELECT at()") in ports(primary)
        client.query("COMMIT")


def test_extended_protocol_is_split_too(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica = make_cluster()
    weir = start_split(primary, replica)

    def run(client: RawClient, *messages: bytes) -> str:
        client.send(b"".join(messages) + wire.sync())
        got = client.receive_ready()
        assert errors(got) == []
        return next(message.columns()[0] for message in got if message.type == "D").decode()

    with weir.logged_in() as client:
        assert run(client, wire.extended("SELECT at()")) == str(replica.port)
        client.send(wire.parse("SELECT at()", "named") + wire.describe("S", "named") + wire.sync())
        assert types(client.receive_ready()) == "1tTZ"
        for _ in range(5):
            assert run(client, wire.bind(name="named"), wire.execute()) == str(replica.port)
        client.query("BEGIN")
        assert run(client, wire.bind(name="named"), wire.execute()) == str(primary.port)
        client.query("COMMIT")
        # Two in one batch: what has been told of the first could not be taken back.
        client.send((wire.bind(name="named") + wire.execute()) * 2 + wire.sync())
        assert [m.columns()[0] for m in client.receive_ready() if m.type == "D"] == [str(primary.port).encode()] * 2


@pytest.mark.parametrize("protocol", ["simple", "extended", "named"])
def test_what_writes_unseen_runs_on_the_primary_and_is_remembered(
    make_cluster: MakeCluster, start_split: StartSplit, protocol: str
) -> None:
    primary, replica = make_cluster()
    primary.execute("CREATE TABLE log (x int)")
    primary.execute("CREATE FUNCTION writes() RETURNS text LANGUAGE plpgsql VOLATILE"
                    " AS 'BEGIN INSERT INTO log VALUES (1); RETURN current_setting(''port''); END'")
    primary.execute("CREATE FUNCTION hides() RETURNS text LANGUAGE plpgsql STABLE AS 'BEGIN RETURN writes(); END'")
    weir = start_split(primary, replica)
    request = {"simple": wire.query("SELECT hides()"),
               "extended": wire.extended("SELECT hides()") + wire.sync(),
               "named": wire.parse("SELECT hides()", "n") + wire.bind(name="n") + wire.execute() + wire.sync()}[protocol]
    direct = RawClient.connect_tcp("127.0.0.1", primary.port)
    with weir.logged_in() as client:
        client.send(request)
        first = client.receive_ready()
        assert errors(first) == []
        direct.log_in(user="postgres", database="app")
        direct.send(request)
        assert types(first) == types(direct.receive_ready())
        direct.quit()
        assert [m.columns()[0] for m in first if m.type == "D"] == [str(primary.port).encode()]
        refused = weir.metrics().sum("weir_retries_total", kind="replica", outcome="attempt")
        assert refused == 1
        for _ in range(3):
            again = wire.bind(name="n") + wire.execute() + wire.sync() if protocol == "named" else request
            client.send(again)
            assert errors(client.receive_ready()) == []
        assert weir.metrics().sum("weir_retries_total", kind="replica", outcome="attempt") == refused
        assert primary.value("SELECT count(*) FROM log") == 5
        wait_until(lambda: client.value("SELECT at()") == str(replica.port), "others are still read there")


def test_what_writes_behind_its_first_row_is_known_the_next_time(
    make_cluster: MakeCluster, start_split: StartSplit
) -> None:
    primary, replica = make_cluster()
    primary.execute("CREATE TABLE log (x int)")
    primary.execute("CREATE FUNCTION writes(y int) RETURNS int LANGUAGE sql AS 'INSERT INTO log VALUES (y) RETURNING x'")
    primary.execute("CREATE FUNCTION hides(y int) RETURNS int LANGUAGE plpgsql STABLE AS"
                    " 'BEGIN IF y < 3 THEN RETURN y; END IF; RETURN writes(y); END'")
    weir = start_split(primary, replica)
    with weir.logged_in() as client:
        sql = "SELECT hides(y) FROM generate_series(1, 4) y"
        assert errors(client.query(sql)) == ["25006"]  # it has told two rows already
        assert client.rows(sql) == [["1"], ["2"], ["3"], ["4"]]
        assert errors(client.query("BEGIN READ ONLY; SELECT 1")) == []
        client.query("ROLLBACK")


def test_session_state_left_on_a_replica_ends_the_session(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica = make_cluster()
    weir = start_split(primary, replica)
    with weir.logged_in() as client:
        client.query("BEGIN READ ONLY")
        client.query("PREPARE p AS SELECT 1")
        client.send(wire.query("COMMIT"))
        last = client.receive_to_end()[-1]
        assert (last.sqlstate, "left session state on a replica" in last.text) == ("0A000", True)
    with weir.logged_in() as client:
        client.query("/* weir: route=primary */ BEGIN READ ONLY")
        client.query("PREPARE p AS SELECT 1")
        client.query("COMMIT")
        assert client.value("EXECUTE p") == "1"


def test_name_that_is_taken_stays_taken(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica = make_cluster()
    weir = start_split(primary, replica)
    with weir.logged_in() as client:
        client.send(wire.parse("SELECT at()", "n") + wire.sync())
        client.receive_ready()
        client.send(wire.parse("SELECT 2", "n") + wire.sync())
        assert errors(client.receive_ready()) == ["42P05"]
        wait_until(lambda: client.value("SELECT at()") == str(replica.port))
        client.send(wire.bind(name="n") + wire.execute() + wire.sync())
        assert [m.columns()[0] for m in client.receive_ready() if m.type == "D"] == [str(replica.port).encode()]


def test_an_error_of_its_own_comes_once(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica = make_cluster()
    weir = start_split(primary, replica)
    with weir.logged_in() as client:
        assert types(client.query("SELECT 1/0")) == "EZ"
        assert errors(client.query("SELECT * FROM nothing_there")) == ["42P01"]
        # After the first row nothing is taken back.
        assert types(client.query("SELECT 1/(3-x) FROM generate_series(1, 5) x")) == "TDDEZ"
        assert client.value("SELECT at()") == str(replica.port)


def test_messages_behind_a_read_are_routed_by_themselves(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica = make_cluster()
    weir = start_split(primary, replica)
    primary.execute("CREATE TABLE t (x int)")
    replica.wait_until_near(primary)
    with weir.logged_in() as client:
        client.send(wire.query("SELECT at()") + wire.query("INSERT INTO t VALUES (1) RETURNING at()") +
                    wire.query("SELECT count(*) FROM t"))
        seen = [next(m.columns()[0] for m in client.receive_ready() if m.type == "D").decode() for _ in range(3)]
        assert seen == [str(replica.port), str(primary.port), "1"]


@pytest.mark.parametrize("balance", ["least-connections", "round-robin", "random", "latency"])
def test_reads_are_shared_as_the_weights_say(
    make_cluster: MakeCluster, start_weir_at: StartWeir, start_split: StartSplit, balance: str
) -> None:
    primary, *replicas = make_cluster(2)
    names = servers(primary, *replicas)["main"]["servers"]
    weighted = [names[0], {"address": names[1], "weight": 3}, names[2]]
    weir = start_split(primary, *replicas, cluster={"servers": weighted, "balance": balance})
    with weir.logged_in() as client:
        seen = Counter(client.value("SELECT at()") for _ in range(200))
    assert set(seen) <= ports(*replicas)
    if balance in ("round-robin", "random"):
        assert 110 <= seen[str(replicas[0].port)] <= 190


def test_nothing_is_split_where_nobody_has_asked_for_it(make_cluster: MakeCluster, start_weir_at: StartWeir) -> None:
    primary, replica = make_cluster()
    weir = start_weir_at(primary.port, {"cluster": servers(primary, replica)})
    wait_until(lambda: weir.show("MEMBERS")[1]["reads"] == 1)
    with weir.logged_in() as client:
        for _ in range(10):
            assert client.value("SELECT setting FROM pg_settings WHERE name = 'port'") == str(primary.port)


def test_what_keeps_a_backend_keeps_the_primary(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica = make_cluster()
    weir = start_split(primary, replica)
    with weir.logged_in() as client:
        client.query("CREATE TEMP TABLE mine (x int)")
        assert client.value("SELECT at()") == str(primary.port)
        assert client.value("SELECT count(*) FROM mine") == "0"
        client.query("DROP TABLE mine")
        weir.wait_until_idle()
        client.query("SET TimeZone = 'Asia/Tokyo'")  # carried to replicas
        wait_until(lambda: client.value("SELECT at()") == str(replica.port))
        assert client.value("SELECT at() || '2026-01-01 00:00+00'::timestamptz") == f"{replica.port}2026-01-01 09:00:00+09"


def test_texts_are_read_as_the_server_does_now(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica = make_cluster()
    weir = start_split(primary, replica, admin={"admins": ["postgres"]})
    hidden = "SELECT at(), '\\'', 1 --'"  # two columns where a backslash is one, else three

    def set_strings(value: str) -> None:
        primary.execute(f"ALTER SYSTEM SET standard_conforming_strings = {value}")
        primary.reload()
        wait_until(lambda: primary.value("SHOW standard_conforming_strings") == value)
        with console(weir) as admin:
            assert types(admin.query("RECONNECT app")) == "CZ"
        assert client.value("/* weir: route=primary */ SELECT at()") == str(primary.port)

    with weir.logged_in() as client:
        wait_until(lambda: client.value(hidden) == str(replica.port))
        set_strings("off")
        assert client.value(hidden) == str(primary.port)
        assert client.value(hidden) == str(primary.port)
        set_strings("on")
        wait_until(lambda: client.value(hidden) == str(replica.port))
