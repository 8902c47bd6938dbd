"""The smaller limits and manners that people know from PgBouncer."""

import grp
import os
import re
import stat
from typing import Callable

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import wait_until
from support.postgres import Postgres
from support.raw_client import errors

pytestmark = pytest.mark.needs_weir


def test_client_that_waits_for_long_is_told_once(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "notice_after": "200ms", "acquire_timeout": "30s"}})
    with weir.logged_in() as holder, weir.logged_in() as waiter:
        holder.query("BEGIN")
        waiter.send(wire.query("SELECT 1"))
        notice = waiter.receive()
        assert notice.type == "N" and notice.severity == "NOTICE"
        assert notice.text == "No server connection available in postgres backend, client being queued"
        holder.query("SELECT pg_sleep(0.5)")
        holder.query("COMMIT")
        assert "N" not in [message.type for message in waiter.receive_ready()]


def test_nobody_is_told_who_need_not_wait(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"notice_after": "50ms"}})
    with weir.logged_in() as client:
        assert "N" not in [message.type for message in client.query("SELECT pg_sleep(0.3)")]


@pytest.mark.parametrize("round_robin", [False, True])
def test_round_robin_uses_all_server_connections_alike(start_weir: StartWeir, round_robin: bool) -> None:
    weir = start_weir({"pool": {"max": 3, "min": 0, "round_robin": round_robin}})
    clients = [weir.logged_in() for _ in range(3)]
    for client in clients:
        client.query("BEGIN")
    for client in clients:
        client.query("COMMIT")
    used = set()
    for _ in range(6):
        used.add(clients[0].backend_pid())
        weir.wait_until_idle()  # while it is looked at what a statement has left, the client keeps its connection
    assert len(used) == (3 if round_robin else 1)
    for client in clients:
        client.close()


def test_database_and_user_have_limits_of_server_connections_of_their_own(start_weir: StartWeir) -> None:
    weir = start_weir(
        {
            "pool": {"max": 4, "min": 0, "acquire_timeout": "300ms"},
            "database": {"app": {"cluster": "main", "max_connections": 1}},
            "user": {"postgres": {"max_connections": 2}},
        }
    )
    with weir.logged_in() as first, weir.logged_in() as second:
        first.query("BEGIN")
        assert errors(second.query("SELECT 1")) == ["53300"]
        first.query("COMMIT")
        assert errors(second.query("SELECT 1")) == []


def test_user_has_an_idle_timeout_of_its_own(start_weir: StartWeir) -> None:
    database = {"app": {"cluster": "main", "user": "postgres"}}
    weir = start_weir({"database": database, "user": {"postgres": {}, "brief": {"client_idle_timeout": "300ms"}}})
    with weir.logged_in() as patient, weir.logged_in(user="brief") as brief:
        assert errors(brief.receive_to_end()) == ["57P05"]
        assert patient.value("SELECT 1") == "1"


def test_simple_queries_can_be_refused(start_weir: StartWeir) -> None:
    weir = start_weir({"limits": {"simple_queries": False}})
    with weir.logged_in() as client:
        client.send(wire.extended("SELECT 1"), wire.sync())
        assert errors(client.receive_ready()) == []
        client.send(wire.query("SELECT 1"))
        messages = client.receive_to_end()
        assert errors(messages) == ["0A000"] and messages[-1].text.startswith("PQexec disallowed")


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_login_notice_is_told_to_everybody_who_comes(start_weir: StartWeir, mode: str) -> None:
    weir = start_weir({"pool": {"mode": mode}, "listen": {"login_notice": "maintenance at noon"}})
    with weir.raw() as client:
        notices = [message for message in client.log_in(user="postgres", database="app") if message.type == "N"]
        assert [(notice.severity, notice.text) for notice in notices] == [("NOTICE", "maintenance at noon")]


def test_log_tells_of_clients_in_session_mode_too(start_weir: StartWeir) -> None:
    weir = start_weir({"log": {"connections": True}, "pool": {"mode": "session"}})
    with weir.logged_in() as client:
        assert client.value("SELECT 1") == "1"
        wait_until(lambda: re.search(r"info client_login client=\d+ user=postgres database=app", weir.log))


