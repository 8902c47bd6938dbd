"""What ran through Weir is what SHOW, SELECT, /api and the command line tell of it."""

import contextlib
import csv
import io
import json
import os
import signal
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest

from conftest import StartWeir
from support.deadlines import scaled, wait_until
from support.raw_client import errors
from support.weir import find_binary

pytestmark = pytest.mark.needs_weir

SETTINGS: dict[str, Any] = {
    "ledger": {"path": "weir-ledger.db", "sample_rate": 1.0},
    "policy": {"slow_query": "100ms"},
    "admin": {"admins": ["postgres"], "viewers": ["looker"]},
    "user": {"looker": {}},
}
CALLS = 5


@pytest.fixture
def busy(start_weir: StartWeir) -> Any:
    """Weir that has run a few statements, a slow and two failing ones."""
    weir = start_weir(SETTINGS, http=True)
    run_some(weir)
    return weir


def run_some(weir: Any) -> None:
    with weir.logged_in(application_name="shop") as client:
        for number in range(CALLS):
            assert not errors(client.query(f"SELECT {number} AS quick"))
        assert not errors(client.query("SELECT pg_sleep(0.15)"))
        assert errors(client.query("SELECT * FROM not_there_1"))
        assert errors(client.query("SELECT * FROM not_there_2"))
    wait_until(lambda: len(statements(weir)) >= 4, "the ledger knows all of it")


def statements(weir: Any) -> dict[str, dict[str, Any]]:
    return {row["query"]: row for row in weir.show("STATEMENTS")}


def admin(weir: Any, **options: Any) -> "psycopg.Connection[Any]":
    return weir.psycopg(**{"dbname": "weir", "user": "postgres", "autocommit": True, **options})


def end(weir: Any) -> None:
    """Ends the process; its folder stays."""
    weir.signal(signal.SIGTERM)
    weir.wait_exit()


def run(weir: Any, *arguments: str, config: bool = True) -> "subprocess.CompletedProcess[str]":
    """The command line, where Weir itself runs."""
    command = [str(find_binary()), *arguments]
    if config:
        command += ["-c", str(weir.config_path)]
    return subprocess.run(command, cwd=weir.folder, capture_output=True, text=True, timeout=scaled(30))


def of_query(rows: list[dict[str, Any]], words: str) -> dict[str, Any]:
    found = [row for row in rows if words in row["query"]]
    assert len(found) == 1, rows
    return found[0]


def test_every_way_tells_the_same(busy: Any) -> None:
    shown = of_query(busy.show("STATEMENTS"), "quick")
    assert (shown["calls"], shown["errors"], shown["rows"], shown["kind"]) == (CALLS, 0, CALLS, "select")
    assert 0 < shown["min_ms"] <= shown["mean_ms"] <= shown["max_ms"] <= shown["total_ms"]
    with admin(busy) as console:
        row = console.execute(
            "SELECT calls, rows FROM statements WHERE digest = %s", [shown["digest"]]
        ).fetchone()
        assert row == (CALLS, CALLS)
        assert console.execute("SELECT count(*) FROM slow WHERE slow = 1").fetchone()[0] == 1
    item = of_query(busy.api("statements")["items"], "quick")
    assert (item["calls"], item["digest"]) == (CALLS, shown["digest"])
    sql = "SELECT sum(calls) AS n FROM hourly h JOIN digest d ON d.id = h.digest WHERE d.text LIKE '%quick%'"
    assert run(busy, "ledger", "query", sql, "--csv").stdout == f"n\n{CALLS}\n"


def test_slow_and_failed_statements(busy: Any) -> None:
    rows = busy.show("SLOW")
    assert [row["ended"] for row in rows] == sorted((row["ended"] for row in rows), reverse=True)
    slow = of_query(rows, "pg_sleep")
    assert slow["total_ms"] >= 100 and slow["application_name"] == "shop" and slow["database"] == "app"
    assert [row["sqlstate"] for row in rows].count("42P01") == 2
    assert len(busy.api("slow")["items"]) == 1
    assert len(busy.api("slow?kind=failed")["items"]) == 2
    assert len(busy.api("slow?kind=failed&application=other")["items"]) == 0
    printed = run(busy, "monitor", "slow-queries", "--json")
    assert printed.returncode == 0, printed.stderr
    assert [item["digest"] for item in json.loads(printed.stdout)["items"]] == [slow["digest"]]
    assert "pg_sleep" in run(busy, "monitor", "slow-queries", "--threshold", "100").stdout
    assert "pg_sleep" not in run(busy, "monitor", "slow-queries", "--threshold", "60000").stdout


