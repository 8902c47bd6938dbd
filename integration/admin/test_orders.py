"""What operators order: PAUSE and its kin, with clients under way on several threads."""

import signal
from typing import Any

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import wait_until
from support.orders import ask, console, database, is_waiting, said, several, state, TWO_THREADS
from support.raw_client import ServerError, errors, types

pytestmark = pytest.mark.needs_weir

# ---- PAUSE and RESUME ------------------------------------------------------------------------------------------------


def test_pause_waits_for_transactions_and_closes_what_is_idle(two: Any, postgres: Any) -> None:
    clients = several(two)
    clients[0].query("BEGIN")
    with console(two) as admin:
        admin.send(wire.query("PAUSE"))
        wait_until(lambda: state(two) == "paused")
        wait_until(lambda: postgres.backends() == 1, "idle backends are closed")
        assert is_waiting(admin)
        clients[1].send(wire.query("SELECT 1"))
        assert types(clients[0].query("SELECT 1")) == "TDCZ"
        clients[0].query("COMMIT")
        assert types(admin.receive_ready()) == "CZ"
        assert postgres.backends() == 0
        assert is_waiting(clients[1])
        assert types(admin.query("RESUME")) == "CZ"
        assert types(clients[1].receive_ready()) == "TDCZ"
    assert state(two) == "active"
    for client in clients:
        assert types(client.query("SELECT 1")) == "TDCZ"
        client.quit()


def test_pause_waits_for_clients_that_hold_a_session(start_weir: StartWeir) -> None:
    weir = start_weir({"listen": {"threads": 2}, "pool": {"mode": "session"}})
    clients = several(weir, 2)
    with console(weir) as admin:
        admin.send(wire.query("PAUSE app"))
        wait_until(lambda: database(weir)["paused"] == 1)
        clients[0].quit()
        assert is_waiting(admin)
        assert types(clients[1].query("SELECT 1")) == "TDCZ"
        clients[1].quit()
        assert types(admin.receive_ready()) == "CZ"
        assert types(admin.query("RESUME app")) == "CZ"


def test_pause_of_one_database_leaves_the_others(start_weir: StartWeir) -> None:
    weir = start_weir({**TWO_THREADS, "database": {"app": {"cluster": "main"}, "other": {"cluster": "main", "dbname": "app"}}})
    with weir.logged_in() as client, weir.logged_in(database="other") as other:
        client.query("SELECT 1")
        assert ask(weir, "PAUSE other") == ["CZ"]
        assert types(client.query("SELECT 1")) == "TDCZ"
        other.send(wire.query("SELECT 1"))
        wait_until(lambda: weir.pool("other")["cl_waiting"] == 1)
        assert (database(weir, "other")["paused"], database(weir)["paused"]) == (1, 0)
        assert ask(weir, "RESUME") == ["55000"]
        assert ask(weir, "RESUME other") == ["CZ"]
        assert types(other.receive_ready()) == "TDCZ"


def test_waiting_times_out_while_paused(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"acquire_timeout": "300ms"}})
    with weir.logged_in() as client:
        assert ask(weir, "PAUSE") == ["CZ"]
        sqlstate, text = said(client, "SELECT 1")
        assert sqlstate == "53300" and "query_wait_timeout" in text
        assert ask(weir, "RESUME") == ["CZ"]
        assert types(client.query("SELECT 1")) == "TDCZ"


def test_texts_are_pgbouncers(two: Any) -> None:
    with console(two) as admin:
        assert said(admin, "RESUME") == ("55000", "pooler is not paused/suspended")
        assert said(admin, "RESUME app") == ("55000", "database app is not paused")
        assert said(admin, "DISABLE")[1] == "a database is required"
        assert said(admin, "KILL_CLIENT 123456")[1] == "client not found"
        assert said(admin, "KILL_CLIENT x")[1] == "invalid client pointer supplied"
        assert said(admin, "PAUSE weir")[1] == "cannot pause admin db: weir"
        assert said(admin, "DISABLE pgbouncer")[1] == "cannot disable admin db: pgbouncer"
        assert types(admin.query("PAUSE")) == "CZ"
        for order in ("PAUSE", "PAUSE app", "SUSPEND", "KILL app"):
            assert said(admin, order) == ("55000", "already suspended/paused")
        assert types(admin.query("RESUME")) == "CZ"
        assert types(admin.query("PAUSE app")) == "CZ"
        assert said(admin, "SUSPEND")[1] == "cannot suspend with paused databases"
        assert types(admin.query("RESUME app")) == "CZ"


