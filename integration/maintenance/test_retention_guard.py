"""A partition stays as long as an aggregate needs its rows, whoever asks for it to go."""

from typing import Any, Iterator

import pytest

from support.maintained import Maintained
from support.postgres import Postgres

pytestmark = pytest.mark.needs_weir

AGGREGATE = {"source": "hits", "target": "daily", "time": "at", "bucket": "1 day", "columns": {"n": "count(*)"},
             "late": "10 days", "delay": "0s", "every": "1h"}
MONTHS = """
CREATE TABLE hits (id bigint, at timestamptz NOT NULL) PARTITION BY RANGE (at);
DO $$ BEGIN FOR i IN 0..5 LOOP
    EXECUTE format('CREATE TABLE hits_%s PARTITION OF hits FOR VALUES FROM (%L) TO (%L)', i,
                   date_trunc('month', now()) - (5 - i) * interval '1 month', date_trunc('month', now()) - (4 - i) * interval '1 month');
END LOOP; END $$;
INSERT INTO hits SELECT g, date_trunc('month', now()) - (g % 6) * interval '1 month' FROM generate_series(1, 600) g;
"""
NUMBERS = """
CREATE TABLE hits (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE hits_0 PARTITION OF hits FOR VALUES FROM (1) TO (201);
CREATE TABLE hits_1 PARTITION OF hits FOR VALUES FROM (201) TO (401);
CREATE TABLE hits_2 PARTITION OF hits FOR VALUES FROM (401) TO (601);
CREATE TABLE hits_3 PARTITION OF hits FOR VALUES FROM (601) TO (801);
INSERT INTO hits (at) SELECT now() - (700 - g) * interval '1 hour' FROM generate_series(1, 650) g;
"""
COMMANDS = (("partition", "cleanup", "hits"), ("maintain", "--drop-old-partitions", "--no-aggregates", "--no-partitions"))


@pytest.fixture
def shop(postgres: Postgres) -> Iterator[Maintained]:
    own = Maintained(postgres)
    yield own
    own.remove()


def kept(shop: Maintained, interval: str, keep: str) -> None:
    retention = {"keep": keep, "enforce": True, "action": "drop", "quarantine": "0s", "max_drops_per_run": 9}
    shop.configure(partition=[{"table": "hits", "key": "at" if " " in keep else "id", "interval": interval,
                               "ahead": {"min": interval, "max": interval.replace("1 ", "2 ").replace("200", "400")}, "name": "{table}_p{lo}" if " " not in keep else
                               "{table}_p{YYYYMM}", "retention": retention}])


def partitions(shop: Maintained) -> int:
    return int(shop.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'hits'::regclass"))


@pytest.mark.parametrize("key", ["time", "number"])
@pytest.mark.parametrize("command", COMMANDS, ids=["cleanup", "maintain"])
def test_what_is_not_summed_up_stays(command: Any, key: str, shop: Maintained) -> None:
    shop.execute(MONTHS if key == "time" else NUMBERS)
    kept(shop, "1 month" if key == "time" else "200", "2 months" if key == "time" else "250")
    shop.configure(aggregate=[AGGREGATE])
    before = partitions(shop)
    said = shop.weir(*command, status=None).said
    assert "aggregate public.daily has never been computed" in said
    assert partitions(shop) == before

    shop.weir("aggregate", "run")
    shop.execute("UPDATE weir.aggregate SET watermark = now() - interval '100 years'")
    assert "is complete up to" in shop.weir(*command, status=None).said
    assert partitions(shop) == before

    shop.execute("UPDATE weir.aggregate SET watermark = now()")
    assert "stays" not in shop.weir(*command, status=None).said
    assert partitions(shop) < before
    assert shop.value("SELECT sum(n) FROM daily") > shop.value("SELECT count(*) FROM hits")


def test_another_ones_aggregates_are_no_hindrance(shop: Maintained) -> None:
    """An integer is no time: what reads another table is not even looked at."""
    shop.execute(NUMBERS, "CREATE TABLE others (at timestamptz)", "INSERT INTO others VALUES (now() - interval '2 days')")
    kept(shop, "200", "250")
    shop.configure(aggregate=[{**AGGREGATE, "source": "others"}])
    shop.weir("aggregate", "run")
    shop.weir(*COMMANDS[0])
    assert partitions(shop) == 3


def test_a_week_that_began_in_the_month_before_is_of_both(shop: Maintained) -> None:
    """2024-05-01 was a Wednesday."""
    shop.execute("CREATE TABLE hits (id bigint, at timestamptz NOT NULL) PARTITION BY RANGE (at)",
                 *(f"CREATE TABLE hits_{m} PARTITION OF hits FOR VALUES FROM ('2024-{m}-01') TO ('2024-{m + 1}-01')"
                   for m in range(3, 8)),
                 "INSERT INTO hits SELECT g, '2024-03-01'::timestamptz + g * interval '1 day' FROM generate_series(1, 140) g")
    kept(shop, "1 month", "2 months")
    shop.configure(aggregate=[{**AGGREGATE, "bucket": "1 week"}])
    shop.weir("aggregate", "run")
    shop.execute("INSERT INTO weir.aggregate_dirty VALUES ('public.daily', '2024-04-29')")
    shop.weir(*COMMANDS[0], status=None)
    assert {"hits_4", "hits_5"} <= {name for (name,) in shop.execute(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'hits'::regclass")}
    assert partitions(shop) < 5
