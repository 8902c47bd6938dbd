"""EXPLAIN POLICY: what holds for a statement, and which place says so, in psql and in drivers."""

import asyncio
import subprocess
from typing import Any

import psycopg
import pytest

from conftest import StartWeir

pytestmark = pytest.mark.needs_weir

POLICIES = {
    "policy": {"row_limit": 1000, "hints": "tighten"},
    "database": {"app": {"cluster": "main", "policy": {"slow_query": "2s"}}},
    "user": {"postgres": {}, "report": {"policy": {"statement_timeout": "5m", "read_only": True}}},
    "rule": [
        {"match": {"table": "audit_log"}, "set": {"deny": "ask the auditors"}},
        {"match": {"application_name": "bi-*"}, "set": {"row_limit": 0, "route": "replica"}},
    ],
    "admin": {"admins": ["postgres"], "viewers": ["report"]},
}


@pytest.fixture
def weir(start_weir: StartWeir) -> Any:
    return start_weir(POLICIES)


def explain(weir: Any, question: str, **options: Any) -> dict[str, tuple[Any, Any]]:
    with weir.psycopg(dbname="weir", **{"user": "postgres", **options}) as console:
        return {part: (value, place) for part, value, place in console.execute("EXPLAIN POLICY " + question).fetchall()}


def test_each_part_says_where_it_comes_from(weir: Any) -> None:
    said = explain(weir, "(database app, user report, application_name 'bi-7') SELECT * FROM orders WHERE id = 5 /* weir: rows=9 */")
    assert said["database"] == ("app", "question")
    assert said["statement"][0] == "select * from orders where id = ?"
    assert said["tables"][0] == "orders"
    assert said["row_limit"] == ("9", "hint")
    assert said["route"] == ("replica", "rule 2")
    assert said["slow_query"] == ("2s", "database.app.policy")
    assert said["statement_timeout"] == ("5m", "user.report.policy")
    assert said["hints"] == ("tighten", "policy")
    assert said["log_statements"] == ("slow", "default")
    assert said["result"] == ("may run", "default")


def test_refusals_are_told(weir: Any) -> None:
    assert explain(weir, "TRUNCATE audit_log")["result"] == ("fails with 42501: ask the auditors", "rule 1")
    assert explain(weir, "(user report) CALL p()")["result"][0].startswith("fails with 25006: cannot execute CALL")


def test_a_digest_makes_a_rule(weir: Any) -> None:
    digest = explain(weir, "SELECT * FROM orders WHERE id = 5")["digest"][0]
    weir.reload({**POLICIES, "rule": [{"match": {"digest": digest}, "set": {"row_limit": 7}}]})
    assert explain(weir, "select  * from orders where id=$1")["row_limit"] == ("7", "rule 1")
    assert explain(weir, "SELECT * FROM items")["row_limit"] == ("1000", "policy")


def test_set_changes_the_answer(weir: Any) -> None:
    with weir.psycopg(dbname="weir", user="postgres") as console:
        console.execute("SET policy.row_limit = 5")
        console.execute("SET rule.2.set.deny = 'closed'")
    assert explain(weir, "SELECT 1")["row_limit"] == ("5", "policy")
    assert explain(weir, "(application_name 'bi-x') SELECT 1")["result"] == ("fails with 42501: closed", "rule 2")


def test_viewers_may_ask(weir: Any) -> None:
    assert explain(weir, "SELECT 1", user="report")["row_limit"] == ("1000", "policy")


def test_mistakes_are_told_and_the_client_stays(weir: Any) -> None:
    with weir.psycopg(dbname="weir", user="postgres", autocommit=True) as console:
        for question, sqlstate in (
            ("", "42601"),
            ("(role x) SELECT 1", "42601"),
        ):
            with pytest.raises(psycopg.Error) as refused:
                console.execute("EXPLAIN POLICY " + question)
            assert refused.value.sqlstate == sqlstate
        assert console.execute("EXPLAIN POLICY SELECT 1").fetchall()


def test_psql_and_drivers_of_the_extended_protocol(weir: Any) -> None:
    out = subprocess.run(
        ["psql", "-X", "-A", "-t", "-h", weir.host, "-p", str(weir.port), "-U", "postgres", "-d", "weir",
         "-c", "EXPLAIN POLICY SELECT 1"],
        capture_output=True, text=True, timeout=30, check=True,
    ).stdout  # fmt: skip
    assert "row_limit|1000|policy" in out

    async def ask() -> Any:
        async with weir.asyncpg(database="weir", user="postgres") as console:
            statement = await console.prepare("EXPLAIN POLICY SELECT 1")
            assert [column.name for column in statement.get_attributes()] == ["part", "value", "from"]
            return await statement.fetch()

    assert ("row_limit", "1000", "policy") in [tuple(row) for row in asyncio.run(ask())]
