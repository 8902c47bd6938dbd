"""The admin database: PgBouncer's words, its columns first, with every driver."""

import asyncio
from typing import Any

import psycopg
import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import wait_until
from support.raw_client import ServerError, errors, types

pytestmark = pytest.mark.needs_weir

COLUMNS = {
    "POOLS": "database user cl_active cl_waiting cl_active_cancel_req cl_waiting_cancel_req sv_active"
    " sv_active_cancel sv_being_canceled sv_idle sv_used sv_tested sv_login maxwait maxwait_us pool_mode"
    " load_balance_hosts",
    "STATS": "database total_server_assignment_count total_xact_count total_query_count total_received total_sent"
    " total_xact_time total_query_time total_wait_time total_client_parse_count total_server_parse_count"
    " total_bind_count total_client_login_count avg_server_assignment_count avg_xact_count avg_query_count avg_recv"
    " avg_sent avg_xact_time avg_query_time avg_wait_time avg_client_parse_count avg_server_parse_count"
    " avg_bind_count avg_client_login_count",
    "CLIENTS": "type user database replication state addr port local_addr local_port connect_time request_time wait"
    " wait_us close_needed ptr link remote_pid tls application_name prepared_statements id",
    "SERVERS": "type user database replication state addr port local_addr local_port connect_time request_time wait"
    " wait_us close_needed ptr link remote_pid tls application_name prepared_statements id",
    "DATABASES": "name host port database force_user pool_size min_pool_size reserve_pool_size server_lifetime"
    " pool_mode load_balance_hosts max_connections current_connections max_client_connections"
    " current_client_connections paused disabled",
    "LISTS": "list items",
    "CONFIG": "key value default changeable",
    "VERSION": "version",
}

LISTS = [
    "databases",
    "users",
    "peers",
    "pools",
    "peer_pools",
    "free_clients",
    "used_clients",
    "login_clients",
    "free_servers",
    "used_servers",
    "dns_names",
    "dns_zones",
    "dns_queries",
    "dns_pending",
]


def admin(weir: Any, **overrides: Any) -> Any:
    return weir.psycopg(**{"dbname": "weir", "user": "postgres", **overrides})


@pytest.mark.parametrize("word", COLUMNS)
def test_columns_begin_with_pgbouncers(start_weir: StartWeir, word: str) -> None:
    weir = start_weir()
    with weir.logged_in() as client:
        client.rows("SELECT 1")
        with admin(weir) as console:
            names = [column.name for column in console.execute(f"SHOW {word}").description]
        expected = COLUMNS[word].split()
        assert names[: len(expected)] == expected


@pytest.mark.parametrize("database", ["weir", "pgbouncer"])
def test_both_names_answer(start_weir: StartWeir, database: str) -> None:
    weir = start_weir()
    with admin(weir, dbname=database) as console:
        assert "weir" in console.execute("SHOW VERSION").fetchone()[0].lower()


def test_admin_database_may_have_another_name(start_weir: StartWeir) -> None:
    weir = start_weir({"admin": {"database": "console"}})
    with admin(weir, dbname="console") as console:
        assert console.execute("SHOW VERSION").fetchone()


def test_simple_protocol_works(start_weir: StartWeir) -> None:
    weir = start_weir()
    with weir.logged_in(database="weir") as console:
        assert types(console.query("SHOW VERSION")) == "TDCZ"
        assert types(console.query("show version;")) == "TDCZ"
        assert types(console.query("")) == "IZ"
        assert errors(console.query("SHOW NONSENSE")) != []
        assert errors(console.query("DROP TABLE users")) != []
        assert types(console.query("SHOW LISTS"))[-2:] == "CZ"


def test_extended_protocol_works(start_weir: StartWeir) -> None:
    weir = start_weir()
    with weir.logged_in(database="weir") as console:
        console.send(wire.extended("SHOW VERSION"), wire.sync())
        assert types(console.receive_ready()) == "12TDCZ"
        console.send(wire.parse("SHOW LISTS", "s"), wire.describe("S", "s"), wire.sync())
        assert types(console.receive_ready()) == "1tTZ"
        console.send(wire.bind(name="s"), wire.execute(), wire.sync())
        assert types(console.receive_ready())[0] == "2"
        console.send(wire.extended("SHOW NONSENSE"), wire.extended("SHOW VERSION"), wire.sync())
        messages = console.receive_ready()
        assert len(errors(messages)) == 1 and messages[-1].type == "Z"
        console.send(wire.extended("SHOW VERSION"), wire.sync())
        assert types(console.receive_ready()) == "12TDCZ"


