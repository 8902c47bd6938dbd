"""asyncpg: extended protocol and binary values throughout."""

import asyncio
from typing import Any, Awaitable, Callable

import asyncpg
import pytest

from support.endpoint import Endpoint

pytestmark = pytest.mark.also_cached


def run(weir: Endpoint, scenario: Callable[[Any], Awaitable[None]], **options: Any) -> None:
    """Runs ``scenario`` with one asyncpg connection."""

    async def connected() -> None:
        async with weir.asyncpg(**options) as connection:
            await scenario(connection)

    asyncio.run(connected())


def test_asyncpg_runs_statements(any_weir: Endpoint) -> None:
    async def scenario(connection: Any) -> None:
        assert await connection.fetchval("SELECT 1") == 1
        assert await connection.fetchval("SELECT $1::int + $2::int", 1, 2) == 3
        assert await connection.fetchval("SELECT $1::text[]", ["a", "b"]) == ["a", "b"]
        assert await connection.execute("SELECT 1; SELECT 2") == "SELECT 1"

    run(any_weir, scenario)


def test_asyncpg_goes_on_after_errors(any_weir: Endpoint) -> None:
    async def scenario(connection: Any) -> None:
        with pytest.raises(asyncpg.DivisionByZeroError):
            await connection.fetchval("SELECT 1 / $1::int", 0)
        with pytest.raises(asyncpg.UndefinedTableError):
            await connection.fetch("SELECT * FROM not_there")
        assert await connection.fetchval("SELECT 2") == 2

    run(any_weir, scenario)


def test_asyncpg_keeps_transactions_and_savepoints(any_weir: Endpoint) -> None:
    async def scenario(connection: Any) -> None:
        async with connection.transaction():
            await connection.execute("CREATE TEMP TABLE t (id int) ON COMMIT DROP")
            await connection.executemany("INSERT INTO t VALUES ($1)", [(i,) for i in range(100)])
            with pytest.raises(asyncpg.DivisionByZeroError):
                async with connection.transaction():
                    await connection.execute("INSERT INTO t VALUES (1000)")
                    await connection.fetchval("SELECT 1/0")
            assert await connection.fetchval("SELECT count(*) FROM t") == 100

    run(any_weir, scenario)


def test_asyncpg_walks_a_cursor(any_weir: Endpoint) -> None:
    async def scenario(connection: Any) -> None:
        async with connection.transaction():
            seen = [row[0] async for row in connection.cursor("SELECT generate_series(1, 500)", prefetch=7)]
        assert seen == list(range(1, 501))

    run(any_weir, scenario)


def test_asyncpg_copies_in_and_out(any_weir: Endpoint) -> None:
    async def scenario(connection: Any) -> None:
        async with connection.transaction():
            await connection.execute("CREATE TEMP TABLE t (id int, name text) ON COMMIT DROP")
            rows = [(number, f"n{number}") for number in range(3000)]
            await connection.copy_records_to_table("t", records=rows)
            out = bytearray()

            async def collect(data: bytes) -> None:
                out.extend(data)

            await connection.copy_from_query("SELECT * FROM t ORDER BY id", output=collect)
            assert out.decode().splitlines() == [f"{number}\tn{number}" for number in range(3000)]

    run(any_weir, scenario)


def test_asyncpg_listens_in_session_mode(session_weir: Endpoint) -> None:
    async def scenario(connection: Any) -> None:
        heard: asyncio.Queue[str] = asyncio.Queue()
        await connection.add_listener("news", lambda *event: heard.put_nowait(event[3]))
        async with session_weir.asyncpg() as speaker:
            await speaker.execute("NOTIFY news, 'hello'")
        assert await asyncio.wait_for(heard.get(), 10) == "hello"
        await connection.remove_listener("news", lambda *event: None)
        await connection.execute("UNLISTEN *")

    run(session_weir, scenario)


def test_asyncpg_caches_named_statements_in_session_mode(session_weir: Endpoint) -> None:
    async def scenario(connection: Any) -> None:
        statement = await connection.prepare("SELECT $1::int * 2")
        for number in range(20):
            assert await statement.fetchval(number) == number * 2
            assert await connection.fetchval("SELECT $1::int + 1", number) == number + 1

    run(session_weir, scenario, statement_cache_size=100)


def test_asyncpg_moves_a_value_of_twenty_megabytes(any_weir: Endpoint) -> None:
    async def scenario(connection: Any) -> None:
        value = b"\x00\x01weir" * 3_500_000
        assert await connection.fetchval("SELECT $1::bytea", value) == value

    run(any_weir, scenario)


def test_asyncpg_pool_shares_the_pool(weir: Endpoint) -> None:
    async def scenario() -> None:
        pool = await asyncpg.create_pool(
            host=weir.host,
            port=weir.port,
            user=weir.user,
            database=weir.dbname,
            ssl=False,
            min_size=20,
            max_size=20,
            statement_cache_size=0,
        )
        async with pool:
            values = await asyncio.gather(*(pool.fetchval("SELECT $1::int", n) for n in range(200)))
        assert values == list(range(200))

    asyncio.run(scenario())
