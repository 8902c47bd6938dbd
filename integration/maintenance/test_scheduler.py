"""Jobs run when they are due, by one of several Weirs, and whatever becomes of one of them the others go on."""

import math
import signal
import sqlite3
from pathlib import Path
from typing import Any, Iterator

import psycopg
import pytest

from conftest import StartWeir
from support.deadlines import stays_true, wait_until
from support.orders import console, said
from support.postgres import Postgres
from support.raw_client import errors
from support.replica import Replica, make_primary

pytestmark = pytest.mark.needs_weir

YEARLY = "0 0 1 1 *"
NOTE = "INSERT INTO ran (task) VALUES ('{}')"
SLOW = "INSERT INTO ran (task) SELECT '{}' FROM pg_sleep({})"


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Postgres]:
    """A database with a table that tasks write to, in which no Weir has ever run anything."""
    postgres.execute("DROP SCHEMA IF EXISTS weir CASCADE; DROP TABLE IF EXISTS ran")
    postgres.execute("CREATE TABLE ran (task text, at timestamptz NOT NULL DEFAULT clock_timestamp())")
    yield postgres
    postgres.execute("DROP SCHEMA IF EXISTS weir CASCADE; DROP TABLE ran")


def task(name: str, sql: str = "", **settings: Any) -> dict[str, Any]:
    when = {} if "schedule" in settings else {"every": "1s"}
    return {"name": name, "sql": sql or NOTE.format(name), **when, **settings}


def maintaining(*tasks: dict[str, Any], user: str = "postgres", **settings: Any) -> dict[str, Any]:
    return {
        "database": {"app": {"cluster": "main"}},
        "maintenance": {"enabled": True, "database": "app", "user": user, **settings},
        "task": list(tasks),
        "ledger": {"path": "weir-ledger.db"},
        "admin": {"admins": ["postgres"], "viewers": ["looker"]},
        "user": {"looker": {}},
    }


def runs(database: Postgres, name: str) -> int:
    return int(database.value("SELECT count(*) FROM ran WHERE task = %s", [name]))


def job(weir: Any, name: str) -> dict[str, Any]:
    return next(row for row in weir.show("JOBS") if row["name"] == "task " + name)


def has_run(weir: Any, name: str, outcome: str = "done") -> bool:
    rows = [row for row in weir.show("JOBS") if row["name"] == "task " + name]
    return bool(rows) and rows[0]["outcome"] == outcome


def wait_for_run(database: Postgres, name: str, times: int = 1) -> None:
    wait_until(lambda: runs(database, name) >= times, f"{name} has run {times} times")


def end(weir: Any) -> None:
    weir.signal(signal.SIGTERM)
    weir.wait_exit()


def test_of_two_weirs_one_runs_what_is_due(database: Postgres, start_weir: StartWeir) -> None:
    for _ in range(2):
        start_weir(maintaining(task("tick")))
    wait_for_run(database, "tick", 4)
    count, span = database.execute("SELECT count(*), extract(epoch FROM max(at) - min(at))::float8 FROM ran")[0]
    assert count <= math.ceil(span) + 1


def test_another_weir_takes_over_from_one_that_was_killed(database: Postgres, start_weir: StartWeir) -> None:
    weirs = [start_weir(maintaining(task("tick", SLOW.format("tick", 0.5)))) for _ in range(2)]

    def runner() -> Any:
        return next((weir for weir in weirs if job(weir, "tick")["state"] == "running"), None)

    wait_for_run(database, "tick")
    killed = wait_until(runner, "one of them runs it")
    killed.kill()
    killed.exit_code_expected = -signal.SIGKILL
    wait_for_run(database, "tick", runs(database, "tick") + 3)


def test_a_long_run_is_not_begun_by_another_weir(database: Postgres, start_weir: StartWeir) -> None:
    settings = maintaining(task("long", SLOW.format("long", 2), schedule=YEARLY))
    first, second = start_weir(settings), start_weir(settings)
    with console(first) as client:
        assert not errors(client.query("RUN JOB task long"))
    wait_until(lambda: job(first, "long")["state"] == "running", "the first one runs it")
    with console(second) as client:
        assert not errors(client.query("RUN JOB task long"))
    wait_until(lambda: job(second, "long")["state"] == "standby", "the second one stands by")
    with console(second) as client:
        assert any("another Weir has" in message.text for message in client.query("RUN JOB task long") if message.type == "N")
    assert runs(database, "long") == 0
    wait_for_run(database, "long", 2)


