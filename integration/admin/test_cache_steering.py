"""The cache as operators see and steer it: SHOW CACHE, CLEAR CACHE, metrics, JSON, EXPLAIN POLICY, `weir cache`."""

import json
import os
import subprocess
from typing import Any

import pytest

from conftest import StartWeir
from support.deadlines import scaled
from support.orders import ask, console, said
from support.raw_client import types
from support.weir import find_binary

pytestmark = pytest.mark.needs_weir

CACHED = {
    "listen": {"threads": 2},
    "database": {"app": {"cluster": "main"}},
    "cache": {"enabled": True, "max_size": "2MiB", "max_entries": 50},
    "policy": {"hints": "tighten"},
    "rule": [{"match": {"table": "prices"}, "set": {"cache_ttl": "5m"}}],
    "admin": {"admins": ["postgres"], "viewers": ["watcher"]},
    "user": {"postgres": {}, "watcher": {}},
}
OFF = {"cache": {"enabled": False}}


def row(weir: Any) -> dict[str, Any]:
    rows = weir.show("CACHE")
    assert len(rows) == 1
    return rows[0]


def ttl(weir: Any, sql: str) -> tuple[str, str]:
    with weir.psycopg(dbname="weir", user="postgres") as admin:
        said = admin.execute("EXPLAIN POLICY (database app) " + sql).fetchall()
    return next((value, place) for part, value, place in said if part == "cache_ttl")


