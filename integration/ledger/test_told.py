"""Whatever becomes of a statement, the ledger is told: of those that never reached a server, and of those it died under."""

import asyncio
import contextlib
import signal
import sqlite3
import time
from datetime import datetime, timezone
from typing import Any, Callable

import asyncpg
import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import reduced, wait_until
from support.postgres import Postgres
from support.raw_client import RawClient, errors
from support.wire import Message

pytestmark = pytest.mark.needs_weir

LEDGER: dict[str, Any] = {"ledger": {"path": "weir-ledger.db", "sample_rate": 1.0}}


def started(start_weir: StartWeir, **changes: Any) -> Any:
    return start_weir({**LEDGER, **changes})


def failures(weir: Any, words: str) -> list[dict[str, Any]]:
    """What SHOW SLOW has of failed statements with these words, oldest first."""
    rows = [row for row in weir.show("SLOW") if words in row["query"] and row["sqlstate"]]
    return list(reversed(rows))


def failures_of(weir: Any, query: str) -> list[dict[str, Any]]:
    return [row for row in failures(weir, query) if row["query"] == query]


def failed_once(weir: Any, words: str) -> dict[str, Any]:
    (row,) = wait_until(lambda: failures(weir, words), "the ledger knows that it failed")
    return row


def counts(weir: Any, words: str) -> tuple[int, int]:
    """Calls and errors of SHOW STATEMENTS."""
    rows = [row for row in weir.show("STATEMENTS") if words in row["query"]]
    return sum(row["calls"] for row in rows), sum(row["errors"] for row in rows)


def ledger_file(weir: Any) -> "contextlib.closing[sqlite3.Connection]":
    return contextlib.closing(sqlite3.connect(f"file:{weir.folder}/weir-ledger.db?mode=ro", uri=True))


def extended(client: RawClient, sql: str) -> list[Message]:
    client.send(wire.extended(sql), wire.sync())
    return client.receive_ready()


# ---- refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", [RawClient.query, extended])
def test_statement_too_many_is_a_failed_one(start_weir: StartWeir, run: Any) -> None:
    weir = started(start_weir, policy={"rate_limit": 2})
    with weir.logged_in() as client:
        refused = sum(errors(run(client, "SELECT 'often'")) == ["53400"] for _ in range(10))
    assert refused >= 5
    wait_until(lambda: counts(weir, "select ?") == (10, refused), "all of them are counted")
    assert {row["sqlstate"] for row in failures(weir, "select ?")} == {"53400"}
    assert "rate_limit" in failures(weir, "select ?")[0]["message"]


def test_statement_that_waits_in_vain_is_a_failed_one_with_its_wait(start_weir: StartWeir) -> None:
    weir = started(start_weir, pool={"max": 1, "acquire_timeout": "300ms"})
    with weir.logged_in() as holder, weir.logged_in() as waiter:
        holder.query("BEGIN")
        assert errors(waiter.query("SELECT 'simple'")) == ["53300"]
        assert errors(extended(waiter, "SELECT 'extended' AS two")) == ["53300"]
        holder.query("COMMIT")
        waiter.send(wire.parse("SELECT 'by name' AS three", "by_name"), wire.sync())
        assert errors(waiter.receive_ready()) == []
        holder.query("BEGIN")
        waiter.send(wire.bind(name="by_name"), wire.execute(), wire.sync())
        assert errors(waiter.receive_ready()) == ["53300"]
    for query in ("select ?", "select ? as two", "select ? as three"):
        (row,) = wait_until(lambda: failures_of(weir, query), query)
        assert (row["sqlstate"], row["wait_reason"]) == ("53300", "pool_full")
        assert 250 <= row["wait_ms"] <= row["total_ms"] and row["rows"] == 0
        assert "query_wait_timeout" in row["message"]


def test_statement_for_a_server_that_is_away_is_a_failed_one(
    start_weir_at: StartWeir, own_postgres: Callable[..., Postgres]
) -> None:
    server = own_postgres()
    weir = start_weir_at(server.port, {**LEDGER, "pool": {"acquire_timeout": "300ms"}})
    with weir.logged_in() as client:
        client.query("SELECT 'well'")
        server.kill()
        wait_until(lambda: weir.pool()["sv_idle"] == 0, "its connections are gone")
        (sqlstate,) = errors(client.query("SELECT 'away' AS two"))
    row = failed_once(weir, "select ? as two")
    assert row["sqlstate"] == sqlstate and row["wait_reason"] == "dialling" and row["wait_ms"] > 0


def test_statement_that_is_cancelled_while_it_waits_is_a_failed_one(start_weir: StartWeir) -> None:
    weir = started(start_weir, pool={"max": 1})
    with weir.logged_in() as holder, weir.logged_in() as waiter:
        holder.query("BEGIN")
        waiter.send(wire.query("SELECT 'in vain'"))
        wait_until(lambda: weir.pool()["cl_waiting"] == 1, "it waits")
        waiter.cancel(weir.raw)
        assert errors(waiter.receive_ready()) == ["57014"]
    row = failed_once(weir, "select ?")
    assert (row["sqlstate"], row["wait_reason"]) == ("57014", "pool_full") and row["wait_ms"] > 0


