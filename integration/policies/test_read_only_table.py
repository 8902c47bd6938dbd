"""The table of what may run read-only (tests/data/read_only_statements.txt): does PostgreSQL see it the same way?"""

from pathlib import Path
from typing import Callable, Iterator

import pytest

from support.postgres import Postgres
from support.raw_client import RawClient, errors

TABLE = Path(__file__).resolve().parents[2] / "tests" / "data" / "read_only_statements.txt"
# What the statements of the table name, so that most of them do what they say.
SCHEMA = """
CREATE TABLE t (id int, a int, b int, name text);
CREATE TABLE u (id int);
CREATE TABLE orders (id int);
CREATE TABLE "delete" ("insert" int, "update" int);
CREATE TABLE a (x int);
CREATE SCHEMA app;
CREATE SEQUENCE s;
CREATE MATERIALIZED VIEW m AS SELECT 1;
CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1';
INSERT INTO t VALUES (1, 1, 1, 'default_transaction_read_only');
CREATE FUNCTION writes() RETURNS int LANGUAGE sql AS 'INSERT INTO public.t VALUES (9) RETURNING id';
"""
MAY_NOT_WRITE = ("25006", "25P02")  # or its transaction has failed: nothing of it is kept


def statements(wanted: str) -> Iterator[tuple[int, str]]:
    for line, text in enumerate(TABLE.read_text().splitlines(), 1):
        if text and not text.startswith("#"):
            verdict, _, statement = text.partition(" |")
            if verdict == wanted:
                yield line, statement.replace("\\n", "\n").strip(" ")


def may_write(client: RawClient) -> bool:
    return not set(errors(client.query("INSERT INTO public.t VALUES (2)"))) & set(MAY_NOT_WRITE)


def lets_write(postgres: Postgres, statement: str) -> bool:
    """Whether a session that began read-only may write behind it: in its transaction, or in the next one."""
    with postgres.endpoint.logged_in(options="-c default_transaction_read_only=on") as client:
        client.query(statement)
        in_it = may_write(client)
        client.query("ROLLBACK")
        return in_it or may_write(client)


@pytest.mark.timeout(120)
def test_what_runs_leaves_its_session_read_only(own_postgres: Callable[..., Postgres]) -> None:
    postgres = own_postgres()
    postgres.execute(SCHEMA)
    wrong = []
    for line, statement in statements("runs"):
        if lets_write(postgres, statement):
            wrong.append(f"line {line}: {statement}")
    assert not wrong, "\n".join(wrong)
    assert postgres.value("SELECT count(*) FROM t") == 1


@pytest.mark.timeout(120)
def test_what_is_refused_for_a_setting_would_have_lifted_it(own_postgres: Callable[..., Postgres]) -> None:
    """The escapes of the table are escapes: PostgreSQL alone lets them through."""
    postgres = own_postgres()
    postgres.execute(SCHEMA)
    escaped = set()
    for _, statement in statements("refused"):
        if "read_only" not in statement.lower() and "read write" not in statement.lower():
            continue
        if lets_write(postgres, statement):
            escaped.add(statement)
    for statement in ("SET default_transaction_read_only = off",
                      'SET "Default_Transaction_READ_ONLY" = off',
                      "BEGIN READ WRITE",
                      "SELECT set_config('default_transaction_read_only', 'off', false)",
                      "SELECT U&\"set\\005fconfig\"('default_transaction_read_only', 'off', false)"):
        assert statement in escaped


def writes_where_it_was_set(postgres: Postgres, statement: str) -> bool:
    """Whether a session that was made read-only by SET, as Weir does it, writes by this request itself."""
    with postgres.endpoint.logged_in() as client:
        client.query("SET default_transaction_read_only = on")
        client.query(statement)
    rows = postgres.value("SELECT count(*) FROM t")
    postgres.execute("DELETE FROM t WHERE id = 9")
    return rows != 1


@pytest.mark.timeout(120)
def test_what_runs_writes_nothing_before_its_session_is_looked_after(own_postgres: Callable[..., Postgres]) -> None:
    postgres = own_postgres()
    postgres.execute(SCHEMA)
    wrong = [f"line {line}: {text}" for line, text in statements("runs") if writes_where_it_was_set(postgres, text)]
    assert not wrong, "\n".join(wrong)
    escaped = {text for _, text in statements("refused") if writes_where_it_was_set(postgres, text)}
    for statement in ("RESET ALL; COMMIT; SELECT writes()",
                      "BEGIN; RESET ALL; COMMIT; SELECT writes()",
                      "SET default_transaction_read_only TO DEFAULT; COMMIT; SELECT writes()",
                      "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; COMMIT; SELECT writes()"):
        assert statement in escaped
