"""Session mode: a client cannot tell its server connection from one of its own making."""

import contextlib
import os
import signal
import threading
from typing import Optional

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import wait_until
from support.postgres import Postgres
from support.raw_client import RawClient, ServerError, errors
from support.weir import Weir

pytestmark = pytest.mark.needs_weir

SESSION = {"pool": {"mode": "session", "max": 2, "min": 0, "acquire_timeout": "5s"}}


@pytest.fixture(params=[1, 2])
def weir(start_weir: StartWeir, request: pytest.FixtureRequest) -> Weir:
    return start_weir({**SESSION, "listen": {"threads": request.param}})


def direct(postgres: Postgres, **parameters: str) -> RawClient:
    client = RawClient.connect_tcp(postgres.endpoint.host, postgres.endpoint.port)
    client.log_in(**{"user": "postgres", "database": "app", **parameters})
    return client


def login_error(connect: "contextlib.AbstractContextManager[RawClient]", **parameters: str) -> wire.Message:
    with connect as client:
        with pytest.raises(ServerError) as refused:
            client.log_in(**{"user": "postgres", "database": "app", **parameters})
        return refused.value.message


def test_the_process_id_is_the_servers(weir: Weir) -> None:
    with weir.logged_in() as client, weir.logged_in() as other:
        assert client.process_id == client.backend_pid()
        assert other.process_id == other.backend_pid() != client.process_id


def test_cancel_finds_the_client_by_its_servers_process_id(weir: Weir, postgres: Postgres) -> None:
    with weir.logged_in() as client, weir.logged_in() as other:
        for each in (client, other):
            each.send(wire.query("SELECT pg_sleep(60)"))
        wait_until(lambda: postgres.backends("query LIKE '%pg_sleep(60)%' AND state = 'active'") == 2)
        other.cancel(weir.raw)
        assert errors(other.receive_ready()) == ["57014"]
        assert postgres.backends("query LIKE '%pg_sleep(60)%' AND state = 'active'") == 1
        client.cancel(weir.raw)
        assert errors(client.receive_ready()) == ["57014"]


STARTUPS: list[dict[str, str]] = [
    {},
    {"application_name": "mine", "client_encoding": "latin1", "datestyle": "german"},
    {"options": "-c work_mem=3MB -c search_path=a,b --my.var=x -c statement_timeout=90s"},
    {"TimeZone": "asia/tokyo", "extra_float_digits": "2"},
    {"options": "-c ignore_system_indexes=on"},  # only a startup packet may set it
]
ASKED = (
    "SELECT current_setting('application_name'), current_setting('DateStyle'), current_setting('work_mem'),"
    " current_setting('search_path'), nullif(current_setting('my.var', true), ''), current_setting('statement_timeout'),"
    " current_setting('TimeZone'), current_setting('extra_float_digits'), current_setting('ignore_system_indexes')"
)


@pytest.mark.parametrize("startup", STARTUPS)
def test_startup_parameters_and_reset_are_as_direct(weir: Weir, postgres: Postgres, startup: dict[str, str]) -> None:
    for _ in range(2):  # the second time, where it can be, on the connection that was used before
        with weir.logged_in(**startup) as client, direct(postgres, **startup) as own:
            told = [message.body for message in client.seen if message.type == "S"]
            assert told == [message.body for message in own.seen if message.type == "S"]
            assert client.rows(ASKED) == own.rows(ASKED)
            for change in (
                "SET work_mem = '9MB'",
                "SET TimeZone = 'UTC'",
                "RESET work_mem",
                "SET my.var = 'y'",
                "RESET ALL",
                "SET application_name = 'other'",
                "DISCARD ALL",
            ):
                client.query(change)
                own.query(change)
                assert client.rows(ASKED) == own.rows(ASKED), change
            client.query("SET work_mem = '9MB'; SET TimeZone = 'UTC'; LISTEN x")
            client.quit()
            own.quit()


@pytest.mark.parametrize(
    "startup", [{"work_mem": "much"}, {"no_such_setting": "1"}, {"options": "-c TimeZone=Nowhere"}]
)
def test_login_errors_are_the_servers_own(weir: Weir, postgres: Postgres, startup: dict[str, str]) -> None:
    theirs = login_error(
        contextlib.closing(RawClient.connect_tcp(postgres.endpoint.host, postgres.endpoint.port)), **startup
    )
    ours = login_error(contextlib.closing(weir.raw()), **startup)
    assert ours.body == theirs.body
    with weir.logged_in() as client:  # nobody else suffers for it
        assert client.value("SELECT 1") == "1"


