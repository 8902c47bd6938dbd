"""What a client left in its session, or learnt of another's, by ways that are easy to overlook."""

import subprocess
import time
from typing import Any, Callable

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import scaled, wait_until
from support.postgres import Postgres
from support.raw_client import errors

pytestmark = pytest.mark.needs_weir

ONE = {"pool": {"max": 1}, "listen": {"threads": 1}}
TWO = {"pool": {"max": 2}, "listen": {"threads": 1}}


def ask(client: Any, *parts: bytes) -> Any:
    client.send(b"".join(parts) + wire.sync())
    return client.receive_ready()


def rows(messages: Any) -> list[Any]:
    return [message.columns() for message in messages if message.type == "D"]


def run(name: str) -> bytes:
    return wire.bind(name=name) + wire.execute()


@pytest.fixture
def sequence(postgres: Postgres) -> str:
    postgres.execute("CREATE SEQUENCE IF NOT EXISTS others START 4711")
    postgres.execute("CREATE TABLE IF NOT EXISTS counted (id serial, x int)")
    return "others"


@pytest.mark.parametrize("way", ["alone", "update", "named", "pipelined", "batch", "view"])
def test_nobody_reads_the_sequence_values_of_others(start_weir: StartWeir, sequence: str, way: str) -> None:
    weir = start_weir(ONE)
    lastval = wire.parse("SELECT lastval()", "lv")
    asking: dict[str, Callable[[Any], Any]] = {
        "alone": lambda client: client.query("SELECT lastval()"),
        "update": lambda client: [client.query("BEGIN"), client.query("UPDATE counted SET x = 1"),
                                  client.query("SELECT lastval()")][-1],
        "named": lambda client: ask(client, lastval, run("lv")),
        "pipelined": lambda client: ask(client, wire.extended("BEGIN"), wire.extended("SELECT lastval()")),
        "batch": lambda client: ask(client, wire.extended("UPDATE counted SET x = 1"), wire.extended("SELECT lastval()")),
        "view": lambda client: client.query(f"SELECT currval('{sequence}')"),
    }
    with weir.logged_in() as one, weir.logged_in() as other:
        for _ in range(3):
            one.query(f"SELECT nextval('{sequence}')")
            messages = asking[way](other)
            assert errors(messages) == ["55000"] and rows(messages) == []
            other.query("ROLLBACK")
            ask(other, wire.close("S", "lv"))


def test_own_sequence_values_are_read_within_a_transaction(start_weir: StartWeir, sequence: str) -> None:
    weir = start_weir(ONE)
    with weir.logged_in() as one, weir.logged_in() as other:
        for turn in range(3):
            one.query("INSERT INTO counted (x) VALUES (1)")
            other.query("BEGIN")
            (mine,) = other.rows("INSERT INTO counted (x) VALUES (2) RETURNING id")
            assert other.rows("SELECT lastval()") == [mine]
            other.query("COMMIT")
            answer = ask(other, wire.extended("BEGIN"), wire.extended("INSERT INTO counted (x) VALUES (3) RETURNING id"),
                         wire.extended("SELECT lastval()"), wire.extended("COMMIT"))
            told = rows(answer)
            assert errors(answer) == [] and told[0] == told[1]


def test_setting_without_a_known_name_ends_with_who_leaves_at_once(start_weir: StartWeir) -> None:
    weir = start_weir(ONE)
    read = wire.parse("SELECT current_setting($1, true)")
    with weir.logged_in() as other:
        for turn in range(20):
            leaver = weir.logged_in()
            ask(leaver, wire.parse("SELECT set_config($1, $2, false)"), wire.bind(values=[b"sec.ret", b"secret"]),
                wire.execute())
            leaver.close()
            assert rows(ask(other, read, wire.bind(values=[b"sec.ret"]), wire.execute()))[0][0] in (None, b"")


