"""Materialized views are refreshed where something has changed, the gentlest way there is."""

import random
import time
from typing import Any, Iterator

import pytest

from support.deadlines import reduced, wait_until
from support.maintained import Maintained
from support.postgres import Postgres

pytestmark = pytest.mark.needs_weir

MOMENTS = 20

SALES = "CREATE TABLE sales (id int PRIMARY KEY, day date, amount int)"
TOTALS = "CREATE MATERIALIZED VIEW totals AS SELECT day, sum(amount) AS total FROM sales GROUP BY day"
UNIQUE = "CREATE UNIQUE INDEX ON totals (day)"
ROWS = "INSERT INTO sales SELECT g, date '2026-01-01' + g % 10, g FROM generate_series(1, 100) g"
ONE_MORE = "INSERT INTO sales SELECT max(id) + 1, '2026-02-01', 5 FROM sales"


@pytest.fixture
def shop(postgres: Postgres) -> Iterator[Maintained]:
    own = Maintained(postgres)
    own.execute(SALES, ROWS, TOTALS)
    yield own
    own.remove()


def refresh(shop: Maintained, *names: str, **options: Any) -> str:
    return shop.weir("view", "refresh", *names, **options).said


def was_refreshed(said: str, view: str = "public.totals") -> bool:
    assert (f"{view}: refreshed" in said) != (f"{view}: nothing has changed" in said), said
    return f"{view}: refreshed" in said


def total(shop: Maintained) -> int:
    return int(shop.value("SELECT sum(total) FROM totals"))


def test_it_is_skipped_until_something_changes(shop: Maintained) -> None:
    assert was_refreshed(refresh(shop, "totals")), "the first time nothing is known"
    assert not was_refreshed(refresh(shop, "public.totals"))
    shop.execute(ONE_MORE)
    assert was_refreshed(refresh(shop, "totals"))
    assert total(shop) == 5055
    assert not was_refreshed(refresh(shop, "totals"))
    assert was_refreshed(refresh(shop, "totals", "--force"))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE sales SET amount = 0 WHERE id = 1",
        "DELETE FROM sales WHERE id = 1",
        "TRUNCATE sales",
        "SELECT pg_stat_reset()",
        "REFRESH MATERIALIZED VIEW totals WITH NO DATA",
    ],
)
def test_every_change_counts(change: str, shop: Maintained) -> None:
    refresh(shop, "totals")
    assert not was_refreshed(refresh(shop, "totals"))
    shop.execute(change)
    assert was_refreshed(refresh(shop, "totals"))
    assert shop.value("SELECT sum(total) FROM totals") == shop.value("SELECT sum(amount) FROM sales")


def test_changes_of_partitions_and_below_views_count(shop: Maintained) -> None:
    shop.execute(
        "CREATE TABLE hits (at timestamptz, n int) PARTITION BY RANGE (at)",
        "CREATE TABLE hits_1 PARTITION OF hits FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')",
        "CREATE VIEW hit_days AS SELECT date_trunc('day', at) AS day, n FROM hits",
        "CREATE VIEW all_days AS SELECT * FROM hit_days",
        "CREATE MATERIALIZED VIEW days AS SELECT day, count(*) FROM all_days GROUP BY 1",
    )
    assert was_refreshed(refresh(shop, "days"), "public.days")
    assert not was_refreshed(refresh(shop, "days"), "public.days")
    shop.execute("INSERT INTO hits VALUES ('2026-01-02', 1)")
    assert was_refreshed(refresh(shop, "days"), "public.days")
    shop.execute("CREATE TABLE hits_2 PARTITION OF hits FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')")
    assert was_refreshed(refresh(shop, "days"), "public.days")
    shop.execute("CREATE OR REPLACE VIEW hit_days AS SELECT date_trunc('day', at) AS day, n FROM hits WHERE n > 1")
    assert was_refreshed(refresh(shop, "days"), "public.days")
    assert shop.value("SELECT count(*) FROM days") == 0


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("SELECT count(*) FROM sales WHERE day < now()", "calls now()"),
        ("SELECT count(*) FROM sales WHERE day < CURRENT_DATE", "asks for the present date"),
        ("SELECT random() FROM sales", "calls random()"),
        ("SELECT mine()", "calls mine()"),
        ("SELECT count(*) FROM pg_class", "reads pg_catalog.pg_class of the system"),
        ("SELECT count(*) FROM sales TABLESAMPLE system (10)", "takes a sample"),
        ("SELECT t::timestamptz FROM (SELECT day::text AS t FROM sales) s", "reads times out of text"),
        ("SELECT * FROM guarded", "row level security"),
    ],
)
def test_what_nobody_can_know_is_never_skipped(query: str, why: str, shop: Maintained) -> None:
    shop.execute(
        "CREATE FUNCTION mine() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM sales'",
        "CREATE TABLE guarded (id int)",
        "ALTER TABLE guarded ENABLE ROW LEVEL SECURITY",
        "CREATE MATERIALIZED VIEW unclear AS " + query,
    )
    for _ in range(2):
        assert was_refreshed(refresh(shop, "unclear"), "public.unclear")
    [view] = [view for view in shop.weir("view", "list", "--json").items if view["view"] == "public.unclear"]
    assert view["changed"].startswith("unknown: ") and why in view["changed"]


def test_concurrently_where_an_index_allows_it(shop: Maintained) -> None:
    assert "concurrently" not in refresh(shop, "totals")
    shop.execute(UNIQUE, ONE_MORE)
    with shop.transaction("SELECT * FROM totals"):  # who reads it is in nobody's way
        assert "public.totals: refreshed concurrently" in refresh(shop, "totals")
    assert total(shop) == 5055


