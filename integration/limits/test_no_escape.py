"""Nothing a client does gets it out of what holds for its statements."""

import signal
import time
from typing import Callable

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import wait_until
from support.orders import ask
from support.postgres import Postgres
from support.raw_client import RawClient, errors
from support.weir import Weir
from support.wire import Message

pytestmark = pytest.mark.needs_weir

LIMIT = 10
SERIES = "SELECT g FROM generate_series(1, 25) g"
MODES = ["transaction", "session"]

Run = Callable[[RawClient, str], list[Message]]


def rule(match: dict[str, str], **settings: object) -> dict[str, object]:
    return {"match": match, "set": settings}


def limited(mode: str = "transaction", **more: object) -> dict[str, object]:
    return {"policy": {"row_limit": LIMIT, **more}, "pool": {"mode": mode, "max": 2}}


def extended(client: RawClient, sql: str) -> list[Message]:
    client.send(wire.extended(sql), wire.sync())
    return client.receive_ready()


def in_pieces(client: RawClient, *messages: bytes) -> list[Message]:
    """The beginning is looked at before the rest has come."""
    whole = b"".join(messages)
    client.send(whole[:2000])
    time.sleep(0.1)
    client.send(whole[2000:])
    return client.receive_ready()


def long(sql: str, size: int) -> str:
    return f"/* {'x' * size} */ {sql}"


@pytest.mark.parametrize("mode", MODES)
def test_client_that_leaves_in_the_middle_of_a_limited_result(start_weir: StartWeir, mode: str) -> None:
    weir = start_weir({"policy": {"row_limit": 1_000_000_000}, "pool": {"mode": mode, "max": 2}})
    for step in range(6):
        client = weir.logged_in()
        client.send(wire.query("SELECT repeat('x', 100) FROM generate_series(1, 2000000)"))
        client.receive_until("D")
        client.close()
    with weir.logged_in() as client:
        assert client.value("SELECT 1") == "1"


# ---- COPY FROM STDIN ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_copy_in_by_messages_waits_for_nothing_but_its_data(
    start_weir: StartWeir, postgres: Postgres, mode: str
) -> None:
    """The Sync may come before the data, as some drivers send it: it is no reason to wait for the end."""
    postgres.execute("DROP TABLE IF EXISTS filled; CREATE TABLE filled (a int)")
    weir = start_weir(limited(mode))
    with weir.logged_in() as client:
        client.send(wire.extended("COPY filled FROM STDIN"), wire.sync())
        client.receive_until("G")
        client.send(*[wire.copy_data(b"%d\n" % number) for number in range(100)], wire.copy_done(), wire.sync())
        assert errors(client.receive_ready()) == []
        assert client.value("SELECT count(*) FROM filled") == "100"


@pytest.mark.parametrize("mode", MODES)
def test_no_statement_hides_behind_a_copy(start_weir: StartWeir, postgres: Postgres, mode: str) -> None:
    """A server that has given up a COPY by itself would run what comes behind its data."""
    postgres.execute("DROP TABLE IF EXISTS filled, kept; CREATE TABLE filled (a int); CREATE TABLE kept (a int)")
    weir = start_weir({"rule": [rule({"table": "kept"}, deny="no")], "pool": {"mode": mode}})
    for hidden in (wire.query("DROP TABLE kept"), wire.extended("DROP TABLE kept") + wire.sync()):
        with weir.logged_in() as client:
            client.send(wire.query("COPY filled FROM STDIN"))
            client.receive_until("G")
            client.send(wire.copy_data(b"this is no number\n"), hidden)
            assert "08P01" in errors(client.receive_to_end())
    assert postgres.value("SELECT count(*) FROM kept") == 0


# ---- portals, cursors, names -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_more_portals_than_are_remembered(start_weir: StartWeir, mode: str) -> None:
    weir = start_weir(limited(mode))
    with weir.logged_in() as client:
        client.query("BEGIN")
        portals = [f"p{number:03}" for number in range(100)]
        client.send(wire.parse(SERIES, "series"))
        client.send(*[wire.bind(name="series", portal=portal) for portal in portals], wire.sync())
        assert errors(client.receive_ready()) == []
        client.send(wire.execute(portals[0]), wire.sync())
        assert errors(client.receive_ready()) == ["54000"]
        client.query("ROLLBACK")


