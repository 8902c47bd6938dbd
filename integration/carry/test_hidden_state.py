"""What functions, triggers, views and the like leave in a session is the client's own, however it got there."""

import time
from typing import Iterator, Optional

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import wait_until
from support.postgres import Postgres
from support.raw_client import RawClient, errors
from support.weir import Weir

pytestmark = pytest.mark.needs_weir

ONE = {"pool": {"max": 1, "min": 0}, "listen": {"threads": 1}}
DATABASE = "hidden"
# What others may make unseen is noticed within this.
KNOWN_FOR_S = 60


def make(name: str, body: str, arguments: str = "", returns: str = "void", kind: str = "FUNCTION") -> str:
    """A statement that makes a function in PL/pgSQL."""
    returning = f" RETURNS {returns}" if kind == "FUNCTION" else ""
    return f"CREATE OR REPLACE {kind} {name}({arguments}){returning} LANGUAGE plpgsql AS $f$ BEGIN {body} END $f$"


SETS_WORK_MEM = "PERFORM set_config('work_mem', '9MB', false);"
TRIGGER = SETS_WORK_MEM + " RETURN NEW;"


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Postgres]:
    postgres.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    postgres.execute(f"CREATE DATABASE {DATABASE}")
    yield postgres


class Pair:
    """Two clients that share one server connection, and one who makes things straight in the database."""

    def __init__(self, weir: Weir, postgres: Postgres) -> None:
        self.weir = weir
        self.has_left = False
        self.postgres = postgres
        self.one = weir.logged_in(database=DATABASE)
        self.other = weir.logged_in(database=DATABASE)

    def make(self, *statements: str) -> None:
        for statement in statements:
            self.postgres.execute(statement, dbname=DATABASE)

    def runs(self, *statements: str) -> None:
        for statement in statements:
            assert errors(self.one.query(statement)) == [], statement

    def leave(self) -> None:
        self.has_left = True
        self.one.quit()

    def must_be_pinned(self) -> None:
        wait_until(self.is_pinned, "the client keeps its connection")

    def is_pinned(self) -> bool:
        return len(self.weir.show("pins")) > 0

    def close(self) -> None:
        if not self.has_left:
            self.leave()
        self.other.quit()


@pytest.fixture
def pair(start_weir: StartWeir, database: Postgres) -> Iterator[Pair]:
    clients = Pair(start_weir(ONE), database)
    yield clients
    clients.close()


def unnamed_value(client: RawClient, name: str) -> Optional[str]:
    """A setting, asked for so that its name is in no text."""
    client.send(
        wire.parse("SELECT current_setting($1, true)") + wire.bind(values=[name.encode()]) + wire.execute() + wire.sync()
    )
    values = [message.columns()[0] for message in client.receive_ready() if message.type == "D"]
    return values[0].decode() if isinstance(values[0], bytes) else values[0]


