"""Aggregates: templates, refusals, what a list says, and a source of two million rows."""

import re
import subprocess
import time
from typing import Any

import pytest
from support.aggregates import COLUMNS, SOURCE, Aggregate, counted, insert
from support.postgres import Postgres


@pytest.fixture(scope="module")
def server(postgres_template: Any) -> Any:
    instance = Postgres(postgres_template)
    yield instance
    instance.remove()


@pytest.fixture
def plain(server: Postgres) -> Postgres:
    server.execute("DROP SCHEMA IF EXISTS weir CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public; "
                   "GRANT USAGE ON SCHEMA public TO public")
    server.execute(SOURCE)
    return server


REQUESTS = """
CREATE TABLE requests (at timestamptz NOT NULL, path text, status int, session_id text, ms int, message text);
INSERT INTO requests SELECT now() - g * interval '3 minutes', '/item/' || g || '?q=1', 200 + (g % 4) * 100,
    's' || (g / 7), g % 90, 'row ' || g || ' of "x' || g || '" failed' FROM generate_series(1, 1500) g
"""


@pytest.mark.parametrize("kind, words, keys", [
    ("hourly", ["duration=ms"], "bucket"),
    ("url", ["url=path", "duration=ms"], "bucket, url"),
    ("error", ["status=status"], "bucket, class, pattern"),
])
def test_templates(kind: str, words: list[str], keys: str, plain: Postgres) -> None:
    plain.execute(REQUESTS)
    aggregate = Aggregate(plain, source="requests", target="public.sums", bucket="", groups=(), columns={},
                          template=kind)
    mapped = [part for word in words for part in ("--map", word)]
    aggregate.run(*mapped)
    assert plain.value("SELECT sum(" + ("n" if kind == "error" else "requests") + ") FROM sums") == plain.value(
        "SELECT count(*) FROM requests WHERE at < (SELECT watermark FROM weir.aggregate)")
    assert plain.value(f"SELECT count(*) - count(DISTINCT ({keys})) FROM sums") == 0
    if kind == "url":
        assert plain.execute("SELECT DISTINCT url FROM sums") == [("/item/:id",)]
    if kind == "error":
        assert plain.value("SELECT count(DISTINCT pattern) FROM sums") == 1
    assert aggregate.call("verify", *mapped).returncode == 0


@pytest.mark.parametrize("track", ["counters", "triggers"])
def test_sessions_are_whole(track: str, plain: Postgres) -> None:
    plain.execute(REQUESTS)
    aggregate = Aggregate(plain, source="requests", target="public.sessions", bucket="", groups=(), columns={},
                          template="session", track=track, late="10 days")
    words = ("--map", "session=session_id", "--map", "duration=ms")
    fresh = ("SELECT session_id, min(at), max(at), count(*), count(*) FILTER (WHERE status >= 500), sum(ms::numeric) "
             "FROM requests WHERE session_id IS NOT NULL AND at < (SELECT watermark FROM weir.aggregate) GROUP BY 1")
    stored = "SELECT session, first_seen, last_seen, requests, errors, duration_sum FROM sessions"

    def check() -> None:
        aggregate.run(*words)
        assert plain.execute(f"({fresh} EXCEPT {stored}) UNION ALL ({stored} EXCEPT {fresh}) LIMIT 5") == []
        assert aggregate.call("verify", *words).returncode == 0

    check()
    counted(plain, "DELETE FROM requests WHERE session_id IN ('s9', 's10')")
    counted(plain, "UPDATE requests SET session_id = 's1' WHERE session_id = 's150'")  # now hours long
    counted(plain, "UPDATE requests SET at = at - interval '70 minutes' WHERE session_id = 's77' AND status = 300")
    check()
    counted(plain, "DELETE FROM requests WHERE session_id = 's1' AND at < now() - interval '2 hours'")
    check()
    assert plain.value("SELECT count(*) FROM sessions WHERE session IN ('s9', 's150')") == 0


def test_refusals_say_what_would_be_right(plain: Postgres) -> None:
    assert "has no column when" in Aggregate(plain, time="when").refuse()
    assert "is text" in Aggregate(plain, time="kind").refuse()
    assert "is the source itself" in Aggregate(plain, target="events").refuse()
    assert "no such relation" in Aggregate(plain, source="nowhere").refuse()
    assert "has no such column" in Aggregate(plain, groups=("app", "oops")).refuse()
    assert 'lower(kind) AS name' in Aggregate(plain, groups=("lower(kind)",)).refuse()
    assert "columns.n: column \"vlue\" does not exist" in Aggregate(plain, columns={"n": "sum(vlue)"}).refuse()
    assert "two columns app" in Aggregate(plain, columns={"app": "count(*)"}).refuse()
    plain.execute("CREATE TABLE hourly (bucket timestamptz, app int, kind text, n int, total numeric, users bigint, "
                  "p50 double precision)")
    assert "column n is integer, and the aggregate gives bigint" in Aggregate(plain).refuse()
    plain.execute("ALTER TABLE hourly DROP COLUMN n")
    assert 'has no column n (ALTER TABLE "public"."hourly" ADD COLUMN "n" bigint)' in Aggregate(plain).refuse()
    plain.execute("ALTER TABLE hourly ADD COLUMN n bigint")
    index = 'CREATE UNIQUE INDEX "hourly_key" ON "public"."hourly" ("bucket", "app", "kind")'
    assert index in Aggregate(plain).refuse()
    assert plain.value("SELECT to_regnamespace('weir') IS NULL OR NOT EXISTS (SELECT FROM weir.aggregate)")


