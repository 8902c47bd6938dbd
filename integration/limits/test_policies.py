"""[policy] and [[rule]]s at work: what must not run does not, what is slow is told of, how often one may ask."""

import re
import time

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import wait_until
from support.postgres import Postgres
from support.raw_client import RawClient, errors
from support.weir import Weir
from support.wire import Message

pytestmark = pytest.mark.needs_weir


def rule(match: dict[str, str], **settings: object) -> dict[str, object]:
    return {"match": match, "set": settings}


def error_of(messages: list[Message]) -> Message:
    return next(message for message in messages if message.type == "E")


def extended(client: RawClient, sql: str) -> list[Message]:
    client.send(wire.extended(sql), wire.sync())
    return client.receive_ready()


# ---- rules that refuse -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["transaction", "session", "statement"])
def test_denied_statement_never_reaches_the_server(start_weir: StartWeir, postgres: Postgres, mode: str) -> None:
    postgres.execute("DROP TABLE IF EXISTS audit_log; CREATE TABLE audit_log (a int)")
    weir = start_weir(
        {"rule": [rule({"table": "audit_log"}, deny="the audit log is read elsewhere")], "pool": {"mode": mode, "max": 1}}
    )
    with weir.logged_in() as client:
        for sql in ("SELECT * FROM audit_log", "select 1 from public.Audit_Log", "DELETE FROM audit_log", "DROP TABLE audit_log"):
            for messages in (client.query(sql), extended(client, sql)):
                assert errors(messages) == ["42501"]
                assert error_of(messages).text == "the audit log is read elsewhere"
                assert messages[-1].body == b"I"
        assert client.value("SELECT 1") == "1"
    assert postgres.value("SELECT count(*) FROM audit_log") == 0


def test_denied_statement_fails_the_transaction_it_is_in(start_weir: StartWeir, postgres: Postgres) -> None:
    postgres.execute("DROP TABLE IF EXISTS audit_log, other; CREATE TABLE audit_log (a int); CREATE TABLE other (a int)")
    weir = start_weir({"rule": [rule({"table": "audit_log"}, deny="no")]})
    with weir.logged_in() as client:
        for run in (RawClient.query, extended):
            client.query("BEGIN")
            assert errors(client.query("INSERT INTO other VALUES (1)")) == []
            messages = run(client, "SELECT * FROM audit_log")
            assert errors(messages) == ["42501"] and messages[-1].body == b"E"
            assert errors(client.query("SELECT 1")) == ["25P02"]
            assert errors(client.query("COMMIT")) == []
        assert client.value("SELECT count(*) FROM other") == "0"


def test_denied_statement_in_a_pipeline_skips_what_is_behind_it(start_weir: StartWeir, postgres: Postgres) -> None:
    postgres.execute("DROP TABLE IF EXISTS audit_log, other; CREATE TABLE audit_log (a int); CREATE TABLE other (a int)")
    weir = start_weir({"rule": [rule({"table": "audit_log"}, deny="no")]})
    insert = wire.extended("INSERT INTO other VALUES (1)")
    with weir.logged_in() as client:
        client.send(insert, wire.extended("SELECT * FROM audit_log"), insert, wire.sync(), insert, wire.sync())
        assert errors(client.receive_ready()) == ["42501"]
        assert errors(client.receive_ready()) == []
        assert client.value("SELECT count(*) FROM other") == "1"


def test_rule_that_comes_with_a_reload_holds_for_what_is_prepared_already(start_weir: StartWeir) -> None:
    weir = start_weir({})
    assert isinstance(weir, Weir)
    with weir.logged_in() as client:
        client.send(wire.parse("SELECT 41 + 1", "answer"), wire.sync())
        assert errors(client.receive_ready()) == []
        run = [wire.bind(name="answer"), wire.execute(), wire.sync()]
        client.send(*run)
        assert errors(client.receive_ready()) == []
        weir.reload({"rule": [rule({"regex": "41"}, deny="not this one")]})
        client.send(*run)
        assert errors(client.receive_ready()) == ["42501"]
        weir.reload({"rule": [rule({"regex": "43"}, deny="not this one")]})
        client.send(*run)
        assert errors(client.receive_ready()) == []


def test_rule_goes_by_application_and_user(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"rule": [rule({"application_name": "bi-*", "regex": "secret"}, deny="not for reports")]})
    with weir.logged_in(application_name="bi-weekly") as report, weir.logged_in(application_name="shop") as shop:
        assert errors(report.query("SELECT 'secret'")) == ["42501"]
        assert errors(shop.query("SELECT 'secret'")) == []
        assert errors(shop.query("SET application_name = 'bi-now'")) == []
        assert errors(shop.query("SELECT 'secret'")) == ["42501"]
        assert errors(shop.query("RESET application_name")) == []
        assert errors(shop.query("SELECT 'secret'")) == []


