"""Partitions are made ahead: where the calendar has them, without gap or overlap, and as often as one likes."""

import json
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from maintenance.conftest import Database

pytestmark = pytest.mark.needs_weir

EVENTS = "CREATE TABLE events (id bigint, ts timestamptz NOT NULL, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts)"
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]


def create(database: Database, *switches: str, table: str = "events", status: int = 0) -> Any:
    return database.weir("partition", "create", table, *switches, status=status)


def instants(bounds: list[tuple[str, str]]) -> list[tuple[datetime, datetime]]:
    def read(text: str) -> datetime:
        moment = datetime.fromisoformat(text + ":00" if text[-3] in "+-" else text)
        return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)

    return [(read(lo), read(hi)) for lo, hi in bounds]


def is_without_gap(bounds: list[tuple[Any, Any]]) -> bool:
    return all(before[1] == after[0] for before, after in zip(bounds, bounds[1:]))


def next_changes(zone: str) -> list[datetime]:
    """The next two changes of the zone's clock, on the hour in UTC before."""
    found = []
    moment = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0) + timedelta(days=8)
    own = ZoneInfo(zone)
    while len(found) < 2:
        after = moment + timedelta(hours=1)
        if moment.astimezone(own).utcoffset() != after.astimezone(own).utcoffset():
            found.append(moment)
        moment = after
    return found


