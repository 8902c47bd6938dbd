"""What Weir believes of results and writes (tests/data/relation_*.txt), held against a real PostgreSQL."""

import re
from pathlib import Path
from typing import Any, Callable, Iterator

import psycopg
import pytest
from psycopg import sql

from support.postgres import Postgres

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
DATABASE = "app"
Row = tuple[str, ...]

# Something to change, everywhere.
FILL = """
INSERT INTO t SELECT i, i, 'b' || i, '2020-01-01' FROM generate_series(1, 3) i;
INSERT INTO u VALUES (1, 'one', '10:00'), (2, 'two', '11:00');
INSERT INTO public.twin VALUES (1), (2);
INSERT INTO app.twin VALUES (1), (2);
INSERT INTO parted VALUES (1, '2020-02-02'), (2, '2021-02-02');
INSERT INTO family VALUES (1);
INSERT INTO child VALUES (2);
INSERT INTO c1 VALUES (1), (2);
INSERT INTO c2 VALUES (1);
INSERT INTO c3 VALUES (1);
INSERT INTO logged VALUES (1);
INSERT INTO stamped VALUES (1, NULL);
INSERT INTO dynamic VALUES (1);
INSERT INTO ruled VALUES (1);
INSERT INTO numbered (a) VALUES (1);
DELETE FROM log;
"""
# What cannot be run in a transaction, or needs more than a statement.
LEFT_OUT = re.compile(r"BEGIN|COMMIT|SAVEPOINT|VACUUM|COPY t (FROM|TO)|COPY \(|DISCARD|EXECUTE|DECLARE|CLUSTER")
# Objects of a schema that comes first, as somebody may make them to be taken for PostgreSQL's own.
IN_THE_WAY = """
CREATE SCHEMA way;
CREATE FUNCTION way.no(oid, oid) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION way.no("char", "char") RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION way.no(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION way.no(name, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION way.no(int, int) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION way.concat(VARIADIC "any") RETURNS text LANGUAGE internal IMMUTABLE AS 'pg_typeof';
CREATE FUNCTION way.max(text) RETURNS text LANGUAGE sql AS 'SELECT ''x''::text';
CREATE TABLE way.pg_class (oid oid);
CREATE TABLE way.pg_proc (oid oid);
CREATE DOMAIN way.text AS int;
CREATE DOMAIN way.name AS int;
CREATE DOMAIN way.oid AS int;
""" + "".join(f"CREATE OPERATOR way.{operator} (LEFTARG = {of}, RIGHTARG = {to}, FUNCTION = way.no);\n"
              for operator in ("=", "<>", ">=", "~", "!~", "<")
              for of, to in (("oid", "oid"), ('"char"', '"char"'), ("text", "text"), ("name", "text"), ("int", "int")))


def relations_query() -> str:
    """The query as it stands in the source."""
    text = (ROOT / "sql" / "relation_query.cpp").read_text()
    return "".join(re.findall(r'R"\((.*?)\)";', text, re.DOTALL))


def functions_query() -> str:
    text = (ROOT / "sql" / "function_catalog.hpp").read_text()
    text = text[text.index("kFunctionsQuery ="):]
    return "".join(re.findall(r'"([^"\n]*)"', text[:text.index('";') + 1]))


def rows(server: Postgres, query: str, before: str = "") -> list[Row]:
    with server.connect(dbname=DATABASE) as connection:
        connection.execute("SET jit = off")  # as Weir does
        if before:
            connection.execute(before)
        return [tuple(row) for row in connection.execute(query.encode()).fetchall()]


def named(found: list[Row]) -> list[str]:
    """Rows as relation_rows.txt has them: with names in the place of numbers."""
    names = {row[1]: f"{row[2]}.{row[4]}" + ("()" if row[0] == "function" else "")
             for row in found if row[0] in ("relation", "function")}
    lines = []
    for kind, own, other, word, text in found:
        columns = [kind, names.get(own, own), names.get(other, other), word, text.rstrip("\n").replace("\n", "\\n")]
        lines.append(" | ".join(columns).rstrip())
    return lines


def cases() -> Iterator[tuple[int, str, str, str]]:
    for number, line in enumerate((DATA / "relation_statements.txt").read_text().splitlines(), 1):
        if line and not line.startswith("#"):
            kept, changes, statement = line.split(" | ", 2)
            yield number, kept, changes, statement.replace("\\n", "\n")


