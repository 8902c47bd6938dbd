"""VACUUM, ANALYZE and REINDEX of what needs them, and of nothing else."""

import random
import time
from contextlib import ExitStack
from typing import Iterator

import pytest

from support.deadlines import reduced, wait_until
from support.maintained import Maintained
from support.postgres import Postgres

pytestmark = pytest.mark.needs_weir

MOMENTS = 20
MAINTAIN = ("maintain", "--no-refresh", "--no-partitions", "--no-aggregates")
CARE = {"dead_rows": 0.2, "modified_rows": 0.1, "min_rows": 10, "freeze_age": 150_000_000, "index_bloat": 0.0}


@pytest.fixture
def shop(postgres: Postgres) -> Iterator[Maintained]:
    own = Maintained(postgres)
    own.configure(maintenance={"care": CARE})
    yield own
    own.remove()


def care(shop: Maintained, **changes: float) -> None:
    shop.configure(maintenance={"care": {**CARE, **changes}})


def analyzed(shop: Maintained, table: str) -> int:
    """How often, by hand."""
    return int(shop.value(f"SELECT analyze_count FROM pg_stat_all_tables WHERE relid = '{table}'::regclass"))


def vacuumed(shop: Maintained, table: str) -> int:
    return int(shop.value(f"SELECT vacuum_count FROM pg_stat_all_tables WHERE relid = '{table}'::regclass"))