@pytest.mark.parametrize("run", [RawClient.query, extended])
def test_rule_of_a_declare_holds_for_its_fetches(start_weir: StartWeir, postgres: Postgres, run: Run) -> None:
    postgres.execute(
        "DROP TABLE IF EXISTS big, free; CREATE TABLE big AS SELECT generate_series(1, 25) g;"
        "CREATE TABLE free AS SELECT * FROM big"
    )
    weir = start_weir(
        {"rule": [rule({"table": "big"}, row_limit=LIMIT)]},
    )
    with weir.logged_in() as client:
        client.query("BEGIN")
        assert errors(run(client, "DECLARE c CURSOR FOR SELECT * FROM big")) == []
        assert errors(run(client, "FETCH 5 FROM c")) == []
        assert errors(run(client, "FETCH ALL FROM c")) == ["54000"]
        client.query("ROLLBACK")
    weir = start_weir({"policy": {"row_limit": LIMIT}, "rule": [rule({"table": "free"}, row_limit=0)]})
    with weir.logged_in() as client:
        client.query("BEGIN")
        assert errors(run(client, "DECLARE c CURSOR FOR SELECT * FROM free")) == []
        assert errors(run(client, "FETCH ALL FROM c")) == []
        assert errors(run(client, "DECLARE d CURSOR FOR SELECT * FROM big")) == []
        assert errors(run(client, "FETCH ALL FROM d")) == ["54000"]


# ---- texts that are not whole when they are looked at ------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_text_that_comes_in_pieces_is_limited(start_weir: StartWeir, mode: str) -> None:
    weir = start_weir({**limited(mode), "rule": [rule({"regex": "lifted"}, row_limit=0)]})
    text = long(SERIES, 40_000)
    with weir.logged_in() as client:
        assert errors(in_pieces(client, wire.query(text))) == ["54000"]
        # What held for the statement before is forgotten.
        assert errors(extended(client, SERIES + " -- lifted")) == []
        assert errors(in_pieces(client, wire.parse(text), wire.bind(), wire.execute(), wire.sync())) == ["54000"]
        client.send(wire.parse(SERIES + " -- lifted", "named"), wire.sync())
        assert errors(client.receive_ready()) == []
        padding = b"x" * 40_000
        client.send(wire.parse(SERIES + " WHERE $1::text <> 'a'", "other"), wire.sync())
        assert errors(client.receive_ready()) == []
        client.send(wire.bind(name="named"), wire.execute(), wire.sync())
        assert errors(client.receive_ready()) == []
        assert errors(in_pieces(client, wire.bind([padding], name="other"), wire.execute(), wire.sync())) == ["54000"]


@pytest.mark.parametrize("mode", MODES)
def test_long_text_is_no_way_around_a_denial(start_weir: StartWeir, postgres: Postgres, mode: str) -> None:
    postgres.execute("DROP TABLE IF EXISTS audit_log, other; CREATE TABLE audit_log (a int); CREATE TABLE other (a int)")
    weir = start_weir({"rule": [rule({"table": "audit_log"}, deny="no")], "pool": {"mode": mode}})
    with weir.logged_in() as client:
        for size in (100, 70_000, 900_000, 2_000_000):
            assert errors(client.query(long("SELECT * FROM audit_log", size))) == ["42501"], size
            assert errors(extended(client, long("SELECT * FROM audit_log", size))) == ["42501"], size
        for size in (100, 70_000, 900_000):
            assert errors(client.query(long("SELECT * FROM other", size))) == [], size
            assert errors(extended(client, long("SELECT * FROM other", size))) == [], size
        # Longer than is looked at: it may be about the table.
        assert errors(client.query(long("SELECT * FROM other", 2_000_000))) == ["42501"]
        assert client.value("SELECT 1") == "1"


@pytest.mark.parametrize("mode", MODES)
def test_rules_that_come_later_hold_for_what_is_prepared(start_weir: StartWeir, mode: str) -> None:
    weir = start_weir({"pool": {"mode": mode}})
    assert isinstance(weir, Weir)
    with weir.logged_in() as client:
        client.send(wire.parse(SERIES + " -- 41", "answer"), wire.sync())
        assert errors(client.receive_ready()) == []
        run = [wire.bind(name="answer"), wire.execute(), wire.sync()]
        client.send(*run)
        assert errors(client.receive_ready()) == []
        for change, expected in (
            ({"rule": [rule({"regex": "41"}, deny="not this one")]}, ["42501"]),
            ({"rule": [], "policy": {"row_limit": LIMIT}}, ["54000"]),
            ({"rule": [], "policy": {"row_limit": 1000}}, []),
        ):
            weir.reload(change)
            client.send(*run)
            assert errors(client.receive_ready()) == expected


