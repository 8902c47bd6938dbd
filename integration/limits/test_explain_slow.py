"""policy.explain_slow: how slow reads were planned is asked for, where that costs nobody anything."""

import contextlib
import json
import re
import sqlite3
import struct
import threading
import time
from typing import Any, Iterator, Optional

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import wait_until
from support.postgres import Postgres
from support.raw_client import RawClient, errors
from support.weir import Weir

pytestmark = pytest.mark.needs_weir

ROWS = 100_000
ASKED_EVERY_S = 1.0  # by each thread
SLOW = "SELECT id FROM things WHERE name = 'secret-literal'"


@pytest.fixture
def things(postgres: Postgres) -> Iterator[None]:
    """A table without an index: to read it takes longer than a millisecond."""
    postgres.execute("DROP TABLE IF EXISTS things")
    postgres.execute(f"CREATE TABLE things AS SELECT g AS id, 'name ' || g AS name FROM generate_series(1, {ROWS}) g")
    postgres.execute("ANALYZE things")
    yield
    postgres.execute("DROP TABLE things")


def started(start_weir: StartWeir, changes: Optional[dict[str, Any]] = None, **policy: Any) -> Weir:
    settings = {"policy": {"slow_query": "1ms", "explain_slow": True, **policy}, "log": {"level": "debug"}}
    weir = start_weir({**settings, **(changes or {})})
    assert isinstance(weir, Weir)
    return weir


def plan_lines(weir: Weir) -> list[dict[str, str]]:
    lines = [line for line in weir.log.splitlines() if " slow_statement_plan " in line]
    return [dict(re.findall(r"(\w+)=(\"[^\"]*\"|\S+)", line)) for line in lines]


def kept(weir: Weir) -> list[tuple[str, Optional[str]]]:
    """What the ledger's file has of slow statements: text without literals, plan."""
    with contextlib.closing(sqlite3.connect(f"file:{weir.folder}/weir-ledger.db?mode=ro", uri=True)) as file:
        try:
            return file.execute(
                "SELECT d.text, s.detail ->> 'plan' FROM statement s JOIN digest d ON d.id = s.digest"
                " WHERE s.class IN (1, 3) ORDER BY s.t"
            ).fetchall()
        except sqlite3.OperationalError:
            return []  # its tables are being made


def plans(weir: Weir) -> list[Any]:
    return [json.loads(plan)[0]["Plan"] for _, plan in kept(weir) if plan is not None]


def run_until_explained(weir: Weir, client: RawClient, sql: str, count: int = 1) -> dict[str, str]:
    """One a second is asked about, and only while nobody else wants the connection: who runs it again at once takes
    that away, and on a busy machine always before the answer has come."""
    run_again_at = 0.0

    def explained() -> bool:
        nonlocal run_again_at
        if len(plan_lines(weir)) < count and time.monotonic() >= run_again_at:
            assert errors(client.query(sql)) == []
            run_again_at = time.monotonic() + ASKED_EVERY_S
        return len(plan_lines(weir)) >= count

    try:
        wait_until(explained, "it is explained: " + sql)
    except AssertionError as error:
        raise AssertionError(f"{error}; {weir.log[-3000:]}") from None
    return plan_lines(weir)[-1]


def test_plan_is_in_the_ledger_and_in_the_log_without_literals(start_weir: StartWeir, things: None) -> None:
    weir = started(start_weir)
    with weir.logged_in(application_name="shop") as client:
        line = run_until_explained(weir, client, SLOW)
        assert line["database"] == "app" and line["application"] == "shop" and line["plan_changed"] == "false"
        assert re.fullmatch("[0-9a-f]{16}", line["plan_hash"])
        assert f"digest={line['digest']}" in next(l for l in weir.log.splitlines() if " slow_statement " in l)
        (plan,) = wait_until(lambda: plans(weir), "it is in the file")
    text = json.dumps(plan)
    assert "Scan" in text and '"things"' in text
    assert "(things.name = ?::text)" in text or "(things.name = ?)" in text
    assert "secret-literal" not in weir.log
    assert "secret-literal" not in json.dumps(kept(weir))


def test_literals_stay_where_they_may_be_told(start_weir: StartWeir, things: None) -> None:
    weir = started(start_weir, log_parameters=True)
    with weir.logged_in() as client:
        run_until_explained(weir, client, SLOW)
        (plan,) = wait_until(lambda: plans(weir), "it is in the file")
    assert "'secret-literal'::text" in json.dumps(plan)


