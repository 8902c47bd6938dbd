"""The drivers for Python with their statement caches on, in a pool that others keep busy: the same rows as directly."""

import asyncio
import time
from typing import Any

import asyncpg
import psycopg
import psycopg2.extras
import pytest

from conftest import DIRECT
from support.deadlines import DEFAULT_DEADLINE_S, scaled
from support.endpoint import Endpoint
from support.postgres import Postgres

pytestmark = pytest.mark.also_cached

TURNS = 40


def check_same(weir: Endpoint, postgres: Postgres, program: Any) -> None:
    """Runs ``program(endpoint, said, backends)`` both ways; through Weir until it has met both backends: on a busy
    machine a member of the company may keep one of them for as long as the whole program takes."""
    direct: list[Any] = []
    program(postgres.endpoint, direct, set())
    assert len(direct) >= TURNS
    met: set[int] = set()
    end = time.monotonic() + scaled(DEFAULT_DEADLINE_S)
    while len(met) < (1 if DIRECT else 2):
        said: list[Any] = []
        program(weir, said, met)
        assert said == direct
        assert time.monotonic() < end, "it never meets the other backend"


@pytest.mark.parametrize("threshold", [0, 5])
@pytest.mark.parametrize("binary", [False, True])
def test_psycopg_prepares_by_itself(busy_weir: Endpoint, postgres: Postgres, threshold: int, binary: bool) -> None:
    def program(endpoint: Endpoint, said: list[Any], met: set[int]) -> None:
        with endpoint.psycopg(prepare_threshold=threshold, autocommit=False) as connection:
            connection.prepared_max = 6
            for turn in range(TURNS):
                cursor = connection.cursor(binary=binary)
                row = cursor.execute("SELECT pg_backend_pid(), %s::int * 2, %s::text", (turn, f"é{turn}")).fetchone()
                assert row is not None
                met.add(row[0])
                said.append(row[1:])
                said.append(connection.execute(f"SELECT %s::int + {turn % 8}", (turn,)).fetchone())
                connection.commit() if turn % 3 else connection.rollback()
                try:
                    connection.execute("SELECT 10 / %s::int", (turn % 5,))
                except psycopg.Error as error:
                    said.append(error.sqlstate)
                connection.rollback()

    check_same(busy_weir, postgres, program)


def test_psycopg_pipelines_what_it_has_prepared(busy_weir: Endpoint, postgres: Postgres) -> None:
    def program(endpoint: Endpoint, said: list[Any], met: set[int]) -> None:
        with endpoint.psycopg(prepare_threshold=0) as connection, endpoint.logged_in() as one, endpoint.logged_in() as other:
            connection.prepared_max = 5
            one.query("BEGIN")  # it goes so fast that it would keep the backend it met first
            for turn in range(TURNS):
                if turn == TURNS // 2:
                    other.query("BEGIN")
                    one.query("ROLLBACK")
                with connection.pipeline() as pipeline:
                    cursors = [connection.execute(f"SELECT pg_backend_pid(), %s::int + {n}", (turn,)) for n in range(8)]
                    pipeline.sync()
                    many = connection.cursor()
                    many.executemany("SELECT %s::int", [(n,) for n in range(3)], returning=True)
                rows = [cursor.fetchone() for cursor in cursors]
                met.update(row[0] for row in rows if row)
                said.append([row[1] for row in rows if row])
                try:
                    with connection.pipeline():
                        connection.execute("SELECT %s::int", (1,))
                        connection.execute("SELECT 1 / %s::int", (0,))
                        connection.execute("SELECT %s::int", (2,))
                except psycopg.Error as error:
                    said.append(error.sqlstate)

    check_same(busy_weir, postgres, program)


def test_psycopg2_in_company(busy_weir: Endpoint, postgres: Postgres) -> None:
    def program(endpoint: Endpoint, said: list[Any], met: set[int]) -> None:
        connection = endpoint.psycopg2(autocommit=False, cursor_factory=psycopg2.extras.DictCursor)
        psycopg2.extras.register_uuid(conn_or_curs=connection)
        for turn in range(TURNS):
            with connection, connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid(), %s, %s", (turn, f"é{turn}"))
                row = list(cursor.fetchone())
                met.add(row.pop(0))
                said.append(row)
            with connection, connection.cursor(f"named_{turn}") as cursor:
                cursor.itersize = 7
                cursor.execute("SELECT generate_series(1, 20)")
                said.append(sum(row[0] for row in cursor))
            with connection.cursor() as cursor:
                try:
                    cursor.execute("SELECT 1/0")
                except psycopg2.Error as error:
                    said.append(error.pgcode)
            connection.rollback()
        connection.close()

    check_same(busy_weir, postgres, program)


async def _work(connection: Any, said: list[Any], met: set[int]) -> None:
    kept = await connection.prepare("SELECT pg_backend_pid(), $1::int * 3, $2::text[]")
    for turn in range(TURNS):
        row = list(await kept.fetchrow(turn, ["é", str(turn)]))
        met.add(row.pop(0))
        said.append(row)
        said.append(await connection.fetchval(f"SELECT $1::int + {turn % 9}", turn))
        try:
            await connection.fetchval("SELECT 10 / $1::int", turn % 3)
        except asyncpg.DivisionByZeroError as error:
            said.append(error.sqlstate)
        async with connection.transaction():
            said.append([r[0] async for r in connection.cursor("SELECT generate_series(1, $1::int)", turn, prefetch=7)])
            await connection.executemany("SELECT $1::int", [(n,) for n in range(5)])
        said.append([dict(r) for r in await connection.fetch("SELECT amname::text, amtype FROM pg_am ORDER BY 1")][:2])


@pytest.mark.parametrize("cached", [4, 100])
def test_asyncpg_caches_statements(busy_weir: Endpoint, postgres: Postgres, cached: int) -> None:
    def program(endpoint: Endpoint, said: list[Any], met: set[int]) -> None:
        async def scenario() -> None:
            async with endpoint.asyncpg(statement_cache_size=cached) as connection:
                await _work(connection, said, met)

        asyncio.run(scenario())

    check_same(busy_weir, postgres, program)


def test_asyncpg_pool_with_its_resets(busy_weir: Endpoint, postgres: Postgres) -> None:
    """The pool runs pg_advisory_unlock_all(), CLOSE ALL, UNLISTEN * and RESET ALL whenever a connection comes back."""

    def program(endpoint: Endpoint, said: list[Any], met: set[int]) -> None:
        async def scenario() -> None:
            pool = await asyncpg.create_pool(
                host=endpoint.host, port=endpoint.port, user=endpoint.user, database=endpoint.dbname, ssl=False,
                min_size=3, max_size=3, timeout=scaled(10),
            )  # fmt: skip
            async with pool:
                for _ in range(4):
                    said.extend(await asyncio.gather(*(pool.fetchval("SELECT $1::int * 2", n) for n in range(20))))
                async with pool.acquire() as connection:
                    await _work(connection, said, met)

        asyncio.run(scenario())

    check_same(busy_weir, postgres, program)
