"""The same conversations in pieces of one byte, in both directions."""

from typing import Callable

import pytest

from conftest import DIRECT, StartWeir
from support import wire
from support.endpoint import Endpoint
from support.fault_gate import FaultGate
from support.postgres import Postgres
from support.raw_client import types

pytestmark = pytest.mark.also_cached

OpenGate = Callable[[int], FaultGate]


@pytest.fixture(params=[1, 3, 7])
def sliced(
    request: pytest.FixtureRequest, postgres: Postgres, start_weir_at: StartWeir, open_gate: OpenGate
) -> Endpoint:
    """Weir, with a gate in front of it and one behind it that both cut everything in pieces."""
    behind = open_gate(postgres.port)
    behind.faults.slice_bytes = request.param
    port = behind.port if DIRECT else start_weir_at(behind.port).port
    front = open_gate(port)
    front.faults.slice_bytes = request.param
    return Endpoint("127.0.0.1", front.port)


def test_login_and_statements_work_in_pieces(sliced: Endpoint) -> None:
    with sliced.psycopg() as connection:
        assert connection.execute("SELECT %s::int + 1", (1,)).fetchone() == (2,)
        assert connection.execute("SELECT repeat('x', 3000)").fetchone() == ("x" * 3000,)


def test_pipelines_work_in_pieces(sliced: Endpoint) -> None:
    with sliced.logged_in() as client:
        client.send(*[wire.extended(f"SELECT {n}") + wire.sync() for n in range(20)], wire.query("SELECT 1/0"))
        for _ in range(20):
            assert types(client.receive_ready()) == "12TDCZ"
        assert types(client.receive_ready()) == "EZ"


def test_copy_works_in_pieces(sliced: Endpoint) -> None:
    with sliced.psycopg() as connection, connection.transaction():
        connection.execute("CREATE TEMP TABLE t (id int) ON COMMIT DROP")
        with connection.cursor() as cursor:
            with cursor.copy("COPY t FROM STDIN") as copy:
                for number in range(200):
                    copy.write_row((number,))
            with cursor.copy("COPY t TO STDOUT") as copy:
                assert b"".join(copy).count(b"\n") == 200
