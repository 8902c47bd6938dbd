"""Statements whose results hardly anybody asks for again are read as if there were no cache, and kept as soon as somebody
does."""

import itertools
import time
from typing import Any, Iterator

import pytest

from conftest import StartWeir
from support.deadlines import wait_until
from support.postgres import Postgres
from support.raw_client import RawClient, errors

pytestmark = pytest.mark.needs_weir

SETTINGS: dict[str, Any] = {
    "cache": {"enabled": True, "default_ttl": "5m"},
    "listen": {"threads": 1},
    "ledger": {"path": "weir-ledger.db", "sample_rate": 0.0},
}
READ = "SELECT name FROM seldom WHERE id = "
WINDOW = 4096  # lookups until a statement is weighed


@pytest.fixture(autouse=True)
def tables(postgres: Postgres) -> Iterator[None]:
    postgres.execute(
        "DROP TABLE IF EXISTS seldom; CREATE TABLE seldom (id int PRIMARY KEY, name text);"
        "INSERT INTO seldom SELECT g, 'name ' || g FROM generate_series(1, 20000) g"
    )
    yield
    postgres.execute("DROP TABLE seldom")


def counts(weir: Any) -> dict[str, Any]:
    row: dict[str, Any] = weir.show("CACHE")[0]
    return row


def ask(weir: Any, client: RawClient, number: int) -> None:
    replies = client.query(f"{READ}{number}")
    assert errors(replies) == []
    assert any(f"name {number}".encode() in reply.body for reply in replies)


@pytest.fixture
def rare(start_weir: StartWeir) -> Iterator[tuple[Any, RawClient, Iterator[int]]]:
    """Weir, a client of it, and numbers that nobody has asked for; it has found out that nobody asks twice."""
    weir = start_weir(SETTINGS)
    numbers = iter(range(1, 20000))
    with weir.logged_in() as client:
        client.query(READ + "1")
        wait_until(lambda: ask(weir, client, next(numbers)) or counts(weir)["entries"] > 0, "results are kept")
        for number in itertools.islice(numbers, WINDOW + 100):
            ask(weir, client, number)
        assert counts(weir)["skipped"] > 0
        yield weir, client, numbers


def test_what_nobody_asks_for_again_is_read_without_the_cache(rare: tuple[Any, RawClient, Iterator[int]]) -> None:
    weir, client, numbers = rare
    before = counts(weir)
    for number in itertools.islice(numbers, 1000):
        ask(weir, client, number)
    misses, skipped, entries = (counts(weir)[name] - before[name] for name in ("misses", "skipped", "entries"))
    assert 990 <= misses <= 1000  # but for those that the catalog is read with
    assert misses > skipped > 900
    assert entries == misses - skipped
    time.sleep(1.1)  # the ledger's sums are brought up to date once a second
    row = next(row for row in weir.show("STATEMENTS") if "seldom" in row["query"])
    assert row["cache_misses"] >= WINDOW + 990
    assert row["errors"] == 0


def test_what_is_asked_for_again_is_kept(rare: tuple[Any, RawClient, Iterator[int]]) -> None:
    weir, client, numbers = rare
    hot = list(itertools.islice(numbers, 5))
    before = counts(weir)
    for _ in range(20):
        for number in hot:
            ask(weir, client, number)
    assert counts(weir)["hits"] - before["hits"] >= 18 * len(hot)
    client.query("UPDATE seldom SET name = name || '!'")
    assert any(f"name {hot[0]}!".encode() in reply.body for reply in client.query(f"{READ}{hot[0]}"))


def test_within_a_transaction_too(rare: tuple[Any, RawClient, Iterator[int]]) -> None:
    weir, client, numbers = rare
    client.query("BEGIN")
    before = counts(weir)
    for number in itertools.islice(numbers, 200):
        ask(weir, client, number)
    assert counts(weir)["skipped"] - before["skipped"] > 150
    client.query("COMMIT")


def test_other_statements_are_kept_all_the_same(rare: tuple[Any, RawClient, Iterator[int]]) -> None:
    weir, client, _ = rare
    other = itertools.count(1)

    def ask_other() -> None:
        client.query(f"SELECT id FROM seldom WHERE name = 'name {next(other)}'")

    before = counts(weir)
    wait_until(lambda: ask_other() or counts(weir)["entries"] > before["entries"], "what is new is known")
    before = counts(weir)
    for _ in range(50):
        ask_other()
    now = counts(weir)
    assert now["skipped"] == before["skipped"]
    assert now["entries"] > before["entries"]