def test_psycopg2_and_asyncpg_work(start_weir: StartWeir) -> None:
    weir = start_weir()
    assert weir.show("LISTS")

    async def scenario() -> None:
        async with weir.asyncpg(database="weir", user="postgres") as console:
            rows = await console.fetch("SHOW LISTS")
            assert [row["list"] for row in rows][: len(LISTS)] == LISTS
            with pytest.raises(Exception, match="."):
                await console.fetch("SHOW NONSENSE")
            assert await console.fetchval("SHOW VERSION")

    asyncio.run(scenario())


def test_psql_works(start_weir: StartWeir) -> None:
    import subprocess

    weir = start_weir()
    command = ["psql", "-X", "-h", weir.host, "-p", str(weir.port), "-U", "postgres", "weir", "-c", "SHOW POOLS"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and "cl_active" in done.stdout


def test_pools_count_clients_and_backends(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 2, "acquire_timeout": "20s"}})
    clients = [weir.logged_in() for _ in range(4)]
    for client in clients[:2]:
        client.query("BEGIN; SELECT 1")
    clients[2].send(wire.query("SELECT 1"))
    wait_until(lambda: weir.pool()["cl_waiting"] == 1)
    pool = weir.pool()
    assert (pool["sv_active"], pool["sv_idle"], pool["pool_mode"]) == (2, 0, "transaction")
    # PgBouncer counts a client without a backend as active too.
    assert pool["cl_active"] == 3
    assert int(pool["maxwait"]) * 1_000_000 + int(pool["maxwait_us"]) > 0
    for client in clients[:2]:
        client.query("COMMIT")
    clients[2].receive_ready()
    wait_until(lambda: weir.pool()["sv_idle"] == 2)
    pool = weir.pool()
    assert (pool["cl_waiting"], pool["sv_active"], pool["sv_idle"]) == (0, 0, 2)
    for client in clients:
        client.quit()
    wait_until(lambda: weir.pool()["cl_active"] == 0)


def test_clients_and_servers_are_listed_and_linked(start_weir: StartWeir) -> None:
    weir = start_weir()
    with weir.logged_in(application_name="shop") as client:
        client.query("BEGIN")
        pid = client.backend_pid()
        rows = [row for row in weir.show("CLIENTS") if row["database"] == "app"]
        assert len(rows) == 1
        row = rows[0]
        assert (row["type"], row["user"], row["state"], row["addr"]) == ("C", "postgres", "active", "127.0.0.1")
        assert row["application_name"] == "shop"
        assert int(row["port"]) == client.socket.getsockname()[1]
        assert int(row["local_port"]) == weir.port
        servers = [server for server in weir.show("SERVERS") if server["database"] == "app"]
        assert len(servers) == 1
        assert int(servers[0]["remote_pid"]) == pid
        assert (servers[0]["type"], servers[0]["state"]) == ("S", "active")
        assert row["link"] == servers[0]["ptr"] and servers[0]["link"] == row["ptr"]
        client.query("COMMIT")
        servers = [server for server in weir.show("SERVERS") if server["database"] == "app"]
        wait_until(lambda: weir.show("SERVERS")[0]["state"] == "idle", "it has been given back")


def test_databases_tell_where_they_are(start_weir: StartWeir, postgres: Any) -> None:
    shop = {"cluster": "main", "dbname": "app", "pool": {"max": 7, "min": 1, "reserve": 2, "mode": "session"}}
    weir = start_weir({"database": {"shop": shop}})
    row = next(row for row in weir.show("DATABASES") if row["name"] == "shop")
    assert (row["database"], row["host"], int(row["port"])) == ("app", "127.0.0.1", postgres.port)
    assert (int(row["pool_size"]), int(row["min_pool_size"]), int(row["reserve_pool_size"])) == (7, 1, 2)
    assert row["pool_mode"] == "session"