def run(weir: Any, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """``weir cache`` with the configuration of a running Weir."""
    command = [str(find_binary()), "cache", *words, "-c", str(weir.config_path)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=scaled(30), env={**os.environ, **environment}
    )


def test_the_row_and_its_other_forms(start_weir: StartWeir) -> None:
    weir: Any = start_weir(CACHED, http=True)
    shown = row(weir)
    assert (shown["enabled"], shown["max_bytes"], shown["max_entries"]) == (1, 2 << 20, 50)
    assert (shown["entries"], shown["hits"], shown["hit_rate"]) == (0, 0, None)
    rules = [{"source": "rule 1", "hits": 0, "misses": 0, "hit_rate": None, "saved_us": 0}]
    assert weir.show("CACHE_RULES") == rules
    assert weir.api("cache") == {**shown, "rules": rules}
    with weir.psycopg(dbname="weir", user="watcher") as viewer:
        assert viewer.execute("SELECT enabled, entries FROM cache").fetchall() == [(1, 0)]
    metrics = weir.metrics()
    for outcome in ("hit", "miss", "bypass", "stale", "coalesced"):
        assert metrics.sum("weir_cache_requests_total", outcome=outcome) == 0
    for name in ("bytes", "entries", "evictions_total", "saved_server_seconds_total"):
        assert f"weir_cache_{name}" in metrics.names()
    assert weir.health("cache")["status"] == "healthy"


def test_where_it_is_off(start_weir: StartWeir) -> None:
    weir: Any = start_weir({**CACHED, **OFF}, http=True)
    assert row(weir)["enabled"] == 0
    assert ttl(weir, "SELECT * FROM prices /* weir: cache=1s */") == ("0s", "cache.enabled")
    with console(weir) as admin:
        assert said(admin, "CLEAR CACHE") == ("55000", "nothing is cached: cache.enabled is false")
    assert all(check["check"] != "cache" for check in weir.api("health")["checks"])


def test_how_long_a_result_is_reused_is_told(start_weir: StartWeir) -> None:
    weir: Any = start_weir(CACHED)
    assert ttl(weir, "SELECT 1") == ("0s", "default")
    assert ttl(weir, "SELECT * FROM prices") == ("5m", "rule 1")
    assert ttl(weir, "SELECT * FROM prices /* weir: cache=7s */") == ("7s", "hint")
    assert ttl(weir, "SELECT * FROM prices /* weir: cache=7h */") == ("5m", "rule 1")
    assert ttl(weir, "SELECT * FROM prices /* weir: cache=0 */") == ("0s", "hint")
    with console(weir) as admin:
        assert types(admin.query("SET cache.default_ttl = '3s'")) == "CZ"
        assert ttl(weir, "SELECT 1") == ("3s", "cache")
        assert types(admin.query("SET cache.enabled = false")) == "CZ"
        assert ttl(weir, "SELECT 1") == ("0s", "cache.enabled")


def test_it_is_switched_on_and_off_while_clients_work(start_weir: StartWeir) -> None:
    weir: Any = start_weir({**CACHED, **OFF})
    with weir.logged_in() as client, console(weir) as admin:
        for enabled in (True, False, True):
            weir.reload({"cache": {"enabled": enabled}})
            assert row(weir)["enabled"] == int(enabled)
            assert types(client.query("SELECT 1")) == "TDCZ"
        weir.reload({"cache": {"enabled": True, "max_size": "1MiB", "max_entries": 3}})
        assert (row(weir)["max_bytes"], row(weir)["max_entries"]) == (1 << 20, 3)
        assert types(admin.query("SET cache.invalidate_on_write = false")) == "CZ"
        assert types(client.query("SELECT 1")) == "TDCZ"


def test_orders_answer_what_was_dropped_and_are_audited(start_weir: StartWeir) -> None:
    weir: Any = start_weir(CACHED)
    with console(weir) as admin:
        for order, notice in (
            ("CLEAR CACHE", "dropped 0 results"),
            ("CLEAR CACHE public.prices", "dropped 0 results: cleared everything"),
            ("CLEAR CACHE MATCHING 'select * from it''s*'", "dropped 0 results"),
        ):
            messages = admin.query(order)
            assert types(messages) == "NCZ" and messages[0].text == notice
        for wrong in ("CLEAR", "CLEAR CACHE a b", "CLEAR CACHE MATCHING ''"):
            assert said(admin, wrong) == ("42601", "usage: CLEAR CACHE [<table>|MATCHING '<pattern>']")
    with console(weir, user="watcher") as viewer:
        assert said(viewer, "CLEAR CACHE")[0] == "42501"
    assert ask(weir, "CLEAR CACHE") == ["NCZ"]
    audit = {entry["text"]: entry["object"] for entry in weir.show("AUDIT") if entry["action"] == "CLEAR CACHE"}
    assert audit["CLEAR CACHE public.prices"] == "public.prices"
    assert "CLEAR CACHE MATCHING 'select * from it's*'" in audit


def test_the_command_line(start_weir: StartWeir) -> None:
    weir: Any = start_weir(CACHED, http=True)
    done = run(weir, "stats", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == weir.api("cache")
    said_of_all = run(weir, "stats").stdout
    assert "max_entries   50\n" in said_of_all
    assert said_of_all.endswith("\n\nrule 1        hits=0 misses=0 hit_rate=- saved_us=0\n")
    assert run(weir, "clear").stdout == "dropped 0 results\n"
    assert run(weir, "clear", "--table", "it's").stdout == "dropped 0 results: cleared everything\n"
    assert run(weir, "clear", "--pattern", "select*").stdout == "dropped 0 results\n"
    assert run(weir, "clear", "--table", "a", "--pattern", "b").returncode != 0
    refused = run(weir, "clear", "--user", "watcher")
    assert refused.returncode == 2 and "admin access needed" in refused.stderr
    assert run(weir, "stats", "--user", "watcher").returncode == 0


def test_the_command_line_with_passwords(start_weir: StartWeir) -> None:
    changes = {"auth": {"method": "scram-sha-256"}, "user": {"postgres": {}, "root": {"password": "pencil"}}}
    weir: Any = start_weir({**CACHED, **changes, "admin": {"admins": ["root", "postgres"], "viewers": []}})
    assert run(weir, "clear").stdout == "dropped 0 results\n"
    refused = run(weir, "clear", "--user", "postgres", PGPASSWORD="wrong", PGPASSFILE="/nonexistent")
    assert refused.returncode == 2 and refused.stderr.startswith("weir: ") and refused.stdout == ""