# ---- died --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", [wire.query, lambda sql: wire.extended(sql) + wire.sync()], ids=["simple", "extended"])
@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_statement_whose_server_process_is_ended(
    start_weir: StartWeir, postgres: Postgres, mode: str, run: Any
) -> None:
    weir = started(start_weir, pool={"mode": mode})
    with weir.logged_in() as client:
        pid = client.backend_pid()
        client.send(run("SELECT pg_sleep(60)"))
        wait_until(lambda: postgres.backends("query LIKE '%pg_sleep(60)%' AND state = 'active'") == 1)
        time.sleep(0.3)
        postgres.execute("SELECT pg_terminate_backend(%s)", [pid])
        client.receive_until_end_or_ready()
        row = failed_once(weir, "pg_sleep")
    assert row["sqlstate"] in ("57P01", "08006") and row["message"]
    assert row["total_ms"] >= 300 and row["server_ms"] >= 300 and row["wait_ms"] < row["server_ms"]
    wait_until(lambda: counts(weir, "pg_sleep") == (1, 1), "it is counted")


def test_statements_whose_server_is_killed(
    start_weir_at: StartWeir, own_postgres: Callable[..., Postgres]
) -> None:
    server = own_postgres()
    weir = start_weir_at(server.port, LEDGER)
    with weir.logged_in() as client, weir.logged_in() as other:
        client.send(wire.query("SELECT pg_sleep(60)"))
        other.send(wire.extended("SELECT pg_sleep(50), 1"), wire.extended("SELECT 'behind it'"), wire.sync())
        wait_until(lambda: server.backends("query LIKE '%pg_sleep%' AND state = 'active'") == 2)
        server.kill()
        assert len(errors(client.receive_ready())) == 1
        assert len(errors(other.receive_ready())) == 1
        for query in ("select pg_sleep ( ? )", "select pg_sleep ( ? ) , ?", "select ?"):
            (row,) = wait_until(lambda: failures_of(weir, query), query)
            assert row["sqlstate"] == "08006"


