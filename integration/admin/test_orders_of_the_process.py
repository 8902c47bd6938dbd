"""What operators order the whole process: SUSPEND, RELOAD, SET, SHUTDOWN; who may, and orders under load."""

import subprocess
import threading
from typing import Any, Iterator

import psycopg
import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import stays_true, wait_until
from support.orders import ask, console, database, is_waiting, said, several, state, TWO_THREADS
from support.raw_client import errors, types

pytestmark = pytest.mark.needs_weir

# ---- SUSPEND ---------------------------------------------------------------------------------------------------------


def test_suspend_stops_all_traffic(held: Any) -> None:
    clients = several(held, 3)
    clients[0].query("BEGIN")
    with console(held) as admin:
        assert types(admin.query("SUSPEND")) == "CZ"
        assert state(held) == "suspended"
        for client in clients:
            client.send(wire.query("SELECT 1"))
        late = held.raw()
        late.send(wire.startup({"user": "postgres", "database": "app"}), wire.query("SELECT 1"))
        late_is_in = held.settings["pool"]["mode"] == "transaction"  # in session mode that takes a server connection
        if late_is_in:
            late.receive_ready()
        stays_true(lambda: all(is_waiting(client) for client in [*clients, late]), 0.3)
        assert said(admin, "PAUSE")[1] == "already suspended/paused"
        assert types(admin.query("RESUME")) == "CZ"
    if not late_is_in:
        late.receive_ready()
    for client in [*clients, late]:
        assert types(client.receive_ready()) == "TDCZ"
    clients[0].query("COMMIT")
    for client in [*clients, late]:
        client.quit()


def test_suspend_drops_who_does_not_read(start_weir: StartWeir) -> None:
    weir = start_weir({**TWO_THREADS, "admin": {"suspend_timeout": "200ms"}})
    with weir.logged_in() as reader, weir.logged_in() as stuck, console(weir) as admin:
        stuck.send(wire.query("SELECT repeat('x', 1000000) FROM generate_series(1, 200)"))
        wait_until(lambda: weir.pool()["sv_active"] == 1)
        wait_until(
            lambda: any(row["send_avail"] > 0 for row in weir.show("SOCKETS") if row["database"] == "app"),
            "what it does not read is kept",
        )
        assert types(admin.query("SUSPEND")) == "CZ"
        wait_until(lambda: sum(row["database"] == "app" for row in weir.show("CLIENTS")) == 1)
        assert types(admin.query("RESUME")) == "CZ"
        assert types(reader.query("SELECT 1")) == "TDCZ"


def test_suspend_ends_with_the_last_admin(two: Any) -> None:
    with two.logged_in() as client:
        assert ask(two, "SUSPEND") == ["CZ"]
        assert types(client.query("SELECT 1")) == "TDCZ"


# ---- RELOAD, SET, SHUTDOWN -------------------------------------------------------------------------------------------


def test_reload_tells_what_is_wrong(two: Any) -> None:
    with console(two) as admin:
        two.write_settings({"pool": {"max": 6}})
        assert types(admin.query("RELOAD")) == "CZ"
        assert database(two)["pool_size"] == 6
        good = two.config_path.read_text()
        two.config_path.write_text(good + "\n[pool2]\nmax = 1\n")
        sqlstate, text = said(admin, "RELOAD")
        assert sqlstate == "F0000" and "pool2" in text
        two.config_path.write_text(good)
        two.write_settings({"listen": {"backlog": 77}})
        messages = admin.query("RELOAD")
        assert types(messages) == "NCZ" and "listen.backlog" in messages[0].text


def test_set_changes_settings_until_reload(two: Any) -> None:
    with console(two) as admin:
        assert types(admin.query("SET pool.max = 7")) == "CZ"
        assert database(two)["pool_size"] == 7
        assert types(admin.query("SET default_pool_size=9")) == "CZ"
        assert types(admin.query("SET query_wait_timeout TO '2.5'")) == "CZ"
        config = {row["key"]: row["value"] for row in two.show("CONFIG")}
        assert (config["pool.max"], config["default_pool_size"]) == ("9", "9")
        assert (config["pool.acquire_timeout"], config["query_wait_timeout"]) == ("2500ms", "2.5")
        assert said(admin, "SET pool.max = many")[0] == "22023"
        assert said(admin, "SET pool.min = 100")[0] == "22023"
        assert said(admin, "SET listen.threads = 3")[0] == "55P02"
        assert said(admin, "SET nonsense = 3")[0] == "42704"
        assert types(admin.query("SET extra_float_digits = 3")) == "CZ"
        assert types(admin.query("RELOAD")) == "CZ"
        assert database(two)["pool_size"] == 4


def test_shutdown_at_once(two: Any) -> None:
    with two.logged_in() as client, console(two) as admin:
        client.query("BEGIN")
        admin.send(wire.query("SHUTDOWN"))
        assert two.wait_exit() == 0
        assert errors(client.receive_to_end()) == ["57P01"]


def test_shutdown_waits_for_servers(two: Any) -> None:
    with two.logged_in() as client, two.logged_in() as idle, console(two) as admin:
        client.query("BEGIN")
        assert types(admin.query("SHUTDOWN WAIT_FOR_SERVERS")) == "CZ"
        assert errors(idle.receive_to_end()) == ["57P01"]
        assert types(client.query("SELECT 1")) == "TDCZ"
        assert said(admin, "RESUME")[1] == "pooler is shutting down"
        client.send(wire.query("COMMIT"))
        assert two.wait_exit() == 0


