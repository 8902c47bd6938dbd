"""What is run once more, and what never is."""

import threading
import time
from typing import Any

import pytest

from cluster.conftest import MakeCluster, StartSplit
from support import wire
from support.deadlines import wait_until
from support.raw_client import errors, types

pytestmark = pytest.mark.needs_weir


def retries(weir: Any, kind: str, outcome: str) -> float:
    return float(weir.metrics().sum("weir_retries_total", kind=kind, outcome=outcome))


def ends(weir: Any, kind: str) -> tuple[float, float]:
    """How often requests that were run once more succeeded, and failed."""
    return retries(weir, kind, "success"), retries(weir, kind, "failure")


SERIALIZABLE = {"default_transaction_isolation": "serializable"}


def add_up(weir: Any, make: Any, clients: int = 8, times: int = 30) -> list[str]:
    """So many clients add one to the same row, in transactions that fail when they meet."""
    met: list[str] = []

    def work() -> None:
        with weir.logged_in(**SERIALIZABLE) as client:
            for _ in range(times):
                client.send(make())
                met.extend(errors(client.receive_ready()))

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return met


@pytest.mark.parametrize("protocol", ["simple", "extended"])
def test_transaction_of_one_statement_that_was_rolled_back(
    make_cluster: MakeCluster, start_split: StartSplit, protocol: str
) -> None:
    primary, replica = make_cluster()
    primary.execute("CREATE TABLE t (x int); INSERT INTO t VALUES (0)")
    fast = {"retry": {"transaction": {"attempts": 20, "base": "1ms", "multiplier": 2.0, "max": "50ms", "jitter": True}}}
    weir = start_split(primary, replica, policy=fast)
    sql = "UPDATE t SET x = (SELECT x FROM t) + 1"
    make = {"simple": lambda: wire.query(sql), "extended": lambda: wire.extended(sql) + wire.sync()}[protocol]
    met = add_up(weir, make)
    assert met == []
    assert primary.value("SELECT x FROM t") == 8 * 30
    assert retries(weir, "transaction", "success") > 0 and retries(weir, "transaction", "failure") == 0