def test_a_drain_lets_a_statement_end(database: Postgres, start_weir: StartWeir) -> None:
    weir = start_weir(maintaining(task("slow", SLOW.format("slow", 1)), task("other", schedule=YEARLY)))
    wait_until(lambda: job(weir, "slow")["state"] == "running", "it runs")
    end(weir)
    assert runs(database, "slow") >= 1
    assert "job_failed" not in weir.log


def test_a_second_signal_does_not_wait(database: Postgres, start_weir: StartWeir) -> None:
    weir = start_weir(maintaining(task("slow", SLOW.format("slow", 60))))
    wait_until(lambda: job(weir, "slow")["state"] == "running", "it runs")
    weir.signal(signal.SIGTERM)
    stays_true(weir.is_running, 0.3)
    weir.signal(signal.SIGTERM)
    weir.wait_exit(5)
    assert runs(database, "slow") == 0


def test_quit_ends_at_once(database: Postgres, start_weir: StartWeir) -> None:
    weir = start_weir(maintaining(task("slow", SLOW.format("slow", 60))))
    wait_until(lambda: job(weir, "slow")["state"] == "running", "it runs")
    weir.signal(signal.SIGQUIT)
    weir.wait_exit(5)
    assert runs(database, "slow") == 0


def test_what_fails_or_takes_too_long_does_not_stop_the_others(database: Postgres, start_weir: StartWeir) -> None:
    weir = start_weir(
        maintaining(
            task("broken", "SELECT * FROM not_there"),
            task("late", "SELECT pg_sleep(30)", timeout="200ms"),
            task("tick"),
        )
    )
    wait_for_run(database, "tick", 2)
    wait_until(lambda: has_run(weir, "late", "failed"), "the late one has failed")
    broken = job(weir, "broken")
    assert (broken["state"], broken["outcome"]) == ("failing", "failed")
    assert 'relation "not_there" does not exist' in broken["message"]
    assert broken["failures"] >= 1
    assert job(weir, "late")["state"] == "failing"
    wait_until(lambda: any(row["kind"] == "job" and row["object"] == "task broken" for row in weir.show("EVENTS")))


def test_a_job_is_run_by_order(database: Postgres, start_weir: StartWeir) -> None:
    weir = start_weir(maintaining(task("year-end", schedule=YEARLY)))
    wait_until(lambda: job(weir, "year-end")["state"] == "idle", "it is there")
    with console(weir) as client:
        assert not errors(client.query("RUN JOB task year-end"))
        wait_for_run(database, "year-end")
        code, text = said(client, "RUN JOB 'task year-ende'")
        assert (code, "no such job: task year-ende" in text) == ("42704", True)
        assert '"task year-end"' in next(m.fields()["D"] for m in client.query("RUN JOB task year-ende") if m.type == "E")
    with console(weir, user="looker") as client:
        assert said(client, "RUN JOB task year-end")[0] == "42501"
    orders = wait_until(lambda: [row for row in weir.show("AUDIT") if row["action"] == "RUN JOB"], "it is audited")
    assert {row["text"] for row in orders} >= {"RUN JOB task year-end"}
    assert runs(database, "year-end") == 1


def test_jobs_are_shown_everywhere(database: Postgres, start_weir: StartWeir) -> None:
    weir = start_weir(maintaining(task("tick"), task("year-end", schedule=YEARLY)), http=True)
    wait_until(lambda: has_run(weir, "tick"), "it has run")
    shown = job(weir, "tick")
    assert list(shown) == [
        "name", "kind", "schedule", "state", "next", "phase", "done", "total", "unit", "per_second", "left_s", "began",
        "ended", "outcome", "rows", "message", "runs", "failures", "last_success",
    ]  # fmt: skip
    assert (shown["kind"], shown["schedule"], shown["rows"], shown["failures"]) == ("task", "every 1s", 1, 0)
    assert job(weir, "year-end")["next"].endswith("-01-01 00:00:00 UTC")
    listed = {item["name"]: item for item in weir.api("jobs?limit=1000")["items"]}
    assert listed["task tick"]["outcome"] == "done"
    assert listed["task year-end"]["last_success"] is None
    assert weir.api("partitions")["items"] == []
    metrics = weir.metrics()
    assert metrics.sum("weir_job_runs_total", job="task tick", outcome="done") >= 1
    assert metrics.sum("weir_job_rows_total", job="task tick") >= 1
    assert metrics.sum("weir_job_last_success_timestamp_seconds", job="task tick") > 1.7e9
    with psycopg.connect(host="127.0.0.1", port=weir.port, dbname="weir", user="postgres", autocommit=True) as admin:
        assert admin.execute("SELECT state FROM jobs WHERE name = 'task year-end'").fetchall() == [("idle",)]

    def kept() -> Any:
        with sqlite3.connect(weir.folder / "weir-ledger.db") as file:
            return file.execute("SELECT outcome, rows FROM job_run WHERE job = 'task tick' LIMIT 1").fetchall()

    assert wait_until(kept, "the ledger has it") == [("done", 1)]