def test_stats_count_transactions_and_statements(start_weir: StartWeir) -> None:
    weir = start_weir()
    with weir.logged_in() as client:
        for _ in range(10):
            client.rows("SELECT 1")
        for statement in ("BEGIN", "SELECT 1", "COMMIT"):
            client.query(statement)
        client.send(wire.extended("SELECT 1"), wire.sync())
        client.receive_ready()
        row = next(row for row in weir.show("STATS") if row["database"] == "app")
        assert int(row["total_xact_count"]) == 12
        assert int(row["total_query_count"]) == 14
        assert int(row["total_received"]) > 0 and int(row["total_sent"]) > int(row["total_received"])
        assert int(row["total_client_parse_count"]) == 1 and int(row["total_bind_count"]) == 1
        assert int(row["total_client_login_count"]) == 1


def test_lists_count(start_weir: StartWeir) -> None:
    weir = start_weir()
    with weir.logged_in() as client:
        client.query("BEGIN; SELECT 1")
        rows = weir.show("LISTS")
        assert [row["list"] for row in rows][: len(LISTS)] == LISTS
        items = {row["list"]: int(row["items"]) for row in rows}
        assert items["used_clients"] >= 1 and items["used_servers"] == 1


def test_config_tells_settings_defaults_and_what_may_change(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 3}})
    rows = {row["key"]: row for row in weir.show("CONFIG")}
    assert rows["pool.max"]["value"] == "3"
    assert rows["pool.max"]["changeable"] == "yes"
    assert rows["listen.threads"]["changeable"] == "no"
    assert rows["pool.acquire_timeout"]["default"] == "10s"


def test_help_is_given(start_weir: StartWeir) -> None:
    weir = start_weir()
    with weir.logged_in(database="weir") as console:
        messages = console.query("SHOW HELP")
        assert errors(messages) == []
        said = b"".join(message.body for message in messages)
        for word in COLUMNS:
            assert word.encode() in said


def test_strangers_stay_outside(start_weir: StartWeir) -> None:
    weir = start_weir({"user": {"someone": {}}})
    with weir.raw() as client:
        with pytest.raises(ServerError) as refused:
            client.log_in(user="someone", database="weir")
        assert refused.value.message.severity == "FATAL"


def test_viewers_may_look(start_weir: StartWeir) -> None:
    weir = start_weir({"user": {"someone": {}}, "admin": {"viewers": ["someone"]}})
    with admin(weir, user="someone") as console:
        assert console.execute("SHOW VERSION").fetchone()


def test_client_that_breaks_the_protocol_is_sent_away(start_weir: StartWeir) -> None:
    weir = start_weir()
    with weir.logged_in(database="weir") as client:
        client.send(wire.frame("p", wire.text("late")))
        messages = client.receive_to_end()
        assert errors(messages) == ["08P01"] and messages[-1].severity == "FATAL"


def test_admins_prove_who_they_are(start_weir: StartWeir) -> None:
    weir = start_weir({"auth": {"method": "scram-sha-256"}, "user": {"postgres": {"password": "pencil"}}})
    with admin(weir, password="pencil") as console:
        assert console.execute("SHOW VERSION").fetchone()
    with pytest.raises(psycopg.OperationalError):
        admin(weir, password="wrong")


def test_admin_works_while_postgresql_is_away(start_weir_at: StartWeir) -> None:
    weir = start_weir_at(1)
    assert weir.show("POOLS") == []
    assert weir.show("DATABASES")


def test_many_threads_are_counted_together(start_weir: StartWeir) -> None:
    weir = start_weir({"listen": {"threads": 4}})
    clients = [weir.logged_in() for _ in range(12)]
    for client in clients:
        client.rows("SELECT 1")
    assert len([row for row in weir.show("CLIENTS") if row["database"] == "app"]) == 12
    assert weir.pool()["cl_active"] == 12
    row = next(row for row in weir.show("STATS") if row["database"] == "app")
    assert int(row["total_query_count"]) == 12
    for client in clients:
        client.quit()