# ---- time --------------------------------------------------------------------------------------------------------


def test_limit_holds_behind_a_statement_that_has_none(start_weir: StartWeir) -> None:
    weir = start_weir({"rule": [rule({"regex": "slow_report"}, statement_timeout="300ms")]})
    with weir.logged_in() as client:
        client.send(wire.extended("SELECT 1"), wire.extended("SELECT pg_sleep(60) AS slow_report"), wire.sync())
        assert errors(client.receive_ready()) == ["57014"]
        client.send(wire.query("SELECT 1"), wire.query("SELECT pg_sleep(60) AS slow_report"))
        assert errors(client.receive_ready()) == []
        assert errors(client.receive_ready()) == ["57014"]


@pytest.mark.parametrize("mode", MODES)
def test_time_between_statements_does_not_count(start_weir: StartWeir, mode: str) -> None:
    weir = start_weir({"policy": {"statement_timeout": "400ms"}, "pool": {"mode": mode, "max": 1}})
    assert isinstance(weir, Weir)
    with weir.logged_in() as client:
        client.query("BEGIN")
        for prepare in (
            [wire.parse("SELECT pg_sleep(0.2)", "nap"), wire.describe("S", "nap")],
            [wire.parse("SELECT 1", "other"), wire.close("S", "nap")],
        ):
            client.send(*prepare, wire.flush())
            client.receive_until("T", "3")
            time.sleep(1.0)
            assert errors(client.query("SELECT pg_sleep(0.2)")) == []
        assert errors(client.query("COMMIT")) == []
    assert "statement_timeout" not in weir.log


# ---- what follows a result that was cut --------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_what_comes_behind_a_truncated_result_is_answered(start_weir: StartWeir, mode: str) -> None:
    weir = start_weir(limited(mode, row_limit_action="truncate"))
    with weir.logged_in() as client:
        for _ in range(20):
            client.send(wire.extended(SERIES), wire.flush())
            client.receive_until("C", "E")
            client.send(wire.extended("SELECT 'behind it'"), wire.sync())
            messages = client.receive_ready()
            assert errors(messages) == []
            assert [m.columns() for m in messages if m.type == "D"] == [[b"behind it"]]
        wait_until(lambda: client.value("SELECT 1") == "1", "it goes on")


# ---- texts that the server reads in another way ------------------------------------------------------------------

# With standard_conforming_strings off the first string ends behind the second quote.
HIDDEN = "SELECT '\\''; SELECT * FROM secret --'"
OFF = "SET standard_conforming_strings = off"


@pytest.fixture
def secret(postgres: Postgres) -> None:
    postgres.execute(
        "DROP TABLE IF EXISTS secret, known; CREATE TABLE secret AS SELECT generate_series(1, 25) a;"
        "CREATE TABLE known (a int)"
    )


@pytest.mark.parametrize("mode", MODES)
def test_denial_holds_however_the_server_reads_strings(start_weir: StartWeir, secret: None, mode: str) -> None:
    weir = start_weir({"rule": [rule({"table": "secret"}, deny="no")], "pool": {"mode": mode}})
    with weir.logged_in() as client:
        assert errors(client.query(HIDDEN)) == []  # one string, as the server reads it now
        client.send(wire.query(OFF), wire.query(HIDDEN))
        assert errors(client.receive_ready()) == []
        assert errors(client.receive_ready()) == ["42501"]
        assert errors(client.query(HIDDEN)) == ["42501"]
        assert errors(extended(client, "SELECT '\\', s.* FROM secret s --'")) == ["42501"]
        client.query("RESET standard_conforming_strings")
        assert errors(client.query("SELECT * FROM known")) == []
        client.send(wire.extended(OFF), wire.extended("SELECT '\\', s.* FROM secret s --'"), wire.sync())
        assert errors(client.receive_ready()) == ["42501"]
        # What has been answered decides nothing any more.
        client.query("RESET standard_conforming_strings")
        client.send(wire.query("SET search_path = public"), wire.query("SELECT * FROM known"))
        assert errors(client.receive_ready()) == []
        assert errors(client.receive_ready()) == []