def test_what_stands_beside_a_deallocate_is_looked_after(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir(ONE)
    with weir.logged_in() as one, weir.logged_in() as other:
        for text in (
            "SET work_mem TO 9216; DEALLOCATE s",
            "DEALLOCATE s; SET work_mem TO 9216",
        ):
            ask(one, wire.parse("SELECT 1", "s"))
            assert errors(one.query(text)) == []
            assert other.value("SHOW work_mem") == "4MB"
            assert one.value("SHOW work_mem") == "9MB"
            one.query("RESET work_mem")


def test_deallocate_that_is_not_reached_leaves_nothing(start_weir: StartWeir) -> None:
    weir = start_weir(ONE)
    with weir.logged_in() as one, weir.logged_in() as other:
        for _ in range(2):
            ask(one, wire.parse("SELECT 1", "s"))
            assert errors(one.query("SELECT 1/0; DEALLOCATE s")) == ["22012"]
            ask(other, wire.parse("SELECT 2", "t"))
            assert errors(other.query("DEALLOCATE t")) == []
            assert weir.show("PINS") == []
            ask(one, wire.close("S", "s"))


def test_setting_is_not_lost_with_the_backend_it_was_made_on(start_weir: StartWeir, postgres: Postgres) -> None:
    """Weir learns what was set by asking the catalog; the client must not go on as if it had been told."""
    weir = start_weir(TWO)
    with weir.logged_in() as client, postgres.endpoint.psycopg() as blocker:
        client.query("SELECT 1")
        weir.wait_until_idle()
        blocker.autocommit = False
        blocker.execute("LOCK TABLE pg_depend")
        assert errors(client.query("SET work_mem = '9MB'")) == []
        pid = weir.show("SERVERS")[0]["remote_pid"]
        postgres.execute("SELECT pg_terminate_backend(%s)", [pid])
        blocker.rollback()
        messages = client.receive_to_end()
        assert errors(messages) == ["08006"]
        assert [message.severity for message in messages if message.type == "E"] == ["FATAL"]


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_setting_of_a_lost_transaction_is_not_carried_on(start_weir: StartWeir, postgres: Postgres, mode: str) -> None:
    weir = start_weir({"pool": {"max": 2, "mode": mode}})
    with weir.logged_in() as client:
        usual = client.value("SHOW TimeZone")
        client.query("SET DateStyle = 'German'")
        if mode == "transaction":
            client.query("BEGIN")
            client.query("SET TimeZone = 'Asia/Tokyo'")
            pid = client.backend_pid()
            postgres.execute("SELECT pg_terminate_backend(%s)", [pid])
            weir.wait_until_gone(pid)
            assert errors(client.query("SELECT 1")) == ["08006"]
        else:
            assert errors(client.query("BEGIN; SET TimeZone = 'Asia/Tokyo'")) == ["0A000"]
        assert client.value("SHOW TimeZone") == usual
        assert client.value("SHOW DateStyle") == "German, DMY"


def test_session_that_cannot_be_looked_at_is_not_asked_for_ever(start_weir: StartWeir) -> None:
    weir = start_weir(ONE)
    with weir.logged_in() as client:
        client.query("SELECT set_config('my.var', repeat('x', 70000), false)")
        wait_until(lambda: weir.show("PINS"), "it keeps its backend")
        seen = weir.log.count("session_not_audited")
        for _ in range(5):
            client.query("SELECT 1")
        time.sleep(scaled(0.3))
        assert weir.log.count("session_not_audited") <= seen + 5
    with weir.logged_in() as other:
        assert other.value("SELECT current_setting('my.var', true)") in (None, "")


def test_statement_timeout_of_one_does_not_end_the_statements_of_another(start_weir: StartWeir) -> None:
    weir = start_weir(ONE)
    hogs = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(4)]
    try:
        with weir.logged_in(options="-c statement_timeout=1ms") as one, weir.logged_in() as other:
            for _ in range(100):
                one.query("SELECT 1")
                m = other.query("SELECT 1")
                if errors(m):
                    print([x.text for x in m if x.type == "E"], weir.show("PINS"), weir.log[-1500:])
                assert errors(m) == []
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


def test_backend_lost_before_it_had_the_clients_settings_is_nobodys_error(
    start_weir: StartWeir, postgres: Postgres
) -> None:
    weir = start_weir(ONE)
    with weir.logged_in(work_mem="5MB") as one, weir.logged_in(work_mem="6MB") as other:
        for _ in range(60):
            pid = other.backend_pid()
            weir.wait_until_idle()
            postgres.execute("SELECT pg_terminate_backend(%s)", [pid])
            messages = one.query("SHOW work_mem")
            assert errors(messages) == [] and rows(messages) == [[b"5MB"]]