def test_log_tells_of_clients_and_of_our_errors_where_that_is_wanted(start_weir: StartWeir) -> None:
    weir = start_weir({"log": {"connections": True, "disconnections": True}, "pool": {"max": 1, "acquire_timeout": "200ms"}})
    with weir.logged_in() as holder, weir.logged_in() as waiter:
        holder.query("BEGIN")
        assert errors(waiter.query("SELECT 1")) == ["53300"]
        told = r"info client_error .*sqlstate=53300 message=\"query_wait_timeout"
        wait_until(lambda: re.search(told, weir.log), "it is in the log")
    assert re.search(r"info client_login client=\d+ user=postgres database=app", weir.log)
    wait_until(lambda: len(re.findall(r"info client_left client=\d+ user=postgres", weir.log)) >= 2)
    weir.reload({"log": {"connections": False, "disconnections": False, "pooler_errors": False}})
    seen = len(weir.log)
    with weir.logged_in() as client:
        assert client.value("SELECT 1") == "1"
    wait_until(lambda: weir.show("CLIENTS") != [])
    assert "client_login" not in weir.log[seen:] and "client_left" not in weir.log[seen:]


def test_log_says_now_and_then_what_was_done(start_weir: StartWeir) -> None:
    weir = start_weir({"log": {"stats_every": "1s"}})
    wait_until(lambda: re.search(r"info stats xacts_per_s=\d+ queries_per_s=\d+", weir.log))


def test_check_query_that_fails_costs_the_connection(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "check_after": "1ms", "check_query": "SELECT 1/0"}})
    with weir.logged_in() as client:
        first = client.backend_pid()
        wait_until(lambda: client.backend_pid() != first, "a new one takes its place")
        weir.reload({"pool": {"check_query": "SELECT 1"}})
        second = client.backend_pid()
        assert client.backend_pid() == second


SHORT_PAUSES = {"base": "10ms", "max": "200ms"}


def test_connecting_is_tried_again_at_short_intervals(start_weir_at: Callable[..., object], own_postgres: Callable[..., Postgres]) -> None:
    postgres = own_postgres()
    weir = start_weir_at(postgres.port, {"policy": {"retry": {"connect": SHORT_PAUSES}}, "pool": {"acquire_timeout": "60s"}}, http=True)
    postgres.stop()
    with weir.raw() as client:
        client.send(wire.startup({"user": "postgres", "database": "app"}))
        wait_until(lambda: weir.log.count("backend_login_failed") >= 6, "it goes on trying at short intervals")
        postgres.start()
        assert client.receive_until("Z")[-1].type == "Z"
    retries = weir.metrics()
    attempts, successes, failures = (
        retries.sum("weir_retries_total", kind="connect", outcome=what) for what in ("attempt", "success", "failure")
    )
    assert attempts >= 5 and successes == 1 and failures == attempts - 1


def test_attempts_at_connecting_have_an_end_where_one_is_wanted(
    start_weir_at: Callable[..., object], own_postgres: Callable[..., Postgres]
) -> None:
    postgres = own_postgres()
    weir = start_weir_at(
        postgres.port,
        {"policy": {"retry": {"connect": {**SHORT_PAUSES, "attempts": 4}}}, "pool": {"acquire_timeout": "60s"}},
        http=True,
    )
    with weir.logged_in() as client, weir.logged_in() as busy:
        postgres.stop()
        wait_until(lambda: weir.show("servers") == [], "the connections are gone")
        seen = weir.log.count("backend_login_failed")
        assert errors(client.query("SELECT 1")) == ["57P03"]
        wait_until(lambda: weir.log.count("backend_login_failed") - seen >= 4, "the log has come to the disk")
        assert weir.log.count("backend_login_failed") - seen == 4
        assert weir.metrics().sum("weir_retries_total", kind="connect", outcome="failure") == 3
        assert errors(busy.query("SELECT 1")) == ["57P03"]  # the next attempt has failed too
        postgres.start()
        wait_until(lambda: errors(client.query("SELECT 1")) == [], "and it recovers")
        assert busy.value("SELECT 1") == "1"


def test_unix_socket_gets_its_group(start_weir: StartWeir, tmp_path) -> None:
    group = next(entry for entry in grp.getgrall() if entry.gr_gid not in (0, os.getegid()))
    start_weir({"listen": {"addresses": [f"unix:{tmp_path}"], "unix_socket_group": group.gr_name, "unix_socket_mode": "0770"}})
    status = os.stat(tmp_path / ".s.PGSQL.6432")
    assert status.st_gid == group.gr_gid and stat.S_IMODE(status.st_mode) == 0o770


def test_unix_socket_group_that_does_not_exist_is_named(start_weir: StartWeir, tmp_path) -> None:
    with pytest.raises(AssertionError, match="cannot give .* to the group"):
        start_weir({"listen": {"addresses": [f"unix:{tmp_path}"], "unix_socket_group": "no-such-group"}})
    assert not (tmp_path / ".s.PGSQL.6432").exists()