REACHES = {
    "function": ([], "SELECT leaves()"),
    "through another": ([make("calls", "PERFORM leaves();")], "SELECT calls()"),
    "procedure": ([make("proc", SETS_WORK_MEM, kind="PROCEDURE")], "CALL proc()"),
    "view": (["CREATE VIEW seen AS SELECT leaves()"], "SELECT * FROM seen"),
    "view of a builtin": (
        ["CREATE VIEW seen AS SELECT set_config('work_mem', '9MB', false) AS s"],
        "SELECT * FROM seen",
    ),
    "trigger": (
        [
            "CREATE TABLE things (x int)",
            make("fired", TRIGGER, returns="trigger"),
            "CREATE TRIGGER t BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION fired()",
        ],
        "INSERT INTO things VALUES (1)",
    ),
    "trigger within a function": (
        [
            "CREATE TABLE things (x int)",
            make("fired", TRIGGER, returns="trigger"),
            "CREATE TRIGGER t BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION fired()",
            make("stores", "INSERT INTO things VALUES (1);"),
        ],
        "SELECT stores()",
    ),
    "default": (
        [make("gives", SETS_WORK_MEM + " RETURN 1;", returns="int"), "CREATE TABLE things (x int DEFAULT gives(), y int)"],
        "INSERT INTO things (y) VALUES (1)",
    ),
    "default of an argument": (
        ["CREATE FUNCTION quiet(t text DEFAULT set_config('work_mem', '9MB', false)) RETURNS int LANGUAGE sql AS 'SELECT length(t)'"],
        "SELECT quiet()",
    ),
    "rule": (
        ["CREATE TABLE things (x int)", "CREATE RULE r AS ON INSERT TO things DO ALSO SELECT leaves()"],
        "INSERT INTO things VALUES (1)",
    ),
    "operator": (
        [
            make("compares", SETS_WORK_MEM + " RETURN true;", "a int, b int", "boolean"),
            "CREATE OPERATOR === (leftarg = int, rightarg = int, procedure = compares)",
        ],
        "SELECT 1 === 2",
    ),
    "aggregate": (
        [
            make("steps", SETS_WORK_MEM + " RETURN 1;", "a int, b int", "int"),
            "CREATE AGGREGATE adds(int) (sfunc = steps, stype = int, initcond = '0')",
        ],
        "SELECT adds(1)",
    ),
    "aggregate of a builtin": (
        ["CREATE AGGREGATE adds(text, boolean) (sfunc = set_config, stype = text, initcond = 'work_mem')"],
        "SELECT adds('9MB', false)",
    ),
    "policy": (
        [
            "CREATE TABLE things (x int)",
            "INSERT INTO things VALUES (1)",
            make("allows", SETS_WORK_MEM + " RETURN true;", returns="boolean"),
            "ALTER TABLE things ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE things FORCE ROW LEVEL SECURITY",
            "CREATE POLICY p ON things USING (allows())",
            "DO $$ BEGIN CREATE ROLE looks_at_things; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
            "GRANT SELECT ON things TO looks_at_things",
        ],
        "BEGIN; SET LOCAL ROLE looks_at_things; SELECT * FROM things; COMMIT",
    ),
    "constraint": (
        [
            make("checks", SETS_WORK_MEM + " RETURN true;", "x int", "boolean"),
            "CREATE TABLE things (x int CHECK (checks(x)))",
        ],
        "INSERT INTO things VALUES (1)",
    ),
    "standard body": (
        ["CREATE FUNCTION stands() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT set_config('work_mem', '9MB', false); END"],
        "SELECT stands()",
    ),
    "dynamic SQL": ([make("runs", "EXECUTE 'SE' || 'T work_mem = ''9MB''';")], "SELECT runs()"),
    "name in other letters": ([], 'SELECT U&"l\\0065aves"()'),
    "query as text": ([], "SELECT query_to_xml('SELECT leaves()', true, true, '')"),
}


@pytest.mark.parametrize("reach", REACHES)
def test_what_runs_unseen_is_found_on_any_run(pair: Pair, reach: str) -> None:
    statements, request = REACHES[reach]
    guarded = "IF current_setting('my.go', true) = 'on' THEN " + SETS_WORK_MEM + " END IF;"
    pair.make(make("leaves", guarded + " RETURN 1;", returns="int"))
    pair.make(*[statement.replace(SETS_WORK_MEM, guarded) for statement in statements])
    for _ in range(6):
        pair.runs(request)
        assert pair.other.value("SHOW work_mem") == "4MB"
    pair.runs("BEGIN", "SET LOCAL my.go = 'on'")
    pair.runs(*[statement for statement in request.split("; ") if statement not in ("BEGIN", "COMMIT")])
    pair.runs("COMMIT")
    assert pair.other.value("SHOW work_mem") == "4MB"
    assert pair.one.value("SHOW work_mem") == "9MB"


def test_custom_settings_of_functions_are_carried(pair: Pair) -> None:
    pair.make(
        make("set_tenant", "PERFORM set_config('app.tenant', t, false);", "t text"),
        make("tenant", "RETURN current_setting('app.tenant', true);", returns="text"),
    )
    pair.runs("SELECT set_tenant('acme')")
    assert pair.other.value("SELECT tenant()") in (None, "")
    assert pair.one.value("SELECT tenant()") == "acme"


@pytest.mark.parametrize(
    "body",
    [
        "PERFORM set_config(n, 'acme', false);",
        "EXECUTE format('SET %s = %L', n, 'acme');",
        "EXECUTE 'SELECT set_config($1, $2, false)' USING n, 'acme';",
    ],
)
def test_custom_settings_without_a_name_do_not_stay(pair: Pair, body: str) -> None:
    pair.make(make("sets", body, "n text"))
    for i in range(3):
        pair.one.send(
            wire.parse("SELECT sets($1)") + wire.bind(values=[f"her.v{i}".encode()]) + wire.execute() + wire.sync()
        )
        assert errors(pair.one.receive_ready()) == []
    if pair.is_pinned():
        assert unnamed_value(pair.one, "her.v0") == "acme"
        pair.leave()
    assert [unnamed_value(pair.other, f"her.v{i}") in (None, "") for i in range(3)] == [True] * 3