@pytest.mark.parametrize("user", ["postgres", "keeper"])
def test_what_was_missed_is_made_up_once(
    database: Postgres, start_weir: StartWeir, tmp_path: Path, user: str
) -> None:
    """Whoever may not keep a table in the database has the ledger."""
    database.execute("DROP ROLE IF EXISTS keeper; CREATE ROLE keeper LOGIN; GRANT INSERT ON ran TO keeper")
    ledger = str(tmp_path / "ledger.db")
    settings = {**maintaining(task("year-end", schedule=YEARLY), user=user), "ledger": {"path": ledger}}
    weir = start_weir(settings)
    wait_until(lambda: job(weir, "year-end")["state"] == "idle", "it is there")
    with console(weir) as client:
        assert not errors(client.query("RUN JOB task year-end"))
    wait_until(lambda: has_run(weir, "year-end"), "it has run")
    end(weir)
    year_us = 366 * 24 * 3600 * 1_000_000
    with sqlite3.connect(ledger) as file:
        assert file.execute("UPDATE job_run SET began = began - ?", [year_us]).rowcount == 1
    if user == "postgres":
        database.execute("UPDATE weir.job SET covers = covers - interval '366 days'")
    else:
        assert "job_records" in weir.log
    again = start_weir(settings)
    wait_for_run(database, "year-end", 2)
    wait_until(lambda: has_run(again, "year-end"), "it has run")
    end(again)
    last = start_weir(settings)
    wait_until(lambda: job(last, "year-end")["state"] == "idle", "it is there")
    stays_true(lambda: runs(database, "year-end") == 2, 0.5)
    end(last)
    database.execute("DROP OWNED BY keeper; DROP ROLE keeper")


def test_a_reload_changes_what_runs(database: Postgres, start_weir: StartWeir) -> None:
    weir = start_weir(maintaining(task("old"), task("kept", schedule=YEARLY)))
    wait_for_run(database, "old")
    ran = job(weir, "old")["runs"]
    weir.reload({"task": [task("new"), task("old", schedule=YEARLY)]})
    wait_for_run(database, "new")
    names = {row["name"] for row in weir.show("JOBS")}
    assert {"task new", "task old"} <= names and "task kept" not in names
    assert job(weir, "old")["runs"] >= ran, "what is known of it stays"
    assert job(weir, "old")["schedule"] == YEARLY
    weir.reload({"maintenance": {"enabled": False}})
    wait_until(lambda: weir.show("JOBS") == [], "there are none any more")
    with console(weir) as client:
        assert said(client, "RUN JOB task new")[0] == "42704"


def test_without_maintenance_there_are_no_jobs(start_weir: StartWeir) -> None:
    weir = start_weir()
    assert weir.show("JOBS") == []
    with console(weir) as client:
        assert said(client, "RUN JOB vacuum")[0] == "55000"


def test_windows_are_waited_for(database: Postgres, start_weir: StartWeir) -> None:
    hour = int(database.value("SELECT extract(hour FROM now() AT TIME ZONE 'UTC')"))
    window = f"{(hour + 2) % 24:02}:00-{(hour + 3) % 24:02}:00"
    weir = start_weir(maintaining(task("tick"), windows=[window]))
    wait_until(lambda: job(weir, "tick")["state"] == "waiting", "it waits for its window")
    assert job(weir, "tick")["next"].endswith(f" {(hour + 2) % 24:02}:00:00 UTC")
    with console(weir) as client:
        assert not errors(client.query("RUN JOB task tick"))
    wait_for_run(database, "tick")
    stays_true(lambda: runs(database, "tick") == 1, 1.2)