def test_an_unknown_database_is_told_by_the_server(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({**SESSION, "database": {"*": {"cluster": "main"}}})
    theirs = login_error(
        contextlib.closing(RawClient.connect_tcp(postgres.endpoint.host, postgres.endpoint.port)), database="nowhere"
    )
    assert login_error(contextlib.closing(weir.raw()), database="nowhere").body == theirs.body


def test_a_connection_is_used_again_by_who_begins_alike(start_weir: StartWeir) -> None:
    weir = start_weir({**SESSION, "listen": {"threads": 1}})
    with weir.logged_in(application_name="a") as client:
        first = client.process_id
        client.query("SET work_mem = '9MB'")
        client.quit()
    wait_until(lambda: weir.pool()["sv_idle"] == 1)
    with weir.logged_in(application_name="a") as client:
        assert client.process_id == first
        assert client.value("SHOW work_mem") != "9MB"
        client.quit()
    wait_until(lambda: weir.pool()["sv_idle"] == 1)
    with weir.logged_in(application_name="b") as client:
        assert client.process_id != first


def test_clients_that_begin_differently_share_the_limit(weir: Weir, postgres: Postgres) -> None:
    """Every login needs a connection of another kind: idle ones make room, nobody waits in vain."""
    for round_number in range(3):
        for name in ("a", "b", "c", "d"):
            with weir.logged_in(application_name=name) as client:
                assert client.value("SHOW application_name") == name
                wait_until(lambda: postgres.backends() <= 2, "no more than the limit")
                client.quit()


def test_many_clients_take_turns(weir: Weir) -> None:
    failed: list[object] = []

    def work(number: int) -> None:
        try:
            for turn in range(5):
                with weir.logged_in(application_name=f"n{(number + turn) % 3}") as client:
                    assert client.process_id == client.backend_pid()
                    client.query(f"SET work_mem = '{number + 1}MB'")
                    assert client.value("SHOW work_mem") == f"{number + 1}MB"
                    client.quit()
        except Exception as error:  # pylint: disable=broad-except
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_login_waits_for_a_connection_and_is_told_when_there_is_none(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"mode": "session", "max": 1, "acquire_timeout": "300ms"}})
    with weir.logged_in() as holder:
        message = login_error(contextlib.closing(weir.raw()))
        assert message.sqlstate == "53300" and "query_wait_timeout" in message.text
        holder.quit()
    with weir.logged_in() as client:
        assert client.value("SELECT 1") == "1"


@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_the_server_process_is_told_as_directly(
    start_weir: StartWeir, postgres: Postgres, kill: signal.Signals
) -> None:
    weir = start_weir(SESSION)
    seen: list[list[tuple[str, Optional[str]]]] = []
    for client in (weir.logged_in(), direct(postgres)):
        with client:
            pid = client.backend_pid()
            if kill == signal.SIGTERM:
                os.kill(pid, kill)
                seen.append([(m.type, m.sqlstate) for m in client.receive_to_end()])
            else:
                client.send(wire.query("SELECT pg_terminate_backend(pg_backend_pid())"))
                seen.append([(m.type, m.sqlstate) for m in client.receive_to_end() if m.type == "E"])
    assert seen[0] == seen[1]
    with weir.logged_in() as client:
        assert client.value("SELECT 1") == "1"


def test_messages_sent_along_with_the_login_are_answered(weir: Weir) -> None:
    with weir.raw() as client:
        client.send(wire.startup({"user": "postgres", "database": "app"}) + wire.query("SELECT 5"))
        assert errors(client.receive_ready()) == []
        assert client.receive_ready()[1].columns() == [b"5"]


def test_mode_changes_by_reload_while_clients_are_there(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"mode": "session", "max": 2, "min": 0}})
    with weir.logged_in(work_mem="3MB") as client:
        client.query("SET TimeZone = 'Asia/Tokyo'")
        weir.reload({"pool": {"mode": "transaction", "max": 2, "min": 0}})
        assert client.value("SHOW work_mem") == "3MB"
        with weir.logged_in() as other:
            assert other.value("SHOW work_mem") != "3MB"
            weir.reload({"pool": {"mode": "session", "max": 2, "min": 0}})
            assert other.value("SELECT 1") == "1"
            assert client.value("SHOW work_mem") == "3MB"
