"""A [[task]]: SQL of one's own, in one go, within its time."""

import random
import time
from typing import Any, Iterator

import pytest

from support.deadlines import reduced, wait_until
from support.maintained import Ended, Maintained
from support.postgres import Postgres

pytestmark = pytest.mark.needs_weir

MOMENTS = 20


@pytest.fixture
def shop(postgres: Postgres) -> Iterator[Maintained]:
    own = Maintained(postgres)
    own.execute("CREATE TABLE sessions (id int)", "INSERT INTO sessions SELECT generate_series(1, 10)")
    yield own
    own.remove()


def run(shop: Maintained, sql: str, *arguments: str, status: int = 0, **settings: Any) -> Ended:
    shop.configure(task=[{"name": "mine", "sql": sql, "every": "1h", **settings}])
    return shop.weir("task", "run", "mine", *arguments, status=status)


def count(shop: Maintained) -> int:
    return int(shop.value("SELECT count(*) FROM sessions"))


def test_it_says_how_many_rows_it_touched(shop: Maintained) -> None:
    assert "mine: 4 rows" in run(shop, "DELETE FROM sessions WHERE id < 5").said
    assert count(shop) == 6


def test_several_statements_are_one_transaction(shop: Maintained) -> None:
    said = run(shop, "DELETE FROM sessions; SELECT 1 / 0", status=2).said
    assert "mine: division by zero" in said
    assert count(shop) == 10
    run(shop, "DELETE FROM sessions WHERE id = 1; DELETE FROM sessions WHERE id = 2;")
    assert count(shop) == 8


@pytest.mark.parametrize("sql", ["VACUUM sessions", "CREATE INDEX CONCURRENTLY ON sessions (id)"])
def test_what_cannot_be_in_a_transaction_works_alone(sql: str, shop: Maintained) -> None:
    run(shop, sql)


def test_it_is_cancelled_past_its_timeout(shop: Maintained) -> None:
    said = run(shop, "DELETE FROM sessions; SELECT pg_sleep(30)", status=2, timeout="200ms").said
    assert "mine: cancelled after 200 ms" in said
    assert count(shop) == 10


def test_a_transaction_left_open_is_rolled_back(shop: Maintained) -> None:
    said = run(shop, "BEGIN; DELETE FROM sessions", status=2).said
    assert "left a transaction open" in said
    assert count(shop) == 10


def test_what_it_sets_is_gone_for_the_next(shop: Maintained) -> None:
    tasks = [
        {"name": "first", "every": "1h", "sql": "SET search_path = nowhere; CREATE TEMP TABLE sessions (id int); SET ROLE pg_monitor"},
        {"name": "second", "every": "1h", "sql": "DELETE FROM sessions WHERE id = 1"},
    ]
    shop.configure(task=tasks)
    assert "second: 1 rows" in shop.weir("task", "run", "first", "second").said
    assert count(shop) == 9


def test_only_one_runs_at_a_time(shop: Maintained) -> None:
    shop.configure(task=[{"name": "mine", "sql": "SELECT pg_sleep(20)", "every": "1h"}])
    first = shop.start("task", "run", "mine")
    wait_until(lambda: shop.sessions("query LIKE '%pg_sleep%' AND state = 'active'") == 1, "it runs")
    assert "another Weir runs it" in shop.weir("task", "run", "mine", status=1).said
    shop.end_sessions()
    out, said = first.communicate()
    assert first.returncode == 2 and "terminating connection" in said


def test_a_dry_run_shows_it(shop: Maintained) -> None:
    assert "DELETE FROM sessions;" in run(shop, "DELETE FROM sessions", "--dry-run").out
    assert count(shop) == 10
    assert "other: no such task" in shop.weir("task", "run", "other", status=2).said


def test_a_killed_run_has_done_all_or_nothing(shop: Maintained) -> None:
    shop.execute("CREATE TABLE a (n int)", "CREATE TABLE b (n int)", "INSERT INTO a VALUES (0)", "INSERT INTO b VALUES (0)")
    sql = "UPDATE a SET n = n + 1; SELECT pg_sleep(0.05); UPDATE b SET n = n + 1"
    shop.configure(task=[{"name": "mine", "sql": sql, "every": "1h"}])
    moments = random.Random(11)
    before = 0
    for _ in range(reduced(MOMENTS)):
        killed = shop.start("task", "run", "mine")
        wait_until(lambda: shop.sessions() == 1 or killed.poll() is not None, "it has logged in")
        time.sleep(moments.uniform(0, 0.1))
        killed.kill()
        killed.communicate()
        shop.end_sessions()
        shop.weir("task", "run", "mine")
        now, other = shop.execute("SELECT a.n, b.n FROM a, b")[0]
        assert now == other and before + 1 <= now <= before + 2
        before = now
