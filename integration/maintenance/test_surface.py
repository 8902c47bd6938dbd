"""What the database and its jobs look like from outside: tables with partitions, and jobs that wait for calmer times."""

from typing import Any, Callable

import pytest

from conftest import StartWeir
from support.deadlines import stays_true, wait_until
from support.orders import console
from support.postgres import Postgres
from support.raw_client import errors
from support.weir import Weir

pytestmark = pytest.mark.needs_weir

VIEW = "CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS events FROM events"


@pytest.fixture
def database(own_postgres: Callable[..., Postgres]) -> Postgres:
    """A server with a table by the month, and a view of it, in which no Weir has ever run anything."""
    postgres = own_postgres()
    postgres.execute("CREATE TABLE events (at timestamptz NOT NULL, what text) PARTITION BY RANGE (at)")
    postgres.execute("CREATE TABLE numbers (id bigserial) PARTITION BY RANGE (id)")
    postgres.execute("CREATE TABLE ran (task text, at timestamptz NOT NULL DEFAULT clock_timestamp())")
    postgres.execute(VIEW)
    return postgres


def maintaining(**sections: Any) -> dict[str, Any]:
    return {
        "database": {"app": {"cluster": "main"}},
        "maintenance": {"enabled": True, "database": "app", "user": "postgres", **sections.pop("maintenance", {})},
        "ledger": {"path": "weir-ledger.db"},
        "admin": {"admins": ["postgres"]},
        **sections,
    }


def shown(weir: Weir, what: str, name: str) -> dict[str, Any]:
    return next((row for row in weir.show(what) if row["name"] == name), {})


def test_partitions_are_shown_everywhere(database: Postgres, start_weir_at: StartWeir) -> None:
    database.execute("CREATE TABLE events_default PARTITION OF events DEFAULT")
    tables = [
        {"table": "public.events", "key": "at", "interval": "1 month", "default": "guard"},
        {"table": "public.numbers", "key": "id", "interval": 1000, "ahead": {"min": 3000, "max": 5000}, "name": "{table}_{lo}"},
    ]
    weir = start_weir_at(database.port, maintaining(partition=tables), http=True)
    wait_until(lambda: shown(weir, "PARTITIONS", "public.events").get("state") == "full", "it has been looked at")
    with console(weir) as admin:
        for table in ("events", "numbers"):
            assert errors(admin.query(f"RUN JOB partition public.{table}")) == []
    wait_until(lambda: shown(weir, "PARTITIONS", "public.events").get("state") == "fine", "they are made")
    events = shown(weir, "PARTITIONS", "public.events")
    assert events["partitions"] == database.value(
        "SELECT count(*) FROM pg_inherits WHERE inhparent = 'events'::regclass"
    ) - 1, "the DEFAULT is none"
    assert 180 * 86400 <= events["horizon_s"] <= 400 * 86400 and events["horizon_ids"] is None
    assert (events["default_rows"], events["gaps"], events["pending"], events["problem"]) == (0, 0, 0, None)
    wait_until(lambda: shown(weir, "PARTITIONS", "public.numbers")["state"] == "fine", "of numbers too")
    numbers = shown(weir, "PARTITIONS", "public.numbers")
    assert numbers["horizon_ids"] >= 3000 and numbers["horizon_s"] is None and numbers["first"] == "0"
    listed = {item["name"]: item for item in weir.api("partitions")["items"]}
    assert set(listed) == {"public.events", "public.numbers"}
    assert listed["public.events"]["partitions"] == events["partitions"]
    metrics = weir.metrics()
    assert metrics.sum("weir_partition_horizon_seconds", table="public.events") >= 180 * 86400
    assert metrics.sum("weir_partition_default_rows", table="public.events") == 0


def test_table_that_is_missing_says_so(database: Postgres, start_weir_at: StartWeir) -> None:
    tables = [{"table": "public.nobody", "key": "at", "interval": "1 month"}]
    weir = start_weir_at(database.port, maintaining(partition=tables))
    wait_until(lambda: shown(weir, "PARTITIONS", "public.nobody").get("state") == "unknown", "it has been looked at")
    assert "no such relation" in shown(weir, "PARTITIONS", "public.nobody")["problem"]


@pytest.mark.parametrize("kind", ["task", "view"])
def test_jobs_wait_while_the_database_is_busy(database: Postgres, start_weir_at: StartWeir, kind: str) -> None:
    jobs: dict[str, Any] = {
        "task": {"task": [{"name": "tick", "sql": "INSERT INTO ran (task) VALUES ('tick')", "every": "1s"}]},
        "view": {"materialized_view": [{"name": "public.totals", "every": "1s"}]},
    }
    name = {"task": "task tick", "view": "view public.totals"}[kind]
    done = {"task": "SELECT count(*) FROM ran", "view": "SELECT max(events) FROM totals"}[kind]
    database.execute("CREATE TABLE events_default PARTITION OF events DEFAULT")
    governor = {"max_p95_ratio": 0, "max_replica_lag": "0s", "max_pool_usage": 0.5}
    weir = start_weir_at(database.port, {"pool": {"max": 2}, **maintaining(maintenance={"governor": governor}, **jobs[kind])})
    with weir.logged_in() as one, weir.logged_in() as two:
        for client in (one, two):
            client.query("BEGIN")

        def is_held() -> bool:
            database.execute("INSERT INTO events VALUES (now(), 'what changes the view')")
            shown_now = shown(weir, "JOBS", name)
            return shown_now["state"] == "held" and shown_now["message"] == "a pool is used to 100 %"

        wait_until(is_held, "it is held back")
        before = database.value(done)
        stays_true(lambda: database.value(done) == before, 1.5)
        for client in (one, two):
            client.query("COMMIT")
        wait_until(lambda: database.value(done) > before, "it goes on when there is room")
        wait_until(lambda: shown(weir, "JOBS", name)["state"] in ("idle", "running"))
