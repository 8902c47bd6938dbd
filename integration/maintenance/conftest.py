"""A database of its own for each test of maintenance, and the commands that work on it."""

import contextlib
import json
import os
import subprocess
import uuid
from pathlib import Path
from typing import Any, Iterator, Optional, Sequence

import psycopg
import pytest

from support.postgres import HARNESS_NAME, Postgres
from support.weir import SANITIZER_OPTIONS, find_binary


class Result:
    """How a command ended, and what it said."""

    def __init__(self, done: "subprocess.CompletedProcess[str]") -> None:
        self.status = done.returncode
        self.out = done.stdout
        self.said = done.stderr

    @property
    def items(self) -> list[dict[str, Any]]:
        return list(json.loads(self.out)["items"])


class Database:
    """One database of a PostgreSQL, and ``weir`` on it."""

    def __init__(self, postgres: Postgres) -> None:
        self.postgres = postgres
        self.name = "m" + uuid.uuid4().hex[:12]
        self.user = "postgres"
        postgres.execute(f"CREATE DATABASE {self.name}", dbname="postgres")

    def remove(self) -> None:
        self.postgres.execute(f"DROP DATABASE {self.name} WITH (FORCE)", dbname="postgres")

    def execute(self, *statements: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Runs them directly and returns the rows of the last."""
        rows: list[tuple[Any, ...]] = []
        with contextlib.closing(self.connect()) as connection:
            for sql in statements:
                cursor = connection.execute(sql, parameters or None)
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def value(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        return self.execute(sql, parameters=parameters)[0][0]

    def connect(self) -> "psycopg.Connection[Any]":
        return self.postgres.connect(self.name)

    def bounds(self, table: str) -> list[tuple[str, str]]:
        """Of its partitions, in order: as the server writes them in UTC."""
        rows = self.execute(
            "SELECT m[1], m[2] FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid,"
            " LATERAL regexp_match(pg_get_expr(relpartbound, c.oid), 'FROM \\((.*)\\) TO \\((.*)\\)') m"
            f" WHERE inhparent = '{table}'::regclass AND m IS NOT NULL"
        )
        found = [(lo.strip("'"), hi.strip("'")) for lo, hi in rows]
        return sorted(found, key=lambda pair: int(pair[0]) if pair[0].lstrip("-").isdigit() else pair[0])

    def partitions(self, table: str) -> list[str]:
        rows = self.execute(
            "SELECT c.relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid"
            f" WHERE inhparent = '{table}'::regclass ORDER BY c.relname"
        )
        return [row[0] for row in rows]

    # ---- weir ----------------------------------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        url = f"postgres://{self.user}:none@127.0.0.1:{self.postgres.port}/{self.name}"
        return {"PATH": os.environ["PATH"], "DATABASE_URL": url, **SANITIZER_OPTIONS}

    def command(self, *arguments: str) -> list[str]:
        binary: Optional[Path] = find_binary()
        assert binary is not None
        return [str(binary), *arguments]

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def weir(self, *arguments: str, status: Optional[int] = 0) -> Result:
        """Runs ``weir …`` to its end; ``status`` None = any."""
        process = self.start(*arguments)
        out, said = process.communicate(timeout=60)
        result = Result(subprocess.CompletedProcess(arguments, process.returncode, out, said))
        assert status is None or result.status == status, (result.status, result.out, result.said)
        return result


__all__ = ["Database", "HARNESS_NAME", "Result"]


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Database]:
    own = Database(postgres)
    yield own
    own.remove()
