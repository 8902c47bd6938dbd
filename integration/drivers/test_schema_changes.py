"""Drivers that keep statements while a table changes its shape: each hears of it at most once, and nobody misreads a row."""

import asyncio
from typing import Any, Callable, Iterator, Protocol

import asyncpg
import psycopg
import pytest

from support.deadlines import scaled
from support.endpoint import Endpoint
from support.postgres import Postgres
from support.programs import Asked

SQL = "SELECT * FROM storm"
ROUNDS = 4

# Each change, and the row that is to be read after it.
CHANGES = [
    ("ALTER TABLE storm ADD c int DEFAULT 2", "a=1,b=x,c=2"),
    ("ALTER TABLE storm DROP b", "a=1,c=2"),
    ("ALTER TABLE storm ALTER a TYPE text USING 'one'", "a=one,c=2"),
    ("ALTER TABLE storm ADD d int DEFAULT 3", "a=one,c=2,d=3"),
    ("ALTER TABLE storm ALTER a TYPE int USING 7", "a=7,c=2,d=3"),
]


class Client(Protocol):
    def ask(self) -> str: ...

    def close(self) -> None: ...


class PsycopgClient:
    """psycopg 3 prepares at once, and does not prepare anew by itself: after an error it connects again, as its pool does."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.connection = endpoint.psycopg(prepare_threshold=0)

    def ask(self) -> str:
        try:
            cursor = self.connection.execute(SQL)
            row = cursor.fetchone()
            assert row is not None and cursor.description is not None
            return ",".join(f"{column.name}={value}" for column, value in zip(cursor.description, row))
        except psycopg.Error as error:
            self.connection.close()
            self.connection = self.endpoint.psycopg(prepare_threshold=0)
            return f"!{error.sqlstate}"

    def close(self) -> None:
        self.connection.close()


class AsyncpgClient:
    """asyncpg caches statements, and prepares anew by itself when one has become useless."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.runner = asyncio.Runner()
        self.connection: Any = self.runner.run(self._connect(endpoint))

    @staticmethod
    async def _connect(endpoint: Endpoint) -> Any:
        return await asyncpg.connect(
            host=endpoint.host, port=endpoint.port, user=endpoint.user, database=endpoint.dbname, ssl=False,
            timeout=scaled(10), statement_cache_size=100,
        )  # fmt: skip

    def ask(self) -> str:
        try:
            row = self.runner.run(self.connection.fetchrow(SQL))
            return ",".join(f"{name}={value}" for name, value in row.items())
        except asyncpg.PostgresError as error:
            return f"!{error.sqlstate}"
        except asyncpg.InternalClientError as error:  # a row is not what was described
            return f"!{error}"

    def close(self) -> None:
        self.runner.run(self.connection.close(timeout=scaled(10)))
        self.runner.close()


@pytest.fixture
def table(postgres: Postgres) -> Iterator[str]:
    postgres.execute("CREATE TABLE storm (a int, b text); INSERT INTO storm VALUES (1, 'x')")
    yield "storm"
    postgres.execute("DROP TABLE storm")


def ask_on_both_backends(weir: Endpoint, clients: dict[str, Client], row: str) -> None:
    """Every client has its statement on either backend: each is kept from them for a while."""
    with weir.logged_in() as one, weir.logged_in() as other:
        for holder, last in ((one, other), (other, one)):
            holder.query("BEGIN")
            last.query("ROLLBACK")
            assert {name: client.ask() for name, client in clients.items()} == dict.fromkeys(clients, row)
        other.query("ROLLBACK")


def check_storm(weir: Endpoint, clients: dict[str, Client], change: Callable[[str], None]) -> None:
    before = "a=1,b=x"
    for ddl, row in CHANGES:
        ask_on_both_backends(weir, clients, before)
        change(ddl)
        before = row
        heard: dict[str, list[str]] = {name: [] for name in clients}
        for _ in range(ROUNDS):
            for name, client in clients.items():
                heard[name].append(client.ask())
        for name, answers in heard.items():
            failures = [answer for answer in answers if answer.startswith("!")]
            assert failures in ([], ["!0A000"]), f"{name} after {ddl}: {answers}"
            assert set(answers) - {"!0A000"} == {row}, f"{name} after {ddl}: {answers}"


@pytest.mark.timeout(90)
@pytest.mark.parametrize("is_seen", [True, False], ids=["through weir", "behind its back"])
def test_drivers_together_survive_a_storm_of_changes(
    busy_weir: Endpoint, postgres: Postgres, table: str, all_programs: dict[str, list[str]], is_seen: bool
) -> None:
    clients: dict[str, Client] = {name: Asked(command, busy_weir, SQL) for name, command in all_programs.items()}
    clients["psycopg"] = PsycopgClient(busy_weir)
    clients["asyncpg"] = AsyncpgClient(busy_weir)
    try:
        with busy_weir.psycopg() as somebody:
            check_storm(busy_weir, clients, somebody.execute if is_seen else postgres.execute)  # type: ignore[arg-type]
    finally:
        for client in clients.values():
            client.close()