def test_errors_by_state_and_pattern(busy: Any) -> None:
    rows = busy.show("ERRORS")
    totals = {row["sqlstate"]: row["count"] for row in rows if row["pattern"] is None}
    assert totals == {"42P01": 2}
    patterns = [row for row in rows if row["pattern"] is not None]
    assert sum(row["count"] for row in patterns) == 2 and all(row["first"] <= row["last"] for row in patterns)
    assert busy.api("errors")["items"][0]["count"] == 2
    assert "error 42P01" in run(busy, "monitor", "summary").stdout


def test_pages_neither_repeat_nor_hide(busy: Any) -> None:
    whole = [item["digest"] for item in busy.api("statements?limit=1000")["items"]]
    seen: list[str] = []
    cursor = ""
    while True:
        page = busy.api("statements?limit=1" + cursor)
        seen += [item["digest"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = "&cursor=" + page["next"]
    assert sorted(seen) == sorted(whole) and len(set(seen)) == len(seen)


@pytest.mark.parametrize(
    "query, said",
    [
        ("statements?hours=0", "hours"),
        ("statements?order=upwards", "total, calls"),
        ("statements?limit=5000", "1000"),
        ("slow?digest=12", "16 hexadecimal digits"),
        ("slow?cursor=abc", "cursor"),
        ("events?order=total", "unknown parameter"),
    ],
)
def test_wrong_parameters_are_refused(start_weir: StartWeir, query: str, said: str) -> None:
    weir = start_weir(SETTINGS, http=True)
    status, body = weir.http("/api/" + query)
    assert status == 400 and said in body


def test_orders_are_audited_with_who_and_what(busy: Any) -> None:
    with admin(busy) as console:
        console.execute("PAUSE app")
        console.execute("RESUME app")
        console.execute("SET pool.max = 7")
    wait_until(lambda: len(busy.show("AUDIT")) >= 3, "all three are known")
    rows = busy.show("AUDIT")
    assert [(row["action"], row["text"]) for row in reversed(rows)][-3:] == [
        ("PAUSE", "PAUSE app"),
        ("RESUME", "RESUME app"),
        ("SET", "SET pool.max = 7"),
    ]
    assert {(row["who"], row["client"]) for row in rows} == {("postgres", "127.0.0.1")}
    with pytest.raises(psycopg.errors.InsufficientPrivilege), admin(busy, user="looker") as console:
        console.execute("SHOW AUDIT")
    with pytest.raises(psycopg.errors.InsufficientPrivilege), admin(busy, user="looker") as console:
        console.execute("SELECT * FROM audit")


def test_what_changes_the_database_is_audited_but_what_ends_with_its_session_is_not(busy: Any) -> None:
    with busy.logged_in() as client:
        assert not errors(client.query("CREATE TEMP TABLE passing (id int)"))
        assert not errors(client.query("CREATE TABLE lasting (id int)"))
        for _ in range(10):
            assert not errors(client.query("COMMENT ON TABLE lasting IS 'text'"))
        assert not errors(client.query("DROP TABLE lasting"))
    wait_until(lambda: "drop" in [row["action"] for row in busy.show("AUDIT")], "the last of them is known")
    actions = [row["action"] for row in reversed(busy.show("AUDIT"))]
    assert actions == ["create", "comment", "comment", "comment", "drop"]
    end(busy)
    verified = run(busy, "ledger", "verify")
    assert (verified.returncode, verified.stdout) == (0, "the audit is in order up to line 6\n")
    with contextlib.closing(sqlite3.connect(busy.folder / "weir-ledger.db")) as file:
        assert file.execute("SELECT text FROM audit WHERE id = 6").fetchone()[0].startswith("(7 more within a minute) comment")
        file.execute("DELETE FROM audit WHERE id = 6")
        file.commit()
    verified = run(busy, "ledger", "verify")
    assert verified.returncode == 2 and "line 6" in verified.stderr


def test_secrets_are_not_audited(start_weir: StartWeir) -> None:
    weir = start_weir({**SETTINGS, "auth": {"method": "scram-sha-256"}, "user": {"postgres": {"password": "first"}}})
    with admin(weir, password="first") as console:
        console.execute("SET user.postgres.password = 'second secret'")
        row = console.execute("SELECT text FROM audit ORDER BY id DESC LIMIT 1").fetchone()
        assert row == ("SET user.postgres.password = ********",)
    end(weir)
    assert b"second secret" not in (weir.folder / "weir-ledger.db").read_bytes()


def test_events_of_the_process(busy: Any) -> None:
    busy.reload({"pool": {"max": 9}})
    busy.reload({"pool": {"max": 0}, "nonsense": {"x": 1}})
    wait_until(lambda: len(busy.api("events?kind=reload")["items"]) == 2, "both reloads are known")
    refused, taken = busy.api("events?kind=reload")["items"]
    assert (taken["severity"], refused["severity"]) == ("info", "warning")
    assert any("has started" in row["what"] for row in busy.show("EVENTS"))


def test_metrics_count(busy: Any) -> None:
    metrics = busy.metrics()
    assert metrics.sum("weir_ledger_state") == 0
    assert metrics.sum("weir_ledger_rows_total") >= CALLS + 3
    assert metrics.sum("weir_slow_statements_total") == 1
    assert metrics.sum("weir_rows_total") >= CALLS
    assert metrics.sum("weir_ledger_dropped_total", kind="statements") == 0
    assert busy.show("LEDGER")[0]["state"] == "ok"
    assert busy.health("ledger")["status"] == "healthy"


def test_the_file_is_read_when_weir_is_down(busy: Any) -> None:
    end(busy)
    sql = "SELECT sum(calls) AS n FROM hourly h JOIN digest d ON d.id = h.digest WHERE d.text LIKE '%quick%'"
    assert run(busy, "ledger", "query", sql, "--csv").stdout == f"n\n{CALLS}\n"
    summary = run(busy, "monitor", "summary", "--json")
    counts = {item["what"]: item["count"] for item in json.loads(summary.stdout)["items"]}
    assert counts["statements"] == CALLS + 3 and counts["errors"] == 2
    exported = run(busy, "ledger", "export", "--csv", "--table", "slow")
    assert len(list(csv.DictReader(io.StringIO(exported.stdout)))) == 1
    copied = run(busy, "ledger", "backup", "copy.db")
    assert copied.returncode == 0 and (busy.folder / "copy.db").stat().st_mode & 0o777 == 0o600
    again = run(busy, "ledger", "backup", "copy.db")
    assert again.returncode == 2 and "copy.db" in again.stderr
    assert run(busy, "ledger", "query", sql, "--ledger", "copy.db", "--csv", config=False).stdout.endswith(f"{CALLS}\n")


def test_backup_while_weir_runs(busy: Any) -> None:
    copied = run(busy, "ledger", "backup", "live.db")
    assert copied.returncode == 0, copied.stderr
    counted = run(busy, "ledger", "query", "SELECT count(*) AS n FROM statement", "--ledger", "live.db", "--csv", config=False)
    assert int(counted.stdout.split()[1]) >= CALLS + 3


def test_off(start_weir: StartWeir) -> None:
    weir = start_weir({**SETTINGS, "ledger": {"path": ""}}, http=True)
    assert weir.value("SELECT 1") == 1
    with admin(weir) as console:
        for sql in ("SHOW STATEMENTS", "SELECT * FROM slow", "SHOW EVENTS"):
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="the ledger is off"):
                console.execute(sql)
    assert weir.http("/api/statements") == (503, "the ledger is off (ledger.path)\n")
    assert weir.metrics().sum("weir_ledger_state") == 2
    assert weir.show("LEDGER")[0]["state"] == "off"
    printed = run(weir, "monitor", "summary")
    assert printed.returncode == 2 and "the ledger is off" in printed.stderr and printed.stdout == ""
    assert not list(weir.folder.glob("*.db"))


def test_in_memory(start_weir: StartWeir) -> None:
    weir = start_weir({**SETTINGS, "ledger": {"path": ":memory:", "sample_rate": 1.0}}, http=True)
    run_some(weir)
    assert of_query(weir.show("STATEMENTS"), "quick")["calls"] == CALLS
    printed = run(weir, "monitor", "slow-queries")
    assert printed.returncode == 2 and "SHOW STATEMENTS" in printed.stderr


@pytest.mark.timeout(120)  # it is tried again every 30 s
def test_a_folder_that_is_missing_degrades_and_mends(start_weir: StartWeir, tmp_path: Path) -> None:
    file = tmp_path / "later" / "ledger.db"
    weir = start_weir({**SETTINGS, "ledger": {"path": str(file)}}, http=True)
    assert weir.value("SELECT 1") == 1
    wait_until(lambda: weir.show("LEDGER")[0]["state"] == "degraded", "the ledger is degraded")
    assert weir.health("ledger")["status"] == "degraded"
    status, body = weir.http("/api/statements")
    assert status == 503 and "cannot be read" in body
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState), admin(weir) as console:
        console.execute("SHOW STATEMENTS")
    file.parent.mkdir()
    wait_until(lambda: weir.show("LEDGER")[0]["state"] == "ok", "the ledger is well again", 60)
    wait_until(lambda: len(weir.show("STATEMENTS")) >= 1, "what ran before is known")