@pytest.mark.parametrize(
    "request_text",
    ['SET "my"."v\u00e4r" = \'acme\'', "SELECT set_config(E'my\\x2eesc', 'acme', false)", "SET my.U&\"\\0065sc\" = 'acme'"],
)
def test_settings_in_other_letters_do_not_stay(pair: Pair, request_text: str) -> None:
    name = "my.v\u00e4r" if "\u00e4" in request_text else "my.esc"
    pair.runs(request_text)
    pair.must_be_pinned()
    assert unnamed_value(pair.one, name) == "acme"
    pair.leave()
    assert unnamed_value(pair.other, name) in (None, "")


def test_settings_of_a_client_that_leaves_at_once_do_not_stay(pair: Pair) -> None:
    for i in range(20):
        with pair.weir.logged_in(database=DATABASE) as client:
            client.send(
                wire.parse("SELECT set_config($1, $2, false)")
                + wire.bind(values=[b"sec.ret", b"s%d" % i])
                + wire.execute()
                + wire.sync()
            )
            client.receive_ready()
            client.close()
        assert unnamed_value(pair.other, "sec.ret") in (None, "")


def test_many_names_of_settings_pin_nobody_else(pair: Pair) -> None:
    for i in range(400):
        pair.runs(f"SELECT current_setting('many.n{i}', true)")
    assert errors(pair.other.query("SET fresh.name = 'x'")) == []
    assert pair.one.value("SELECT current_setting('fresh.name', true)") in (None, "")
    assert pair.other.value("SELECT current_setting('fresh.name', true)") == "x"
    assert pair.weir.show("pins") == []


def test_a_function_that_is_replaced_through_weir(pair: Pair) -> None:
    pair.make(make("replaced", "NULL;"))
    for _ in range(5):
        pair.runs("SELECT replaced()")
    assert errors(pair.other.query(make("replaced", SETS_WORK_MEM))) == []
    pair.runs("SELECT replaced()")
    assert pair.other.value("SHOW work_mem") == "4MB"
    assert pair.one.value("SHOW work_mem") == "9MB"


@pytest.mark.parametrize("threads", [1, 2])
def test_a_function_that_is_replaced_through_another_worker(
    start_weir: StartWeir, database: Postgres, threads: int
) -> None:
    weir = start_weir({"pool": {"max": 4, "min": 0}, "listen": {"threads": threads}})
    clients = [weir.logged_in(database=DATABASE) for _ in range(4)]
    database.execute(make("replaced", "NULL;"), dbname=DATABASE)
    for client in clients * 6:
        assert errors(client.query("SELECT replaced()")) == []
    assert errors(clients[0].query("BEGIN")) == []
    assert errors(clients[0].query(make("replaced", "PERFORM set_config('new.name', '9MB', false);"))) == []
    for client in clients[1:]:
        assert errors(client.query("SELECT 1 FROM pg_proc WHERE proname = 'replaced'")) == []
    assert errors(clients[0].query("COMMIT")) == []
    for i, client in enumerate(clients):
        assert errors(client.query("SELECT replaced()")) == []
        for other in clients[i + 1 :]:
            assert unnamed_value(other, "new.name") in (None, "")
    for client in clients:
        assert unnamed_value(client, "new.name") == "9MB"
        client.quit()


def test_what_data_decide(pair: Pair) -> None:
    pair.make(make("maybe", "IF b = 1 THEN PERFORM pg_advisory_lock(77); SET ROLE pg_monitor; END IF;", "b int"))
    for _ in range(4):
        pair.runs("SELECT maybe(0)")
    pair.runs("SELECT maybe(1)")
    pair.must_be_pinned()
    pair.leave()
    seen = pair.other.value("SELECT current_user || (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')")
    assert seen == "postgres0"


def test_databases_have_functions_of_their_own(start_weir: StartWeir, database: Postgres) -> None:
    database.execute(make("ini", "NULL;"))
    database.execute(make("ini", SETS_WORK_MEM), dbname=DATABASE)
    weir = start_weir(ONE)
    with weir.logged_in() as elsewhere:
        for _ in range(5):
            assert errors(elsewhere.query("SELECT ini()")) == []
    with weir.logged_in(database=DATABASE) as one, weir.logged_in(database=DATABASE) as other:
        assert errors(one.query("SELECT ini()")) == []
        assert other.value("SHOW work_mem") == "4MB"
        assert one.value("SHOW work_mem") == "9MB"


