"""A plain table becomes a partitioned one: all that it has goes with it, whatever comes between."""

import random
import signal
import time
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from maintenance.conftest import Database, Result

pytestmark = pytest.mark.needs_weir

PLAIN = (
    "CREATE TABLE events (id bigserial, ts timestamptz NOT NULL DEFAULT now(), n int DEFAULT 1, PRIMARY KEY (id, ts))"
)
ROWS = "INSERT INTO events (ts) SELECT now() - i * interval '1 hour' FROM generate_series(1, 2000) i"


def convert(database: Database, *more: str, table: str = "events", status: "int | None" = 0) -> Result:
    return database.weir("partition", "convert", table, "--key", "ts", "--interval", "1 month", *more, status=status)


def state(database: Database, table: str = "events") -> Any:
    """All that a partitioned table has, for comparing."""
    return database.execute(
        f"""SELECT (SELECT count(*) FROM {table}), (SELECT sum(n) FROM {table}),
        (SELECT array_agg(relname::text ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace),
        (SELECT array_agg(conname || ' ' || pg_get_constraintdef(k.oid) ORDER BY conname, k.conrelid::regclass::text) FROM pg_constraint k
         WHERE conrelid::regclass::text LIKE '%{table}%')"""
    )


# ---- what goes with it -------------------------------------------------------------------------------------------


def test_table_is_partitioned_and_its_rows_are_there(database: Database) -> None:
    database.execute(PLAIN, ROWS)
    said = convert(database).said
    assert "to undo it" in said
    assert database.value("SELECT relkind FROM pg_class WHERE oid = 'events'::regclass") in ("p", b"p")
    assert database.execute("SELECT count(*), sum(n) FROM events") == [(2000, 2000)]
    (first, *others) = database.bounds("events")[-1:] + database.bounds("events")[:-1]
    assert first[0] == "MINVALUE" and len(others) >= 10
    assert all(hi == lo for (_, hi), (lo, _) in zip([first, *others], others))
    assert datetime.fromisoformat(first[1] + ":00") > datetime.now(timezone.utc) + timedelta(days=27)
    assert database.value("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'weir%'") == 0
    database.execute("INSERT INTO events (ts) VALUES (now() + interval '3 months'), (now())")
    assert database.value("SELECT max(id) FROM events") == 2002
    assert "no partition is missing" in convert(database).said


