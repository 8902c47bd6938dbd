"""Debian's prometheus-pgbouncer-exporter in front of the admin database."""

import os
import re
import shutil
import subprocess
import urllib.request
from typing import Any, Iterator

import pytest

from conftest import StartWeir
from support.deadlines import wait_until
from support.ports import accepts_tcp, free_port

pytestmark = pytest.mark.needs_weir

EXPORTER = shutil.which("prometheus-pgbouncer-exporter")


@pytest.fixture
def weir(start_weir: StartWeir) -> Any:
    return start_weir({"database": {"app": {"cluster": "main", "pool": {"max": 5, "reserve": 2}}}})


@pytest.fixture
def scrape(weir: Any) -> Iterator[Any]:
    assert EXPORTER is not None, "scripts/install-deps test installs it"
    port = free_port()
    command = [EXPORTER, "--host", "127.0.0.1", "--port", str(port), "--pgbouncer-user", "postgres"]
    command += ["--pgbouncer-host", weir.host, "--pgbouncer-port", str(weir.port)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "PGSSLMODE": "disable"}
    ) as exporter:
        try:
            wait_until(lambda: accepts_tcp(port) or exporter.poll() is not None)

            def get() -> dict[str, float]:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                    assert answer.status == 200
                    text = answer.read().decode()
                found = re.findall(r"^(pgbouncer_\S+?(?:\{.*?\})?) (\S+)$", text, re.MULTILINE)
                return {name: float(value) for name, value in found}

            yield get
        finally:
            exporter.kill()


def test_exporter_scrapes_what_the_pool_did(weir: Any, scrape: Any) -> None:
    with weir.logged_in() as client:
        for _ in range(7):
            client.query("SELECT 1")
        values = scrape()
        app = 'database="app"'
        assert values[f"pgbouncer_requests_total{{{app}}}"] == 7
        assert values[f"pgbouncer_pool_size{{{app}}}" if f"pgbouncer_pool_size{{{app}}}" in values else next(
            name for name in values if "pool_size" in name and app in name and "reserve" not in name
        )] == 5
        assert values[f'pgbouncer_active_clients{{database="app",user="postgres"}}'] == 1
        assert values["pgbouncer_used_servers"] == 1
        assert values["pgbouncer_databases"] == 2
        for _ in range(3):
            client.query("SELECT 1")
        assert scrape()[f"pgbouncer_requests_total{{{app}}}"] == 10