SEEDS = {
    "words": ([], "SELECT setseed(.5)"),
    "SET": ([], "SET seed TO .5"),
    "SET LOCAL": ([], "BEGIN; SET LOCAL seed TO .5; COMMIT"),
    "a DO block": ([], "DO $$ BEGIN PERFORM setseed(0.5); END $$"),
    "SQL in a DO block": ([], "DO $$ BEGIN EXECUTE 'SELECT set' || 'seed(0.5)'; END $$"),
    "a function": ([make("seeds", "PERFORM setseed(0.5);")], "SELECT seeds()"),
    "SQL in a function": ([make("seeds", "EXECUTE 'SELECT set' || 'seed(0.5)';")], "SELECT seeds()"),
    "a setting of a function": (
        ["CREATE FUNCTION seeds() RETURNS int LANGUAGE plpgsql SET seed = '0.5' AS 'BEGIN RETURN 1; END'"],
        "SELECT seeds()",
    ),
}


@pytest.mark.parametrize("way", SEEDS)
def test_nobody_gets_random_numbers_that_another_has_seeded(pair: Pair, way: str) -> None:
    statements, request = SEEDS[way]
    pair.make(*statements)
    seen = set()
    for _ in range(2):
        pair.runs(request)
        pair.leave()
        seen.add(pair.other.value("SELECT random()"))
        pair.one = pair.weir.logged_in(database=DATABASE)
        pair.has_left = False
    assert len(seen) == 2


@pytest.mark.parametrize("in_function", [False, True])
def test_a_replication_origin_does_not_stay(pair: Pair, in_function: bool) -> None:
    pair.make(
        "SELECT pg_replication_origin_create('ori') WHERE NOT EXISTS"
        " (SELECT 1 FROM pg_replication_origin WHERE roname = 'ori')",
        make("sets_up", "PERFORM pg_replication_origin_session_setup('ori');"),
    )
    pair.runs("SELECT sets_up()" if in_function else "SELECT pg_replication_origin_session_setup('ori')")
    pair.must_be_pinned()
    pair.leave()
    assert pair.other.value("SELECT pg_replication_origin_session_is_setup()") == "f"


def test_a_temporary_table_s_defaults_are_looked_at_as_long_as_it_is_there(pair: Pair) -> None:
    pair.make(make("leaves", SETS_WORK_MEM + " RETURN 1;", returns="int"))
    pair.runs("CREATE TEMP TABLE mine (x int DEFAULT leaves(), y int)", "INSERT INTO mine (y) VALUES (1)", "DROP TABLE mine")
    assert pair.other.value("SHOW work_mem") == "4MB"
    assert pair.one.value("SHOW work_mem") == "9MB"


def test_a_database_without_such_functions_is_not_asked_for_every_request(pair: Pair) -> None:
    pair.make(make("adds", "RETURN 1 + a;", "a int", "int"), "CREATE TABLE things (x int)")
    for _ in range(2):
        pair.runs("SELECT adds(1)", "INSERT INTO things VALUES (adds(2))")
    pair.runs(*["SELECT adds(1)"] * 10)
    before = pair.other.value("SELECT pg_stat_force_next_flush()")
    assert before in (None, "")
    with pair.postgres.endpoint.psycopg(dbname=DATABASE, autocommit=True) as direct:
        direct.execute("SELECT pg_stat_clear_snapshot()")
        commits = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        time.sleep(1.5)
        first = direct.execute(commits).fetchone()[0]
        pair.runs(*["SELECT adds(1)"] * 100)
        pair.other.value("SELECT pg_stat_force_next_flush()")
        time.sleep(1.5)
        second = direct.execute(commits).fetchone()[0]
    assert second - first < 140


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_function_made_behind_weir_s_back_is_known_in_time(pair: Pair) -> None:
    pair.make(make("late", "NULL;"))
    for _ in range(5):
        pair.runs("SELECT late()")
    pair.make(make("late", SETS_WORK_MEM))
    time.sleep(KNOWN_FOR_S + 1)
    pair.runs("SELECT late()")
    assert pair.other.value("SHOW work_mem") == "4MB"
    assert pair.one.value("SHOW work_mem") == "9MB"