def make_schema(server: Postgres) -> None:
    server.execute((DATA / "relation_schema.sql").read_text(), dbname=DATABASE)


def without_parameters(statement: str) -> str:
    return re.sub(r"\$[1-9]", "NULL", statement)


def contents(connection: "psycopg.Connection[Any]") -> dict[str, str]:
    """What every table shows by itself, by its name as the table of statements has it."""
    tables = connection.execute(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname IN ('public', 'app') AND c.relkind IN ('r', 'p', 'm')").fetchall()
    shown = {}
    for schema, name in tables:
        query = sql.SQL("SELECT coalesce(string_agg(x::text, ',' ORDER BY x::text), '') FROM ONLY {} x").format(
            sql.Identifier(schema, name))
        row = connection.execute(query).fetchone()
        assert row is not None
        shown[name if schema == "public" else f"{schema}.{name}"] = row[0]
    return shown


def relations_in(plan: Any) -> set[str]:
    """Tables that a plan scans, wherever in it."""
    if isinstance(plan, list):
        return set().union(*map(relations_in, plan))
    if not isinstance(plan, dict):
        return set()
    found = set().union(*map(relations_in, plan.values()))
    if "Relation Name" in plan:
        schema = plan.get("Schema", "public")
        found.add(plan["Relation Name"] if schema == "public" else f"{schema}.{plan['Relation Name']}")
    return found


@pytest.fixture
def server(own_postgres: Callable[..., Postgres]) -> Postgres:
    return own_postgres()


def test_a_server_says_what_the_unit_tests_are_told(server: Postgres) -> None:
    before, functions_before = set(rows(server, relations_query())), set(rows(server, functions_query()))
    make_schema(server)
    found = [row for row in rows(server, relations_query()) if row not in before]
    assert named(found) == (DATA / "relation_rows.txt").read_text().splitlines()
    told = set((DATA / "relation_functions.txt").read_text().splitlines())
    after = rows(server, functions_query())
    assert {" ".join(row) for row in after if row not in functions_before} <= told
    assert told <= {" ".join(row) for row in after}


def test_the_catalog_is_read_whatever_comes_first_in_the_search_path(server: Postgres) -> None:
    make_schema(server)
    server.execute(IN_THE_WAY, dbname=DATABASE)
    first = "SET search_path = way, pg_catalog, public"
    assert rows(server, functions_query(), first) == rows(server, functions_query())
    found, usual = rows(server, relations_query(), first), rows(server, relations_query())
    assert len(found) > 100
    # Sources name more schemas, the less the search_path says.
    assert [row[:4] for row in found] == [row[:4] for row in usual]
    assert [row for row in found if row[0] != "source"] == [row for row in usual if row[0] != "source"]


@pytest.mark.timeout(90)
def test_statements_change_no_table_that_is_not_told(server: Postgres) -> None:
    """Each is run, and what every table shows is compared with what it showed."""
    make_schema(server)
    server.execute(FILL, dbname=DATABASE)
    wrong, changing = [], 0
    with server.connect(dbname=DATABASE) as connection:
        before = contents(connection)
        for number, _, told, statement in cases():
            if LEFT_OUT.match(statement) or not statement.strip():
                continue
            try:
                with connection.transaction(force_rollback=True):
                    connection.execute(without_parameters(statement).encode())
                    after = contents(connection)
            except psycopg.Error:
                continue  # what fails changes nothing
            changed = {name for name, shown in after.items() if before.get(name) != shown}
            changing += bool(changed)
            if told != "*" and not changed <= set(told.split(",")):
                wrong.append(f"line {number}: {sorted(changed)}, told {told}: {statement}")
    assert not wrong, "\n".join(wrong)
    assert changing >= 40


def test_results_hang_on_no_table_that_is_not_told(server: Postgres) -> None:
    """By the plans that PostgreSQL makes."""
    make_schema(server)
    wrong, planned = [], 0
    with server.connect(dbname=DATABASE) as connection:
        for number, told, _, statement in cases():
            if told.startswith("!"):
                continue
            query = f"EXPLAIN (VERBOSE, FORMAT JSON) {without_parameters(statement)}"
            row = connection.execute(query.encode()).fetchone()
            assert row is not None
            scanned = relations_in(row[0])
            planned += bool(scanned)
            if not scanned <= set(told.split(",")):
                wrong.append(f"line {number}: {sorted(scanned)}, told {told}: {statement}")
    assert not wrong, "\n".join(wrong)
    assert planned >= 30