def test_the_file_is_removed_under_it(busy: Any) -> None:
    for file in busy.folder.glob("weir-ledger.db*"):
        os.unlink(file)
    assert busy.value("SELECT 1") == 1
    assert busy.show("LEDGER")[0]["state"] in ("ok", "degraded")
    with admin(busy) as console:
        try:
            console.execute("SHOW STATEMENTS")
        except psycopg.errors.ObjectNotInPrerequisiteState as error:
            assert "cannot be read" in str(error)
        assert console.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["ledger", "query", "DELETE FROM statement"], "not authorized"),
        (["ledger", "query", "SELECT nonsense"], "no such column"),
        (["monitor", "slow-queries", "--limit", "0"], "limit"),
        (["monitor", "slow-queries", "--cursor", "nonsense"], "cursor"),
        (["ledger", "export"], "csv"),
        (["ledger", "export", "--csv", "--table", "nothing"], "table"),
        (["ledger"], "subcommand"),
    ],
)
def test_wrong_commands_say_why_with_status_2(busy: Any, arguments: list[str], said: str) -> None:
    printed = run(busy, *arguments, config=len(arguments) > 1)
    assert printed.returncode == 2 and said in printed.stderr, (printed.stdout, printed.stderr)


def test_the_command_line_needs_a_file(start_weir: StartWeir) -> None:
    weir = start_weir(SETTINGS)
    printed = run(weir, "monitor", "summary", "--ledger", "missing.db", config=False)
    assert printed.returncode == 2 and "cannot read missing.db" in printed.stderr