def test_host_that_is_added_to_the_name_makes_no_application_of_each_client(start_weir: StartWeir) -> None:
    weir = start_weir(
        {"rule": [rule({"application_name": "shop", "regex": "secret"}, deny="not here")],
         "listen": {"application_name_add_host": True}, "ledger": {"path": ":memory:"}}
    )
    assert isinstance(weir, Weir)
    for _ in range(3):
        with weir.logged_in(application_name="shop") as client:
            assert (client.value("SHOW application_name") or "").startswith("shop - ")
            assert errors(client.query("SELECT 'secret'")) == ["42501"]
    wait_until(lambda: [row for row in weir.show("SLOW") if row["sqlstate"] == "42501"], "the ledger knows")
    assert {row["application_name"] for row in weir.show("SLOW")} == {"shop"}


def test_rule_goes_by_digest(start_weir: StartWeir) -> None:
    weir = start_weir({"policy": {"log_statements": "all"}})
    assert isinstance(weir, Weir)
    with weir.logged_in() as client:
        client.query("SELECT 'to be found', 7")
        wait_until(lambda: "select ? , ?" in weir.log or "select ?" in weir.log, "it has been logged")
        digest = re.findall(r"digest=([0-9a-f]{16}).*statement=\"select \?", weir.log)[-1]
        weir.reload({"rule": [rule({"digest": digest}, deny="found")]})
        assert errors(client.query("SELECT 'another literal', 8")) == ["42501"]
        assert errors(client.query("SELECT 1 AS a")) == []


# ---- limits by rule and hint -------------------------------------------------------------------------------------


def test_statement_timeout_of_a_rule_and_of_a_hint(start_weir: StartWeir) -> None:
    weir = start_weir(
        {"policy": {"hints": "tighten"}, "rule": [rule({"regex": "slow_report"}, statement_timeout="300ms")]}
    )
    sleeps = "SELECT pg_sleep(60)"
    with weir.logged_in() as client:
        for run in (RawClient.query, extended):
            assert errors(run(client, sleeps + " AS slow_report")) == ["57014"]
            assert errors(run(client, "/* weir: timeout=300ms */ " + sleeps)) == ["57014"]
            assert errors(run(client, "SELECT pg_sleep(0.6)")) == []
        client.send(wire.parse("/* weir: timeout=200ms */ SELECT pg_sleep($1)", "nap"), wire.sync())
        assert errors(client.receive_ready()) == []
        for seconds, expected in ((b"60", ["57014"]), (b"0", []), (b"60", ["57014"])):
            client.send(wire.bind([seconds], name="nap"), wire.execute(), wire.sync())
            assert errors(client.receive_ready()) == expected


def test_hint_may_lower_a_limit_and_not_raise_it(start_weir: StartWeir) -> None:
    weir = start_weir({"policy": {"hints": "tighten", "row_limit": 10}})
    with weir.logged_in() as client:
        many = "SELECT generate_series(1, 8)"
        assert errors(client.query(many)) == []
        assert errors(client.query("/* weir: rows=5 */ " + many)) == ["54000"]
        assert errors(client.query("/* weir: rows=500 */ SELECT generate_series(1, 50)")) == ["54000"]
    with start_weir({"policy": {"hints": "off", "row_limit": 10}}).logged_in() as client:
        assert errors(client.query("/* weir: rows=5 */ " + many)) == []


# ---- users that may only read ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_user_that_may_only_read(start_weir: StartWeir, postgres: Postgres, mode: str) -> None:
    postgres.execute(
        "DROP TABLE IF EXISTS goods CASCADE; CREATE TABLE goods (a int); INSERT INTO goods VALUES (1);"
        "CREATE OR REPLACE FUNCTION sneaks() RETURNS int LANGUAGE sql AS 'INSERT INTO goods VALUES (9) RETURNING a'"
    )
    weir = start_weir({"policy": {"read_only": True}, "pool": {"mode": mode, "max": 2}})
    with weir.logged_in() as client:
        for sql in (
            "INSERT INTO goods VALUES (2)",
            "WITH w AS (DELETE FROM goods RETURNING a) SELECT * FROM w",
            "CREATE TABLE more (a int)",
            "SET default_transaction_read_only = off",
            "BEGIN READ WRITE",
            "SELECT set_config('transaction_read_only', 'off', true)",
            "SELECT 1; DROP TABLE goods",
            "SELECT sneaks()",
        ):
            for run in (RawClient.query, extended):
                if run is extended and ";" in sql:
                    continue
                assert errors(run(client, sql)) == ["25006"], sql
                assert client.value("SELECT count(*) FROM goods") == "1", sql
        for sql in ("RESET ALL", "DISCARD ALL"):
            client.query(sql)
            assert errors(client.query("SELECT sneaks()")) == ["25006"], sql
        client.query("BEGIN")
        assert errors(client.query("SELECT sneaks()")) == ["25006"]
        client.query("ROLLBACK")
        assert client.value("SELECT a FROM goods") == "1"
    assert postgres.value("SELECT count(*) FROM goods") == 1