def test_attempts_have_an_end(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica = make_cluster()
    primary.execute("CREATE FUNCTION fails() RETURNS int LANGUAGE plpgsql AS"
                    " $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END $$")
    weir = start_split(primary, replica, policy={"retry": {"transaction": {"attempts": 3, "base": "1ms"}}})
    with weir.logged_in() as client:
        assert types(client.query("SELECT fails()")) == "TEZ"
        assert retries(weir, "transaction", "attempt") == 2 and retries(weir, "transaction", "failure") == 1
        # In a transaction of its own making the client decides.
        client.query("BEGIN")
        assert errors(client.query("SELECT fails()")) == ["40001"]
        client.query("ROLLBACK")
        assert retries(weir, "transaction", "attempt") == 2
        # What was sent behind it at once has been taken for done.
        client.send(wire.query("SELECT fails()") + wire.query("SELECT 1"))
        assert errors(client.receive_ready()) == ["40001"]
        assert types(client.receive_ready()) == "TDCZ"


def test_what_is_run_again_counts_once_for_the_rate(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica = make_cluster()
    primary.execute("CREATE FUNCTION fails() RETURNS int LANGUAGE plpgsql AS"
                    " $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END $$; CREATE ROLE hasty LOGIN")
    weir = start_split(primary, replica, policy={"retry": {"transaction": {"attempts": 3, "base": "1ms"}}},
                       user={"hasty": {"policy": {"rate_limit": 1}}})
    with weir.logged_in(user="hasty") as client:
        assert errors(client.query("SELECT fails()")) == ["40001"]
        assert retries(weir, "transaction", "attempt") == 2
        refused = [one for one in client.query("SELECT 1") if one.type == "E"]
        assert [one.sqlstate for one in refused] == ["53400"]
        assert "1000 ms" in refused[0].fields()["H"]


def test_what_may_have_committed_a_part_is_not_run_again(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica = make_cluster()
    primary.execute("CREATE TABLE t (x int)")
    body = "BEGIN INSERT INTO t VALUES (1); COMMIT; RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END"
    primary.execute(f"CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$ {body} $$")
    weir = start_split(primary, replica, policy={"retry": {"transaction": {"attempts": 3, "base": "1ms"}}})
    with weir.logged_in() as client:
        for number, request in enumerate((wire.query("CALL commits()"), wire.query(f"DO $$ {body} $$"),
                                          wire.extended("CALL commits()") + wire.sync(),
                                          wire.query("/* x */ CALL commits()")), 1):
            client.send(request)
            assert errors(client.receive_ready()) == ["40001"]
            assert primary.value("SELECT count(*) FROM t") == number
    assert retries(weir, "transaction", "attempt") == 0


def test_errors_of_ones_own_choice(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica = make_cluster()
    primary.execute("CREATE TABLE t (x int); INSERT INTO t VALUES (0)")
    primary.execute("CREATE SEQUENCE tries")
    primary.execute("CREATE FUNCTION works_the_third_time() RETURNS int LANGUAGE plpgsql AS $$ BEGIN"
                    " IF nextval('tries') < 3 THEN RAISE EXCEPTION 'the moon is not full yet'; END IF; RETURN 1; END $$")
    weir = start_split(primary, replica, policy={"retry": {
        "transaction": {"attempts": 5, "base": "1ms"}, "also_retry": ["moon*full", "55P03"]}})
    with weir.logged_in() as client, weir.logged_in() as other:
        assert client.value("SELECT works_the_third_time()") == "1"
        other.query("BEGIN")
        other.query("LOCK TABLE t")
        released = threading.Timer(0.2, lambda: other.query("COMMIT"))
        released.start()
        patient = "SELECT x FROM t FOR UPDATE NOWAIT"
        seen = {tuple(errors(client.query(patient))) for _ in range(3)}
        released.join()
        assert seen <= {(), ("55P03",)}


def test_write_that_lost_its_server_is_not_run_again(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica = make_cluster()
    primary.execute("CREATE TABLE t (x int)")
    weir = start_split(primary, replica)
    with weir.logged_in() as client:
        client.send(wire.query("INSERT INTO t SELECT 1 FROM pg_sleep(30)"))
        wait_until(lambda: primary.backends("query LIKE 'INSERT INTO t SELECT%' AND state = 'active'") == 1)
        primary.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO t SELECT%'"
                        " AND pid <> pg_backend_pid()")
        assert errors(client.receive_ready()) == ["08006"]
        assert primary.value("SELECT count(*) FROM t") == 0
        assert errors(client.query("INSERT INTO t VALUES (1)")) == []


def test_read_that_keeps_losing_its_server_is_told_so(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, *replicas = make_cluster(2)
    primary.execute("CREATE FUNCTION slow() RETURNS int LANGUAGE plpgsql STABLE AS"
                    " 'BEGIN PERFORM pg_sleep(30); RETURN 1; END'")
    weir = start_split(primary, *replicas, policy={"retry": {"statement": {"attempts": 3}}})
    with weir.logged_in() as client:
        client.send(wire.query("SELECT slow()"))

        def kill() -> bool:
            return any(server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                      " WHERE query = 'SELECT slow()' AND state = 'active'")
                       for server in (primary, *replicas))

        for _ in range(3):  # on each replica, then on the primary
            wait_until(kill)
        assert errors(client.receive_ready()) == ["08006"]
        assert retries(weir, "statement", "attempt") == 2
        assert ends(weir, "statement") == (0, 1)
        assert client.value("SELECT 1") == "1"
    weir.reload({"policy": {"retry": {"statement": {"attempts": 1}}}})
    with weir.logged_in() as client:
        client.send(wire.query("SELECT slow()"))
        wait_until(kill)
        assert errors(client.receive_ready()) == ["08006"]
    assert retries(weir, "statement", "attempt") == 2 and ends(weir, "statement") == (0, 1)


def test_there_is_a_pause_before_a_read_is_run_a_third_time(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, *replicas = make_cluster(2)
    primary.execute("CREATE FUNCTION slow() RETURNS int LANGUAGE plpgsql STABLE AS"
                    " 'BEGIN PERFORM pg_sleep(30); RETURN 1; END'")
    pause = {"attempts": 3, "base": "2s", "max": "2s", "jitter": False}
    weir = start_split(primary, *replicas, policy={"retry": {"statement": pause}})

    def kill() -> bool:
        return any(server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                  " WHERE query = 'SELECT slow()' AND state = 'active'")
                   for server in (primary, *replicas))

    with weir.logged_in() as client:
        client.send(wire.query("SELECT slow()"))
        wait_until(kill, "the first")
        wait_until(kill, "the second")
        lost = time.monotonic()
        wait_until(kill, "the third")
        assert time.monotonic() - lost > 1.9
        assert errors(client.receive_ready()) == ["08006"]
        # Who leaves meanwhile is not waited for.
        client.send(wire.query("SELECT slow()"))
        wait_until(kill, "the first")
        wait_until(kill, "the second")
        wait_until(lambda: retries(weir, "statement", "attempt") == 4, "it waits for the third")
    weir.wait_until_idle()
    with weir.logged_in() as client:
        assert client.value("SELECT 1") == "1"
    assert retries(weir, "statement", "attempt") == 4 and ends(weir, "statement") == (0, 2)


def test_close_of_a_statement_comes_with_its_last_run(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica = make_cluster()
    primary.execute("CREATE TABLE t (x int); INSERT INTO t VALUES (0)")
    fast = {"retry": {"transaction": {"attempts": 20, "base": "1ms", "multiplier": 2.0, "max": "50ms"}}}
    weir = start_split(primary, replica, policy=fast)
    sql = "UPDATE t SET x = (SELECT x FROM t) + 1"
    met = add_up(weir, lambda: wire.parse(sql, "n") + wire.sync() + wire.bind(name="n") + wire.execute()
                 + wire.close("S", "n") + wire.sync(), times=10)
    assert "26000" not in met