def test_a_reader_puts_a_plain_refresh_off(shop: Maintained) -> None:
    with shop.transaction("SELECT * FROM totals"):
        wait_until(lambda: shop.value("SELECT now() - min(xact_start) > '1.1s' FROM pg_stat_activity"
                                      " WHERE state = 'idle in transaction'"), "the reader is old")
        said = refresh(shop, "totals", status=1)
    assert "put off" in said and "holds AccessShareLock" in said
    assert was_refreshed(refresh(shop, "totals"))


def test_always_is_refused_with_what_would_be_right(shop: Maintained) -> None:
    shop.execute("ANALYZE totals")
    shop.configure(materialized_view=[{"name": "public.totals", "every": "1h", "concurrently": "always"}])
    said = refresh(shop, status=2)
    assert "no unique index on plain columns without WHERE" in said
    assert 'CREATE UNIQUE INDEX ON "public"."totals" ("day") would do' in said
    shop.execute("CREATE UNIQUE INDEX partial ON totals (day) WHERE day > '2026-01-01'")
    refresh(shop, status=2)
    shop.execute('CREATE UNIQUE INDEX ON "public"."totals" ("day")')
    assert "refreshed concurrently" in refresh(shop)
    shop.configure(materialized_view=[{"name": "totals", "every": "1h", "concurrently": "never"}])
    assert "refreshed in" in refresh(shop, "--force")


def test_nulls_in_the_key_are_remarked_upon(shop: Maintained) -> None:
    shop.execute(UNIQUE, "INSERT INTO sales VALUES (1000, NULL, 1)", "REFRESH MATERIALIZED VIEW totals")
    assert "1 rows have a NULL in the unique key" in refresh(shop, "totals")


def test_what_others_read_comes_first(shop: Maintained) -> None:
    shop.execute(
        "CREATE MATERIALIZED VIEW best AS SELECT max(total) AS best FROM totals",
        "CREATE VIEW about_best AS SELECT best + 1 AS n FROM best",
        "CREATE MATERIALIZED VIEW apex AS SELECT * FROM about_best",
    )
    shop.configure(materialized_view=[{"name": name, "every": "1h"} for name in ("apex", "best", "totals")])
    refresh(shop)
    for added in (100_000, 200_000):
        shop.execute(f"INSERT INTO sales SELECT max(id) + 1, '2026-03-01', {added} FROM sales")
        lines = [line for line in refresh(shop).splitlines() if ": refreshed" in line]
        assert [line.split(":")[0] for line in lines] == ["public.totals", "public.best", "public.apex"]
    assert shop.value("SELECT n FROM apex") == 300_001
    assert "0 of 3 views refreshed" in refresh(shop), "what they have counted themselves is no change"


def test_one_that_fails_leaves_the_others(shop: Maintained) -> None:
    shop.execute("CREATE MATERIALIZED VIEW broken AS SELECT 1 / (amount - amount) FROM sales WITH NO DATA")
    said = refresh(shop, "broken", "totals", "not_there", status=1)
    assert "public.broken: division by zero" in said and "not_there: no such relation" in said
    assert was_refreshed(said)
    assert "sales: is no materialized view" in refresh(shop, "sales", status=2)


def test_a_dry_run_changes_nothing(shop: Maintained) -> None:
    shop.execute(ONE_MORE)
    done = shop.weir("view", "refresh", "totals", "--dry-run")
    assert 'REFRESH MATERIALIZED VIEW "public"."totals";' in done.out
    assert "ACCESS EXCLUSIVE" in done.out
    assert total(shop) == 5050
    assert shop.value("SELECT count(*) FROM pg_namespace WHERE nspname = 'weir'") == 0


def test_whose_user_may_not_make_the_schema_refreshes_each_time(shop: Maintained) -> None:
    shop.execute("DROP ROLE IF EXISTS view_keeper", "CREATE ROLE view_keeper LOGIN", "ALTER TABLE sales OWNER TO view_keeper")
    shop.configure(maintenance={"user": "view_keeper"})
    assert "only its owner may refresh it (GRANT \"postgres\" TO" in refresh(shop, "totals", status=2)
    shop.execute("ALTER MATERIALIZED VIEW totals OWNER TO view_keeper")
    for _ in range(2):
        assert "cannot be remembered" in refresh(shop, "totals")
    shop.execute("DROP OWNED BY view_keeper", "DROP ROLE view_keeper")


def test_a_killed_refresh_is_made_up_for(shop: Maintained) -> None:
    """Whatever was written of what was seen, a view that lacks a change is never taken for one that has it."""
    shop.execute(UNIQUE, "INSERT INTO sales SELECT g, date '2026-01-01' + g % 1000, g FROM generate_series(101, 60000) g")
    assert was_refreshed(refresh(shop, "totals"))
    moments = random.Random(7)
    for _ in range(reduced(MOMENTS)):
        shop.execute(ONE_MORE, "UPDATE sales SET amount = amount + 1 WHERE id % 100 = 1")
        run = shop.start("view", "refresh", "totals")
        wait_until(lambda: shop.sessions() == 1 or run.poll() is not None, "it has logged in")
        time.sleep(moments.uniform(0, 0.15))
        run.kill()
        run.communicate()
        shop.end_sessions()
        refresh(shop, "totals")
        assert total(shop) == shop.value("SELECT sum(amount) FROM sales")
