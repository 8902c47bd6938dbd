"""Something that speaks PostgreSQL's protocol at an address: PostgreSQL itself, or Weir in front of it."""

import contextlib
from typing import Any, AsyncIterator

import asyncpg
import psycopg
import psycopg2

from support.deadlines import scaled
from support.raw_client import RawClient

CONNECT_TIMEOUT_S = 10


class Endpoint:
    """An address with one connect helper per driver. Every connection is made with deadlines."""

    def __init__(self, host: str, port: int, *, user: str = "postgres", dbname: str = "app") -> None:
        self.host = host
        self.port = port
        self.user = user
        self.dbname = dbname

    def _where(self, overrides: dict[str, Any]) -> dict[str, Any]:
        where = {"host": self.host, "port": self.port, "user": self.user, "dbname": self.dbname}
        where.update(overrides)
        where.setdefault("connect_timeout", int(scaled(CONNECT_TIMEOUT_S)))
        where.setdefault("sslmode", "disable")
        where.setdefault("gssencmode", "disable")
        return where

    def psycopg(self, **overrides: Any) -> "psycopg.Connection[Any]":
        """psycopg 3, autocommit and without named statements unless told otherwise."""
        where = {"autocommit": True, "prepare_threshold": None, **self._where(overrides)}
        return psycopg.connect(**where)

    def psycopg2(self, **overrides: Any) -> Any:
        """psycopg2, autocommit unless told otherwise."""
        autocommit = overrides.pop("autocommit", True)
        connection = psycopg2.connect(**self._where(overrides))
        connection.autocommit = autocommit
        return connection

    @contextlib.asynccontextmanager
    async def asyncpg(self, **overrides: Any) -> AsyncIterator[Any]:
        """asyncpg without named statements, as transaction pooling asks for."""
        options: dict[str, Any] = {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "database": self.dbname,
            "ssl": False,
            "timeout": scaled(CONNECT_TIMEOUT_S),
            "statement_cache_size": 0,
        }
        options.update(overrides)
        connection = await asyncpg.connect(**options)
        try:
            yield connection
        finally:
            await connection.close(timeout=scaled(CONNECT_TIMEOUT_S))

    def raw(self, **overrides: Any) -> RawClient:
        """A raw client that is connected but has said nothing yet."""
        return RawClient.connect_tcp(self.host, self.port, **overrides)

    def logged_in(self, **parameters: str) -> RawClient:
        """A raw client after a successful login, waiting for its first statement."""
        client = self.raw()
        client.log_in(**{"user": self.user, "database": self.dbname, **parameters})
        return client

    def value(self, sql: str, **overrides: Any) -> Any:
        """The first column of the first row of one statement on a connection of its own."""
        with contextlib.closing(self.psycopg(**overrides)) as connection:
            row = connection.execute(sql).fetchone()
            return None if row is None else row[0]