def test_statement_that_its_client_leaves(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = started(start_weir)
    with weir.logged_in() as client:
        client.send(wire.query("SELECT pg_sleep(60)"))
        wait_until(lambda: postgres.backends("query LIKE '%pg_sleep(60)%' AND state = 'active'") == 1)
    row = failed_once(weir, "pg_sleep")
    assert row["sqlstate"] == "08006" and row["client"] == "127.0.0.1"
    wait_until(lambda: counts(weir, "pg_sleep") == (1, 1), "it is counted")


def test_answer_that_its_client_does_not_take(start_weir: StartWeir) -> None:
    weir = started(start_weir, policy={"slow_query": "200ms"}, limits={"client_buffer": "64MiB"})
    with RawClient.connect_tcp(weir.host, weir.port, receive_buffer=4096) as client:
        client.log_in(user="postgres", database="app")
        client.send(wire.query("SELECT repeat('x', 1000000) FROM generate_series(1, 20) AS large"))
        weir.wait_until_idle()
        assert counts(weir, "as large") == (0, 0)
        time.sleep(0.3)
    (row,) = wait_until(lambda: [row for row in weir.show("SLOW") if "as large" in row["query"]], "it is known")
    assert row["rows"] == 20 and row["sqlstate"] is None and row["sending_ms"] >= 250
    assert row["client"] == "127.0.0.1"


# ---- prepared in vain --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "by_name"])
@pytest.mark.parametrize("pool", [{}, {"prepared_statements": 0}, {"mode": "session"}], ids=str)
def test_parse_that_fails_by_itself(start_weir: StartWeir, pool: dict[str, Any], name: str) -> None:
    weir = started(start_weir, pool=pool)
    with weir.logged_in() as client:
        for _ in range(2):
            client.send(wire.parse("SELECT 1 FROM not_there", name), wire.describe("S", name), wire.sync())
            assert errors(client.receive_ready()) == ["42P01"]
        client.send(wire.parse("SELECT 2, 2", "good"), wire.parse("SELECT 3 FROM not_here", name), wire.flush())
        assert errors(client.receive_until("E")) == ["42P01"]
        client.send(wire.bind(name="good"), wire.execute(), wire.sync())
        assert errors(client.receive_ready()) == []
        # Each in a batch of its own, the first with what runs it.
        client.send(wire.extended("SELECT 4 FROM not_there, not_here"), wire.sync())
        client.send(wire.parse("SELECT 5 AS five FROM not_there"), wire.sync(), wire.extended("SELECT 6"), wire.sync())
        assert errors(client.receive_ready()) == ["42P01"]
        assert errors(client.receive_ready()) == ["42P01"]
        assert errors(client.receive_ready()) == []
    wait_until(lambda: counts(weir, "not_")[0] >= 5)
    told = {row["query"]: (row["calls"], row["errors"]) for row in weir.show("STATEMENTS")}
    assert told == {
        "select ? from not_there": (2, 2),
        "select ? from not_here": (1, 1),
        "select ? from not_there , not_here": (1, 1),
        "select ? as five from not_there": (1, 1),
        "select ?": (1, 0),
    }
    (total,) = [row["count"] for row in weir.show("ERRORS") if row["pattern"] is None]
    assert total == 5
    (pattern,) = [row["pattern"] for row in weir.show("ERRORS") if row["pattern"]]
    assert "does not exist" in pattern


def test_asyncpg_prepare_that_fails(start_weir: StartWeir) -> None:
    weir = started(start_weir)

    async def prepare() -> None:
        connection = await asyncpg.connect(host=weir.host, port=weir.port, user="postgres", database="app")
        try:
            with pytest.raises(asyncpg.PostgresSyntaxError):
                await connection.prepare("SELEC 1")
        finally:
            await connection.close()

    asyncio.run(prepare())
    assert failed_once(weir, "selec")["sqlstate"] == "42601"


# ---- clients -----------------------------------------------------------------------------------------------------


def sessions(weir: Any) -> list[dict[str, Any]]:
    """Ended ones, oldest first."""
    return list(reversed(weir.show("SESSIONS")))


def test_client_that_has_left_is_a_session(start_weir: StartWeir) -> None:
    weir = started(start_weir)
    began = time.time()
    client = weir.logged_in(application_name="shop")
    client.query("SELECT 1")
    extended(client, "SELECT 2")
    assert errors(client.query("SELECT 1 / 0")) == ["22012"]
    client.query("BEGIN; SELECT 3")
    client.query("ROLLBACK")
    time.sleep(0.2)
    client.quit()
    (row,) = wait_until(lambda: sessions(weir), "it has ended")
    assert (row["database"], row["user"], row["application_name"]) == ("app", "postgres", "shop")
    assert row["client"] == "127.0.0.1" and row["end_reason"] == "client has left"
    assert (row["statements"], row["errors"], row["transactions"]) == (5, 1, 4)
    assert 60 < row["bytes_in"] < 300 and 200 < row["bytes_out"] < 2000
    assert row["began"] < row["ended"]
    connected = datetime.strptime(row["began"], "%Y-%m-%d %H:%M:%S.%f %Z").replace(tzinfo=timezone.utc)
    assert abs(connected.timestamp() - began) < 60  # and not the hours of another zone
    with weir.psycopg(dbname="weir", autocommit=True) as console:
        assert console.execute("SELECT statements, errors FROM sessions").fetchone() == (5, 1)


def test_sessions_say_why_they_have_ended(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = started(start_weir, pool={"idle_in_transaction_timeout": "300ms"})
    for end in (RawClient.quit, RawClient.close, RawClient.reset):
        client = weir.logged_in()
        client.query("SELECT 1")
        seen = len(sessions(weir))
        end(client)
        wait_until(lambda: len(sessions(weir)) > seen, "it has ended")
    with weir.logged_in() as client:
        client.query("BEGIN")
        assert errors(client.receive_to_end())
        wait_until(lambda: len(sessions(weir)) == 4, "it has ended")
    rows = sessions(weir)
    assert [row["client"] for row in rows] == ["127.0.0.1"] * 4
    reasons = [row["end_reason"] for row in rows]
    assert reasons[0] == "client has left" and reasons[3] == "idle transaction timeout"
    assert reasons[1] == "client has gone" and reasons[2] == "connection to the client broke"


def test_sessions_that_the_end_of_the_process_ends_are_kept(start_weir: StartWeir) -> None:
    weir = started(start_weir)
    clients = [weir.logged_in() for _ in range(150)]
    weir.signal(signal.SIGTERM)
    weir.wait_exit()
    with ledger_file(weir) as file:
        rows = file.execute("SELECT why, count(*) FROM session GROUP BY 1").fetchall()
    assert rows == [("server shutting down", 150)]
    for client in clients:
        client.close()


def test_storm_of_short_sessions_costs_no_statement(start_weir: StartWeir) -> None:
    weir = started(start_weir)
    count = reduced(1500)
    for _ in range(count):
        with weir.logged_in() as client:
            assert client.value("SELECT 'in a storm'") == "in a storm"
    wait_until(lambda: counts(weir, "select ?") == (count, 0), "all statements are counted")
    lost = weir.show("LEDGER")[0]
    assert lost["dropped_statements"] == 0
    wait_until(lambda: written_sessions(weir) + weir.show("LEDGER")[0]["dropped_sessions"] == count, "none is missing")


def written_sessions(weir: Any) -> int:
    sessions(weir)  # so that what waits is written
    with ledger_file(weir) as file:
        return int(file.execute("SELECT count(*) FROM session").fetchone()[0])