def test_missing_privileges_are_named(plain: Postgres) -> None:
    plain.execute("DROP ROLE IF EXISTS poor; CREATE ROLE poor LOGIN")
    why = Aggregate(plain, user="poor", track="triggers").refuse()
    for grant in ("GRANT SELECT ON \"public\".\"events\" TO poor", "GRANT TRIGGER ON \"public\".\"events\" TO poor",
                  "GRANT CREATE ON DATABASE app TO poor", "GRANT CREATE ON SCHEMA public TO poor"):
        assert grant in why
    for grant in why[why.index("(GRANT") + 1:why.rindex(")")].split("; "):
        plain.execute(grant)
    aggregate = Aggregate(plain, user="poor", track="triggers", late="2 days")
    plain.execute(insert("100", "g * 10"))
    # Triggers on another's table are its owner's to make, or of who was granted TRIGGER.
    aggregate.run()
    aggregate.check()
    plain.execute("CREATE ROLE writer; GRANT INSERT ON events TO writer; GRANT USAGE ON events_id_seq TO writer; "
                  "SET ROLE writer; " + insert("1", "100") + "; RESET ROLE")
    assert plain.value("SELECT count(*) FROM weir.aggregate_dirty") == 1
    plain.execute("DROP OWNED BY writer; DROP ROLE writer; DROP OWNED BY poor CASCADE; DROP ROLE poor")


def test_the_list_says_how_far_it_is(plain: Postgres) -> None:
    aggregate = Aggregate(plain, track="triggers")
    assert aggregate.call("list", "--csv").stdout.splitlines()[0].startswith("target,source,watermark,lag_s,dirty")
    plain.execute(insert("300", "g * 3"))
    aggregate.run()
    plain.execute(insert("2", "200 + g * 100"))
    line = aggregate.call("list", "--csv").stdout.splitlines()[1].split(",")
    assert line[:2] == ["public.hourly", "public.events"] and line[4] == "2" and line[-1] == "complete"


def test_a_dry_run_changes_nothing(plain: Postgres) -> None:
    plain.execute(insert("300", "g * 3"))
    aggregate = Aggregate(plain, track="triggers", view="public.live")
    done = aggregate.call("run", "--dry-run")
    assert done.returncode == 0, done.stderr
    for part in ("CREATE TABLE \"public\".\"hourly\" AS SELECT", "CREATE TRIGGER",
                 "SHARE ROW EXCLUSIVE on public.events", "CREATE OR REPLACE VIEW \"public\".\"live\""):
        assert part in done.stdout
    assert plain.value("SELECT to_regclass('hourly') IS NULL AND to_regnamespace('weir') IS NULL")


def test_the_configuration_file_defines_it(plain: Postgres) -> None:
    plain.execute(insert("300", "g * 3"))
    aggregate = Aggregate(plain)
    columns = ", ".join(f'{name} = "{sql}"' for name, sql in COLUMNS.items())
    with aggregate.config.open("a") as config:
        config.write('[[aggregate]]\nsource = "public.events"\ntarget = "public.hourly"\ntime = "at"\n'
                     f'bucket = "1 hour"\ngroup_by = ["app", "kind"]\ncolumns = {{ {columns} }}\nlate = "2 days"\n')
    command = [aggregate.command("list")[0], "aggregate"]
    for words in (["run"], ["run", "hourly"], ["verify"], ["backfill", "public.hourly"]):
        done = subprocess.run([*command, *words, "-c", str(aggregate.config)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    aggregate.check()
    done = subprocess.run([*command, "run", "other", "-c", str(aggregate.config)], capture_output=True, text=True)
    assert done.returncode == 2 and "no [[aggregate]] has this target" in done.stderr


@pytest.mark.timeout(60)
@pytest.mark.memory
def test_two_million_rows(plain: Postgres) -> None:
    """Bounded memory of Weir's own, and a dashboard that is faster by far."""
    plain.execute("INSERT INTO events (at, app, kind, user_id, value) SELECT now() - g * interval '1.2 seconds', "
                  "g % 5, 'k' || g % 3, g % 1000, g % 997 FROM generate_series(1, 2000000) g")
    plain.execute("CREATE INDEX ON events USING brin (at); ANALYZE events")
    aggregate = Aggregate(plain, columns={"n": "count(*)", "total": "sum(value)"})
    run = aggregate.start()
    peak = 0
    while run.poll() is None:
        try:
            with open(f"/proc/{run.pid}/status") as status:
                found = re.search(r"VmHWM:\s+(\d+) kB", status.read())
        except (FileNotFoundError, ProcessLookupError):
            break
        peak = max(peak, int(found.group(1)) if found else 0)
        time.sleep(0.02)
    assert run.wait() == 0
    assert 0 < peak < 100 * 1024, peak

    def dashboard(sql: str) -> float:
        began = time.monotonic()
        plain.execute(sql)
        return time.monotonic() - began

    before = dashboard("SELECT date_trunc('day', at), app, count(*), sum(value) FROM events WHERE "
                       "at < (SELECT watermark FROM weir.aggregate) GROUP BY 1, 2")
    after = dashboard("SELECT date_trunc('day', bucket), app, sum(n), sum(total) FROM hourly GROUP BY 1, 2")
    print(f"dashboard: {before * 1000:.0f} ms of the rows, {after * 1000:.1f} ms of the aggregate; "
          f"{peak // 1024} MiB of memory")
    assert after * 10 < before
    assert plain.value("SELECT sum(n) FROM hourly") == plain.value(
        "SELECT count(*) FROM events WHERE at < (SELECT watermark FROM weir.aggregate)")
