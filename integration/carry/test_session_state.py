"""What a client leaves in its session follows it, or keeps its backend; nobody else ever meets it."""

from typing import Iterator, Optional

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import wait_until
from support.postgres import Postgres
from support.raw_client import RawClient, errors
from support.weir import Weir

pytestmark = pytest.mark.needs_weir

TWO = {"pool": {"max": 2, "min": 0}, "listen": {"threads": 1}}


class Company:
    """Other clients of the same pool, so that nobody keeps meeting the backend it left."""

    def __init__(self, weir: Weir) -> None:
        self.clients = [weir.logged_in() for _ in range(2)]

    def mix(self) -> None:
        """Every idle backend serves somebody else, and the order in which they are lent changes."""
        for client in self.clients:
            client.send(wire.query("SELECT pg_sleep(0.01), current_setting('work_mem')"))
        for client in self.clients:
            assert errors(client.receive_ready()) == []

    def rows_after(self, client: RawClient, sql: str) -> list[list[Optional[str]]]:
        self.mix()
        return client.rows(sql)

    def values(self, sql: str) -> list[Optional[str]]:
        return [client.value(sql) for client in self.clients]


@pytest.fixture
def weir(start_weir: StartWeir) -> Weir:
    return start_weir(TWO, http=True)


@pytest.fixture
def company(weir: Weir) -> Iterator[Company]:
    others = Company(weir)
    yield others
    for client in others.clients:
        client.quit()


@pytest.mark.parametrize(
    "change, sql, expected",
    [
        ("SET work_mem = '9MB'", "SHOW work_mem", "9MB"),
        ("SET search_path = 'a b', public", "SHOW search_path", '"a b", public'),
        ("SELECT set_config('work_mem', '8MB', false)", "SHOW work_mem", "8MB"),
        ("BEGIN; SET work_mem = '7MB'; COMMIT", "SHOW work_mem", "7MB"),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SHOW default_transaction_read_only", "on"),
        ("SET TIME ZONE 'Asia/Tokyo'", "SHOW TimeZone", "Asia/Tokyo"),
        ("SET my.var = 'x y'", "SELECT current_setting('my.var')", "x y"),
        ("SELECT set_config('my.var', 'z', false)", "SELECT current_setting('my.var')", "z"),
        ("DO $$ BEGIN PERFORM set_config('work_mem', '6MB', false); END $$", "SHOW work_mem", "6MB"),
    ],
)
def test_settings_follow_the_client(weir: Weir, company: Company, change: str, sql: str, expected: str) -> None:
    with weir.logged_in() as client:
        assert errors(client.query(change)) == []
        assert company.rows_after(client, sql) == [[expected]]
        assert client.value("SELECT count(*) FROM pg_stat_activity WHERE pid = pg_backend_pid()") == "1"
        for value in company.values(sql.replace("'my.var'", "'my.var', true")):
            assert value != expected


@pytest.mark.parametrize(
    "change",
    [
        "SET LOCAL work_mem = '9MB'",
        "BEGIN; SET LOCAL work_mem = '9MB'; COMMIT",
        "BEGIN; SET work_mem = '9MB'; ROLLBACK",
        "BEGIN; SAVEPOINT a; SET work_mem = '9MB'; ROLLBACK TO a; COMMIT",
        "SELECT set_config('work_mem', '9MB', true)",
        "SET work_mem = '9MB'; RESET work_mem",
        "SET work_mem = '9MB'; RESET ALL",
    ],
)
def test_what_ends_or_is_undone_is_not_carried(weir: Weir, company: Company, change: str) -> None:
    with weir.logged_in() as client:
        usual = client.value("SHOW work_mem")
        client.query(change)
        assert company.rows_after(client, "SHOW work_mem") == [[usual]]
        assert company.values("SHOW work_mem") == [usual, usual]


def test_discard_all_takes_everything_away(weir: Weir, company: Company) -> None:
    with weir.logged_in() as client:
        usual = client.value("SHOW work_mem")
        client.query("SET work_mem = '9MB'")
        client.query("CREATE TEMP TABLE t (x int)")
        client.query("LISTEN a")
        client.query("DISCARD ALL")
        wait_until(lambda: weir.show("pins") == [], "free again")
        assert company.rows_after(client, "SHOW work_mem") == [[usual]]


