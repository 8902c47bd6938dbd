"""Whatever becomes of a statement, the ledger is told: of those that never reached a server, and of those it died under."""

from typing import Any

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import wait_until
from support.raw_client import RawClient, errors
from support.wire import Message

pytestmark = pytest.mark.needs_weir

LEDGER: dict[str, Any] = {"ledger": {"path": "weir-ledger.db", "sample_rate": 1.0}}


def started(start_weir: StartWeir, **changes: Any) -> Any:
    return start_weir({**LEDGER, **changes})


def failures(weir: Any, words: str) -> list[dict[str, Any]]:
    """What SHOW SLOW has of failed statements with these words, oldest first."""
    rows = [row for row in weir.show("SLOW") if words in row["query"] and row["sqlstate"]]
    return list(reversed(rows))


def failed_once(weir: Any, words: str) -> dict[str, Any]:
    (row,) = wait_until(lambda: failures(weir, words), "the ledger knows that it failed")
    return row


def counts(weir: Any, words: str) -> tuple[int, int]:
    """Calls and errors of SHOW STATEMENTS."""
    rows = [row for row in weir.show("STATEMENTS") if words in row["query"]]
    return sum(row["calls"] for row in rows), sum(row["errors"] for row in rows)


def extended(client: RawClient, sql: str) -> list[Message]:
    client.send(wire.extended(sql), wire.sync())
    return client.receive_ready()


# ---- refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", [RawClient.query, extended])
def test_statement_too_many_is_a_failed_one(start_weir: StartWeir, run: Any) -> None:
    weir = started(start_weir, policy={"rate_limit": 2})
    with weir.logged_in() as client:
        refused = sum(errors(run(client, "SELECT 'often'")) == ["53400"] for _ in range(10))
    assert refused >= 5
    wait_until(lambda: counts(weir, "select ?") == (10, refused), "all of them are counted")
    assert {row["sqlstate"] for row in failures(weir, "select ?")} == {"53400"}
    assert "rate_limit" in failures(weir, "select ?")[0]["message"]