EVERYTHING = (
    "CREATE TABLE kinds (id int PRIMARY KEY)",
    "INSERT INTO kinds VALUES (1), (2)",
    """CREATE TABLE "Odd Events" (
        gone int,
        id bigint GENERATED ALWAYS AS IDENTITY (START 100 INCREMENT 5) ,
        ts timestamptz NOT NULL DEFAULT now(),
        n int DEFAULT 1 CONSTRAINT positive CHECK (n > 0),
        twice int GENERATED ALWAYS AS (n * 2) STORED,
        kind int DEFAULT 1 CONSTRAINT of_kind REFERENCES kinds,
        owner_name text DEFAULT current_user,
        changes int DEFAULT 0,
        CONSTRAINT "Odd Key" PRIMARY KEY (id, ts),
        CONSTRAINT once UNIQUE (ts, n, id))""",
    'ALTER TABLE "Odd Events" DROP COLUMN gone',
    'CREATE INDEX by_n ON "Odd Events" (n) WHERE n > 5',
    'CREATE INDEX by_lower ON "Odd Events" USING btree (lower(owner_name) text_pattern_ops DESC) INCLUDE (n)',
    'CREATE SEQUENCE own OWNED BY "Odd Events".changes',
    """COMMENT ON TABLE "Odd Events" IS 'it''s odd'""",
    """COMMENT ON COLUMN "Odd Events".n IS 'a number'""",
    "COMMENT ON INDEX by_n IS 'of some'",
    'ALTER TABLE "Odd Events" SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01)',
    'ALTER TABLE "Odd Events" ALTER COLUMN n SET STATISTICS 321, ALTER COLUMN n SET (n_distinct = 5)',
    "CREATE STATISTICS of_two ON n, kind FROM \"Odd Events\"",
    """CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN NEW.changes := coalesce(NEW.changes, 0) + 1; RETURN NEW; END $$""",
    'CREATE TRIGGER touch BEFORE UPDATE ON "Odd Events" FOR EACH ROW WHEN (OLD.n <> NEW.n) EXECUTE FUNCTION touch()',
    'CREATE TRIGGER off BEFORE INSERT ON "Odd Events" FOR EACH ROW EXECUTE FUNCTION touch()',
    'ALTER TABLE "Odd Events" DISABLE TRIGGER off',
    "CREATE ROLE reader",
    'GRANT SELECT, INSERT ON "Odd Events" TO reader',
    'GRANT UPDATE (n) ON "Odd Events" TO reader WITH GRANT OPTION',
    'GRANT USAGE ON SEQUENCE "Odd Events_id_seq" TO reader',
    'ALTER TABLE "Odd Events" ENABLE ROW LEVEL SECURITY',
    'CREATE POLICY few ON "Odd Events" FOR SELECT TO reader USING (n < 100 AND id IN (SELECT 100 UNION SELECT 105))',
    'CREATE POLICY more ON "Odd Events" FOR INSERT TO PUBLIC WITH CHECK (n < 50)',
    'ALTER TABLE "Odd Events" REPLICA IDENTITY FULL',
    """CREATE VIEW seen WITH (security_barrier, check_option = 'local') AS
       SELECT id, ts AS "When", n FROM "Odd Events" e WHERE n < 1000""",
    "GRANT SELECT ON seen TO reader",
    "ALTER VIEW seen ALTER COLUMN n SET DEFAULT 7",
    'CREATE VIEW counted AS SELECT k.id, count(o.*) FROM kinds k LEFT JOIN "Odd Events" o ON o.kind = k.id GROUP BY k.id',
    "CREATE VIEW above AS SELECT max(n) FROM seen",
    'CREATE MATERIALIZED VIEW kept AS SELECT count(*) FROM seen',
    'CREATE FUNCTION how_many() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM "Odd Events"; END',
    'INSERT INTO "Odd Events" (n) SELECT i FROM generate_series(1, 20) i',
)

DESCRIBED = {
    "columns": """SELECT attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated, attstattarget,
        attoptions, attacl::text, col_description(attrelid, attnum), pg_get_expr(adbin, adrelid), attstorage
        FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attrelid = '"Odd Events"'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum""",
    "constraints": """SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE conrelid = '"Odd Events"'::regclass ORDER BY 1""",
    "indexes": """SELECT replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON '), obj_description(indexrelid)
        FROM pg_index WHERE indrelid = '"Odd Events"'::regclass ORDER BY 1""",
    "triggers": """SELECT pg_get_triggerdef(oid), tgenabled FROM pg_trigger
        WHERE tgrelid = '"Odd Events"'::regclass AND NOT tgisinternal ORDER BY 1""",
    "policies": """SELECT policyname, permissive, roles, cmd, qual, with_check FROM pg_policies
        WHERE tablename = 'Odd Events' ORDER BY 1""",
    "table": """SELECT relacl::text, relrowsecurity, relforcerowsecurity, relreplident, obj_description(oid), relowner
        FROM pg_class WHERE oid = '"Odd Events"'::regclass""",
    "sequences": """SELECT s::text, c.relacl::text, q.* FROM (VALUES ('id'), ('changes')) v(col),
        pg_get_serial_sequence('"Odd Events"', col) s JOIN pg_class c ON c.oid = s::regclass,
        LATERAL (SELECT start_value, increment_by, cycle, cache_size, last_value FROM pg_sequences
                 WHERE format('%I.%I', schemaname, sequencename) = s) q""",
    "views": """SELECT relname, pg_get_viewdef(oid), reloptions, relacl::text FROM pg_class WHERE relkind = 'v'
        AND relnamespace = 'public'::regnamespace ORDER BY 1""",
    "view default": "SELECT column_default FROM information_schema.columns WHERE table_name = 'seen' AND column_name = 'n'",
    "function": "SELECT pg_get_functiondef('how_many'::regproc), proacl::text FROM pg_proc WHERE proname = 'how_many'",
    "statistics": """SELECT stxkeys, stxkind FROM pg_statistic_ext WHERE stxrelid = '"Odd Events"'::regclass""",
    "published": """SELECT pubname, tablename, rowfilter FROM pg_publication_tables ORDER BY 1, 2""",
}