@pytest.mark.parametrize("setting", ["SET LOCAL transform_null_equals = on", "SET transform_null_equals = on"])
def test_statement_read_under_settings_of_a_transaction_is_nobody_elses(start_weir: StartWeir, setting: str) -> None:
    weir = start_weir(ONE)
    sql = "SELECT ($1::int = NULL)::text"
    null = wire.bind([None], name="q") + wire.execute()
    with weir.logged_in() as one, weir.logged_in() as other:
        one.query("BEGIN")
        one.query(setting)
        assert rows(ask(one, wire.parse(sql, "q"), null)) == [[b"true"]]
        one.query("ROLLBACK")
        assert rows(ask(other, wire.parse(sql, "q"), null)) == [[None]]
        assert rows(ask(one, null)) == [[None]]


def test_reset_that_does_not_run_resets_nothing(start_weir: StartWeir) -> None:
    weir = start_weir(ONE)
    with weir.logged_in(options="-c work_mem=5MB") as client, weir.logged_in() as other:
        client.query("SET work_mem = '9MB'")
        assert errors(ask(client, wire.extended("SELECT 1/0"), wire.extended("RESET work_mem"))) == ["22012"]
        assert client.value("SHOW work_mem") == "9MB"
        assert errors(ask(client, wire.parse("RESET work_mem", "r"), wire.describe("S", "r"))) == []
        assert client.value("SHOW work_mem") == "9MB"
        assert errors(client.query("RESET work_mem; SELECT 1/0")) == ["22012"]
        assert client.value("SHOW work_mem") == "9MB"
        other.query("SELECT 1")
        assert errors(ask(client, run("r"))) == []
        assert client.value("SHOW work_mem") == "5MB"
        client.query("SET work_mem = '9MB'")
        # What is sent behind it in the same breath sees it too.
        client.send(run("r") + wire.sync() + wire.query("SHOW work_mem"))
        client.receive_ready()
        assert rows(client.receive_ready()) == [[b"5MB"]]
        assert other.value("SHOW work_mem") == "4MB"


def test_session_whose_role_is_gone_is_told_so_and_ends(start_weir: StartWeir, postgres: Postgres) -> None:
    postgres.execute("CREATE ROLE soon_gone")
    weir = start_weir(ONE)
    with weir.logged_in() as client, weir.logged_in() as other:
        client.query("SET ROLE soon_gone")
        other.query("SELECT 1")
        postgres.execute("DROP ROLE soon_gone")
        client.send(wire.query("SELECT 1"))
        messages = client.receive_to_end()
        assert errors(messages) == ["22023"]
        assert other.value("SELECT current_user") == "postgres"


def test_reset_sent_while_the_statement_before_it_is_looked_at(start_weir: StartWeir) -> None:
    weir = start_weir(ONE)
    reset = wire.parse("RESET ALL") + wire.bind() + wire.execute() + wire.sync()
    with weir.logged_in(options="-c work_mem=5MB") as client:
        for turn in range(30):
            # A text that is new each time is looked at; the answer comes before that.
            client.send(wire.query(f"SELECT 1 AS new{turn}"))
            client.receive_ready()
            client.send(reset + wire.query("SHOW work_mem"))
            client.receive_ready()
            assert rows(client.receive_ready()) == [[b"5MB"]]


def test_reset_is_settled_by_its_own_answer(start_weir: StartWeir) -> None:
    weir = start_weir(ONE)
    slow_reset = wire.extended("SELECT pg_sleep(0.2)") + wire.extended("RESET work_mem") + wire.sync()
    with weir.logged_in(options="-c work_mem=5MB") as client:
        client.query("SET work_mem = '9MB'")
        client.query("BEGIN")  # nothing is looked at and put right in between
        client.send(wire.extended("SELECT 1") + wire.sync() + slow_reset + wire.query("SHOW work_mem"))
        client.receive_ready()
        client.receive_ready()
        assert rows(client.receive_ready()) == [[b"5MB"]]


@pytest.mark.parametrize("sql", ["DISCARD ALL", "RESET ALL", "RESET work_mem", "SET work_mem TO DEFAULT"])
def test_what_is_sent_behind_a_reset_by_message_meets_the_startup_values(start_weir: StartWeir, sql: str) -> None:
    weir = start_weir(ONE)
    with weir.logged_in(options="-c work_mem=5MB") as client:
        for _ in range(5):
            client.query("SET work_mem = '9MB'")
            client.send(wire.extended(sql) + wire.sync() + wire.query("SHOW work_mem"))
            client.receive_ready()
            assert rows(client.receive_ready()) == [[b"5MB"]]