@pytest.mark.parametrize("form", ["simple", "extended"])
@pytest.mark.parametrize(("mode", "moment"), [("transaction", "login"), ("session", "login"), ("transaction", "RECONNECT"), ("transaction", "reload")])
def test_denial_holds_where_the_server_s_own_setting_is_another(
    own_postgres: Callable[..., Postgres], start_weir_at: StartWeir, mode: str, moment: str, form: str
) -> None:
    postgres = own_postgres()
    postgres.execute("CREATE TABLE secret AS SELECT generate_series(1, 25) a; CREATE TABLE known (a int)")

    def set_strings(value: str) -> None:
        postgres.execute(f"ALTER SYSTEM SET standard_conforming_strings = {value}")
        postgres.reload()
        wait_until(lambda: postgres.value("SHOW standard_conforming_strings") == value)

    run: Run = RawClient.query if form == "simple" else extended
    hidden = HIDDEN if form == "simple" else "SELECT '\\'', s.* FROM secret s --'"
    set_strings("off" if moment == "login" else "on")
    denied = [rule({"table": "secret"}, deny="no")]
    weir = start_weir_at(
        postgres.port, {"rule": denied, "pool": {"mode": mode, "max": 1}, "admin": {"admins": ["postgres"]}}
    )
    with weir.logged_in() as client:
        if moment == "RECONNECT":
            assert errors(run(client, hidden)) == []  # one string, as the server reads it now
            weir.wait_until_idle()
            set_strings("off")
            assert ask(weir, "RECONNECT app") == ["CZ"]
        if moment == "reload":
            set_strings("off")
            with weir.logged_in() as other:  # whose answer tells
                assert errors(other.query("SELECT 1")) == []
        for _ in range(2):
            assert errors(run(client, hidden)) == ["42501"]
        assert errors(run(client, "SELECT * FROM known")) == []
    weir.wait_until_idle()


@pytest.mark.parametrize("mode", MODES)
def test_read_only_holds_however_the_server_reads_strings(
    start_weir: StartWeir, postgres: Postgres, secret: None, mode: str
) -> None:
    weir = start_weir({"policy": {"read_only": True}, "pool": {"mode": mode}})
    hidden = "SELECT '\\''; COMMIT; BEGIN READ WRITE; DELETE FROM secret; COMMIT --'"
    with weir.logged_in() as client:
        client.send(wire.query(OFF), wire.query(hidden))
        client.receive_ready()
        assert errors(client.receive_ready()) == ["25006"]
    assert postgres.value("SELECT count(*) FROM secret") == 25


# ---- cursors whose names nobody knows ----------------------------------------------------------------------------


def fetched(client: RawClient, sql: str) -> int:
    """How many rows come before the limit is met."""
    rows = 0
    for _ in range(10):
        messages = client.query(sql)
        rows += sum(1 for message in messages if message.type == "D")
        if errors(messages):
            assert errors(messages) == ["54000"]
            return rows
    raise AssertionError(f"{rows} rows and no end")


HIDES = {
    "in a string": ["BEGIN; DECLARE c CURSOR FOR SELECT * FROM endless"],
    "in escapes": ["BEGIN", 'DECLARE U&"\\0063" CURSOR FOR SELECT * FROM endless'],
    "by another that fails": [
        "BEGIN",
        "DECLARE c CURSOR FOR SELECT * FROM endless",
        "SAVEPOINT s",
        "DECLARE c CURSOR FOR SELECT 1",
        "ROLLBACK TO s",
    ],
    "behind a CLOSE that fails": [
        "BEGIN",
        "DECLARE c CURSOR FOR SELECT * FROM endless",
        "SAVEPOINT s",
        "SELECT 1 / 0",
        "CLOSE c",
        "DECLARE c CURSOR FOR SELECT 1",
        "ROLLBACK TO s",
    ],
    "in a string that closes": [
        "BEGIN",
        "DECLARE c CURSOR FOR SELECT 1",
        "CLOSE c; DECLARE c CURSOR FOR SELECT * FROM endless",
    ],
}


@pytest.mark.parametrize("match", [{}, {"table": "endless"}])
@pytest.mark.parametrize("how", HIDES)
def test_limit_holds_for_cursors_that_hide(
    start_weir: StartWeir, postgres: Postgres, how: str, match: dict[str, str]
) -> None:
    postgres.execute("CREATE OR REPLACE VIEW endless AS SELECT generate_series(1, 1000) g")
    limit = {"rule": [rule(match, row_limit=LIMIT)]} if match else {"policy": {"row_limit": LIMIT}}
    weir = start_weir(limit)
    for fetch in ("FETCH 4 FROM c", "FETCH 4 FROM c; SELECT 1 WHERE false"):
        with weir.logged_in() as client:
            for sql in HIDES[how]:
                client.query(sql)
            assert fetched(client, fetch) <= 2 * LIMIT