def described(database: Database) -> dict[str, Any]:
    return {name: database.execute(sql) for name, sql in DESCRIBED.items()}


def test_all_that_a_table_has_goes_with_it(database: Database) -> None:
    database.execute("DROP ROLE IF EXISTS reader")
    database.execute(
        *EVERYTHING,
        "CREATE PUBLICATION chosen FOR TABLE \"Odd Events\" WHERE (n > 0), kinds WITH (publish_via_partition_root)",
    )
    try:
        before = described(database)
        done = convert(database, table='"Odd Events"')
        assert "partitions made" in done.said
        after = described(database)
        before["statistics"] = [(sorted(str(keys).split()), kind) for keys, kind in before["statistics"]]
        after["statistics"] = [(sorted(str(keys).split()), kind) for keys, kind in after["statistics"]]
        before_numbers, after_numbers = before.pop("statistics"), after.pop("statistics")
        assert len(before_numbers) == len(after_numbers) == 1
        assert after == before
        database.execute(
            'INSERT INTO "Odd Events" (n, ts) SELECT 7, now() + i * interval \'2 months\' FROM generate_series(0, 3) i',
            'UPDATE "Odd Events" SET n = 8 WHERE n = 7',
        )
        assert database.execute('SELECT count(*), max(id), min(id), sum(changes) FROM "Odd Events"') == [(24, 215, 100, 5)]
        assert database.execute("SELECT count(*), how_many(), (SELECT count FROM counted WHERE id = 1) FROM seen") == [
            (24, 24, 24)
        ]
        database.execute("REFRESH MATERIALIZED VIEW kept")
        assert database.value("SELECT count FROM kept") == 24
        assert database.value("SELECT bool_and(relreplident = 'f') FROM pg_class WHERE relname LIKE 'Odd Events%' AND relkind = 'r'")
        assert database.value(
            "SELECT bool_and('fillfactor=80' = ANY (reloptions)) FROM pg_class WHERE relname LIKE 'Odd Events\\_p%' AND relkind = 'r'"
        )
        assert database.value("SELECT count(*) FROM pg_class WHERE relname LIKE 'weir%'") == 0
    finally:
        database.execute("DROP PUBLICATION chosen", 'DROP TABLE "Odd Events", kinds CASCADE', "DROP ROLE reader")


@pytest.mark.parametrize("start", [None, "1000, false", "1000, true"])
def test_identity_goes_on_where_it_was(database: Database, start: "str | None") -> None:
    database.execute("CREATE TABLE events (id int GENERATED BY DEFAULT AS IDENTITY, ts timestamptz NOT NULL)")
    if start:
        database.execute(f"SELECT setval('events_id_seq', {start})")
    convert(database)
    assert database.execute("INSERT INTO events (ts) VALUES (now()) RETURNING id") == [
        ({None: 1, "1000, false": 1000, "1000, true": 1001}[start],)
    ]


def test_primary_key_is_widened_when_asked(database: Database) -> None:
    database.execute(
        "CREATE TABLE events (id bigserial PRIMARY KEY, ts timestamptz, n int DEFAULT 1)",
        ROWS,
        # what an interrupted run has left
        "CREATE INDEX events_weir_key ON events (n)",
        "ALTER TABLE events ADD CONSTRAINT weir_convert_not_null CHECK (ts IS NOT NULL) NOT VALID",
        "ALTER TABLE events ADD CONSTRAINT weir_convert_bound CHECK (ts < '2099-01-01') NOT VALID",
    )
    refused = convert(database, status=2).said
    assert "PRIMARY KEY events_pkey does not hold ts" in refused and "--widen-primary-key" in refused
    convert(database, "--widen-primary-key")
    assert database.value("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'events_pkey'") == (
        "PRIMARY KEY (id, ts)"
    )
    assert database.execute("SELECT count(*), sum(n) FROM events") == [(2000, 2000)]
    assert database.value("SELECT count(*) FROM pg_class WHERE relname LIKE '%weir%'") == 0
    assert database.value("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'weir%'") == 0


