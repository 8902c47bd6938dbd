"""policy.statement_timeout: the statement is cancelled on the server, the client hears 57014 and goes on."""

import os
import signal

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import wait_until
from support.postgres import Postgres
from support.raw_client import errors

pytestmark = pytest.mark.needs_weir

SLEEPS = "SELECT pg_sleep(600)"


def policy(limit: str, **changes: object) -> dict[str, object]:
    return {"policy": {"statement_timeout": limit}, **changes}


def still_sleeps(postgres: Postgres) -> int:
    return postgres.backends(f"query LIKE '%{SLEEPS}%' AND state = 'active'")


@pytest.mark.parametrize("mode", ["transaction", "session", "statement"])
def test_overdue_statement_is_cancelled_and_its_client_stays(
    start_weir: StartWeir, postgres: Postgres, mode: str
) -> None:
    weir = start_weir(policy("300ms", pool={"mode": mode, "max": 1}))
    with weir.logged_in() as client:
        before = client.backend_pid()
        messages = client.query(SLEEPS)
        assert errors(messages) == ["57014"]
        error = next(message for message in messages if message.type == "E")
        assert error.severity == "ERROR"
        assert error.text.startswith("canceling statement due to statement timeout")
        assert still_sleeps(postgres) == 0
        assert client.backend_pid() == before  # the server connection stays too


def test_overdue_statement_in_a_transaction_fails_that_transaction_only(start_weir: StartWeir) -> None:
    weir = start_weir(policy("300ms"))
    with weir.logged_in() as client:
        client.query("BEGIN")
        before = client.backend_pid()
        messages = client.query(SLEEPS)
        assert errors(messages) == ["57014"] and messages[-1].body == b"E"
        assert errors(client.query("SELECT 1")) == ["25P02"]
        assert errors(client.query("ROLLBACK")) == []
        assert client.backend_pid() == before


def test_short_statements_are_left_alone_however_long_their_transaction(start_weir: StartWeir) -> None:
    weir = start_weir(policy("700ms"))
    with weir.logged_in() as client:
        client.query("BEGIN")
        for _ in range(6):
            assert errors(client.query("SELECT pg_sleep(0.2)")) == []
        assert errors(client.query("COMMIT")) == []


def test_each_statement_of_a_pipeline_has_its_own_time(start_weir: StartWeir) -> None:
    weir = start_weir(policy("900ms"))
    with weir.logged_in() as client:
        client.send(*[wire.extended("SELECT pg_sleep(0.3)")] * 5, wire.sync())
        assert errors(client.receive_ready()) == []
        client.send(wire.extended("SELECT pg_sleep(0.3)"), wire.extended(SLEEPS), wire.extended("SELECT 1"), wire.sync())
        messages = client.receive_ready()
        assert errors(messages) == ["57014"]
        assert [message.type for message in messages].count("C") == 1  # what follows is skipped, as always
        assert client.value("SELECT 2") == "2"


def test_statements_of_one_query_string_share_their_time(start_weir: StartWeir) -> None:
    weir = start_weir(policy("900ms"))
    with weir.logged_in() as client:
        assert errors(client.query("; ".join(["SELECT pg_sleep(0.3)"] * 5))) == ["57014"]
        assert client.value("SELECT 1") == "1"


def test_pipeline_with_a_sync_behind_each_statement(start_weir: StartWeir) -> None:
    weir = start_weir(policy("900ms"))
    with weir.logged_in() as client:
        client.send(*[wire.extended("SELECT pg_sleep(0.3)") + wire.sync()] * 5)
        for _ in range(5):
            assert errors(client.receive_ready()) == []


def test_waiting_for_a_server_connection_does_not_count(start_weir: StartWeir) -> None:
    weir = start_weir(policy("600ms", pool={"max": 1, "acquire_timeout": "30s"}))
    with weir.logged_in() as holder, weir.logged_in() as waiter:
        holder.query("BEGIN")
        waiter.send(wire.query("SELECT 7"))
        wait_until(lambda: weir.pool()["cl_waiting"] == 1)
        for _ in range(4):
            assert errors(holder.query("SELECT pg_sleep(0.3)")) == []
        holder.query("COMMIT")
        assert errors(waiter.receive_ready()) == []


def test_database_and_user_have_limits_of_their_own(start_weir: StartWeir) -> None:
    changes = {
        "policy": {"statement_timeout": "60s"},
        "database": {"app": {"cluster": "main", "policy": {"statement_timeout": "300ms"}}},
        "user": {"postgres": {}, "patient": {"policy": {"statement_timeout": "0s"}}},
    }
    weir = start_weir(changes)
    with weir.logged_in() as client:
        assert errors(client.query(SLEEPS)) == ["57014"]


def test_limit_is_that_of_the_client_where_another_user_logs_in_to_the_server(start_weir: StartWeir) -> None:
    changes = {
        "database": {"app": {"cluster": "main", "user": "postgres"}},
        "user": {"hasty": {"policy": {"statement_timeout": "300ms"}}},
    }
    weir = start_weir(changes)
    with weir.logged_in(user="hasty") as hasty, weir.logged_in() as other:
        assert errors(hasty.query(SLEEPS)) == ["57014"]
        assert errors(other.query("SELECT pg_sleep(0.6)")) == []


def test_limit_changes_on_reload_for_clients_that_are_connected(start_weir: StartWeir) -> None:
    weir = start_weir()
    with weir.logged_in() as client:
        assert errors(client.query("SELECT pg_sleep(0.4)")) == []
        weir.reload(policy("300ms"))
        assert errors(client.query(SLEEPS)) == ["57014"]
        weir.reload(policy("0s"))
        assert errors(client.query("SELECT pg_sleep(0.6)")) == []


def test_server_process_that_does_not_answer_the_cancel_costs_its_connection(
    start_weir: StartWeir, postgres: Postgres
) -> None:
    weir = start_weir(policy("300ms", pool={"max": 1}))
    with weir.logged_in() as client:
        stopped = client.backend_pid()
        client.send(wire.query(SLEEPS))
        wait_until(lambda: still_sleeps(postgres) == 1)
        os.kill(stopped, signal.SIGSTOP)
        try:
            assert errors(client.receive_ready()) == ["57014"]
            assert client.backend_pid() != stopped
        finally:
            os.kill(stopped, signal.SIGCONT)


def test_copy_whose_client_stops_sending_is_ended(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir(policy("300ms", pool={"max": 1}))
    with weir.logged_in() as client:
        client.query("CREATE TABLE IF NOT EXISTS never_filled (id int)")
        client.send(wire.query("COPY never_filled FROM STDIN"))
        messages = client.receive_ready()
        assert errors(messages) == ["57014"]
        assert client.value("SELECT count(*) FROM never_filled") == "0"
        client.query("DROP TABLE never_filled")


def test_timeouts_are_counted(start_weir: StartWeir) -> None:
    weir = start_weir(policy("200ms"), http=True)
    with weir.logged_in() as client:
        assert errors(client.query(SLEEPS)) == ["57014"]
    assert weir.metrics().sum("weir_statement_timeouts_total") == 1