def test_reset_leads_to_what_the_startup_said(weir: Weir, company: Company) -> None:
    options = {"options": "-c work_mem=5MB", "TimeZone": "Asia/Tokyo", "application_name": "mine"}
    with weir.logged_in(**options) as client:
        for change in ("SET work_mem = '9MB'; SET TimeZone = 'UTC'; SET application_name = 'other'",):
            assert errors(client.query(change)) == []
        company.mix()
        assert client.rows("SELECT current_setting('work_mem'), current_setting('TimeZone')") == [["9MB", "UTC"]]
        for change in ("RESET work_mem", "RESET TIME ZONE", "SET application_name TO DEFAULT"):
            assert errors(client.query(change)) == []
        company.mix()
        for _ in range(2):
            assert client.rows(
                "SELECT current_setting('work_mem'), current_setting('TimeZone'), current_setting('application_name')"
            ) == [["5MB", "Asia/Tokyo", "mine"]]
            client.query("SET work_mem = '9MB'")
            client.query("RESET ALL")
        client.query("BEGIN")
        client.query("SET work_mem = '9MB'")
        client.query("RESET work_mem")
        assert client.value("SHOW work_mem") == "5MB"
        client.query("ROLLBACK")
        assert client.value("SHOW work_mem") == "5MB"
        client.query("SET work_mem = '9MB'")
        client.query("DISCARD ALL")
        assert client.value("SHOW work_mem") == "5MB"
        client.send(wire.parse("RESET ALL") + wire.bind() + wire.execute() + wire.sync())
        client.receive_ready()
        assert client.value("SHOW work_mem") == "5MB"


def test_roles_follow_the_client(weir: Weir, company: Company, postgres: Postgres) -> None:
    postgres.execute("DROP ROLE IF EXISTS weak")
    postgres.execute("CREATE ROLE weak")
    try:
        with weir.logged_in() as client:
            client.query("SET log_statement = 'ddl'")
            client.query("SET ROLE weak")
            for _ in range(3):
                company.mix()
                assert client.rows("SELECT current_user, session_user, current_setting('log_statement')") == [
                    ["weak", "postgres", "ddl"]
                ]
                assert company.values("SELECT current_user") == ["postgres", "postgres"]
            client.query("RESET ROLE")
            client.query("SET SESSION AUTHORIZATION weak")
            for _ in range(3):
                company.mix()
                assert client.rows("SELECT current_user, session_user") == [["weak", "weak"]]
                assert company.values("SELECT session_user") == ["postgres", "postgres"]
            client.query("RESET SESSION AUTHORIZATION")
            company.mix()
            assert client.rows("SELECT current_user, session_user") == [["postgres", "postgres"]]
    finally:
        wait_until(lambda: not [row for row in weir.show("clients") if row["state"] == "waiting"], "all served")
        postgres.execute("DROP ROLE weak")


PINS = [
    ("CREATE TEMP TABLE mine (x int)", "DROP TABLE mine", "temporary"),
    ("SELECT 1 AS x INTO TEMP mine", "DROP TABLE mine", "temporary"),
    ("DO $$ BEGIN EXECUTE 'CREATE TEMP TABLE mine (x int)'; END $$", "DROP TABLE mine", "temporary"),
    ("CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "DROP FUNCTION pg_temp.f()", "temporary"),
    ("LISTEN mine", "UNLISTEN mine", "listen"),
    ("SELECT pg_advisory_lock(77)", "SELECT pg_advisory_unlock(77)", "advisory_lock"),
    ("SELECT pg_try_advisory_lock_shared(77)", "SELECT pg_advisory_unlock_all()", "advisory_lock"),
    ("PREPARE mine AS SELECT 1", "DEALLOCATE mine", "prepared"),
    ("BEGIN; DECLARE mine CURSOR WITH HOLD FOR SELECT 1; COMMIT", "CLOSE mine", "cursor"),
]


@pytest.mark.parametrize("pin, unpin, reason", PINS)
@pytest.mark.parametrize("extended", [False, True])
def test_what_cannot_be_carried_keeps_the_backend(
    weir: Weir, company: Company, pin: str, unpin: str, reason: str, extended: bool
) -> None:
    def run(sql: str) -> None:
        if extended and not sql.startswith("BEGIN"):
            client.send(wire.parse(sql) + wire.bind() + wire.execute() + wire.sync())
            assert errors(client.receive_ready()) == []
        else:
            assert errors(client.query(sql)) == []

    with weir.logged_in() as client:
        run(pin)
        wait_until(lambda: len(weir.show("pins")) == 1, "the client is pinned")
        (row,) = weir.show("pins")
        assert row["reason"] == reason
        assert row["database"] == "app" and row["user"] == "postgres"
        assert row["statement"]
        pid = client.backend_pid()
        assert {int(value or 0) for value in company.values("SELECT pg_backend_pid()")}.isdisjoint({pid})
        assert client.backend_pid() == pid
        run(unpin)
        wait_until(lambda: weir.show("pins") == [], "the client is free again")
        assert weir.metrics().sum("weir_pins_total", reason=reason) == 1


@pytest.mark.parametrize("pin, _unpin, reason", PINS)
def test_a_client_that_leaves_takes_it_along(start_weir: StartWeir, pin: str, _unpin: str, reason: str) -> None:
    weir = start_weir({"pool": {"max": 1, "min": 0}, "listen": {"threads": 1}})
    for leave in (RawClient.close, RawClient.quit):
        client = weir.logged_in()
        client.query("SET work_mem = '9MB'")
        assert errors(client.query(pin)) == []
        leave(client)
        with weir.logged_in() as other:
            assert other.value("SHOW work_mem") != "9MB"
            assert other.rows(
                "SELECT (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'),"
                " (SELECT count(*) FROM pg_listening_channels()), (SELECT count(*) FROM pg_cursors WHERE is_holdable),"
                " (SELECT count(*) FROM pg_prepared_statements WHERE from_sql),"
                " (SELECT count(*) FROM pg_class WHERE relpersistence = 't'), to_regproc('pg_temp.f')"
            ) == [["0", "0", "0", "0", "0", None]]


def test_load_pins_until_the_client_leaves_and_ends_the_backend(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "min": 0}})
    with weir.logged_in() as client:
        assert errors(client.query("LOAD 'auto_explain'")) == []
        pid = client.backend_pid()
        wait_until(lambda: [row["reason"] for row in weir.show("pins")] == ["library"], "pinned")
        client.query("DISCARD ALL")
        assert client.backend_pid() == pid
    with weir.logged_in() as other:
        assert other.backend_pid() != pid
        assert other.value("SELECT count(*) FROM pg_settings WHERE name LIKE 'auto_explain.%'") == "0"


