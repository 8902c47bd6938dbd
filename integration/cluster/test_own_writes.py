"""A client sees what it has written, wherever its reads run."""

import threading
import time
from typing import Any

import pytest

from cluster.conftest import MakeCluster, StartSplit
from support import wire
from support.deadlines import scaled, wait_until
from support.raw_client import errors

pytestmark = pytest.mark.needs_weir


def test_writer_reads_from_the_primary_until_the_replica_has_it(
    make_cluster: MakeCluster, start_split: StartSplit
) -> None:
    primary, replica = make_cluster()
    primary.execute("CREATE TABLE t (x int)")
    weir = start_split(primary, replica, cluster={"max_replica_lag": "60s"})
    with weir.logged_in() as writer, weir.logged_in() as other:
        replica.pause_replay()
        writer.query("INSERT INTO t VALUES (1)")
        for _ in range(20):
            assert writer.value("SELECT count(*) FROM t") == "1"
            assert writer.value("SELECT at()") == str(primary.port)
        assert other.value("SELECT at()") == str(replica.port)  # it has written nothing
        assert other.value("SELECT count(*) FROM t") == "0"
        replica.execute("SELECT pg_wal_replay_resume()")
        wait_until(lambda: writer.value("SELECT at()") == str(replica.port), "and it recovers")
        assert writer.value("SELECT count(*) FROM t") == "1"


def test_writes_in_all_shapes_count(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica = make_cluster()
    primary.execute("CREATE TABLE t (x int)")
    primary.execute("CREATE FUNCTION adds() RETURNS void LANGUAGE sql AS 'INSERT INTO t VALUES (1)'")
    weir = start_split(primary, replica, cluster={"max_replica_lag": "60s"})
    replica.pause_replay()
    shapes = ["SELECT adds()", "BEGIN; INSERT INTO t VALUES (1); COMMIT", "DO 'BEGIN PERFORM adds(); END'",
              "WITH a AS (INSERT INTO t VALUES (1) RETURNING x) SELECT * FROM a"]
    for number, sql in enumerate(shapes, 1):
        with weir.logged_in() as client:
            client.query(sql)
            assert client.value("SELECT count(*) FROM t") == str(number), sql


def test_write_that_nobody_could_see_counts(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica = make_cluster()
    primary.execute("CREATE TABLE t (x int)")
    primary.execute("CREATE FUNCTION writes() RETURNS int LANGUAGE sql AS 'INSERT INTO t VALUES (1) RETURNING x'")
    primary.execute("CREATE FUNCTION hides() RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN writes(); END'")
    weir = start_split(primary, replica, cluster={"max_replica_lag": "60s"})
    replica.pause_replay()
    with weir.logged_in() as client:
        for number in range(1, 4):
            assert client.value("SELECT hides()") == "1"
            weir.wait_until_idle()
            assert client.value("SELECT count(*) FROM t") == str(number)


def test_write_whose_server_was_lost_may_be_there(
    make_cluster: MakeCluster, start_split: StartSplit
) -> None:
    """It is committed, waits for the replica, and loses its connection; and it was said to be a read."""
    primary, replica = make_cluster(synchronous_commit="remote_apply")
    primary.execute("CREATE TABLE t (x int)")
    primary.execute("CREATE FUNCTION writes() RETURNS int LANGUAGE sql AS 'INSERT INTO t VALUES (1) RETURNING x'")
    weir = start_split(primary, replica, cluster={"max_replica_lag": "500ms"})
    with weir.logged_in() as client:
        replica.pause_replay()
        primary.execute("INSERT INTO t VALUES (1)")
        wait_until(lambda: client.value("SELECT at()") == str(primary.port), "the replica is left alone")
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.execute("SELECT pg_reload_conf()")
        wait_until(lambda: primary.value("SELECT sync_state FROM pg_stat_replication") != "async")
        client.send(wire.query("/* weir: route=replica */ SELECT writes()"))
        wait_until(lambda: primary.backends("wait_event = 'SyncRep'") == 1, "it is committed")
        primary.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
        assert errors(client.receive_ready()) == ["08006"]
        weir.reload({"cluster": {"main": {"max_replica_lag": "60s"}}})
        with weir.logged_in() as other:
            wait_until(lambda: other.value("SELECT at()") == str(replica.port), "the replica is read from")
        assert client.value("SELECT count(*) FROM t") == "2"
        replica.execute("SELECT pg_wal_replay_resume()")
        wait_until(lambda: client.value("SELECT at()") == str(replica.port), "and it recovers")
        assert client.value("SELECT count(*) FROM t") == "2"


def test_nobody_waits_who_does_not_want_it(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica = make_cluster()
    primary.execute("CREATE TABLE t (x int)")
    weir = start_split(primary, replica, cluster={"max_replica_lag": "60s"}, database={"read_your_writes": False})
    replica.pause_replay()
    with weir.logged_in() as client:
        client.query("INSERT INTO t VALUES (1)")
        weir.wait_until_idle()
        assert client.value("SELECT count(*) FROM t") == "0"


def test_replica_too_far_behind_is_not_read_from(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica = make_cluster()
    primary.execute("CREATE TABLE t (x int)")
    weir = start_split(primary, replica, cluster={"max_replica_lag": "1s"})
    replica.pause_replay()
    with weir.logged_in() as client:
        primary.execute("INSERT INTO t VALUES (1)")
        wait_until(lambda: client.value("SELECT at()") == str(primary.port), "it is left alone")
        replica.execute("SELECT pg_wal_replay_resume()")
        wait_until(lambda: client.value("SELECT at()") == str(replica.port), "and it recovers")


def test_no_stale_read_under_load(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    """A replica that lags by half a second: each client reads its own last write, and replicas still serve."""
    primary, replica = make_cluster()
    replica.stop()
    replica.settings["recovery_min_apply_delay"] = "500ms"
    replica.start()
    primary.execute("CREATE TABLE t (id int PRIMARY KEY, x int)")
    primary.execute("INSERT INTO t SELECT g, 0 FROM generate_series(0, 7) g")
    weir = start_split(primary, replica, cluster={"max_replica_lag": "60s"}, listen={"threads": 2})
    over = time.monotonic() + scaled(6)
    stale: list[Any] = []
    served = {str(primary.port): 0, str(replica.port): 0}

    def work(number: int) -> None:
        with weir.logged_in() as client:
            value = 0
            while time.monotonic() < over:
                if value % 50 == 0:
                    time.sleep(scaled(1.2))
                value += 1
                client.query(f"UPDATE t SET x = {value} WHERE id = {number}")
                for _ in range(3):
                    seen, at = client.rows(f"SELECT x, at() FROM t WHERE id = {number}")[0]
                    served[str(at)] += 1
                    if seen != str(value):
                        stale.append((number, value, seen, at))
                if value % 50 == 0:
                    time.sleep(scaled(1.2))
                    for _ in range(30):
                        seen, at = client.rows(f"SELECT x, at() FROM t WHERE id = {number}")[0]
                        served[str(at)] += 1
                        if seen != str(value):
                            stale.append((number, value, seen, at))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stale == []
    assert served[str(replica.port)] > 0 and served[str(primary.port)] > 0