def test_unknown_database(start_weir_at: StartWeir) -> None:
    weir = start_weir_at(1, {"database": {"*": None, "app": {"cluster": "main"}}})
    for order in ("PAUSE", "RESUME", "DISABLE", "ENABLE", "RECONNECT", "KILL", "WAIT_CLOSE"):
        with console(weir) as admin:
            assert said(admin, f"{order} nowhere") == ("3D000", "no such database: nowhere")


def test_pause_ends_by_itself(two: Any) -> None:
    with two.logged_in() as client, console(two) as admin:
        assert types(admin.query("PAUSE TIMEOUT 0.3")) == "CZ"
        assert types(client.query("SELECT 1")) == "TDCZ"  # waits for that
        client.query("BEGIN")
        sqlstate, text = said(admin, "PAUSE app TIMEOUT '200ms'")
        assert sqlstate == "57014" and "TIMEOUT" in text
        assert types(client.query("SELECT 1")) == "TDCZ"
        client.query("COMMIT")
        assert types(client.query("SELECT 1")) == "TDCZ"


def test_pause_ends_when_its_admin_leaves(two: Any) -> None:
    with two.logged_in() as client, two.logged_in() as other:
        client.query("BEGIN")
        admin = console(two)
        admin.send(wire.query("PAUSE"))
        wait_until(lambda: state(two) == "paused")
        other.send(wire.query("SELECT 1"))
        admin.close()
        assert types(other.receive_ready()) == "TDCZ"
        assert state(two) == "active"
        client.query("COMMIT")


def test_pause_that_is_done_stays_when_its_admin_leaves(two: Any) -> None:
    assert ask(two, "PAUSE") == ["CZ"]
    assert state(two) == "paused"
    assert ask(two, "RESUME") == ["CZ"]


def test_pause_is_cancelled(two: Any) -> None:
    with two.logged_in() as client, console(two) as admin:
        client.query("BEGIN")
        admin.send(wire.query("PAUSE"))
        wait_until(lambda: state(two) == "paused")
        admin.cancel(two.raw)
        assert errors(admin.receive_ready()) == ["57014"]
        assert state(two) == "active"
        assert types(admin.query("SHOW VERSION")) == "TDCZ"
        client.query("COMMIT")


def test_pause_of_a_database_by_two(two: Any) -> None:
    with two.logged_in() as client, console(two) as first, console(two) as second:
        client.query("BEGIN")
        first.send(wire.query("PAUSE app"))
        wait_until(lambda: database(two)["paused"] == 1)
        second.send(wire.query("PAUSE app"))
        first.cancel(two.raw)
        assert errors(first.receive_ready()) == ["57014"]
        client.query("COMMIT")
        assert types(second.receive_ready()) == "CZ"
        assert database(two)["paused"] == 1
        assert types(second.query("RESUME app")) == "CZ"


def test_resume_from_elsewhere_ends_a_pause_that_waits(two: Any) -> None:
    with two.logged_in() as client, console(two) as admin:
        client.query("BEGIN")
        admin.send(wire.query("PAUSE"))
        wait_until(lambda: state(two) == "paused")
        assert ask(two, "RESUME") == ["CZ"]
        assert errors(admin.receive_ready()) == ["57014"]
        client.query("COMMIT")


def test_client_that_is_waited_for_leaves(held: Any) -> None:
    client = held.logged_in()
    client.query("BEGIN; SELECT 1")
    with console(held) as admin:
        admin.send(wire.query("PAUSE"))
        wait_until(lambda: state(held) == "paused")
        client.close()
        assert types(admin.receive_ready()) == "CZ"
        assert types(admin.query("RESUME")) == "CZ"


def test_signals_pause_and_resume(two: Any) -> None:
    with two.logged_in() as client:
        two.signal(signal.SIGUSR1)
        wait_until(lambda: state(two) == "paused")
        client.send(wire.query("SELECT 1"))
        wait_until(lambda: two.pool()["cl_waiting"] == 1)
        two.signal(signal.SIGUSR2)
        assert types(client.receive_ready()) == "TDCZ"
    assert state(two) == "active"