def test_effects_of_functions_are_found(weir: Weir, company: Company, postgres: Postgres) -> None:
    postgres.execute(
        "CREATE OR REPLACE FUNCTION hidden_lock(k int) RETURNS void LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_advisory_lock(k); END $$"
    )
    postgres.execute(
        "CREATE OR REPLACE FUNCTION hidden_set(v text) RETURNS void LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM set_config('work_mem', v, false); END $$"
    )
    with weir.logged_in() as client:
        client.query("SELECT hidden_lock(5)")
        wait_until(lambda: [row["reason"] for row in weir.show("pins")] == ["advisory_lock"], "pinned")
        assert "hidden_lock" in weir.show("pins")[0]["statement"]
        client.query("SELECT pg_advisory_unlock(5)")
        wait_until(lambda: weir.show("pins") == [], "free")
        for size in (3, 4, 5, 6, 7):
            client.query(f"SELECT hidden_set('{size}MB')")
            assert company.rows_after(client, "SHOW work_mem") == [[f"{size}MB"]]
    postgres.execute("DROP FUNCTION hidden_lock, hidden_set")


def test_forget_is_as_pgbouncer(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "min": 0, "state": "forget"}})
    with weir.logged_in() as client, weir.logged_in() as other:
        client.query("SET work_mem = '9MB'")
        client.query("PREPARE p AS SELECT 1")
        assert other.value("SHOW work_mem") == "9MB"
        assert other.value("EXECUTE p") == "1"
        assert weir.show("pins") == []


def test_a_listening_client_gets_its_notifications(weir: Weir) -> None:
    with weir.logged_in() as client, weir.logged_in() as other:
        client.query("LISTEN news")
        other.query("NOTIFY news, 'one'")
        message = client.receive()
        assert message.type == "A" and b"one" in message.body
        client.query("UNLISTEN news")
        other.query("NOTIFY news, 'two'")
        assert client.value("SELECT 1") == "1"


def test_sequence_values_are_nobody_elses(weir: Weir, postgres: Postgres) -> None:
    postgres.execute("CREATE SEQUENCE carried_numbers")
    with weir.logged_in() as client, weir.logged_in() as other:
        client.query("SELECT nextval('carried_numbers')")
        for sql in ("SELECT lastval()", "SELECT currval('carried_numbers')"):
            assert errors(other.query(sql)) == ["55000"]
        assert errors(client.query("BEGIN; SELECT nextval('carried_numbers'); SELECT lastval(); COMMIT")) == []
    postgres.execute("DROP SEQUENCE carried_numbers")


def test_a_pinned_client_whose_backend_is_lost_is_told_so(weir: Weir, postgres: Postgres) -> None:
    with weir.logged_in() as client:
        client.query("CREATE TEMP TABLE t (x int)")
        pid = client.backend_pid()
        wait_until(lambda: len(weir.show("pins")) == 1, "pinned")
        postgres.execute("SELECT pg_terminate_backend(%s)", [pid])
        message = client.receive()
        assert message.type == "E" and message.severity == "FATAL" and message.sqlstate == "08006"
        client.receive_to_end()
    with weir.logged_in() as client:
        assert client.value("SELECT 1") == "1"


