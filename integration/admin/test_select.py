"""Every SHOW X is the table x: SELECT over live state, by every driver, and nothing else."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import scaled, wait_until
from support.raw_client import errors, types

pytestmark = pytest.mark.needs_weir

SHOWS = (
    "config databases pools clients servers sockets active_sockets fds activity users version lists state mem health"
    " peers peer_pools dns_hosts dns_zones stats stats_totals stats_averages totals"
).split()


@pytest.fixture
def busy(start_weir: StartWeir) -> Any:
    """Weir that has served a few statements."""
    weir = start_weir({"listen": {"threads": 2}, "database": {"app": {"cluster": "main"}}})
    with weir.logged_in(application_name="shop") as client:
        for _ in range(3):
            client.query("SELECT 1")
        yield weir


def admin(weir: Any, **options: Any) -> "psycopg.Connection[Any]":
    return weir.psycopg(dbname="weir", user="postgres", **options)


@pytest.mark.parametrize("word", SHOWS)
def test_table_has_the_columns_of_show(busy: Any, word: str) -> None:
    with admin(busy) as console:
        shown = console.execute(f"SHOW {word}").description
        selected = console.execute(f"SELECT * FROM {word}").description
        assert [(c.name, c.type_code) for c in selected] == [(c.name, c.type_code) for c in shown]
        assert console.execute(f"SELECT count(*) FROM {word}").fetchone()[0] >= 0


def test_rows_are_filtered_sorted_joined_and_counted(busy: Any) -> None:
    with admin(busy) as console:
        rows = console.execute("SELECT key FROM config WHERE key LIKE 'pool.%' ORDER BY key DESC LIMIT 2").fetchall()
        assert rows == sorted(rows, reverse=True) and len(rows) == 2
        row = console.execute(
            "SELECT p.database, d.pool_size, p.max, c.clients FROM pools p JOIN databases d ON d.name = p.database"
            " JOIN (SELECT database, count(*) AS clients FROM clients GROUP BY 1) c ON c.database = p.database"
        ).fetchone()
        assert row == ("app", 8, 8, 1)
        assert console.execute("SELECT total_query_count FROM stats WHERE database = 'app'").fetchone()[0] == 3
        assert console.execute("SELECT sum(total_query_count), avg(total_query_count) FROM stats").fetchone() == (3, 3.0)
        assert console.execute("WITH s AS (SELECT * FROM state) SELECT key FROM s WHERE value = 'yes'").fetchone()[0] == "active"
        assert console.execute("SELECT 1 + 1, 'a' || 'b', NULL, 1.5").fetchone() == (2, "ab", None, 1.5)
        assert console.execute("SELECT load_balance_hosts FROM pools").fetchone() == (None,)


def test_parameters_and_binary_results(busy: Any) -> None:
    with admin(busy) as console:
        for binary in (False, True):
            cursor = console.cursor(binary=binary)
            cursor.execute("SELECT key, value FROM config WHERE key = %s", ["pool.max"], prepare=True)
            assert cursor.fetchall() == [("pool.max", "8")]
            cursor.execute("SELECT max, max * 2, max / 3.0 FROM pools WHERE max > %b AND database = %t", [5, "app"])
            assert cursor.fetchall() == [(8, 16, pytest.approx(2.667, abs=0.01))]
            cursor.execute("SELECT %s::int8 + 1, %s", [41, None])
            assert cursor.fetchone() == (42, None)
            cursor.execute("SELECT key FROM config ORDER BY 1 LIMIT %s", [3])
            assert len(cursor.fetchall()) == 3


def test_prepared_again_and_again(busy: Any) -> None:
    with admin(busy, prepare_threshold=1) as console:
        for _ in range(8):
            assert console.execute("SELECT name FROM databases WHERE name = %s", ["app"]).fetchall() == [("app",)]


def test_psycopg_without_autocommit(busy: Any) -> None:
    with admin(busy, autocommit=False) as console:
        assert console.execute("SELECT count(*) FROM pools").fetchone() == (1,)
        console.rollback()
        with pytest.raises(psycopg.errors.UndefinedTable):
            console.execute("SELECT * FROM nowhere")
        console.rollback()
        assert console.execute("SHOW VERSION").fetchone()


def test_psycopg2(busy: Any) -> None:
    connection = busy.psycopg2(dbname="weir", user="postgres", autocommit=False)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT database, max FROM pools WHERE user = %s", ["postgres"])
            assert cursor.fetchall() == [("app", 8)]
        connection.commit()
    finally:
        connection.close()


def test_asyncpg(busy: Any) -> None:
    async def scenario() -> None:
        async with busy.asyncpg(database="weir", user="postgres", statement_cache_size=10) as console:
            for _ in range(3):
                row = await console.fetchrow("SELECT database, max, count(*) AS n FROM pools WHERE database = $1", "app")
                assert (row["database"], row["max"], row["n"]) == ("app", 8, 1)
            async with console.transaction():
                assert await console.fetchval("SELECT total_query_count FROM stats") == 3
            async with console.transaction():
                keys = [row["key"] async for row in console.cursor("SELECT key FROM config")]
            assert "pool.max" in keys

    asyncio.run(scenario())


@pytest.mark.timeout(150)
def test_node_postgres(busy: Any) -> None:
    folder = Path(__file__).resolve().parents[1] / "drivers" / "node"
    if not (folder / "node_modules" / "pg").is_dir():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder, check=True, timeout=scaled(120))
    code = (
        "const {Client} = require('pg');"
        f"const c = new Client({{host: '{busy.host}', port: {busy.port}, user: 'postgres', database: 'weir'}});"
        "(async () => { await c.connect();"
        " const a = await c.query('SELECT database, max FROM pools WHERE max > $1', [1]);"
        " const b = await c.query('SHOW POOLS');"
        " const p = await c.query({name: 'p', text: 'SELECT count(*) AS n FROM pools'});"
        " console.log(JSON.stringify([a.rows, b.rows.length, p.rows])); await c.end(); })()"
        ".catch(e => { console.error(e); process.exit(1); });"
    )
    done = subprocess.run(["node", "-e", code], cwd=folder, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[{"database": "app", "max": 8}], 1, [{"n": "1"}]]


@pytest.mark.parametrize(
    ("sql", "sqlstate"),
    [
        ("SELECT * FROM nowhere", "42P01"),
        ("SELECT absent FROM pools", "42703"),
        ('SELECT "absent" FROM pools', "42703"),
        ("SELECT absent(1)", "42883"),
        ("SELECT FROM WHERE", "42601"),
        ("SELECT * FROM sqlite_master", "42501"),
        ("SELECT * FROM pragma_database_list", "42501"),
        ("SELECT * FROM pragma_table_info('pools')", "42501"),
        ("SELECT load_extension('/tmp/x.so')", "42501"),
        ("SELECT * FROM pg_catalog.pg_class", "0A000"),
        ("SELECT writefile('/tmp/x', 'x')", "42883"),
        ("WITH x AS (SELECT 1) DELETE FROM pools", "42501"),
        ("WITH x AS (SELECT 1) INSERT INTO pools SELECT * FROM x", "42501"),
        ("ATTACH '/etc/passwd' AS x", "42601"),
        ("PRAGMA database_list", "42601"),
        ("CREATE TABLE x(a)", "42601"),
        ("INSERT INTO config VALUES (1)", "42601"),
        ("DELETE FROM pools", "42601"),
        ("VACUUM INTO '/tmp/x'", "42601"),
        ("EXPLAIN SELECT 1", "42601"),
        ("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r", "57014"),
        ("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n FROM r", "54000"),
        ("SELECT count(*) FROM config a, config b, config c, config d, config e", "57014"),
        ("SELECT hex(zeroblob(1000000000))", "54000"),
        ("SELECT " + "(" * 500 + "1" + ")" * 500, "42601"),
        ("SELECT '" + "x" * 20000 + "'", "54000"),
    ],
)
def test_what_is_refused(busy: Any, sql: str, sqlstate: str) -> None:
    with busy.logged_in(database="weir") as console:
        assert errors(console.query(sql)) == [sqlstate]
        assert types(console.query("SELECT count(*) FROM pools")) == "TDCZ"
        console.send(wire.extended(sql), wire.sync())
        assert errors(console.receive_ready()) == [sqlstate]
        assert types(console.query("SHOW VERSION")) == "TDCZ"


def test_quoted_values_stay_values(busy: Any) -> None:
    with admin(busy) as console:
        for value in ("'; DROP TABLE pools; --", "x' OR '1'='1", "\\'; SHUTDOWN; --", "$1", "a::text"):
            assert console.execute("SELECT * FROM config WHERE key = %s", [value]).fetchall() == []
            assert console.execute("SELECT %s || ''", [value]).fetchone() == (value,)
    assert busy.is_running()


def test_a_slow_query_holds_up_nobody_and_is_cancelled(busy: Any) -> None:
    slow = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r"
    with busy.logged_in(database="weir") as console, busy.logged_in() as client:
        console.send(wire.query(slow))
        assert types(client.query("SELECT 1")) == "TDCZ"
        console.cancel(busy.raw)
        assert errors(console.receive_ready()) == ["57014"]
        gone = busy.logged_in(database="weir")
        gone.send(wire.query(slow))
        gone.close()
        assert types(console.query("SELECT count(*) FROM pools")) == "TDCZ"


def test_psql_describes_nothing_but_says_so(busy: Any) -> None:
    where = ["psql", "-X", "-h", busy.host, "-p", str(busy.port), "-U", "postgres", "weir"]
    done = subprocess.run([*where, "-c", "\\d"], capture_output=True, text=True, timeout=20)
    assert "no system catalogs" in done.stderr
    done = subprocess.run(
        [*where, "-Atc", "SELECT database, max FROM pools"], capture_output=True, text=True, timeout=20
    )
    assert done.stdout == "app|8\n", done.stderr


def test_npgsql_gets_its_types(busy: Any) -> None:
    text = (
        "SELECT version();\n\n"
        "SELECT ns.nspname, t.oid, t.typname, t.typtype, t.typnotnull, t.elemtypoid\nFROM (\n"
        "    -- Arrays have typtype=b\n    SELECT typ.oid, 'a;b' FROM pg_type AS typ\n) AS t\n"
        "JOIN pg_namespace AS ns ON (ns.oid = typnamespace);\n\n"
        "-- Load field definitions for (free-standing) composite types\n"
        "SELECT typ.oid, att.attname, att.atttypid FROM pg_type AS typ JOIN pg_attribute AS att ON true;\n\n"
        "-- Load enum fields\nSELECT pg_type.oid, enumlabel FROM pg_enum JOIN pg_type ON pg_type.oid=enumtypid;\n"
    )
    with busy.logged_in(database="weir") as console:
        messages = console.query(text)
        assert errors(messages) == []
        assert types(messages).count("T") == 4 and types(messages).count("C") == 4
        names = [message.columns()[2] for message in messages if message.type == "D" and len(message.columns()) == 6]
        assert {b"text", b"int4", b"int8", b"numeric"} <= set(names)


def test_activity_tells_what_runs(start_weir: StartWeir) -> None:
    weir = start_weir({"admin": {"statement_text": "1KiB"}})
    with weir.logged_in(application_name="shop") as client:
        client.query("BEGIN")
        pid = client.backend_pid()
        client.query("SELECT 'secret of nobody'")
        with admin(weir) as console:
            row = console.execute("SELECT pid, application_name, state, statement FROM activity").fetchone()
            assert row == (pid, "shop", "idle in transaction", "SELECT 'secret of nobody'")
            client.send(wire.extended("SELECT pg_sleep(30)"), wire.sync())
            row = console.execute("SELECT state, statement FROM activity").fetchone()
            while row != ("active", "SELECT pg_sleep(30)"):
                row = console.execute("SELECT state, statement FROM activity").fetchone()
        client.cancel(weir.raw)
        client.receive_ready()
        client.query("ROLLBACK")
        wait_until(lambda: weir.show("ACTIVITY") == [], "its server connection is given back")


def test_health_says_what_is_wrong(busy: Any) -> None:
    with admin(busy) as console:
        assert console.execute("SELECT status FROM health WHERE \"check\" = 'overall'").fetchone() == ("healthy",)
        console.execute("PAUSE app")
        row = console.execute("SELECT status, recommendation FROM health WHERE subject = 'app'").fetchone()
        assert row == ("degraded", "RESUME app")
        console.execute("RESUME app")


def test_secrets_are_not_shown(start_weir: StartWeir) -> None:
    user = {"postgres": {"password": "pencil-of-weir"}}
    weir = start_weir({"auth": {"method": "scram-sha-256"}, "user": user})
    with weir.psycopg(password="pencil-of-weir"), admin(weir, password="pencil-of-weir") as console:
        for word in SHOWS:
            assert "pencil" not in repr(console.execute(f"SHOW {word}").fetchall())
        for row in console.execute("SELECT cancel, password, scram_client_key, scram_server_key FROM fds").fetchall():
            assert row == (None, None, None, None)
