"""Transaction mode: many clients, few backends, each transaction on one of them."""

import contextlib
import os
import re
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import reduced, wait_until
from support.postgres import Postgres
from support.raw_client import RawClient, ServerError, errors, types

pytestmark = pytest.mark.needs_weir


def test_clients_share_one_backend(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"pool": {"max": 1}})
    clients = [weir.logged_in() for _ in range(20)]
    pids = {client.backend_pid() for client in clients}
    assert len(pids) == 1 and postgres.backends() == 1
    for client in clients:
        client.quit()


def test_transaction_stays_on_one_backend(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 3}})
    stop = threading.Event()

    def noise() -> None:
        with weir.logged_in() as client:
            while not stop.is_set():
                client.rows("SELECT 1")

    threads = [threading.Thread(target=noise) for _ in range(4)]
    for thread in threads:
        thread.start()
    with weir.logged_in() as client:
        for _ in range(reduced(30)):
            client.query("BEGIN")
            assert len({client.backend_pid() for _ in range(5)}) == 1
            client.query("COMMIT")
    stop.set()
    for thread in threads:
        thread.join()


def test_failed_transaction_keeps_its_backend_until_it_ends(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "acquire_timeout": "200ms"}})
    with weir.logged_in() as client, weir.logged_in() as other:
        client.query("BEGIN")
        client.query("SELECT 1/0")
        assert errors(other.query("SELECT 1")) == ["53300"]
        assert errors(client.query("SELECT 1")) == ["25P02"]
        client.query("ROLLBACK")
        assert other.value("SELECT 1") == "1"


def test_flush_without_sync_keeps_the_backend(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "acquire_timeout": "200ms"}})
    with weir.logged_in() as client, weir.logged_in() as other:
        client.send(wire.extended("SELECT 1"), wire.flush())
        client.receive_until("C")
        assert errors(other.query("SELECT 1")) == ["53300"]
        client.send(wire.sync())
        client.receive_ready()
        assert other.value("SELECT 1") == "1"


def test_unfinished_pipeline_keeps_the_backend(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1}})
    with weir.logged_in() as client, weir.logged_in() as other:
        client.send(wire.query("SELECT pg_backend_pid()"), wire.parse("SELECT 'mine'"))
        client.receive_ready()
        other.send(wire.query("SELECT 'other'"))
        client.send(wire.bind(), wire.execute(), wire.sync())
        assert types(client.receive_ready()) == "12DCZ"
        assert types(other.receive_ready()) == "TDCZ"


def test_copy_keeps_the_backend(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "acquire_timeout": "200ms"}})
    with weir.logged_in() as client, weir.logged_in() as other:
        client.query("CREATE TABLE kept (id int)")
        client.send(wire.query("COPY kept FROM STDIN"))
        client.receive_until("G")
        assert errors(other.query("SELECT 1")) == ["53300"]
        client.send(wire.copy_data(b"1\n"), wire.copy_done())
        client.receive_ready()
        assert other.value("SELECT count(*) FROM kept") == "1"
        other.query("DROP TABLE kept")


def test_never_more_backends_than_max(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"pool": {"max": 3, "acquire_timeout": "20s"}})
    highest = 0
    stop = threading.Event()

    def work(number: int) -> None:
        with weir.psycopg() as connection:
            for step in range(reduced(50)):
                row = connection.execute("SELECT %s::int, pg_sleep(0.001)", (number * 1000 + step,)).fetchone()
                assert row is not None and row[0] == number * 1000 + step

    def watch() -> None:
        nonlocal highest
        with contextlib.closing(postgres.connect()) as connection:
            sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'app' AND pid <> pg_backend_pid()"
            while not stop.is_set():
                row = connection.execute(sql).fetchone()
                assert row is not None
                highest = max(highest, row[0])

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(work, range(20)))
    stop.set()
    watcher.join()
    assert highest == 3


def test_waiters_are_served_first_come_first_served(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "acquire_timeout": "20s"}})
    clients = [weir.logged_in() for _ in range(10)]
    with weir.logged_in() as holder:
        holder.query("BEGIN")
        for number, client in enumerate(clients):
            client.send(wire.query("SELECT pg_sleep(0.005), clock_timestamp()"))
            wait_until(lambda: weir.pool()["cl_waiting"] == number + 1, f"client {number} waits")
        holder.query("COMMIT")
    stamps = [client.receive_ready()[1].columns()[1] or b"" for client in clients]
    assert stamps == sorted(stamps)
    for client in clients:
        client.quit()


