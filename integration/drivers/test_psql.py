"""psql: what an operator types."""

import os
import shutil
import subprocess

import pytest

from support.deadlines import scaled
from support.endpoint import Endpoint
from support.postgres import BINARIES

pytestmark = pytest.mark.also_cached

PSQL = shutil.which("psql") or str(BINARIES / "psql")


def psql(weir: Endpoint, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    where = ["-h", weir.host, "-p", str(weir.port), "-U", weir.user, "-d", weir.dbname]
    return subprocess.run(
        [PSQL, "-X", "-q", "-A", "-t", *where, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=scaled(20),
        env={"PATH": os.environ["PATH"], "PGCONNECT_TIMEOUT": "10"},
    )


def test_psql_runs_a_command(any_weir: Endpoint) -> None:
    done = psql(any_weir, "-c", "SELECT 1", "-c", "SELECT 2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n2\n", "")


def test_psql_prefers_tls_and_takes_no_for_an_answer(any_weir: Endpoint) -> None:
    done = psql(any_weir, "-d", f"dbname={any_weir.dbname} sslmode=prefer gssencmode=prefer", "-c", "SELECT 1")
    assert (done.returncode, done.stdout) == (0, "1\n")


@pytest.mark.needs_weir
def test_psql_that_requires_tls_is_refused(weir: Endpoint) -> None:
    done = psql(weir, "-d", f"dbname={weir.dbname} sslmode=require", "-c", "SELECT 1")
    assert done.returncode == 2
    assert "server does not support SSL" in done.stderr


def test_psql_runs_a_script_with_an_error_in_it(any_weir: Endpoint) -> None:
    done = psql(any_weir, stdin="SELECT 1;\nSELECT 1/0;\nSELECT 'after';\n")
    assert done.stdout == "1\nafter\n"
    assert "division by zero" in done.stderr


def test_psql_runs_a_script_in_one_transaction(any_weir: Endpoint) -> None:
    script = "CREATE TEMP TABLE t (id int) ON COMMIT DROP;\nINSERT INTO t VALUES (7);\nTABLE t;\n"
    done = psql(any_weir, "-1", "-v", "ON_ERROR_STOP=1", stdin=script)
    assert (done.returncode, done.stdout) == (0, "7\n")


def test_psql_copies_both_ways(any_weir: Endpoint) -> None:
    script = (
        "BEGIN; CREATE TEMP TABLE t (id int) ON COMMIT DROP;\n"
        "COPY t FROM STDIN;\n1\n2\n3\n\\.\n"
        "COPY (SELECT sum(id) FROM t) TO STDOUT;\nCOMMIT;\n"
    )
    done = psql(any_weir, stdin=script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "6\n", "")


def test_psql_describes_tables(any_weir: Endpoint) -> None:
    done = psql(any_weir, "-c", "\\d pg_class")
    assert done.returncode == 0
    assert "relname|name" in done.stdout


def test_psql_sees_its_connection_information(any_weir: Endpoint) -> None:
    done = psql(any_weir, "-c", "\\conninfo")
    assert done.returncode == 0
    assert f'port "{any_weir.port}"' in done.stdout


def test_psql_says_why_it_could_not_connect(any_weir: Endpoint) -> None:
    done = psql(any_weir, "-d", "not_there", "-c", "SELECT 1")
    assert done.returncode == 2
    assert 'database "not_there" does not exist' in done.stderr