def test_clients_may_log_in_while_paused(two: Any) -> None:
    assert ask(two, "PAUSE") == ["CZ"]
    late = two.raw()
    late.send(wire.startup({"user": "postgres", "database": "app"}))
    wait_until(lambda: two.pool()["cl_waiting"] == 1)
    assert ask(two, "RESUME") == ["CZ"]
    late.receive_ready()
    late.quit()


# ---- DISABLE, KILL, RECONNECT ----------------------------------------------------------------------------------------


def test_disabled_database_takes_no_new_clients(two: Any) -> None:
    with two.logged_in() as client:
        assert ask(two, "DISABLE app") == ["CZ"]
        assert database(two)["disabled"] == 1
        with two.raw() as late, pytest.raises(ServerError) as refused:
            late.log_in(user="postgres", database="app")
        assert refused.value.message.text == 'database "app" is disabled'
        assert types(client.query("SELECT 1")) == "TDCZ"
        assert ask(two, "ENABLE app") == ["CZ"]
    assert two.value("SELECT 1") == 1


def test_kill_drops_everybody_and_pauses(held: Any, postgres: Any) -> None:
    clients = several(held)
    clients[0].query("BEGIN")
    assert ask(held, "KILL app") == ["CZ"]
    for client in clients:
        assert errors(client.receive_to_end()) == ["57P01"]
        client.close()
    wait_until(lambda: postgres.backends() == 0)
    assert database(held)["paused"] == 1
    assert ask(held, "RESUME app") == ["CZ"]
    assert held.value("SELECT 1") == 1


def test_kill_of_everything_spares_consoles(two: Any) -> None:
    clients = several(two)
    with console(two) as admin:
        assert types(admin.query("KILL")) == "CZ"
        for client in clients:
            assert errors(client.receive_to_end()) == ["57P01"]
            client.close()
        assert types(admin.query("RESUME")) == "CZ"
    assert two.value("SELECT 1") == 1


def test_kill_during_pause(two: Any) -> None:
    with two.logged_in() as client, console(two) as admin:
        client.query("BEGIN")
        admin.send(wire.query("PAUSE app"))
        wait_until(lambda: database(two)["paused"] == 1)
        assert ask(two, "KILL app") == ["CZ"]
        assert types(admin.receive_ready()) == "CZ"
        assert errors(client.receive_to_end()) == ["57P01"]
        assert types(admin.query("RESUME app")) == "CZ"
    assert two.value("SELECT 1") == 1


def test_kill_client(held: Any) -> None:
    with held.logged_in() as client, held.logged_in(application_name="victim") as victim:
        victim.query("BEGIN")
        row = next(row for row in held.show("CLIENTS") if row["application_name"] == "victim")
        assert ask(held, f"KILL_CLIENT {row['id']}") == ["CZ"]
        assert errors(victim.receive_to_end()) == ["57P01"]
        assert types(client.query("SELECT 1")) == "TDCZ"
        assert ask(held, f"KILL_CLIENT {row['id']}") == ["42704"]


def test_reconnect_replaces_backends_as_they_are_released(two: Any) -> None:
    clients = several(two)
    clients[0].query("BEGIN")
    pid = clients[0].backend_pid()
    others = {client.backend_pid() for client in clients[1:]}
    assert ask(two, "RECONNECT app") == ["CZ"]
    with console(two) as admin:
        admin.send(wire.query("WAIT_CLOSE app"))
        assert clients[0].backend_pid() == pid
        assert [row["close_needed"] for row in two.show("SERVERS") if row["remote_pid"] == pid] == [1]
        assert is_waiting(admin)
        clients[0].query("COMMIT")
        assert types(admin.receive_ready()) == "CZ"
    assert not {client.backend_pid() for client in clients} & {pid, *others}
    for client in clients:
        client.quit()


def test_wait_close_is_cancelled(two: Any) -> None:
    with two.logged_in() as client, console(two) as admin:
        assert types(admin.query("WAIT_CLOSE")) == "CZ"
        client.query("BEGIN")
        admin.query("RECONNECT")
        seen = two.log.count("order=wait_close")
        admin.send(wire.query("WAIT_CLOSE"))
        wait_until(lambda: two.log.count("order=wait_close") > seen)
        admin.cancel(two.raw)
        assert errors(admin.receive_ready()) == ["57014"]
        client.query("COMMIT")
