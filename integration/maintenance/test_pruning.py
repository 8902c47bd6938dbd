"""Statements that read every partition of a table are found among those that clients have run."""

import json
import subprocess
import time
from typing import Any

import pytest
from support.weir import find_binary

SETTINGS: dict[str, Any] = {
    "database": {"app": {"cluster": "main"}},
    "maintenance": {"enabled": False, "database": "app", "user": "postgres"},
    "ledger": {"path": "weir-ledger.db", "sample_rate": 0.0},
}
TABLE = """
CREATE TABLE hits (id bigint, at timestamptz NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE others (at timestamptz);
"""
PRUNED = (
    "SELECT count(*) FROM hits WHERE at >= '2026-03-01' AND at < '2026-03-02'",
    "SELECT count(*) FROM hits WHERE at > now() - interval '1 day'",
    "UPDATE hits SET what = 'x' WHERE at = '2026-03-01' AND id = 1",
    "SELECT count(*) FROM others WHERE at > '2026-03-01'",
)
AROUND_KEY = "SELECT count(*) FROM hits WHERE date_trunc('day', at) = '2026-03-01'"
WITHOUT_KEY = "SELECT what FROM hits WHERE id = 7"
SELDOM = "SELECT count(what) FROM hits"


@pytest.fixture
def server(own_postgres: Any) -> Any:
    postgres = own_postgres()
    months = "".join(
        f"CREATE TABLE hits_{month} PARTITION OF hits FOR VALUES FROM ('2026-{month:02}-01') TO ('2026-{month + 1:02}-01');"
        for month in range(1, 12)
    )
    postgres.execute(TABLE + months)
    return postgres


def analyze(weir: Any) -> list[dict[str, Any]]:
    binary = find_binary()
    assert binary is not None
    done = subprocess.run(
        [str(binary), "partition", "analyze", "hits", "-c", str(weir.config_path), "--json"],
        cwd=weir.folder, capture_output=True, text=True, timeout=60,
    )
    assert done.stdout, done.stderr
    return [row for row in json.loads(done.stdout)["items"] if "not pruned" in row["finding"]]


def test_what_reads_all_partitions_is_named(server: Any, start_weir_at: Any) -> None:
    weir = start_weir_at(server.port, SETTINGS)
    with weir.psycopg(autocommit=True) as client:
        client.execute(SELDOM)
        for sql in (*PRUNED, AROUND_KEY, WITHOUT_KEY):
            for _ in range(1001 if sql == AROUND_KEY else 110):
                client.execute(sql)
    time.sleep(1.1)  # sums are written when somebody asks for them, at most once a second
    assert weir.show("STATEMENTS")
    around, without = sorted(analyze(weir), key=lambda row: row["severity"])
    assert (around["severity"], without["severity"]) == ("critical", "warn")
    assert "all 11 partitions" in around["finding"] and "date_trunc" in around["finding"]
    assert "called 1001 times" in around["finding"]
    assert "compare at itself" in around["advice"]
    assert "where id = ?" in without["finding"]
    assert "add a condition on at" in without["advice"]
    assert server.value("SELECT count(*) FROM hits") == 0  # nothing was run


def test_without_a_ledger_the_rest_is_analyzed(server: Any, start_weir_at: Any) -> None:
    weir = start_weir_at(server.port, {**SETTINGS, "ledger": {"path": ""}})
    assert analyze(weir) == []


def run_analyze(weir: Any) -> Any:
    binary = find_binary()
    assert binary is not None
    return subprocess.run(
        [str(binary), "partition", "analyze", "hits", "-c", str(weir.config_path), "--json"],
        cwd=weir.folder, capture_output=True, text=True, timeout=60,
    )


def test_a_condition_on_the_key_is_tried_on_each_partition(server: Any, start_weir_at: Any) -> None:
    weir = start_weir_at(server.port, {**SETTINGS, "ledger": {"path": ""}})
    assert "a condition on at reads 1 of 11 partitions" in run_analyze(weir).stderr
    server.execute("ALTER DATABASE app SET enable_partition_pruning = off")
    try:
        theirs, own = sorted(analyze(weir), key=lambda row: row["finding"])
        assert own["severity"] == "critical" and "reads 11 of 11 partitions" in own["finding"]
        assert "enable_partition_pruning" in theirs["finding"] and "database app" in theirs["finding"]
        assert "RESET enable_partition_pruning" in theirs["advice"]
    finally:
        server.execute("ALTER DATABASE app RESET enable_partition_pruning")