def test_the_state_survives_the_loss_of_a_backend(weir: Weir, postgres: Postgres) -> None:
    with weir.logged_in() as client:
        client.query("SET work_mem = '9MB'")
        wait_until(lambda: postgres.backends("state = 'idle'") >= 1, "idle")
        for pid in postgres.backend_pids():
            postgres.execute("SELECT pg_terminate_backend(%s)", [pid])
        wait_until(lambda: not set(postgres.backend_pids()), "gone")
        assert client.value("SHOW work_mem") == "9MB"


def test_settings_only_somebody_else_could_set_pin(weir: Weir, postgres: Postgres) -> None:
    postgres.execute(
        "CREATE OR REPLACE FUNCTION quiet() RETURNS text LANGUAGE sql SECURITY DEFINER AS"
        " $$ SELECT set_config('log_statement', 'all', false) $$"
    )
    postgres.execute("DROP ROLE IF EXISTS plain")
    postgres.execute("CREATE ROLE plain LOGIN")
    try:
        with weir.logged_in(user="plain") as client:
            assert client.value("SELECT quiet()") == "all"
            wait_until(lambda: [row["reason"] for row in weir.show("pins")] == ["setting"], "pinned")
            assert client.value("SHOW log_statement") == "all"
        with weir.logged_in(user="plain") as other:
            assert other.value("SHOW log_statement") == "none"
    finally:
        wait_until(lambda: weir.show("pins") == [], "free")
        postgres.execute("DROP FUNCTION quiet")


def test_long_requests_are_looked_after_too(weir: Weir, company: Company) -> None:
    with weir.logged_in() as client:
        padding = "-- " + "x" * 40_000
        client.query(f"{padding}\nCREATE TEMP TABLE t (x int)")
        wait_until(lambda: [row["reason"] for row in weir.show("pins")] == ["temporary"], "pinned")
        client.query(f"SET work_mem = '9MB' {padding}")
        client.query("DROP TABLE t")
        assert company.rows_after(client, "SHOW work_mem") == [["9MB"]]


def test_a_pinned_client_counts_as_holding_its_backend(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "min": 0, "acquire_timeout": "300ms"}})
    with weir.logged_in() as client, weir.logged_in() as other:
        client.query("LISTEN x")
        assert errors(other.query("SELECT 1")) == ["53300"]
        client.query("UNLISTEN x")
        assert other.value("SELECT 1") == "1"


def test_text_that_is_not_what_it_seems_hides_nothing(weir: Weir) -> None:
    """With standard_conforming_strings off, what looks like a string may not be one."""
    with weir.logged_in() as client:
        client.query("SET standard_conforming_strings = off")
        for _ in range(3):
            client.query(r"SELECT 'x' AS a")
        for key in range(3):
            assert errors(client.query(rf"SELECT '\'' AS a, pg_advisory_lock({key}) --'")) == []
            wait_until(lambda: [row["reason"] for row in weir.show("pins")] == ["advisory_lock"], "pinned")
            client.query("SELECT pg_advisory_unlock_all()")
            wait_until(lambda: weir.show("pins") == [], "free")


def test_a_setting_that_is_emptied_stays_empty(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1}})
    with weir.logged_in(options="-c my.v=1 -c my.w=") as a, weir.logged_in() as b:
        assert a.value("SELECT current_setting('my.v') || '/' || current_setting('my.w')") == "1/"
        for empty in ("SET my.v = ''", "SELECT set_config('my.v', '', false)"):
            a.query(empty)
            b.query("SELECT current_setting('my.v', true)")
            assert a.value("SELECT current_setting('my.v')") == "", empty
            b.query("SET my.v = 'other'")
            assert a.value("SELECT current_setting('my.v')") == "", empty
            a.query("RESET my.v")
            b.query("SELECT 1")
            assert a.value("SELECT current_setting('my.v')") == "1"
        a.query("SET my.x = 'mine'")
        b.query("SELECT 1")
        a.query("SET my.x = ''")
        b.query("SET my.x = 'other'")
        assert a.value("SELECT current_setting('my.x')") == ""
        a.query("BEGIN")
        a.query("SET my.v = ''")
        a.query("ROLLBACK")
        b.query("SELECT 1")
        assert a.value("SELECT current_setting('my.v')") == "1"
        a.query("SET my.v = '2'")
        a.query("RESET ALL")
        b.query("SELECT 1")
        assert a.value("SELECT current_setting('my.v')") == "1"