# ---- how often ---------------------------------------------------------------------------------------------------


def test_client_that_asks_too_often_is_told_so_and_goes_on(start_weir: StartWeir) -> None:
    weir = start_weir({"policy": {"rate_limit": 5}})
    with weir.logged_in() as client:
        seen = [errors(client.query("SELECT 1")) for _ in range(40)]
        assert seen[:5] == [[]] * 5
        assert ["53400"] in seen and seen.count(["53400"]) >= 20
        with weir.logged_in() as other:
            assert errors(other.query("SELECT 1")) == []  # the limit is each client's own
        wait_until(lambda: errors(client.query("SELECT 1")) == [], "there is room again")
        time.sleep(1.1)
        seen = [errors(extended(client, "SELECT 1")) for _ in range(40)]
        assert seen[:4] == [[]] * 4 and ["53400"] in seen


# ---- slow statements ---------------------------------------------------------------------------------------------


def slow_lines(weir: Weir) -> list[dict[str, str]]:
    lines = [line for line in weir.log.splitlines() if " slow_statement " in line]
    return [dict(re.findall(r"(\w+)=(\"[^\"]*\"|\S+)", line)) for line in lines]


def test_slow_statement_is_logged_with_where_its_time_went(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"policy": {"slow_query": "200ms"}, "pool": {"max": 1}})
    assert isinstance(weir, Weir)
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    with weir.logged_in(application_name="shop") as client:
        client.query("SELECT 1")
        assert slow_lines(weir) == []
        client.query(f"SELECT pg_sleep(0.4), 'secret' /* traceparent='00-{trace}-00f067aa0ba902b7-01' */")
        wait_until(lambda: len(slow_lines(weir)) == 1, "it is logged")
        line = slow_lines(weir)[0]
        assert float(line["ms"]) >= 400 and float(line["server_ms"]) >= 400
        assert float(line["wait_ms"]) < float(line["server_ms"])
        assert line["trace_id"] == trace and line["application"] == "shop" and line["rows"] == "1"
        assert "secret" not in weir.log
        # One that waits for its connection is slow for another reason.
        with weir.logged_in() as other:
            client.send(wire.query("SELECT pg_sleep(0.6)"))
            postgres.wait_until_running("SELECT pg_sleep(0.6)")
            other.query("SELECT 2")
            client.receive_ready()
        wait_until(lambda: len(slow_lines(weir)) >= 3, "both are logged")
        waited = [line for line in slow_lines(weir) if float(line["wait_ms"]) > float(line["server_ms"])]
        assert len(waited) == 1


def test_time_that_a_client_takes_to_read_is_its_own(start_weir: StartWeir) -> None:
    weir = start_weir({"policy": {"slow_query": "300ms"}})
    assert isinstance(weir, Weir)
    with RawClient.connect_tcp(weir.host, weir.port, receive_buffer=8192) as client:
        client.log_in(user=weir.user, database=weir.dbname)
        client.send(wire.query("SELECT repeat('x', 1000) FROM generate_series(1, 20000)"))
        client.receive_until("D")
        time.sleep(1.0)
        client.receive_ready()
    wait_until(lambda: len(slow_lines(weir)) == 1, "it is logged")
    line = slow_lines(weir)[0]
    assert float(line["sending_ms"]) > max(500, float(line["server_ms"]))


def test_parameters_are_logged_only_where_that_is_allowed(start_weir: StartWeir) -> None:
    for allowed in (False, True):
        weir = start_weir({"policy": {"log_statements": "all", "log_parameters": allowed}})
        assert isinstance(weir, Weir)
        with weir.logged_in() as client:
            client.query("SELECT 'literal-of-mine'")
            client.send(wire.parse("SELECT $1::text"), wire.bind([b"bound-by-me"]), wire.execute(), wire.sync())
            client.receive_ready()
            wait_until(lambda: weir.log.count(" statement ") >= 2, "both are logged")
        assert ("literal-of-mine" in weir.log) is allowed
        assert ("bound-by-me" in weir.log) is allowed