@pytest.mark.parametrize("name", ["", "by_name"])
@pytest.mark.parametrize("prepared_statements", [0, 100])
def test_statement_with_parameters_is_explained_as_it_was_bound(
    start_weir: StartWeir, things: None, name: str, prepared_statements: int
) -> None:
    mode = {"pool": {"prepared_statements": prepared_statements, "max": 8}}
    weir = started(start_weir, mode, log_parameters=True)
    int4 = 23
    sql = "SELECT name FROM things WHERE id = $1 AND name <> $2"
    with weir.logged_in() as client:
        client.query("BEGIN")  # a name is its connection's own where statements are not carried
        bind = wire.text("") + wire.text(name) + struct.pack("!HHHHi", 2, 1, 0, 2, 4) + struct.pack("!i", 77777)
        bind += struct.pack("!i", 7) + b"bound-x" + struct.pack("!HH", 1, 1)
        client.send(wire.parse(sql, name, [int4]), wire.frame("B", bind), wire.execute(), wire.sync())
        assert errors(client.receive_ready()) == []
        wait_until(lambda: plan_lines(weir), "it is explained")
        client.query("COMMIT")
        (plan,) = wait_until(lambda: plans(weir), "it is in the file")
    assert "77777" in json.dumps(plan) and "bound-x" in json.dumps(plan)


def test_bound_values_are_masked(start_weir: StartWeir, things: None) -> None:
    weir = started(start_weir)
    with weir.logged_in() as client:
        client.send(wire.extended("SELECT id FROM things WHERE name = $1", [b"bound-by-me"]), wire.sync())
        assert errors(client.receive_ready()) == []
        wait_until(lambda: plan_lines(weir), "it is explained")
        wait_until(lambda: plans(weir), "it is in the file")
    assert "bound-by-me" not in json.dumps(kept(weir)) and "bound-by-me" not in weir.log


def test_without_a_ledger_there_is_the_line(start_weir: StartWeir, things: None) -> None:
    weir = started(start_weir, {"ledger": {"path": ""}}, log_statements="none")
    with weir.logged_in() as client:
        assert run_until_explained(weir, client, SLOW)["plan_changed"] == "false"


def test_rule_says_which_ones(start_weir: StartWeir, things: None) -> None:
    rule = {"match": {"table": "things"}, "set": {"explain_slow": True}}
    weir = started(start_weir, {"rule": [rule]}, explain_slow=False)
    with weir.logged_in() as client:
        client.query("SELECT * FROM pg_class, pg_attribute LIMIT 20000")
        run_until_explained(weir, client, SLOW)
        (plan,) = wait_until(lambda: plans(weir), "it is in the file")
    assert '"things"' in json.dumps(plan)


def test_what_may_do_something_is_not_explained(start_weir: StartWeir, things: None, postgres: Postgres) -> None:
    postgres.execute(
        "CREATE OR REPLACE FUNCTION acts() RETURNS int LANGUAGE plpgsql VOLATILE AS"
        " 'BEGIN PERFORM pg_sleep(0.01); RETURN 1; END'"
    )
    weir = started(start_weir)
    with weir.logged_in() as client:
        run_until_explained(weir, client, "SELECT count(*) FROM things")  # so functions are known by now
        for sql in (
            "SELECT pg_sleep(0.01)",
            "SELECT acts()",
            "SELECT id FROM things WHERE id = acts()  LIMIT 1",
            "UPDATE things SET name = 'x' WHERE id = 5",
            "WITH w AS (DELETE FROM things WHERE id = 6 RETURNING id) SELECT * FROM w",
            "SELECT id FROM things WHERE id = 7 FOR UPDATE",
            "SELECT name FROM things; SELECT name FROM things",
            "EXPLAIN ANALYZE SELECT name FROM things",
            "SELECT name FROM things ORDER BY nothing",
        ):
            client.query(sql)
        # The turn after theirs comes, and it is this one's.
        run_until_explained(weir, client, SLOW, 2)
        wait_until(lambda: len(plans(weir)) == 2, "they are in the file")
    assert len(plan_lines(weir)) == 2
    assert postgres.value("SELECT count(*) FROM things") == ROWS - 1


def test_each_statement_is_explained_once_an_hour(start_weir: StartWeir, things: None) -> None:
    weir = started(start_weir)
    with weir.logged_in() as client:
        first = run_until_explained(weir, client, SLOW)

        def another_is_explained() -> bool:
            client.query(SLOW.replace("secret", "other"))
            client.query("SELECT name FROM things WHERE id = 5")
            return len(plan_lines(weir)) > 1

        wait_until(another_is_explained)
        client.query(SLOW)
        digests = [line["digest"] for line in plan_lines(weir)]
        assert len(digests) == 2 and digests.count(first["digest"]) == 1


def test_session_is_planned_for_with_its_own_settings(start_weir: StartWeir, things: None, postgres: Postgres) -> None:
    postgres.execute("DROP SCHEMA IF EXISTS elsewhere CASCADE; CREATE SCHEMA elsewhere")
    postgres.execute("CREATE TABLE elsewhere.things AS TABLE things")
    weir = started(start_weir, {"pool": {"max": 2}})
    with weir.logged_in() as client:
        client.query("SET search_path = elsewhere; SET enable_hashjoin = off")
        run_until_explained(weir, client, SLOW)
        (plan,) = wait_until(lambda: plans(weir), "it is in the file")
        assert '"elsewhere"' in json.dumps(plan)
        settings = json.loads(next(plan for _, plan in kept(weir) if plan))[0]["Settings"]
        assert settings == {"search_path": "elsewhere", "enable_hashjoin": "off"}
    postgres.execute("DROP SCHEMA elsewhere CASCADE")