def test_most_recently_used_backend_is_taken_first(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"pool": {"max": 4, "state": "forget"}})  # or it is looked at before it is given back
    clients = [weir.logged_in() for _ in range(4)]
    for client in clients:
        client.query("BEGIN")
    pids = [client.backend_pid() for client in clients]
    assert len(set(pids)) == 4
    for client in clients:
        client.query("COMMIT")
    # The last one given back serves everybody while nobody else wants one.
    assert {client.backend_pid() for client in clients} == {pids[-1]}
    for client in clients:
        client.quit()


def test_client_that_leaves_in_mid_transaction_costs_a_rollback_only(
    start_weir: StartWeir, postgres: Postgres
) -> None:
    weir = start_weir({"pool": {"max": 1}})
    with weir.logged_in() as other:
        other.query("CREATE TABLE leavers (id int)")
        pid = other.backend_pid()
        for leave in (RawClient.close, RawClient.reset, RawClient.quit):
            client = weir.logged_in()
            client.query("BEGIN")
            client.query("INSERT INTO leavers VALUES (1)")
            leave(client)
            assert other.value("SELECT count(*) FROM leavers") == "0"
            assert other.backend_pid() == pid
        failed = weir.logged_in()
        failed.query("BEGIN")
        failed.query("SELECT 1/0")
        failed.close()
        assert other.backend_pid() == pid
        other.query("DROP TABLE leavers")


def test_client_that_leaves_in_mid_statement_frees_its_backend(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"pool": {"max": 1, "acquire_timeout": "8s"}})
    with weir.logged_in() as other:
        client = weir.logged_in()
        client.send(wire.query("SELECT pg_sleep(600)"))
        wait_until(lambda: postgres.backends("query LIKE '%pg_sleep(600)%' AND state = 'active'") == 1)
        client.close()
        assert other.value("SELECT 1") == "1"
        assert postgres.backends("query LIKE '%pg_sleep(600)%' AND state = 'active'") == 0


def test_cancel_that_comes_before_the_statement_is_read_is_asked_for_again(
    start_weir: StartWeir, postgres: Postgres
) -> None:
    weir = start_weir({"pool": {"max": 1, "acquire_timeout": "8s"}})
    with weir.logged_in() as other:
        client = weir.logged_in()
        for _ in range(2):  # the first makes Weir read the catalog, with settings of its own
            client.query("SELECT 1")
            weir.wait_until_idle()
        [server] = weir.show("SERVERS")
        pid = server["remote_pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            client.send(wire.query("SELECT pg_sleep(601)"))
            wait_until(lambda: weir.pool()["sv_active"] == 1)
            client.reset()
            wait_until(lambda: has_pending(pid, signal.SIGINT), "it has been cancelled")
        finally:
            os.kill(pid, signal.SIGCONT)
        assert other.backend_pid() == pid
        assert postgres.backends("query LIKE '%pg_sleep(601)%' AND state = 'active'") == 0


@pytest.mark.parametrize("is_extended", [False, True], ids=["simple", "extended"])
def test_all_that_a_client_has_sent_is_cancelled_when_it_vanishes(
    start_weir: StartWeir, postgres: Postgres, is_extended: bool
) -> None:
    weir = start_weir({"pool": {"max": 1, "acquire_timeout": "8s"}})
    sleep = "SELECT pg_sleep(602)"
    with weir.logged_in() as other:
        pid = other.backend_pid()
        client = weir.logged_in()
        client.send(*(3 * ([wire.extended(sleep), wire.sync()] if is_extended else [wire.query(sleep)])))
        postgres.wait_until_running(sleep)
        client.reset()
        assert other.backend_pid() == pid
        assert postgres.backends("query LIKE '%pg_sleep(602)%' AND state = 'active'") == 0


def test_what_runs_before_half_a_message_is_cancelled_when_its_client_vanishes(
    start_weir: StartWeir, postgres: Postgres
) -> None:
    weir = start_weir({"pool": {"max": 1, "acquire_timeout": "8s"}})
    with weir.logged_in() as other:
        client = weir.logged_in()
        client.send(wire.query("SELECT pg_sleep(603)"), wire.query(f"SELECT '{'x' * 300_000}'")[:200_000])
        postgres.wait_until_running("SELECT pg_sleep(603)")
        client.reset()
        assert other.value("SELECT 1") == "1"
        wait_until(lambda: postgres.backends("query LIKE '%pg_sleep(603)%' AND state = 'active'") == 0)


def has_pending(pid: int, number: signal.Signals) -> bool:
    """Whether a process that is stopped has yet to hear of this signal."""
    pending = re.search(r"^ShdPnd:\s*(\w+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert pending is not None
    return bool(int(pending[1], 16) >> (number - 1) & 1)


def test_client_that_leaves_in_mid_copy_frees_its_backend(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "acquire_timeout": "8s"}})
    with weir.logged_in() as other:
        other.query("CREATE TABLE copies (id int)")
        client = weir.logged_in()
        client.send(wire.query("COPY copies FROM STDIN"))
        client.receive_until("G")
        client.send(wire.copy_data(b"1\n"))
        client.close()
        assert other.value("SELECT count(*) FROM copies") == "0"
        client = weir.logged_in()
        client.send(wire.query("COPY (SELECT repeat('x', 10000) FROM generate_series(1, 10000)) TO STDOUT"))
        client.receive_until("d")
        client.close()
        assert other.value("SELECT 1") == "1"
        other.query("DROP TABLE copies")