def test_a_server_that_comes_back_is_served_again(database: Postgres, start_weir_at: StartWeir, open_gate: Any) -> None:
    gate = open_gate(database.port)
    weir = start_weir_at(gate.port, maintaining(task("tick")))
    wait_for_run(database, "tick")
    gate.faults.refuse = True
    gate.close_connections()
    wait_until(lambda: job(weir, "tick")["state"] == "unreachable", "it is told that there is no server")
    assert job(weir, "tick")["message"]
    gate.faults.refuse = False
    wait_for_run(database, "tick", runs(database, "tick") + 1)
    assert weir.log.count("maintenance_connected") == 1


def test_a_partition_that_is_locked_does_not_stop_the_others(database: Postgres, start_weir: StartWeir) -> None:
    database.execute("DROP TABLE IF EXISTS parted; CREATE TABLE parted (at timestamptz) PARTITION BY RANGE (at);"
                     "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2001-01-01') TO ('2001-02-01')")
    settings = maintaining(task("tick"))
    settings["partition"] = [{"table": "public.parted", "key": "at", "interval": "1 month"}]
    with database.connect() as holder:
        holder.execute("BEGIN; LOCK TABLE parted_1 IN ACCESS EXCLUSIVE MODE")
        weir = start_weir(settings)
        for what in ("partition public.parted", "vacuum", "analyze"):
            with console(weir) as client:
                assert not errors(client.query(f"RUN JOB {what}"))
        ran = {"partition public.parted", "vacuum", "analyze"}
        wait_until(lambda: ran <= {row["name"] for row in weir.show("JOBS") if row["runs"]}, "all were tried", 20)
        wait_for_run(database, "tick", runs(database, "tick") + 2)
        holder.execute("COMMIT")
    database.execute("DROP TABLE parted")


def test_a_job_that_loses_its_connection_has_failed(database: Postgres, start_weir: StartWeir) -> None:
    weir = start_weir(maintaining(task("killer", "SELECT pg_terminate_backend(pg_backend_pid())"), task("tick")))
    wait_until(lambda: job(weir, "killer")["failures"] >= 2, "it has failed twice", 20)
    assert job(weir, "killer")["state"] == "failing"
    wait_for_run(database, "tick", runs(database, "tick") + 1)
    wait_until(lambda: database.value("SELECT failures FROM weir.job WHERE job = 'task killer'"), "it is on record")


def test_records_that_may_not_be_read_keep_nobody_from_running(database: Postgres, start_weir: StartWeir) -> None:
    database.execute("DROP ROLE IF EXISTS keeper; CREATE ROLE keeper LOGIN; GRANT INSERT ON ran TO keeper")
    weir = start_weir(maintaining(task("tick")))
    wait_for_run(database, "tick")
    end(weir)
    database.execute("GRANT USAGE ON SCHEMA weir TO keeper")
    weir = start_weir(maintaining(task("tick"), user="keeper"))
    wait_for_run(database, "tick", runs(database, "tick") + 2)
    assert "GRANT SELECT, INSERT, UPDATE ON weir.job" in weir.log
    end(weir)
    database.execute("DROP OWNED BY keeper; DROP ROLE keeper")


def test_a_record_of_a_wrong_clock_does_not_stop_a_job(database: Postgres, start_weir: StartWeir) -> None:
    weir = start_weir(maintaining(task("tick")))
    wait_for_run(database, "tick")
    end(weir)
    database.execute("UPDATE weir.job SET covers = now() + interval '9 years', retry_at = now() + interval '8 years'")
    start_weir(maintaining(task("tick")))
    wait_for_run(database, "tick", runs(database, "tick") + 2)


def test_a_standby_is_refused(postgres_template: Any, start_weir_at: StartWeir) -> None:
    primary = make_primary(postgres_template)
    replica = Replica(primary)
    try:
        primary.execute("CREATE TABLE ran (task text, at timestamptz NOT NULL DEFAULT clock_timestamp())")
        weir = start_weir_at(replica.port, maintaining(task("tick")))
        wait_until(lambda: job(weir, "tick")["state"] == "unreachable", "it is refused")
        assert "session is read-only" in job(weir, "tick")["message"]
        replica.wait_until_near(primary)
        replica.promote()
        wait_until(lambda: runs(replica, "tick") >= 1, "it runs once that is a primary")
        weir.stop()
    finally:
        replica.remove()
        primary.remove()