def test_integers_and_dates_and_configured_names(database: Database) -> None:
    database.execute(
        "CREATE TABLE ids (id bigserial PRIMARY KEY, n int)",
        "INSERT INTO ids (n) SELECT i FROM generate_series(1, 2500) i",
    )
    given = ("--key", "id", "--interval", "1000", "--ahead", "5000")
    database.weir("partition", "convert", "ids", *given, "--name", "{table}_{lo}")
    assert "FROM (MINVALUE) TO ('4000')" in database.value(
        "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'ids_legacy'"
    )
    assert "ids_4000" in database.partitions("ids")
    database.execute("INSERT INTO ids (id, n) VALUES (3999, 1), (4000, 1), (7999, 1)")
    database.execute("CREATE TABLE events (ts date)", "INSERT INTO events VALUES ('-infinity'), ('1999-01-01')")
    convert(database)
    assert database.value("SELECT count(*) FROM events_legacy") == 2


# ---- refusals ----------------------------------------------------------------------------------------------------

REFUSED = {
    "materialized view rows reads it": ("CREATE MATERIALIZED VIEW rows AS SELECT count(*) FROM events",),
    "foreign key refers_id_ts_fkey of refers refers to it": (
        "CREATE TABLE refers (id bigint, ts timestamptz, FOREIGN KEY (id, ts) REFERENCES events)",
    ),
    "UNIQUE single does not hold ts": ("ALTER TABLE events ADD CONSTRAINT single UNIQUE (n)",),
    "has the exclusion constraint": ("ALTER TABLE events ADD EXCLUDE USING btree (id WITH =)",),
    "constraint later is NOT VALID": ("ALTER TABLE events ADD CONSTRAINT later CHECK (n < 9) NOT VALID",),
    "CHECK alone is NO INHERIT": ("ALTER TABLE events ADD CONSTRAINT alone CHECK (n < 9) NO INHERIT",),
    "has the rule also": ("CREATE RULE also AS ON DELETE TO events DO ALSO NOTHING",),
    "rule there of plain uses it": (
        "CREATE TABLE plain (i int)",
        "CREATE RULE there AS ON INSERT TO plain DO ALSO INSERT INTO events (n) VALUES (NEW.i)",
    ),
    "its row type is used by function": ("CREATE FUNCTION f() RETURNS SETOF events LANGUAGE sql AS 'SELECT * FROM events'",),
    "its row type is used by view whole": ("CREATE VIEW whole AS SELECT e FROM events e",),
    "is unlogged or temporary": ("ALTER TABLE events SET UNLOGGED",),
    "inherits, or is inherited from": ("CREATE TABLE child () INHERITS (events)",),
    "has a transition table": (
        "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER seen AFTER INSERT ON events REFERENCING NEW TABLE AS new FOR EACH ROW EXECUTE FUNCTION t()",
    ),
    "publication all_of_it has it": ("CREATE PUBLICATION all_of_it FOR TABLE events",),
    "public.events_legacy is there already": ("CREATE TABLE events_legacy ()",),
    "policy reads of plain reads it": (
        "CREATE TABLE plain (i int)",
        "CREATE POLICY reads ON plain USING (i IN (SELECT n FROM events))",
    ),
    "rows whose ts is NULL": ("ALTER TABLE events DROP CONSTRAINT events_pkey", "ALTER TABLE events ALTER ts DROP NOT NULL", "INSERT INTO events (ts) VALUES (NULL)"),
    "whose ts is infinity": ("INSERT INTO events (ts) VALUES ('infinity')",),
    "further ahead than 12 months": ("INSERT INTO events (ts) VALUES ('2097-01-01')",),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_converted_is_said_and_left(database: Database, words: str) -> None:
    database.execute(PLAIN, *REFUSED[words])
    before = state(database)
    assert words in convert(database, status=2).said
    assert state(database) == before


def test_bad_input_is_refused(database: Database) -> None:
    database.execute(PLAIN, "CREATE VIEW seen AS SELECT 1 AS ts", "CREATE TABLE parts (ts date) PARTITION BY RANGE (ts)")
    for table, more, words in (
        ("events", ("--key", "none", "--interval", "1 month"), "has no column none"),
        ("events", ("--key", "n", "--interval", "1 month"), "PRIMARY KEY events_pkey does not hold n|the key is an integer"),
        ("events", ("--key", "ts", "--interval", "100"), "not of a kind|the key is a time"),
        ("events", ("--key", "ts", "--interval", "soon"), "--interval soon"),
        ("events", ("--key", "ts", "--interval", "1 month", "--ahead", "100"), "not of a kind"),
        ("events", (), "--key COLUMN"),
        ("seen", ("--key", "ts", "--interval", "1 month"), "is no table"),
        ("parts", ("--key", "ts", "--interval", "1 month"), "is partitioned already"),
        ("missing", ("--key", "ts", "--interval", "1 month"), "no such relation"),
    ):
        said = database.weir("partition", "convert", table, *more, status=2).said
        assert any(word in said for word in words.split("|")), said


def test_owner_is_needed_and_kept(database: Database) -> None:
    database.execute("CREATE ROLE somebody LOGIN", "CREATE ROLE of_events", PLAIN, "ALTER TABLE events OWNER TO of_events")
    try:
        database.user = "somebody"
        assert "GRANT of_events TO somebody" in convert(database, status=2).said
        database.execute("GRANT of_events TO somebody", "GRANT CREATE ON SCHEMA public TO somebody, of_events")
        convert(database)
        assert database.value(
            "SELECT bool_and(relowner = 'of_events'::regrole) FROM pg_class WHERE relname LIKE 'events%'"
        )
    finally:
        database.execute("DROP TABLE events", "DROP OWNED BY somebody, of_events", "DROP ROLE somebody, of_events")


def test_dry_run_shows_it_and_changes_nothing(database: Database) -> None:
    database.execute(PLAIN, "CREATE VIEW seen AS SELECT id FROM events", ROWS)
    before = state(database)
    shown = convert(database, "--dry-run").out
    for words in ("LOCK TABLE", "RENAME TO \"events_legacy\"", "CREATE OR REPLACE VIEW", "ATTACH PARTITION", "NOT VALID"):
        assert words in shown
    assert state(database) == before


# ---- what fails --------------------------------------------------------------------------------------------------

FORBID = (
    "CREATE FUNCTION forbid() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN IF EXISTS (SELECT FROM"
    " pg_event_trigger_ddl_commands() WHERE object_identity = 'public.events' AND command_tag = 'CREATE TABLE')"
    " THEN RAISE 'not here'; END IF; END $$",
    "CREATE EVENT TRIGGER forbids ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION forbid()",
)


def test_swap_that_fails_leaves_no_bound_behind_which_rows_are_refused(database: Database) -> None:
    database.execute(PLAIN, ROWS, *FORBID)
    assert "not here" in convert(database, status=2).said
    assert database.value("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'weir%'") == 0
    database.execute("INSERT INTO events (ts) VALUES (now() + interval '1 year')")


# ---- crashes -----------------------------------------------------------------------------------------------------


def test_killed_at_any_moment_it_ends_the_same(database: Database) -> None:
    setup = (
        "CREATE TABLE events (id bigserial PRIMARY KEY, ts timestamptz, n int DEFAULT 1)",
        "CREATE VIEW seen AS SELECT id, n FROM events",
        ROWS,
    )
    given = ("--widen-primary-key",)
    database.execute(*setup)
    began = time.monotonic()
    convert(database, *given)
    took = time.monotonic() - began
    wanted = state(database)
    rng = random.Random(7)
    moments = [rng.uniform(0, took) for _ in range(20)]
    cut_short = 0
    for moment in moments:
        database.execute("DROP VIEW seen", "DROP TABLE events", *setup)
        process = database.start("partition", "convert", "events", "--key", "ts", "--interval", "1 month", *given)
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        cut_short += process.returncode != 0
        # the server finishes what it was sent: until then another run says that it stands by
        while database.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1347899184"):
            time.sleep(0.005)
        assert database.execute("SELECT count(*), sum(n) FROM seen") == [(2000, 2000)]
        convert(database, *given)
        assert state(database) == wanted
    assert cut_short > 10