def test_parsing_a_declare_is_no_new_count(start_weir: StartWeir) -> None:
    weir = start_weir(limited())
    with weir.logged_in() as client:
        client.query("BEGIN")
        client.query("DECLARE c CURSOR FOR SELECT generate_series(1, 1000)")
        rows = 0
        for _ in range(10):
            client.send(wire.parse("DECLARE c CURSOR FOR SELECT 1"), wire.sync())
            assert errors(client.receive_ready()) == []
            messages = client.query("FETCH 4 FROM c")
            rows += sum(1 for message in messages if message.type == "D")
            if errors(messages):
                break
        assert rows <= LIMIT


def test_cursors_one_after_another_have_a_limit_each(start_weir: StartWeir) -> None:
    weir = start_weir(limited())
    with weir.logged_in() as client:
        client.query("BEGIN")
        for _ in range(3):
            assert errors(client.query("DECLARE c CURSOR FOR SELECT generate_series(1, 8)")) == []
            assert errors(client.query("FETCH ALL FROM c")) == []
            assert errors(client.query("CLOSE c")) == []
        client.send(wire.query("DECLARE d CURSOR FOR SELECT generate_series(1, 8)"), wire.query("FETCH ALL d"))
        assert errors(client.receive_ready()) == []
        assert errors(client.receive_ready()) == []
        assert errors(client.query("COMMIT")) == []


def test_cursor_that_outlives_its_transaction_keeps_its_count(start_weir: StartWeir, postgres: Postgres) -> None:
    postgres.execute("DROP TABLE IF EXISTS free; CREATE TABLE free AS SELECT generate_series(1, 25) g")
    weir = start_weir({"policy": {"row_limit": LIMIT}, "rule": [rule({"table": "free"}, row_limit=0)]})
    with weir.logged_in() as client:
        assert errors(client.query("DECLARE c CURSOR WITH HOLD FOR SELECT * FROM free")) == []
        assert errors(client.query("FETCH 12 FROM c")) == []
        assert errors(client.query("FETCH 12 FROM c")) == []
        assert errors(client.query("CLOSE c")) == []
        client.query("DECLARE c CURSOR WITH HOLD FOR SELECT generate_series(1, 1000)")
        # Where it is not known which one it is, none is without a limit.
        client.send(wire.query("DECLARE c CURSOR WITH HOLD FOR SELECT * FROM free"), wire.query("FETCH 12 FROM c"))
        assert errors(client.receive_ready()) == ["42P03"]
        assert errors(client.receive_ready()) == ["54000"]


# ---- failures that nobody can prepare for ------------------------------------------------------------------------


def test_result_that_is_too_large_fails_its_transaction_whatever_there_is(
    start_weir: StartWeir, postgres: Postgres
) -> None:
    postgres.execute("DROP TABLE IF EXISTS filled; CREATE TABLE filled (a int)")
    weir = start_weir({**limited(), "pool": {"max": 2, "prepared_statements": 0}})
    insert = "INSERT INTO filled SELECT generate_series(1, 25) RETURNING a"
    with weir.logged_in() as client:
        client.query("BEGIN")
        client.query('SAVEPOINT "weir: result too large"')
        assert errors(client.query(insert)) == ["54000"]
        assert errors(client.query("SELECT 1")) == ["25P02"]
        client.query("ROLLBACK")
        client.send(wire.parse("SELECT 1", "weir:none"), wire.sync())
        client.receive_ready()
        client.send(wire.extended(insert), wire.sync())
        assert errors(client.receive_ready()) == ["54000"]
    assert postgres.value("SELECT count(*) FROM filled") == 0


# ---- reloads -----------------------------------------------------------------------------------------------------


def test_reload_while_a_statement_is_cancelled(start_weir: StartWeir) -> None:
    weir = start_weir(
        {"rule": [rule({"regex": "slow_report"}, statement_timeout="20ms")], "pool": {"max": 2}}
    )
    assert isinstance(weir, Weir)
    ends = time.monotonic() + 5
    with weir.logged_in() as client:
        while time.monotonic() < ends:
            client.send(wire.query("SELECT pg_sleep(60) AS slow_report"), wire.query("SELECT 1"))
            weir.process.send_signal(signal.SIGHUP)
            time.sleep(0.019)
            for _ in range(8):
                weir.process.send_signal(signal.SIGHUP)
                time.sleep(0.0005)
            assert errors(client.receive_ready()) == ["57014"]
            assert errors(client.receive_ready()) == []
