"""Looking at what a client has left behind keeps nobody waiting."""

import threading
from typing import Callable

import pytest

from conftest import StartWeir
from support.deadlines import wait_until
from support.fault_gate import FaultGate
from support.postgres import Postgres
from support.raw_client import errors

pytestmark = pytest.mark.needs_weir


def test_who_asks_again_during_the_look_does_not_keep_the_server_connection(
    own_postgres: Callable[..., Postgres], open_gate: Callable[[int], FaultGate], start_weir_at: StartWeir
) -> None:
    """A view that sets something: every session is looked at after every request. The server is far away, so that
    the next request of a client that does not pause is always there before the look is over."""
    server = own_postgres()
    server.execute(
        "CREATE FUNCTION sets(v text) RETURNS text LANGUAGE plpgsql AS"
        " $$ BEGIN RETURN set_config('work_mem', v, false); END $$;"
        "CREATE VIEW hidden AS SELECT 1 AS x WHERE sets('3MB') <> ''"
    )
    gate = open_gate(server.port)
    weir = start_weir_at(gate.port, {"pool": {"max": 1, "acquire_timeout": "20s"}})
    over = threading.Event()
    served = 0

    def work() -> None:
        nonlocal served
        with weir.logged_in() as client:
            while not over.is_set():
                assert errors(client.query("SELECT length(pg_sleep(0)::text)")) == []
                served += 1

    worker = threading.Thread(target=work)
    worker.start()
    try:
        with weir.logged_in() as other:
            wait_until(lambda: served > 3, "it is at work")
            gate.faults.delay_s = 0.02
            wait_until(lambda now=served: served > now + 2, "and goes on")
            before = served
            assert errors(other.query("SELECT 1")) == []
            assert served - before < 5, "it has been served all the time"
    finally:
        over.set()
        worker.join()