def test_shutdown_waits_for_clients(two: Any) -> None:
    with two.logged_in() as client, console(two) as admin:
        assert types(admin.query("SHUTDOWN WAIT_FOR_CLIENTS")) == "CZ"
        wait_until(lambda: not two.accepts())
        for _ in range(3):
            assert types(client.query("SELECT 1")) == "TDCZ"
        client.quit()
        assert two.wait_exit() == 0


# ---- who may, and how ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "order",
    [
        "PAUSE",
        "RESUME",
        "DISABLE app",
        "ENABLE app",
        "RECONNECT",
        "KILL",
        "KILL_CLIENT 1",
        "SUSPEND",
        "SHUTDOWN",
        "WAIT_CLOSE",
        "RELOAD",
        "SET pool.max = 3",
        "SHOW FDS",
        "SELECT * FROM fds",
    ],
)
def test_viewers_may_not(start_weir: StartWeir, order: str) -> None:
    weir = start_weir({"user": {"someone": {}}, "admin": {"viewers": ["someone"]}})
    with weir.psycopg(dbname="weir", user="someone") as viewer:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="admin access needed"):
            viewer.execute(order)
        assert viewer.execute("SHOW VERSION").fetchone()


def test_extended_protocol_gives_orders_too(two: Any) -> None:
    with two.psycopg(dbname="weir", user="postgres") as admin:
        admin.execute("PAUSE app", prepare=True)
        assert database(two)["paused"] == 1
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            admin.execute("RESUME")
        admin.execute("RESUME app")
        assert admin.execute("SHOW STATE").fetchone() == ("active", "yes")


def test_usage_is_told(two: Any) -> None:
    with console(two) as admin:
        for order in ("PAUSE a b", "RELOAD now", "SHUTDOWN SOON", "KILL_CLIENT", "PAUSE app TIMEOUT soon"):
            assert said(admin, order)[0] == "42601"


# ---- under load ------------------------------------------------------------------------------------------------------


def pgbench(weir: Any, *options: str) -> "subprocess.Popen[str]":
    command = ["pgbench", "-n", "-h", weir.host, "-p", str(weir.port), "-U", "postgres", *options, "app"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture
def script(tmp_path: Any) -> Iterator[str]:
    path = tmp_path / "script.sql"
    path.write_text("BEGIN;\nSELECT 1;\nSELECT pg_backend_pid();\nCOMMIT;\n")
    yield str(path)


def done_so_far(weir: Any) -> int:
    return sum(int(row["total_xact_count"]) for row in weir.show("STATS"))


ORDERS = ("PAUSE", "RESUME", "RECONNECT", "PAUSE app", "RESUME app", "WAIT_CLOSE", "SUSPEND", "RESUME")


@pytest.mark.parametrize("protocol", ["simple", "prepared"])
def test_load_goes_on_through_pauses(two: Any, script: str, protocol: str) -> None:
    # As many as there are server connections: pgbench prepares its statements one client at a time, and lets the
    # others of a thread wait inside their transactions meanwhile.
    load = pgbench(two, "-c", "4", "-j", "2", "-t", "600", "-M", protocol, "-f", script)
    with console(two) as admin:
        wait_until(lambda: done_so_far(two) > 100)
        while load.poll() is None:
            for order in ORDERS:
                assert types(admin.query(order)) == "CZ", order
                if order.startswith("RE"):  # it takes a moment to connect anew
                    before = done_so_far(two)
                    wait_until(lambda: load.poll() is not None or done_so_far(two) > before + 20)
    output = load.communicate(timeout=60)[0]
    assert load.returncode == 0, output
    assert "number of failed transactions: 0 (" in output, output
    assert "number of transactions actually processed: 2400/2400" in output, output


def test_two_admins_at_odds(two: Any, script: str) -> None:
    load = pgbench(two, "-c", "4", "-j", "2", "-t", "200", "-f", script)
    failures: list[str] = []
    wait_until(lambda: done_so_far(two) > 50)

    def quarrel(name: str) -> None:
        with console(two) as admin:
            while load.poll() is None:
                before = done_so_far(two)
                wait_until(lambda: load.poll() is not None or done_so_far(two) > before)
                for order in (f"PAUSE {name}".strip(), f"RESUME {name}".strip(), "RECONNECT"):
                    wrong = set(errors(admin.query(order))) - {"55000", "57014"}
                    failures.extend(wrong)

    admins = [threading.Thread(target=quarrel, args=[name]) for name in ("", "app")]
    for admin in admins:
        admin.start()
    output = load.communicate(timeout=120)[0]
    for admin in admins:
        admin.join(timeout=60)
    assert not failures and load.returncode == 0, output
    for order in ("RESUME", "RESUME app"):
        ask(two, order)
    assert two.value("SELECT 1") == 1


def test_own_system_user_is_an_admin_over_a_unix_socket(start_weir: StartWeir, tmp_path: Any) -> None:
    scram = {"auth": {"method": "scram-sha-256"}, "user": {"postgres": {"password": "pencil"}}}
    weir = start_weir({**scram, "listen": {"addresses": [f"unix:{tmp_path}"]}})
    where = {"host": str(tmp_path), "port": 6432, "user": "pgbouncer", "dbname": "pgbouncer"}
    with weir.psycopg(**where) as console:
        assert console.execute("SHOW VERSION").fetchone()
        console.execute("RECONNECT")
    with pytest.raises(psycopg.OperationalError):
        weir.psycopg(**{**where, "dbname": "app"})
    with pytest.raises(psycopg.OperationalError):
        weir.psycopg(**{**where, "user": "postgres"})