def hours_until(moment: datetime) -> int:
    return int((moment - datetime.now(timezone.utc)).total_seconds() // 3600)


# ---- the calendar ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("which", [0, 1])
def test_days_begin_at_midnight_of_the_zone_where_its_clock_changes(database: Database, zone: str, which: int) -> None:
    change = next_changes(zone)[which]
    own = ZoneInfo(zone)
    before = (change.astimezone(own) - timedelta(days=3)).replace(hour=0, minute=0)
    database.execute(EVENTS, f"CREATE TABLE old PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('{before}')")
    ahead = f"{hours_until(change) + 72} hours"
    create(database, "--interval", "daily", "--timezone", zone, "--ahead-min", ahead, "--ahead-max", ahead)
    made = instants(database.bounds("events"))
    assert is_without_gap(made)
    days = [(lo.astimezone(own), hi - lo) for lo, hi in made[1:]]
    assert len(days) >= 5
    assert all((lo.hour, lo.minute) == (0, 0) for lo, _ in days)
    lengths = {length for _, length in days}
    shift = timedelta(minutes=30) if "Lord_Howe" in zone else timedelta(hours=1)
    assert lengths == {timedelta(days=1), timedelta(days=1) + (shift if is_longer(own, change) else -shift)}


def is_longer(own: ZoneInfo, change: datetime) -> bool:
    before, after = change.astimezone(own), (change + timedelta(hours=1)).astimezone(own)
    return after.utcoffset() < before.utcoffset()  # type: ignore[operator]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("which", [0, 1])
def test_hours_are_of_one_length_where_the_clock_changes(database: Database, zone: str, which: int) -> None:
    change = next_changes(zone)[which]
    before = change - timedelta(hours=6)
    database.execute(EVENTS, f"CREATE TABLE old PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('{before}')")
    ahead = f"{hours_until(change) + 6} hours"
    create(database, "--interval", "hourly", "--timezone", zone, "--ahead-min", ahead, "--ahead-max", ahead)
    made = instants(database.bounds("events"))
    assert is_without_gap(made)
    assert {hi - lo for lo, hi in made[1:]} == {timedelta(hours=1)}
    names = database.partitions("events")
    assert len(names) == len(set(names)) == len(made) >= 12


def test_months_begin_on_day_one_and_leap_years_have_their_day(database: Database) -> None:
    database.execute(EVENTS)
    create(database, "--interval", "monthly", "--ahead-min", "5 years", "--ahead-max", "5 years")
    made = instants(database.bounds("events"))
    assert is_without_gap(made)
    assert all(lo.day == 1 for lo, _ in made)
    assert {(hi - lo).days for lo, hi in made} == {28, 29, 30, 31}
    now = datetime.now(timezone.utc)
    assert made[0][0] <= now < made[0][1]
    assert 60 <= len(made) <= 62


def test_weeks_begin_on_monday_and_quarters_in_january(database: Database) -> None:
    database.execute(EVENTS, EVENTS.replace("events", "rare"))
    create(database, "--interval", "weekly", "--ahead-min", "1 month", "--ahead-max", "2 months")
    assert {lo.weekday() for lo, _ in instants(database.bounds("events"))} == {0}
    create(database, "--interval", "quarterly", "--name", "{table}_{YYYY}q{Q}", table="rare")
    made = instants(database.bounds("rare"))
    assert {lo.month for lo, _ in made} == {1, 4, 7, 10}
    first = made[0][0]
    assert f"rare_{first.year}q{(first.month + 2) // 3}" in database.partitions("rare")


@pytest.mark.parametrize("kind", ["timestamp", "date"])
def test_keys_without_a_zone_have_the_wall_clock_of_the_zone(database: Database, kind: str) -> None:
    database.execute(f"CREATE TABLE walls (at {kind} NOT NULL) PARTITION BY RANGE (at)")
    create(database, "--interval", "daily", "--timezone", "Pacific/Kiritimati", "--ahead-max", "6 months", table="walls")
    made = database.bounds("walls")
    assert is_without_gap(made)
    there = datetime.now(ZoneInfo("Pacific/Kiritimati")).date()
    assert made[0][0][:10] in {str(there), str(there - timedelta(days=1))}


def test_odd_intervals_go_on_from_where_the_last_ended(database: Database) -> None:
    database.execute(EVENTS)
    today = datetime.now(timezone.utc).date()
    first, then = today - timedelta(days=6), today + timedelta(days=4)
    database.execute(f"CREATE TABLE old PARTITION OF events FOR VALUES FROM ('{first}') TO ('{then}')")
    create(database, "--interval", "10 days")
    made = instants(database.bounds("events"))
    assert is_without_gap(made)
    assert {(hi - lo).days for lo, hi in made} == {10}


@pytest.mark.parametrize(
    ("table", "interval", "words"),
    [
        ("events", "1000", "stretch of time"),
        ("ids", "monthly", "whole number"),
        ("events", "1 month 3 days", "do not mix"),
        ("days", "6 hours", "whole days"),
        ("events", "often", "accepted"),
    ],
)
def test_interval_that_does_not_fit_the_key_is_refused(database: Database, table: str, interval: str, words: str) -> None:
    database.execute(
        EVENTS,
        "CREATE TABLE ids (id bigserial PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE days (d date) PARTITION BY RANGE (d)",
    )
    refused = create(database, "--interval", interval, table=table, status=2)
    assert words in refused.said
    assert database.partitions(table) == []


# ---- integers ----------------------------------------------------------------------------------------------------


def test_integer_keys_follow_their_sequence(database: Database) -> None:
    database.execute("CREATE TABLE ids (id bigserial PRIMARY KEY, v text) PARTITION BY RANGE (id)")
    create(database, "--interval", "1000", "--ahead-min", "2000", "--ahead-max", "4000", table="ids")
    assert database.bounds("ids")[0] == ("0", "1000")
    assert database.bounds("ids")[-1] == ("4000", "5000")
    database.execute("SELECT setval('ids_id_seq', 2999)")
    create(database, "--interval", "1000", "--ahead-min", "2000", "--ahead-max", "4000", table="ids")
    assert database.bounds("ids")[-1] == ("4000", "5000")  # enough is left
    database.execute("SELECT setval('ids_id_seq', 3001)")
    create(database, "--interval", "1000", "--ahead-min", "2000", "--ahead-max", "4000", table="ids")
    assert database.bounds("ids")[-1] == ("7000", "8000")
    assert is_without_gap(database.bounds("ids"))


def test_integer_keys_without_a_sequence_follow_their_greatest_value(database: Database) -> None:
    database.execute(
        "CREATE TABLE ids (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE low PARTITION OF ids FOR VALUES FROM (MINVALUE) TO (500)",
        "INSERT INTO ids VALUES (-7), (420)",
        "CREATE TABLE bare (id int) PARTITION BY RANGE (id)",
    )
    create(database, "--interval", "1000", "--ahead-min", "1000", "--ahead-max", "1000", table="ids")
    assert database.partitions("ids") == ["ids_p1000", "ids_p500", "low"]
    refused = create(database, "--interval", "1000", table="bare", status=2)
    assert "index" in refused.said


# ---- what is there -----------------------------------------------------------------------------------------------


def month(ahead: int) -> str:
    now = datetime.now(timezone.utc)
    months = now.year * 12 + now.month - 1 + ahead
    return f"{months // 12}-{months % 12 + 1:02}-01"


def part(ahead: int, until: int, name: str = "") -> str:
    name = name or f"given_{ahead + 100}"
    return f"CREATE TABLE {name} PARTITION OF events FOR VALUES FROM ('{month(ahead)}') TO ('{month(until)}')"


def test_nothing_is_made_while_enough_is_left(database: Database) -> None:
    database.execute(EVENTS, part(0, 9))
    assert "no partition is missing" in create(database, "--interval", "monthly").said
    assert len(database.partitions("events")) == 1
    assert "made" in create(database, "--interval", "monthly", "--ahead-min", "10 months").said
    assert len(database.partitions("events")) == 5
    assert "no partition is missing" in create(database, "--interval", "monthly").said


def test_it_goes_on_from_the_last_bound_with_one_of_odd_length(database: Database) -> None:
    odd = month(1)[:8] + "17"
    database.execute(
        EVENTS, f"CREATE TABLE given PARTITION OF events FOR VALUES FROM ('{month(0)}') TO ('{odd}')"
    )
    create(database, "--interval", "monthly")
    made = database.bounds("events")
    assert is_without_gap(made)
    assert (made[1][0][:10], made[1][1][:10]) == (odd, month(2))
    assert all(lo[8:10] == "01" for lo, _ in made[2:])


def test_gap_ahead_is_filled_and_one_behind_is_told(database: Database) -> None:
    database.execute(EVENTS, part(-9, -8), part(-5, 3), part(4, 5), part(7, 14))
    said = create(database, "--interval", "monthly", status=1).said
    assert "fills a gap" in said
    assert f"gap [{month(-8)}" in said
    made = [(lo[:10], hi[:10]) for lo, hi in database.bounds("events")]
    assert (month(3), month(4)) in made and (month(5), month(6)) in made and (month(6), month(7)) in made
    assert is_without_gap(made[1:])
    assert not is_without_gap(made)


def test_partition_that_lies_across_is_told_and_left(database: Database) -> None:
    database.execute(EVENTS, part(0, 1), part(2, 5, "wide"))
    said = create(database, "--interval", "monthly", status=1).said
    assert "CONFLICT: public.wide" in said
    made = [(lo[:10], hi[:10]) for lo, hi in database.bounds("events")]
    assert (month(2), month(5)) in made
    assert is_without_gap(made)


def test_table_of_that_name_that_is_somebody_elses_is_left(database: Database) -> None:
    name = "events_p" + month(2)[:7].replace("-", "")
    database.execute(EVENTS, f"CREATE TABLE {name} (LIKE events)", f"INSERT INTO {name} VALUES (1, now())")
    said = create(database, "--interval", "monthly", status=2).said
    assert f"CONFLICT: public.{name}" in said
    assert database.value(f"SELECT count(*) FROM {name}") == 1
    assert len(database.partitions("events")) == 12  # the others were made all the same


def test_what_a_crash_has_left_is_taken_up(database: Database) -> None:
    names = ["events_p" + month(ahead)[:7].replace("-", "") for ahead in (1, 2)]
    comment = '{"by":"weir","table":"public.events","lo":"2001-01-01 00:00:00+00","hi":"2001-02-01 00:00:00+00"}'
    database.execute(
        EVENTS,
        f"CREATE TABLE {names[0]} (LIKE events)",
        f"CREATE TABLE {names[1]} (LIKE events)",
        f"ALTER TABLE {names[1]} ADD odd int",
        *[f"COMMENT ON TABLE {name} IS '{comment}'" for name in names],
    )
    taken = database.value(f"SELECT '{names[0]}'::regclass::oid")
    create(database, "--interval", "monthly")
    assert database.value(f"SELECT '{names[0]}'::regclass::oid") == taken
    assert set(names) <= set(database.partitions("events"))
    assert is_without_gap(database.bounds("events"))
    assert database.value(f"SELECT obj_description('{names[0]}'::regclass)::json ->> 'lo'")[:10] == month(1)


def test_names_have_63_bytes_at_most_and_differ(database: Database) -> None:
    long, other = "ä" * 28 + "_one", "ä" * 28 + "_two"
    for table in (long, other):
        database.execute(f'CREATE TABLE "{table}" (ts timestamptz NOT NULL) PARTITION BY RANGE (ts)')
        create(database, "--interval", "monthly", table=f'"{table}"')
        create(database, "--interval", "monthly", table=f'"{table}"')
    names = database.partitions(f'"{long}"') + database.partitions(f'"{other}"')
    assert len(set(names)) == len(names) == 26
    assert max(len(name.encode()) for name in names) <= 63
    assert any(name.endswith("_p" + month(3)[:7].replace("-", "")) for name in names)


def test_name_that_does_not_tell_partitions_apart_is_refused(database: Database) -> None:
    database.execute(EVENTS)
    assert "more than one partition" in create(
        database, "--interval", "daily", "--name", "{table}_p{YYYYMM}", status=2
    ).said
    assert "{WEEK}" in create(database, "--interval", "daily", "--name", "{table}_{WEEK}", status=2).said
    assert database.partitions("events") == []


def test_partitions_have_what_their_table_has(database: Database) -> None:
    database.execute(
        "CREATE ROLE reader_of_parts",
        "CREATE ROLE owner_of_parts",
        "CREATE TABLE others (id int PRIMARY KEY)",
        EVENTS.replace("id bigint,", "id bigint, other int REFERENCES others, n int CHECK (n > 0),"),
        "CREATE INDEX ON events (n)",
        part(-1, 0),
        "ALTER TABLE given_99 SET (autovacuum_vacuum_scale_factor = 0.01)",
        "ALTER TABLE events REPLICA IDENTITY USING INDEX events_pkey",
        "GRANT SELECT, INSERT ON events TO reader_of_parts",
        "GRANT ALL ON SCHEMA public TO owner_of_parts",
        "ALTER TABLE events OWNER TO owner_of_parts",
        "GRANT REFERENCES ON others TO owner_of_parts",
    )
    try:
        create(database, "--interval", "monthly")
        name = database.partitions("events")[0]
        made = database.execute(
            "SELECT relowner::regrole::text, reloptions, relreplident, has_table_privilege('reader_of_parts', oid,"
            " 'SELECT, INSERT'), (SELECT count(*) FROM pg_index WHERE indrelid = c.oid),"
            " (SELECT count(*) FROM pg_constraint WHERE conrelid = c.oid AND contype IN ('c', 'f')),"
            " (SELECT count(*) FROM pg_index WHERE indrelid = c.oid AND indisreplident)"
            f" FROM pg_class c WHERE oid = '{name}'::regclass"
        )
        assert made == [("owner_of_parts", ["autovacuum_vacuum_scale_factor=0.01"], "i", True, 2, 2, 1)]
    finally:
        database.execute(
            "DROP TABLE events",
            "DROP OWNED BY owner_of_parts, reader_of_parts",
            "DROP ROLE owner_of_parts, reader_of_parts",
        )


def test_tables_that_cannot_be_worked_on_say_why(database: Database) -> None:
    database.execute(
        "CREATE TABLE hashed (id int) PARTITION BY HASH (id)",
        "CREATE TABLE two (a int, b int) PARTITION BY RANGE (a, b)",
        "CREATE TABLE computed (a int) PARTITION BY RANGE ((a + 1))",
        "CREATE TABLE words (a text) PARTITION BY RANGE (a)",
        "CREATE TABLE plain (a int)",
        "CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
    )
    for table, words in {
        "hashed": "not by RANGE",
        "two": "2 columns",
        "computed": "expression",
        "words": "type text",
        "plain": "not partitioned",
        "missing": "no such relation",
    }.items():
        assert words in create(database, "--interval", "10", table=table, status=2).said
    (row,) = database.weir("partition", "list", "hashed", "--json").items
    assert row["lo"] == "WITH (modulus 2, remainder 0)"


def test_role_that_is_not_the_owner_is_told_what_is_missing(database: Database) -> None:
    database.execute(
        "CREATE ROLE someone LOGIN",
        "CREATE ROLE the_owner",
        EVENTS,
        "GRANT ALL ON SCHEMA public TO the_owner",
        "ALTER TABLE events OWNER TO the_owner",
    )
    try:
        database.user = "someone"
        assert 'GRANT "the_owner" TO "someone"' in create(database, "--interval", "monthly", status=2).said
        database.execute("GRANT the_owner TO someone")
        create(database, "--interval", "monthly")
        assert database.value(
            "SELECT bool_and(relowner = 'the_owner'::regrole) FROM pg_class WHERE relname LIKE 'events%'"
        )
        database.execute(
            "REVOKE CREATE ON SCHEMA public FROM the_owner, PUBLIC",
        )
        assert "GRANT CREATE ON SCHEMA" in create(
            database, "--interval", "monthly", "--ahead-min", "20 months", "--ahead-max", "20 months", status=2
        ).said
    finally:
        database.execute(
            "DROP TABLE events", "DROP OWNED BY the_owner", "DROP ROLE someone", "DROP ROLE the_owner"
        )


def test_dry_run_shows_statements_and_locks_and_changes_nothing(database: Database) -> None:
    database.execute(EVENTS)
    shown = create(database, "--interval", "monthly", "--dry-run").out
    assert shown.count("ATTACH PARTITION") == 13
    assert "-- locks: SHARE UPDATE EXCLUSIVE on public.events" in shown
    rows = create(database, "--interval", "monthly", "--dry-run", "--json").items
    assert [row["locks"] for row in rows if row["statement"].startswith("CREATE")].count("ACCESS SHARE on public.events")
    assert database.partitions("events") == []
    (row,) = create(database, "--interval", "monthly", "--json").items
    assert (row["result"], row["partitions"]) == ("done", 13)


# ---- one value ---------------------------------------------------------------------------------------------------


def test_partition_of_one_value_is_made_at_once(database: Database) -> None:
    database.execute(EVENTS, part(0, 1), part(3, 4))
    (row,) = create(database, "--interval", "quarterly", "--for", month(1)[:8] + "09 12:00", "--json").items
    made = [(lo[:10], hi[:10]) for lo, hi in database.bounds("events")]
    assert len(made) == 3 and made[1][0] == month(1) and month(1) < made[1][1] <= month(3)
    (again,) = create(database, "--interval", "quarterly", "--for", month(1)[:8] + "09 12:00", "--json").items
    assert again == row
    for far, words in {"2097-01-01": "too far ahead", "1970-01-01": "too far back", "infinity": "infinite"}.items():
        assert words in create(database, "--interval", "monthly", "--for", far, status=2).said
    assert len(database.partitions("events")) == 3


def test_partition_of_an_integer_is_made_at_once(database: Database) -> None:
    database.execute("CREATE TABLE ids (id bigserial PRIMARY KEY) PARTITION BY RANGE (id)")
    create(database, "--interval", "1000", "--for", "4711", table="ids")
    create(database, "--interval", "1000", "--for", "-5", table="ids")
    assert database.bounds("ids") == [("-1000", "0"), ("4000", "5000")]
    assert database.partitions("ids") == ["ids_p4000", "ids_pm1000"]
    assert "too far" in create(database, "--interval", "1000", "--for", "9223372036854775807", table="ids", status=2).said


# ---- of the configuration ----------------------------------------------------------------------------------------


def test_tables_of_the_configuration_are_each_their_own(database: Database, tmp_path: Any) -> None:
    database.execute(EVENTS, EVENTS.replace("events", "others"), "CREATE TABLE ids (id bigserial) PARTITION BY RANGE (id)")
    config = tmp_path / "weir.toml"
    config.write_text(
        f"""
        auth.method = "trust"
        cluster.main.servers = ["127.0.0.1:{database.postgres.port}"]
        database.{database.name}.cluster = "main"
        user.postgres = {{}}
        [maintenance]
        database = "{database.name}"
        user = "postgres"
        timezone = "Europe/Berlin"
        [[partition]]
        table = "public.missing"
        key = "ts"
        interval = "1 month"
        [[partition]]
        table = "public.events"
        key = "ts"
        interval = "1 month"
        name = "{{table}}_{{YYYY}}_{{MM}}"
        [[partition]]
        table = "others"
        key = "id"
        interval = "1 month"
        [[partition]]
        table = "ids"
        key = "id"
        interval = 1000
        ahead = {{ min = 2000, max = 5000 }}
        name = "{{table}}_{{lo}}"
        """
    )
    done = database.weir("partition", "create", "-c", str(config), "--json", status=2)
    ended = [(row["result"], row["partitions"]) for row in done.items]
    assert ended == [("failed", 0), ("done", 13), ("failed", 0), ("done", 6)]
    assert "no such relation" in done.said and "partitioned by ts, not by id" in done.said
    assert all(lo[11:] in ("22:00:00+00", "23:00:00+00") for lo, _ in database.bounds("events"))
    assert "events_" + month(1)[:7].replace("-", "_") in database.partitions("events")
    found = database.weir("partition", "analyze", "-c", str(config), "--json", status=2).items
    assert any(row["table"] == "public.missing" for row in found)
    assert not [row for row in found if row["table"] == "public.events"]
    said = database.weir("maintain", "--no-analyze", "-c", str(config), status=2).said
    assert "partition public.events: skipped, no partition is missing; the last ends at" in said


def test_long_transaction_keeps_no_partition_from_being_made(database: Database, tmp_path: Any) -> None:
    database.execute(EVENTS, part(0, 1))
    config = tmp_path / "weir.toml"
    config.write_text(
        f"""
        auth.method = "trust"
        cluster.main.servers = ["127.0.0.1:{database.postgres.port}"]
        database.{database.name}.cluster = "main"
        user.postgres = {{}}
        maintenance = {{ database = "{database.name}", user = "postgres", max_blocker_age = "1ms" }}
        """
    )
    with database.connect() as report:
        report.execute("BEGIN")
        report.execute("SELECT count(*) FROM events")
        report.execute("INSERT INTO events VALUES (1, now())")
        create(database, "--interval", "monthly", "-c", str(config))
        refused = database.weir(
            *("partition", "cleanup", "events", "-c", str(config), "--retention", "1 day", "--enforce"), status=None
        )
    assert len(database.partitions("events")) == 13
    assert "weir-integration-harness" in refused.said or "no partition is older" in refused.said


def test_lists_come_in_pages(database: Database) -> None:
    database.execute(EVENTS)
    create(database, "--interval", "monthly")
    rows = database.weir("partition", "list", "events", "--json").items
    seen: list[Any] = []
    cursor: Any = "0"
    while cursor is not None:
        page = json.loads(database.weir("partition", "list", "events", "--json", "--limit", "5", "--cursor", cursor).out)
        assert len(page["items"]) <= 5
        seen += page["items"]
        cursor = page["next"]
    assert seen == rows and len(rows) > 10
    assert "more: --cursor 5" in database.weir("partition", "list", "events", "--limit", "5").out
    assert "--cursor" in database.weir("partition", "list", "events", "--cursor", "-1", status=2).said