def test_client_that_leaves_in_mid_message_frees_its_backend(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "acquire_timeout": "8s"}})
    with weir.logged_in() as other:
        for said in (wire.parse("SELECT 1"), wire.extended("SELECT 1")[:-3], wire.query("x" * 500000)[:300000]):
            client = weir.logged_in()
            client.send(said)
            client.close()
            assert other.value("SELECT 1") == "1"


def test_client_that_leaves_while_waiting_leaves_the_line(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "acquire_timeout": "20s"}})
    with weir.logged_in() as holder, weir.logged_in() as last:
        holder.query("BEGIN")
        waiting = [weir.logged_in() for _ in range(5)]
        for client in waiting:
            client.send(wire.query("SELECT 1"))
        wait_until(lambda: weir.pool()["cl_waiting"] == 5, "five clients wait")
        for client in waiting:
            client.close()
        wait_until(lambda: weir.pool()["cl_waiting"] == 0, "they left the line")
        last.send(wire.query("SELECT 'served'"))
        holder.query("COMMIT")
        assert last.receive_ready()[1].columns() == [b"served"]


def test_nothing_of_a_session_leaks_to_the_next_client_through_a_dropped_transaction(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1}})
    client = weir.logged_in()
    client.query("BEGIN")
    client.query("SET LOCAL work_mem = '77MB'")
    client.query("CREATE TEMP TABLE leaked (id int)")
    client.close()
    with weir.logged_in() as other:
        assert other.value("SHOW work_mem") != "77MB"
        with pytest.raises(ServerError):
            other.rows("SELECT * FROM leaked")


def test_statements_of_two_databases_do_not_share_backends(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"pool": {"max": 1}})
    with weir.logged_in() as one, weir.logged_in(database="other") as two:
        assert one.value("SELECT current_database()") == "app"
        assert two.value("SELECT current_database()") == "other"
        assert one.backend_pid() != two.backend_pid()
        assert postgres.backends("datname = 'app'") == postgres.backends("datname = 'other'") == 1


def test_users_do_not_share_backends(start_weir: StartWeir, postgres: Postgres) -> None:
    postgres.execute("CREATE ROLE sharer LOGIN")
    weir = start_weir({"pool": {"max": 1}, "user": {"sharer": {}}})
    with weir.logged_in() as one, weir.logged_in(user="sharer") as two:
        assert one.value("SELECT current_user") == "postgres"
        assert two.value("SELECT current_user") == "sharer"
    postgres.execute("DROP ROLE sharer")


def test_max_exceeded_is_a_clear_error_and_passes(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 2, "acquire_timeout": "300ms"}})
    with weir.psycopg() as one, weir.psycopg() as two, weir.psycopg() as three:
        with one.transaction(), two.transaction():
            one.execute("SELECT 1")
            two.execute("SELECT 1")
            with pytest.raises(psycopg.errors.TooManyConnections, match="^query_wait_timeout"):
                three.execute("SELECT 1")
        assert three.execute("SELECT 3").fetchone() == (3,)
