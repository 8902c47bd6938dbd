"""The admin database through each driver's own protocol: what monitoring tools connect with."""

import asyncio
from typing import Any

import asyncpg
import pytest

from support import wire
from support.deadlines import scaled
from support.programs import run_program
from support.raw_client import errors, types
from support.weir import Weir

pytestmark = pytest.mark.needs_weir

COMMANDS = ("SHOW POOLS", "SHOW STATS")


@pytest.fixture
def used_weir(weir: Weir) -> Weir:
    """One with a pool to show."""
    assert weir.value("SELECT 1") == 1
    return weir


@pytest.mark.timeout(60)
def test_program_reads_the_admin_database(used_weir: Weir, program: list[str]) -> None:
    told = run_program([*program, "admin"], used_weir, "weir")
    for command in COMMANDS:
        assert any(line.startswith(f"{command} database") for line in told.lines), told.lines


@pytest.mark.parametrize("threshold", [None, 0])
@pytest.mark.parametrize("binary", [False, True])
def test_psycopg_reads_the_admin_database(used_weir: Weir, threshold: int | None, binary: bool) -> None:
    with used_weir.psycopg(dbname="weir", prepare_threshold=threshold, autocommit=False) as connection:
        for command in COMMANDS * 3:
            cursor = connection.cursor(binary=binary)
            cursor.execute(command)
            rows = cursor.fetchall()
            assert rows[0][0] == "app" and cursor.description is not None and cursor.description[0].name == "database"
        connection.rollback()
        with connection.pipeline():
            cursors = [connection.execute(command) for command in COMMANDS]
        assert [cursor.rowcount > 0 for cursor in cursors] == [True, True]


@pytest.mark.parametrize("cached", [0, 100])
def test_asyncpg_reads_the_admin_database(used_weir: Weir, cached: int) -> None:
    async def scenario() -> None:
        async with used_weir.asyncpg(database="weir", statement_cache_size=cached) as connection:
            for command in COMMANDS * 3:
                rows: list[Any] = await connection.fetch(command)
                assert rows[0]["database"] == "app"
            with pytest.raises(asyncpg.PostgresSyntaxError):
                await connection.fetch("SHOW nonsense_at_all")
            statement = await connection.prepare("SHOW POOLS")
            assert isinstance((await statement.fetch())[0]["cl_active"], int)
            await connection.reset()

    asyncio.run(scenario())


def test_asyncpg_pool_reads_the_admin_database(used_weir: Weir) -> None:
    """A pool resets each connection before it is used again."""

    async def scenario() -> None:
        pool = await asyncpg.create_pool(
            host=used_weir.host, port=used_weir.port, user=used_weir.user, database="weir", ssl=False,
            min_size=1, max_size=2, timeout=scaled(10),
        )  # fmt: skip
        async with pool:
            for _ in range(5):
                assert (await pool.fetch("SHOW STATS"))[0]["database"] == "app"

    asyncio.run(scenario())


def test_batch_of_commands_as_npgsql_sends_it(used_weir: Weir) -> None:
    """Unnamed Parse, Bind, Describe of the portal, Execute for each, one Sync; then the reset of its pool."""
    with used_weir.logged_in(database="weir") as client:
        client.send(b"".join(wire.extended(command) for command in COMMANDS), wire.sync())
        answer = client.receive_ready()
        assert errors(answer) == [] and types(answer).count("T") == 2
        client.send(wire.query("DISCARD ALL"))
        assert types(client.receive_ready()) == "CZ"
