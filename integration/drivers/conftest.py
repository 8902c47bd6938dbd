"""Fixtures of the driver tests: a small pool in transaction mode, and company in it."""

import difflib
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Iterator, Sequence

import pytest

from conftest import DIRECT, StartWeir
from support.company import Company
from support.deadlines import DEFAULT_DEADLINE_S, scaled, wait_until
from support.endpoint import Endpoint
from support.postgres import Postgres
from support.programs import FOLDER, run_program
from support.weir import Weir

BUILD_DEADLINE_S = 120
PGJDBC = "/usr/share/java/postgresql.jar"

SameBothWays = Callable[[Sequence[str]], None]


@pytest.fixture
def busy_weir(start_weir: StartWeir) -> Iterator[Endpoint]:
    """Weir in transaction mode with a pool of two, taken in turns, that three other clients keep busy."""
    weir = start_weir({"pool": {"min": 2, "max": 2, "round_robin": True, "acquire_timeout": "30s"}})
    company = Company(weir)
    wait_until(lambda: company.transactions > 0 or company.failures, "the company is busy")
    if isinstance(weir, Weir):
        wait_until(lambda: weir.pool()["open"] == 2, "both connections are there")
    yield weir
    company.stop()
    if isinstance(weir, Weir):
        assert not re.search("backend_protocol_violation|backend_statements_lost", weir.log), weir.log


@pytest.fixture
def same_both_ways(busy_weir: Endpoint, postgres: Postgres) -> SameBothWays:
    """Runs a program's ``work`` directly and through Weir: what it prints must be the same."""

    def compare(command: Sequence[str]) -> None:
        direct = run_program([*command, "work"], postgres.endpoint)
        assert len(direct.lines) > 10
        # On a busy machine a member of the company may keep one backend for as long as the program takes.
        end = time.monotonic() + scaled(DEFAULT_DEADLINE_S)
        backends = 0
        while backends < (1 if DIRECT else 2):
            assert time.monotonic() < end, "it never meets the other backend"
            through = run_program([*command, "work"], busy_weir)
            assert through.lines == direct.lines, difference(direct.lines, through.lines)
            backends = through.backends

    return compare


def difference(direct: list[str], through: list[str]) -> str:
    return "\n".join(difflib.unified_diff(direct, through, "directly", "through Weir", lineterm="", n=2))


def build(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=scaled(BUILD_DEADLINE_S))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def jdbc(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command line of the pgjdbc program, compiled by the compiler that comes with the runtime."""
    folder = tmp_path_factory.mktemp("jdbc")
    javac = ["java", "-m", "jdk.compiler/com.sun.tools.javac.Main"]
    build([*javac, "-proc:none", "-cp", PGJDBC, "-d", str(folder), str(FOLDER / "Jdbc.java")], folder)
    return ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", f"{folder}:{PGJDBC}", "Jdbc"]


@pytest.fixture(scope="session")
def libpqxx(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command line of the libpqxx program."""
    folder = tmp_path_factory.mktemp("libpqxx")
    program = folder / "pqxx_program"
    source = str(FOLDER / "pqxx_program.cpp")
    build(["g++", "-std=c++17", "-O0", source, "-o", str(program), "-lpqxx", "-lpq"], folder)
    return [str(program)]


@pytest.fixture(scope="session")
def node_folder() -> Path:
    """Where the node programs are, with their packages as the lock file has them."""
    folder = FOLDER.parent / "node"
    if not all((folder / "node_modules" / name).exists() for name in ("pg", "postgres")):
        build(["npm", "ci", "--no-audit", "--no-fund"], folder)
    return folder


COMMANDS = {
    "DBD::Pg": ["perl", "dbd_pg.pl"],
    "Ruby pg": ["ruby", "ruby_pg.rb"],
    "PHP PDO": ["php", "pdo.php"],
    "psqlODBC": [sys.executable, "odbc.py"],
}
NODE = {"node-postgres": "node_postgres.js", "postgres.js": "postgres_js.js"}
PROGRAMS = ["pgjdbc", "libpqxx", *COMMANDS, *NODE]


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> list[str]:
    """The command line of each driver's program, which is built or installed when it is first asked for."""
    return command_of(request, request.param)


def command_of(request: pytest.FixtureRequest, name: str) -> list[str]:
    if name in COMMANDS:
        return COMMANDS[name]
    if name in NODE:
        folder: Path = request.getfixturevalue("node_folder")
        return ["node", str(folder / NODE[name])]
    command: list[str] = request.getfixturevalue("jdbc" if name == "pgjdbc" else name)
    return command


@pytest.fixture
def all_programs(request: pytest.FixtureRequest) -> dict[str, list[str]]:
    """The command lines of all drivers' programs by the drivers' names."""
    return {name: command_of(request, name) for name in PROGRAMS}
