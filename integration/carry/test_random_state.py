"""Random programs: every client's session is, after every statement, what it would be on a connection of its own.

Two server connections serve twenty clients. Each client runs its program through Weir and, statement by statement, on a
connection of its own straight to PostgreSQL: the answers are the same, and so is all that can be asked about the session.
"""

import os
import random
from typing import Iterator, Optional

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import SLOWNESS
from support.postgres import Postgres
from support.raw_client import RawClient
from support.weir import Weir
from support.wire import Message

pytestmark = pytest.mark.needs_weir

CLIENTS = 20
STEPS = int(os.environ.get("WEIR_TEST_STEPS", "500")) // max(1, int(SLOWNESS))
SEEDS = range(int(os.environ.get("WEIR_TEST_SEEDS", "2")))

SETTINGS = {
    "work_mem": ["1MB", "2MB", "3000kB"],
    "search_path": ["public", '"a b", pg_catalog', "pg_temp, public"],
    "TimeZone": ["UTC", "Asia/Tokyo", "-3:30"],
    "DateStyle": ["German", "ISO, DMY"],
    "statement_timeout": ["100s", "0"],
    "default_transaction_isolation": ["serializable", "read committed"],
    "my.var": ["one", "it's two"],
    "client_min_messages": ["error", "notice"],
    "application_name": ["first", "second"],
    "role": ["some_role", "none"],
}

STATE = (
    "SELECT 'set', name, current_setting(name, true) FROM unnest('{"
    + ",".join(SETTINGS)
    + "}'::text[]) AS name WHERE nullif(current_setting(name, true), '') IS NOT NULL"
    " UNION ALL SELECT 'user', current_user, session_user"
    " UNION ALL SELECT 'table', relname, '' FROM pg_catalog.pg_class"
    "  WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r'"
    " UNION ALL SELECT 'cursor', name, '' FROM pg_catalog.pg_cursors WHERE is_holdable"
    " UNION ALL SELECT 'prepared', name, '' FROM pg_catalog.pg_prepared_statements WHERE from_sql"
    " UNION ALL SELECT 'channel', c, '' FROM pg_listening_channels() AS c"
    " UNION ALL SELECT 'lock', objid::text, '' FROM pg_catalog.pg_locks"
    "  WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    " ORDER BY 1, 2, 3"
)


TWIN = "twin"  # advisory locks and notifications are a database's own


class Player:
    """One client of Weir beside its own connection to PostgreSQL, and what is known of where it stands."""

    def __init__(self, number: int, weir: Weir, postgres: Postgres, rng: random.Random) -> None:
        self.number = number
        startup = {}
        if rng.random() < 0.5:
            startup["work_mem"] = "5MB"
        if rng.random() < 0.5:
            startup["options"] = "-c TimeZone=America/Lima -c my.var=begun"
        self.pooled = weir.logged_in(**startup)
        self.direct = RawClient.connect_tcp(postgres.endpoint.host, postgres.endpoint.port)
        self.direct.log_in(user="postgres", database=TWIN, **startup)
        self.in_transaction = False
        self.savepoints: list[str] = []
        self.holds = False

    def close(self) -> None:
        self.pooled.quit()
        self.direct.quit()

    def both(self, write: bytes) -> tuple[list[Message], list[Message]]:
        self.pooled.send(write)
        self.direct.send(write)
        return self.pooled.receive_ready(), self.direct.receive_ready()

    def state(self) -> tuple[list[list[Optional[str]]], list[list[Optional[str]]]]:
        return self.pooled.rows(STATE), self.direct.rows(STATE)

    def keeps(self) -> bool:
        """Whether it needs its server connection between transactions, as PostgreSQL itself says."""
        kinds = {row[0] for row in self.direct.rows(STATE)}
        return bool(kinds & {"table", "cursor", "prepared", "channel", "lock"})


def told(messages: list[Message]) -> list[tuple[str, object]]:
    """What a client could tell apart: all but process ids and the parameters, which come whenever they like."""
    seen: list[tuple[str, object]] = []
    for message in messages:
        if message.type == "E" or message.type == "N":
            seen.append((message.type, (message.sqlstate, message.text)))
        elif message.type != "S":
            seen.append((message.type, message.body))
    return seen


def quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def setting(rng: random.Random) -> str:
    name = rng.choice(list(SETTINGS))
    value = rng.choice(SETTINGS[name])
    if name == "search_path":
        return f"SET search_path = {value}"
    kind = rng.randrange(6)
    if kind == 0:
        return f"SET LOCAL {name} = {quoted(value)}"
    if kind == 1:
        return f"SELECT set_config('{name}', {quoted(value)}, {rng.choice(['true', 'false'])})"
    if kind == 2:
        return f"RESET {name}"
    if kind == 3 and name != "role":
        return f"SET SESSION {name} TO DEFAULT"
    return f"SET {name} = {quoted(value)}"


def harmless(rng: random.Random) -> str:
    return rng.choice(
        [
            "SELECT 1",
            "SHOW work_mem",
            "SELECT nullif(current_setting('my.var', true), '')",
            "SELECT no_such_column",
            "RESET ALL",
            "SELECT pg_advisory_xact_lock(1)",
            "SELECT random_set('4MB')",
            "SELECT random_name('2MB')",
            "SELECT x + 0 FROM random_view",
            f"INSERT INTO random_table VALUES ({rng.randrange(4)})",
            "DO $$ BEGIN PERFORM set_config('my.var', 'done', false); END $$",
            "SET a b c",
            "",
        ]
    )


