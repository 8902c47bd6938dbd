"""node-postgres: the cases are in node/cases.js."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support.deadlines import scaled
from support.endpoint import Endpoint

FOLDER = Path(__file__).parent / "node"

ANY_MODE = [
    "simple",
    "parameters",
    "multi_statement",
    "error_then_reuse",
    "transaction",
    "notice",
    "queued",
    "big_value",
    "pool",
]
SESSION_MODE = ["named_statement", "notify"]


pytestmark = [pytest.mark.usefixtures("node_folder"), pytest.mark.also_cached]


def run_case(weir: Endpoint, name: str) -> None:
    node = shutil.which("node")
    assert node is not None, "node is not installed"
    environment = {
        "PATH": os.environ["PATH"],
        "WEIR_HOST": weir.host,
        "WEIR_PORT": str(weir.port),
        "WEIR_USER": weir.user,
        "WEIR_DATABASE": weir.dbname,
    }
    done = subprocess.run(
        [node, "cases.js", name],
        cwd=FOLDER,
        env=environment,
        capture_output=True,
        text=True,
        timeout=scaled(25),
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ANY_MODE)
def test_node_postgres_case_holds(any_weir: Endpoint, name: str) -> None:
    run_case(any_weir, name)


@pytest.mark.parametrize("name", SESSION_MODE)
def test_node_postgres_case_holds_in_session_mode(session_weir: Endpoint, name: str) -> None:
    run_case(session_weir, name)