def kept(weir: Any) -> str:
    """All that the ledger's file has, and all that is told of it."""
    with admin(weir) as console:
        told = [console.execute(f"SHOW {what}").fetchall() for what in ("STATEMENTS", "SLOW", "ERRORS", "EVENTS", "AUDIT")]
    pages = [weir.api(page) for page in ("statements", "slow?kind=failed", "slow?kind=all", "errors", "events")]
    files = [path.read_bytes().decode("latin-1") for path in Path(weir.folder).glob("weir-ledger.db*")]
    return "\n".join([str(told), str(pages), *files])


@pytest.mark.parametrize("log_parameters", [False, True])
def test_literals_are_kept_only_where_that_is_wanted(start_weir: StartWeir, log_parameters: bool) -> None:
    policy = {**SETTINGS["policy"], "log_parameters": log_parameters, "log_statements": "all", "slow_query": "1ms"}
    weir = start_weir({**SETTINGS, "policy": policy}, http=True)
    with weir.logged_in() as client:
        for sql in ("SELECT '4111-1111-2222-3333'::int", "SELECT pg_sleep(0.01), 'Smith'"):
            client.query(sql)
        client.query("DO $$ BEGIN RAISE EXCEPTION 'card 4111-1111-2222-3333 is blocked'; END $$")
    wait_until(lambda: len(statements(weir)) >= 3, "the ledger knows all of it")
    assert len(weir.api("slow?kind=failed")["items"]) == 2
    told = kept(weir)
    assert ("4111" in told) == log_parameters
    assert ("Smith" in told) == log_parameters
    assert "invalid input syntax for type integer: ?" in told
    assert "Smith" not in weir.log or log_parameters
    assert "4111" not in weir.log or log_parameters