def holding(rng: random.Random, number: int) -> str:
    """What keeps a server connection, or may let go of it."""
    name = f"n{rng.randrange(2)}"
    return rng.choice(
        [
            f"CREATE TEMP TABLE {name} (x int)",
            f"CREATE TEMP TABLE {name} ON COMMIT DROP AS SELECT 1",
            f"DROP TABLE {name}",
            f"LISTEN {name}",
            f"UNLISTEN {name}",
            f"SELECT pg_try_advisory_lock({number * 10})",
            f"SELECT pg_advisory_unlock({number * 10})",
            f"SELECT random_lock({number * 10 + 1})",
            "SELECT pg_advisory_unlock_all()",
            f"PREPARE {name} AS SELECT 1",
            f"EXECUTE {name}",
            f"DEALLOCATE {name}",
            f"DECLARE {name} CURSOR WITH HOLD FOR SELECT generate_series(1, 3)",
            f"FETCH 1 FROM {name}",
            f"CLOSE {name}",
            "DISCARD TEMP",
            "DISCARD ALL",
        ]
    )


def control(rng: random.Random) -> str:
    return rng.choice(
        ["BEGIN", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT a", "ROLLBACK TO a", "RELEASE a", "START TRANSACTION"]
    )


def write_of(rng: random.Random, sql: str) -> bytes:
    if sql and rng.random() < 0.3:
        return wire.parse(sql) + wire.bind() + wire.execute() + wire.sync()
    return wire.query(sql)


@pytest.fixture(autouse=True)
def nothing_stays(postgres: Postgres) -> Iterator[None]:
    """A view that sets something makes every request of its database one that may."""
    yield
    for dbname in ("app", TWIN):
        if postgres.execute("SELECT 1 FROM pg_database WHERE datname = %s", [dbname]):
            postgres.execute(
                "DROP VIEW IF EXISTS public.random_view; DROP TABLE IF EXISTS public.random_table;"
                "DROP FUNCTION IF EXISTS public.random_fired, public.random_name, public.random_set, public.random_lock",
                dbname=dbname,
            )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("threads", [1, 2])
def test_random_programs_leave_every_session_as_a_direct_one(
    start_weir: StartWeir, postgres: Postgres, seed: int, threads: int
) -> None:
    postgres.execute("DO $$ BEGIN CREATE ROLE some_role; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    if not postgres.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TWIN]):
        postgres.execute(f"CREATE DATABASE {TWIN}")
    for dbname in ("app", TWIN):
        postgres.execute(
            "CREATE OR REPLACE FUNCTION public.random_lock(k int) RETURNS boolean LANGUAGE plpgsql AS"
            " $$ BEGIN RETURN pg_try_advisory_lock(k); END $$;"
            "CREATE OR REPLACE FUNCTION public.random_set(v text) RETURNS text LANGUAGE plpgsql AS"
            " $$ BEGIN RETURN set_config('work_mem', v, false); END $$;"
            "CREATE OR REPLACE FUNCTION public.random_name(v text) RETURNS text LANGUAGE plpgsql AS"
            " $$ BEGIN RETURN public.random_set(v); END $$;"
            "CREATE OR REPLACE FUNCTION public.random_fired() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN IF NEW.x = 1 THEN PERFORM set_config('my.var', 'fired', false); END IF; RETURN NULL; END $$;"
            "DROP TABLE IF EXISTS public.random_table; CREATE TABLE public.random_table (x int);"
            "GRANT ALL ON public.random_table TO some_role;"
            "CREATE TRIGGER fires BEFORE INSERT ON public.random_table FOR EACH ROW"
            " EXECUTE FUNCTION public.random_fired();"
            "CREATE OR REPLACE VIEW public.random_view AS SELECT 1 AS x WHERE public.random_set('3MB') <> '';"
            "GRANT SELECT ON public.random_view TO some_role",
            dbname=dbname,
        )
    rng = random.Random(seed)
    weir = start_weir({"pool": {"max": 2, "min": 0}, "listen": {"threads": threads}})
    players = [Player(number, weir, postgres, rng) for number in range(CLIENTS)]
    holder: Optional[Player] = None
    try:
        for step in range(STEPS):
            # One may keep a server connection; the rest share the other one.
            player = holder if holder is not None and rng.random() < 0.5 else rng.choice(players)
            free = holder is None or holder is player
            kind = rng.random()
            if free and (kind < 0.35 or (player.in_transaction and kind < 0.5)):
                sql = control(rng)
            elif free and kind < 0.6:
                sql = holding(rng, player.number)
            elif kind < 0.85:
                sql = setting(rng)
            else:
                sql = harmless(rng)
            pooled, direct = player.both(write_of(rng, sql))
            assert told(pooled) == told(direct), f"seed {seed}, step {step}, client {player.number}: {sql}"
            player.in_transaction = direct[-1].body != b"I"
            if direct[-1].body != b"E":
                mine, theirs = player.state()
                assert mine == theirs, f"seed {seed}, step {step}, client {player.number}: {sql}"
            holder = player if free and (player.in_transaction or player.keeps()) else (None if free else holder)
            if step % 20 == 19 and (holder is None or not holder.in_transaction):
                for other in players:
                    mine, theirs = other.state()
                    assert mine == theirs, f"seed {seed}, step {step}, client {other.number} after {sql}"
    finally:
        for player in players:
            player.close()
