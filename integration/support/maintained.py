"""A database of its own that the commands of maintenance work on, with a configuration file."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import Any, Iterator, Optional, Sequence

import psycopg

from support.deadlines import scaled, wait_until
from support.postgres import Postgres
from support.toml import merged, to_toml
from support.weir import SANITIZER_OPTIONS, default_settings, find_binary

DEADLINE_S = 60.0


class Ended:
    """How a command ended, and what it said."""

    def __init__(self, status: int, out: str, said: str) -> None:
        self.status, self.out, self.said = status, out, said

    @property
    def items(self) -> list[dict[str, Any]]:
        return list(json.loads(self.out)["items"])


class Maintained:
    """``weir(...)`` runs a command on it, as ``user``; ``settings`` can be changed between."""

    def __init__(self, postgres: Postgres) -> None:
        self.postgres = postgres
        self.name = "m" + uuid.uuid4().hex[:12]
        self.folder = Path(tempfile.mkdtemp(prefix="weir-maintained-"))
        self.settings: dict[str, Any] = merged(
            default_settings(postgres.port),
            {
                "database": {"*": None, "shop": {"cluster": "main", "dbname": self.name}},
                "maintenance": {"database": "shop", "user": "postgres", "max_blocker_age": "1s"},
            },
        )
        postgres.execute(f"CREATE DATABASE {self.name}", dbname="postgres")

    def remove(self) -> None:
        wait_until(lambda: self.sessions() == 0, "no session of maintenance is left behind")
        self.postgres.execute(f"DROP DATABASE {self.name} WITH (FORCE)", dbname="postgres")
        shutil.rmtree(self.folder, ignore_errors=True)

    def configure(self, **sections: Any) -> None:
        self.settings = merged(self.settings, sections)

    # ---- the database --------------------------------------------------------------------------------------------

    def connect(self) -> "psycopg.Connection[Any]":
        return self.postgres.connect(self.name)

    def execute(self, *statements: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Runs them directly, each in a transaction of its own, and returns the rows of the last."""
        rows: list[tuple[Any, ...]] = []
        with contextlib.closing(self.connect()) as connection:
            for sql in statements:
                cursor = connection.execute(sql, parameters or None)
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def value(self, sql: str) -> Any:
        return self.execute(sql)[0][0]

    def sessions(self, where: str = "true") -> int:
        """Of maintenance, in this database."""
        return self.postgres.backends(f"datname = '{self.name}' AND ({where})")

    def end_sessions(self) -> None:
        """kill -9 of a client does not end what the server does for it: this does."""
        self.postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = '{self.name}' AND application_name = 'weir-maintenance'"
        )
        wait_until(lambda: self.sessions() == 0, "the server has ended it")

    @contextlib.contextmanager
    def transaction(self, *statements: str) -> Iterator["psycopg.Connection[Any]"]:
        """A session with an open transaction that has run these."""
        connection = self.connect()
        connection.autocommit = False
        try:
            for sql in statements:
                connection.execute(sql)
            yield connection
        finally:
            connection.close()

    # ---- weir ----------------------------------------------------------------------------------------------------

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        path = self.folder / "weir.toml"
        path.write_text(to_toml(self.settings))
        binary = find_binary()
        assert binary is not None
        return subprocess.Popen(
            [str(binary), *arguments, "-c", str(path)],
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), **SANITIZER_OPTIONS},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
        )

    def weir(self, *arguments: str, status: Optional[int] = 0) -> Ended:
        """Runs ``weir …`` to its end; ``status`` None = any."""
        process = self.start(*arguments)
        out, said = process.communicate(timeout=scaled(DEADLINE_S))
        assert status is None or process.returncode == status, (process.returncode, out, said)
        return Ended(process.returncode, out, said)