def invalid_indexes(shop: Maintained) -> int:
    return int(shop.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid"))


def test_tables_are_analyzed_when_enough_has_changed(shop: Maintained) -> None:
    shop.execute("CREATE TABLE never AS SELECT generate_series(1, 5) AS n", "CREATE TABLE empty (n int)",
                 "CREATE TABLE known AS SELECT generate_series(1, 1000) AS n")
    shop.execute("ANALYZE known")  # in a session of its own: what the other has counted comes at its end
    done = shop.weir(*MAINTAIN)
    assert "public.never: was never analyzed: done" in done.said
    assert "public.known" not in done.said and "public.empty" not in done.said
    shop.execute("UPDATE known SET n = n WHERE n <= 99")
    assert "no tables need it" in shop.weir(*MAINTAIN).said
    shop.execute("UPDATE known SET n = n WHERE n <= 1")
    assert "public.known: 100 changes since it was analyzed, of 1000 rows" in shop.weir(*MAINTAIN).said
    assert analyzed(shop, "known") == 2
    assert "no tables need it" in shop.weir(*MAINTAIN).said


def test_partitioned_tables_are_analyzed_as_a_whole(shop: Maintained) -> None:
    shop.execute(
        "CREATE TABLE s (n int) PARTITION BY RANGE (n)",
        "CREATE TABLE s1 PARTITION OF s FOR VALUES FROM (0) TO (1000)",
        "CREATE TABLE s2 PARTITION OF s FOR VALUES FROM (1000) TO (2000)",
        "INSERT INTO s SELECT generate_series(1, 100)",
    )
    shop.execute("ANALYZE s1")
    assert "public.s: was never analyzed as a whole: done" in shop.weir(*MAINTAIN).said
    assert shop.value("SELECT n_distinct FROM pg_stats WHERE tablename = 's' AND inherited") == -1
    shop.weir(*MAINTAIN)  # the table that it is noted in
    assert "no tables need it" in shop.weir(*MAINTAIN).said
    shop.execute("INSERT INTO s SELECT generate_series(1001, 1100)")
    # What autovacuum does with partitions does not hide that the whole has changed.
    shop.execute("ANALYZE s2")
    assert "public.s: 100 changes in its partitions" in shop.weir(*MAINTAIN).said
    assert "no tables need it" in shop.weir(*MAINTAIN).said
    shop.execute("DROP TABLE s1")
    assert "public.s: 100 changes in its partitions" in shop.weir(*MAINTAIN).said


def test_dead_rows_are_vacuumed(shop: Maintained) -> None:
    shop.execute("CREATE TABLE t AS SELECT generate_series(1, 1000) AS n", "CREATE TABLE few AS SELECT 1 AS n",
                 "DELETE FROM t WHERE n <= 300", "DELETE FROM few")
    assert "vacuum" not in shop.weir(*MAINTAIN).said.replace("--vacuum", "")
    done = shop.weir(*MAINTAIN, "--vacuum")
    assert "public.t: 30 % of its rows are dead, 300 of them: done" in done.said
    assert (vacuumed(shop, "t"), vacuumed(shop, "few")) == (1, 0)
    assert "vacuum: skipped, no tables need it" in shop.weir(*MAINTAIN, "--vacuum").said


def test_old_rows_are_frozen_oldest_first(shop: Maintained) -> None:
    shop.execute("CREATE TABLE older AS SELECT 1 AS n", "CREATE TABLE younger AS SELECT 1 AS n",
                 *["SELECT pg_current_xact_id()"] * 60)
    care(shop, freeze_age=50)
    lines = [line for line in shop.weir(*MAINTAIN, "--vacuum").said.splitlines() if "transactions old" in line]
    assert [line.split(":")[0] for line in lines] == ["public.older", "public.younger"]
    assert int(shop.value("SELECT max(age(relfrozenxid)) FROM pg_class WHERE relname IN ('older', 'younger')")) < 50


def test_old_multixacts_are_frozen_too(shop: Maintained) -> None:
    sharers = 6
    rows = 2**sharers
    shop.execute("CREATE TABLE shared AS SELECT generate_series(0, %d) AS n" % (rows - 1))
    with ExitStack() as stack:
        for bit in range(sharers):  # a different set of sharers for each row: a multixact each
            stack.enter_context(shop.transaction(f"SELECT 1 FROM shared WHERE n & {1 << bit} <> 0 FOR SHARE"))
    age = "SELECT mxid_age(relminmxid) FROM pg_class WHERE relname = 'shared'"
    assert int(shop.value(age)) > 50
    # The server allows twice as many multixacts as transactions before it forces a freeze.
    care(shop, freeze_age=25)
    done = shop.weir(*MAINTAIN, "--vacuum")
    assert "public.shared: its oldest multixact is " in done.said
    assert int(shop.value(age)) < 50
    assert "no tables need it" in shop.weir(*MAINTAIN, "--vacuum").said


def test_who_has_a_table_locked_puts_it_off_and_not_the_others(shop: Maintained) -> None:
    shop.execute("CREATE TABLE a AS SELECT 1 AS n", "CREATE TABLE b AS SELECT 1 AS n")
    with shop.transaction("LOCK TABLE a IN SHARE UPDATE EXCLUSIVE MODE"):
        done = shop.weir(*MAINTAIN, status=1)
    assert 'public.a: put off: skipping analyze of "a" --- lock not available' in done.said
    assert analyzed(shop, "b") == 1


def test_what_belongs_to_others_is_left_alone_with_a_word(shop: Maintained) -> None:
    shop.execute("DROP ROLE IF EXISTS care_keeper", "CREATE ROLE care_keeper LOGIN",
                 "CREATE TABLE mine AS SELECT 1 AS n", "ALTER TABLE mine OWNER TO care_keeper",
                 "CREATE TABLE theirs AS SELECT 1 AS n")
    shop.configure(maintenance={"user": "care_keeper"})
    done = shop.weir(*MAINTAIN, "--vacuum")
    assert "left alone, because they belong to others: public.theirs" in done.said
    assert (analyzed(shop, "mine"), analyzed(shop, "theirs")) == (1, 0)
    shop.execute("DROP OWNED BY care_keeper", "DROP ROLE care_keeper")


def test_invalid_indexes_are_dropped_or_built_anew(shop: Maintained) -> None:
    shop.execute(
        "CREATE TABLE t (id int PRIMARY KEY, a int, b int)", "INSERT INTO t SELECT g, g, g FROM generate_series(1, 100) g",
        "CREATE INDEX t_a ON t (a)", "CREATE INDEX t_a_ccnew ON t (a)", "CREATE INDEX t_b_ccold1 ON t (b)",
        "CREATE INDEX t_a_again ON t (a)", "CREATE INDEX t_b ON t (b)", "CREATE INDEX fine_ccnew ON t (a, b)",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid::regclass::text IN"
        " ('t_a_ccnew', 't_b_ccold1', 't_a_again', 't_b', 't_pkey')",
    )
    report = {item["object"]: item for item in shop.weir("optimize", "maintenance", "--json", status=1).items
              if item["care"] == "reindex"}
    assert report["public.t_a_ccnew"]["sql"] == "DROP INDEX CONCURRENTLY public.t_a_ccnew"
    assert report["public.t_pkey"]["sql"] == "REINDEX INDEX CONCURRENTLY public.t_pkey"
    assert "another index does the same" in report["public.t_a_again"]["why"]
    shop.weir(*MAINTAIN, "--vacuum")
    assert invalid_indexes(shop) == 0
    names = {row[0] for row in shop.execute("SELECT indexname FROM pg_indexes WHERE tablename = 't'")}
    assert names == {"t_pkey", "t_a", "t_b", "fine_ccnew"}


def test_only_what_does_the_same_makes_an_invalid_index_needless(shop: Maintained) -> None:
    if int(shop.value("SHOW server_version_num")) < 150_000:
        pytest.skip("NULLS NOT DISTINCT came with 15")
    shop.execute(
        "CREATE TABLE t (a int)", "CREATE UNIQUE INDEX t_a ON t (a)",
        "CREATE UNIQUE INDEX t_a_nulls ON t (a) NULLS NOT DISTINCT",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 't_a_nulls'::regclass",
    )
    shop.weir(*MAINTAIN, "--vacuum")
    assert invalid_indexes(shop) == 0
    assert shop.value("SELECT count(*) FROM pg_indexes WHERE indexname = 't_a_nulls'") == 1


def test_an_index_that_somebody_has_mended_meanwhile_stays(shop: Maintained) -> None:
    shop.configure(maintenance={"max_blocker_age": "20s"})
    shop.execute(
        "CREATE TABLE one (a int)", "CREATE INDEX one_ccnew ON one (a)",
        "CREATE TABLE two (a int)", "CREATE INDEX two_ccnew ON two (a)",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid IN ('one_ccnew'::regclass, 'two_ccnew'::regclass)",
    )
    waits = "wait_event_type = 'Lock' AND query LIKE 'DROP INDEX%one_ccnew'"
    with shop.transaction("LOCK TABLE one IN ROW EXCLUSIVE MODE") as holder:
        process = shop.start(*MAINTAIN, "--vacuum")
        wait_until(lambda: shop.sessions(waits) == 1, "it waits with the first")
        shop.execute("UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'two_ccnew'::regclass")
        holder.commit()
        said = process.communicate(timeout=60)[1]
    assert "public.two_ccnew: put off: is no longer as it was found" in said
    assert [row[0] for row in shop.execute("SELECT indexname FROM pg_indexes WHERE indexname ~ 'ccnew'")] == ["two_ccnew"]


def test_bloated_indexes_are_built_anew(shop: Maintained) -> None:
    shop.execute(
        "CREATE TABLE t (k text, n int)",
        "INSERT INTO t SELECT repeat(md5(g::text), 6), g FROM generate_series(1, 60000) g",
        "CREATE INDEX t_k ON t (k)", "CREATE INDEX t_n ON t (n)", "DELETE FROM t WHERE n % 10 > 0", "VACUUM ANALYZE t",
    )
    before = shop.value("SELECT pg_relation_size('t_k')")
    assert "reindex: skipped, no indexes need it" in shop.weir(*MAINTAIN, "--vacuum").said, "0 is never"
    care(shop, index_bloat=0.5)
    with shop.transaction("SELECT pg_current_xact_id()"):
        wait_until(lambda: shop.value("SELECT bool_or(now() - xact_start > '1.1s') FROM pg_stat_activity"
                                      " WHERE state = 'idle in transaction'"), "it is old")
        assert "has had a transaction open for" in shop.weir(*MAINTAIN, "--vacuum", status=1).said
    done = shop.weir(*MAINTAIN, "--vacuum")
    assert "public.t_k: about 8" in done.said or "public.t_k: about 9" in done.said
    assert "t_n" not in done.said, "it is small"
    assert shop.value("SELECT pg_relation_size('t_k')") < before / 5
    assert "reindex: skipped, no indexes need it" in shop.weir(*MAINTAIN, "--vacuum").said


def test_a_dry_run_shows_what_it_would_do(shop: Maintained) -> None:
    shop.execute("CREATE TABLE t AS SELECT generate_series(1, 1000) AS n", "DELETE FROM t WHERE n < 500")
    done = shop.weir(*MAINTAIN, "--vacuum", "--dry-run")
    assert 'ANALYZE (SKIP_LOCKED) public.t;' in done.out
    assert 'VACUUM (SKIP_LOCKED, PARALLEL 0, ANALYZE) public.t;' in done.out
    assert (analyzed(shop, "t"), vacuumed(shop, "t")) == (0, 0)


def test_the_report_of_care_and_its_doing(shop: Maintained) -> None:
    shop.execute("CREATE TABLE t AS SELECT generate_series(1, 1000) AS n", "DELETE FROM t WHERE n < 500",
                 "CREATE MATERIALIZED VIEW v AS SELECT count(*) FROM t")
    shop.configure(materialized_view=[{"name": "v", "every": "1h"}])
    items = shop.weir("optimize", "maintenance", "--json", status=1).items
    assert [(item["care"], item["object"]) for item in items] == [
        ("refresh", "public.v"), ("analyze", "public.t"), ("analyze", "public.v"), ("vacuum", "public.t")]
    assert shop.weir("optimize", "maintenance", "--csv", status=1).out.startswith("care,object,why,sql,locks")
    assert "4 steps" in shop.weir("optimize", "maintenance", "--apply").said
    # VACUUM and ANALYZE are no changes of what the view reads.
    left = shop.weir("optimize", "maintenance", "--json", status=None).items
    assert [item for item in left if item["object"].startswith("public.")] == []


def test_a_killed_run_leaves_nothing_that_the_next_does_not_mend(shop: Maintained) -> None:
    shop.execute(
        "CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t SELECT g, g FROM generate_series(1, 30000) g",
        "CREATE INDEX t_n ON t (n)", "CREATE MATERIALIZED VIEW v AS SELECT n % 100 AS k, count(*) FROM t GROUP BY 1",
        "CREATE UNIQUE INDEX v_k ON v (k)", "ANALYZE",
    )
    shop.configure(materialized_view=[{"name": "v", "every": "1h"}])
    moments = random.Random(20)
    for _ in range(reduced(MOMENTS)):
        shop.execute("UPDATE t SET n = n + 1 WHERE id <= 4000",
                     "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 't_n'::regclass")
        run = shop.start("maintain", "--vacuum")
        wait_until(lambda: shop.sessions() == 1 or run.poll() is not None, "it has logged in")
        time.sleep(moments.uniform(0, 0.25))
        run.kill()
        run.communicate()
        shop.end_sessions()
        shop.weir("maintain", "--vacuum", "--no-analyze")
        assert invalid_indexes(shop) == 0
        assert int(shop.value("SELECT count(*) FROM pg_class WHERE relname ~ '_cc(new|old)'")) == 0
        assert shop.value("SELECT count(*) FROM (TABLE v EXCEPT SELECT n % 100, count(*) FROM t GROUP BY 1) x") == 0
