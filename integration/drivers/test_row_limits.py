"""policy.row_limit, as drivers see it: every way a driver reads a result, with each action."""

import re
import subprocess

import psycopg
import pytest

from conftest import StartWeir
from drivers.conftest import FOLDER, PGJDBC, build
from support.endpoint import Endpoint
from support.programs import environment_for, run_program
from support.weir import Weir

pytestmark = pytest.mark.needs_weir

LIMIT = 10
MANY = 25
SERIES = f"SELECT g FROM generate_series(1, {MANY}) g"
# What is left of MANY rows, what is said, and what a transaction is then.
OUTCOMES = {
    "error": (0, "error 54000", "25P02"),
    "truncate": (LIMIT, "warning 01000", "usable"),
    "warn": (MANY, "warning 01000", "usable"),
}


@pytest.fixture(params=list(OUTCOMES))
def action(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def weir(start_weir: StartWeir, action: str) -> Endpoint:
    return start_weir({"policy": {"row_limit": LIMIT, "row_limit_action": action}, "pool": {"max": 2}})


def line(name: str, action: str, *, is_in_transaction: bool = False, rows: int = -1) -> str:
    expected, said, state = OUTCOMES[action]
    usable = state if is_in_transaction else "usable"
    return f"{name}: {expected if rows < 0 else rows} rows, {said}, {usable}"


def test_node_postgres(weir: Endpoint, action: str, node_folder: object) -> None:
    seen = run_program(["node", f"{node_folder}/limits.js", str(MANY)], weir).lines
    assert seen == [
        line("simple", action),
        line("extended", action),
        line("named", action),
        line("in a transaction", action, is_in_transaction=True),
    ]


@pytest.fixture(scope="session")
def jdbc_limits(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("jdbc_limits")
    javac = ["java", "-m", "jdk.compiler/com.sun.tools.javac.Main"]
    source = str(FOLDER / "JdbcLimits.java")
    build([*javac, "-proc:none", "-cp", PGJDBC, "-d", str(folder), source], folder)
    return ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", f"{folder}:{PGJDBC}", "JdbcLimits"]


@pytest.mark.timeout(120)
def test_pgjdbc(weir: Endpoint, action: str, jdbc_limits: list[str]) -> None:
    seen = run_program([*jdbc_limits, str(MANY)], weir).lines
    # With a fetch size the rows before the error have been read already, in whole pieces.
    pieces = LIMIT // 4 * 4 if action == "error" else -1
    fetched = line("fetch size", action, is_in_transaction=True, rows=pieces)
    if action != "error":
        fetched = fetched.replace("warning 01000", "none")  # it came with a later piece, which the driver does not look at
        seen = [one.replace("warning 01000", "none") if one.startswith("fetch size") else one for one in seen]
    assert seen == [
        line("extended", action),
        line("simple", action),
        line("in a transaction", action, is_in_transaction=True),
        fetched,
        line("server prepared", action),
    ]


@pytest.mark.parametrize("kind", ["client", "simple", "binary", "server"])
def test_psycopg(weir: Endpoint, action: str, kind: str) -> None:
    expected, said, _ = OUTCOMES[action]
    notices: list[str] = []
    with weir.psycopg() as connection:
        connection.autocommit = False  # a cursor at the server lives in a transaction
        connection.add_notice_handler(lambda notice: notices.append(notice.sqlstate or ""))
        for _ in range(3):
            notices.clear()
            cursor: "psycopg.Cursor[tuple[int]]"
            if kind == "server":
                cursor = connection.cursor("at_the_server")
                cursor.itersize = 4
            elif kind == "simple":
                cursor = psycopg.ClientCursor(connection)
            else:
                cursor = connection.cursor(binary=kind == "binary")
            rows = []
            state = "none"
            try:
                with cursor:
                    cursor.execute(SERIES)
                    for row in cursor:
                        rows.append(row)
            except psycopg.Error as error:
                state = f"error {error.sqlstate}"
            if notices:
                state = f"warning {notices[0]}"
            assert state == said
            if kind == "server" and action == "error":
                assert len(rows) == LIMIT // 4 * 4
            else:
                assert len(rows) == expected
            connection.rollback()
            assert connection.execute("SELECT 1").fetchone() == (1,)
            connection.rollback()


@pytest.mark.parametrize("fetch_count", [0, 4])
def test_psql(weir: Endpoint, action: str, fetch_count: int) -> None:
    expected, said, _ = OUTCOMES[action]
    done = subprocess.run(
        ["psql", "-X", "-At", "-v", "VERBOSITY=verbose", "-v", f"FETCH_COUNT={fetch_count}", "-h", weir.host,
         "-p", str(weir.port), "-U", weir.user, "-d", weir.dbname, "-c", SERIES, "-c", "SELECT 'usable'"],
        env=environment_for(weir), capture_output=True, text=True, timeout=60, check=False,
    )
    # Behind an error in the middle of a result psql begins no new line.
    assert done.stdout.endswith("usable\n")
    numbers = re.findall(r"\d+", done.stdout)
    if action == "error":
        # psql shows what it has read before an error only where it reads in pieces.
        assert len(numbers) == (LIMIT // 4 * 4 if fetch_count else 0)
    else:
        assert len(numbers) == expected
    assert said.split()[1] in done.stderr
    assert isinstance(weir, Weir)