def test_connection_is_as_clean_afterwards_as_before(start_weir: StartWeir, things: None, postgres: Postgres) -> None:
    weir = started(start_weir, {"pool": {"max": 2}})
    with weir.logged_in() as client, weir.logged_in() as other:
        client.query("SET search_path = pg_catalog, public")
        run_until_explained(weir, client, SLOW)
        weir.wait_until_idle()
        assert postgres.backends("state <> 'idle'") == 0
        pids = set()
        for one in (client, other):
            one.query("BEGIN")
            pids.add(one.backend_pid())
            assert one.value("SHOW statement_timeout") == "0" and one.value("SHOW lock_timeout") == "0"
            assert one.value("SHOW transaction_read_only") == "off"
        assert len(pids) == 2
        assert other.value("SHOW search_path") == '"$user", public'
        for one in (client, other):
            one.query("COMMIT")


def test_nobody_waits_for_an_explanation(start_weir: StartWeir, things: None) -> None:
    weir = started(start_weir, {"pool": {"max": 1}})
    with weir.logged_in() as client, weir.logged_in() as other:
        client.query("BEGIN")
        client.query(SLOW)
        wait_until(lambda: "no server connection to spare" in weir.log, "it is found that there is none")
        other.send(wire.query("SELECT 1"))
        client.query("COMMIT")
        assert errors(other.receive_ready()) == []
        assert plan_lines(weir) == []
        wait_until(lambda: kept(weir), "it is in the file, without its plan")
        # That does not count as the one of this hour.
        run_until_explained(weir, client, SLOW)


@pytest.fixture
def naps(postgres: Postgres) -> Iterator[str]:
    """A statement that takes as long to be planned as to run."""
    postgres.execute(
        "CREATE OR REPLACE FUNCTION naps() RETURNS int LANGUAGE plpgsql IMMUTABLE AS"
        " 'BEGIN PERFORM pg_sleep(1.5); RETURN 1; END'"
    )
    yield "SELECT naps()"
    postgres.execute("DROP FUNCTION naps()")


def explaining(postgres: Postgres) -> int:
    return postgres.backends("state = 'active' AND query LIKE 'EXPLAIN%naps()'")


def begin_explanation(client: RawClient, postgres: Postgres, sql: str) -> None:
    def is_under_way() -> bool:
        client.query(sql)
        return bool(wait_until(lambda: explaining(postgres), "", 1))

    wait_until(is_under_way, "it is being explained")


def test_explanation_gives_way_to_whoever_waits(
    start_weir: StartWeir, naps: str, postgres: Postgres
) -> None:
    weir = started(start_weir, {"pool": {"max": 2}}, slow_query="500ms")
    with weir.logged_in() as client, weir.logged_in() as holder, weir.logged_in() as waiter:
        begin_explanation(client, postgres, naps)
        holder.query("BEGIN")
        assert waiter.value("SELECT 1") == "1"
        assert plan_lines(weir) == [] and "clients wait for a server connection" in weir.log
        holder.query("COMMIT")
        weir.wait_until_idle()
        assert explaining(postgres) == 0


def test_planning_that_takes_too_long_is_given_up(start_weir: StartWeir, naps: str, postgres: Postgres) -> None:
    postgres.execute(
        "CREATE OR REPLACE FUNCTION naps() RETURNS int LANGUAGE plpgsql IMMUTABLE AS"
        " 'BEGIN PERFORM pg_sleep(3); RETURN 1; END'"
    )
    weir = started(start_weir, slow_query="500ms")
    with weir.logged_in() as client:
        begin_explanation(client, postgres, naps)
        wait_until(lambda: "slow_statement_not_explained" in weir.log and "57014" in weir.log, "it is given up")
        weir.wait_until_idle()
        assert plan_lines(weir) == []
        wait_until(lambda: kept(weir), "it is in the file without a plan")
        assert client.value("SELECT 1") == "1"


def test_lost_connection_costs_the_plan_alone(start_weir: StartWeir, naps: str, postgres: Postgres) -> None:
    weir = started(start_weir, slow_query="500ms")
    with weir.logged_in() as client:
        begin_explanation(client, postgres, naps)
        (pid,) = postgres.backend_pids("state = 'active' AND query LIKE 'EXPLAIN%naps()'")
        postgres.execute("SELECT pg_terminate_backend(%s)", [pid])
        wait_until(lambda: "slow_statement_not_explained" in weir.log, "it is given up")
        wait_until(lambda: kept(weir), "it is in the file without a plan")
        assert client.value("SELECT 1") == "1"


def test_process_ends_while_one_is_under_way(start_weir: StartWeir, naps: str, postgres: Postgres) -> None:
    weir = started(start_weir, slow_query="500ms")
    with weir.logged_in() as client:
        begin_explanation(client, postgres, naps)
    folder = weir.folder
    ended = threading.Thread(target=weir.stop)
    ended.start()
    ended.join()
    assert not folder.exists()
    wait_until(lambda: postgres.backends() == 0, "its connections are closed")
