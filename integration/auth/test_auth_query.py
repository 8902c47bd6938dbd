"""Users that are configured nowhere are looked up in PostgreSQL (auth.query)."""

import contextlib
import threading
from typing import Any, Callable, Iterator

import psycopg
import pytest

from conftest import StartWeir
from support import scram, wire
from support.deadlines import wait_until
from support.postgres import Postgres, Template
from support.raw_client import ServerError

pytestmark = pytest.mark.needs_weir

# PgBouncer's own.
QUERY = (
    "SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword END "
    "FROM pg_authid WHERE rolname=$1 AND rolcanlogin"
)
LOOKUP = {"query": QUERY, "query_user": "asker"}
VERIFIER = scram.verifier("pencil", b"a salt of 16 b..")
METHODS = ["password", "md5", "scram-sha-256"]


def prepare(postgres: Postgres) -> None:
    """Roles with each kind of secret, and one that may look them up."""
    md5 = scram.md5_password("alice_md5", "pencil")
    for sql in (
        "CREATE ROLE asker LOGIN SUPERUSER PASSWORD 'asks'",
        f"CREATE ROLE alice LOGIN PASSWORD '{VERIFIER}'",
        f"CREATE ROLE alice_md5 LOGIN PASSWORD '{md5}'",
        "CREATE ROLE no_password LOGIN",
        "CREATE ROLE no_login PASSWORD 'pencil'",
        "CREATE ROLE expired LOGIN PASSWORD 'pencil' VALID UNTIL '2001-01-01'",
        "CREATE ROLE lasting LOGIN PASSWORD 'pencil' VALID UNTIL 'infinity'",
    ):
        postgres.execute(sql)


@pytest.fixture(scope="module")
def users_postgres(postgres_template: Template) -> Iterator[Postgres]:
    """Wants a password from everybody but the test's own superuser."""
    hba = ["host all postgres all trust", "local all all trust", "host all all all md5"]
    postgres = Postgres(postgres_template, hba=hba)
    prepare(postgres)
    yield postgres
    postgres.remove()


@pytest.fixture
def start(users_postgres: Postgres, start_weir_at: StartWeir) -> Callable[..., Any]:
    """Starts Weir with auth.query in front of it; ``auth`` adds to the section."""

    def start_it(method: str = "scram-sha-256", auth: dict[str, Any] | None = None, **changes: Any) -> Any:
        settings = {
            "auth": {"method": method, **LOOKUP, **(auth or {})},
            "user": {"asker": {"password": "asks"}, "postgres": {"password": "known here"}},
            "pool": {"acquire_timeout": "5s"},
        }
        return start_weir_at(users_postgres.port, {**settings, **changes})

    return start_it


def current_user(weir: Any, user: str, password: str = "pencil", database: str = "app", **parameters: str) -> Any:
    with weir.raw() as client:
        client.log_in(user=user, database=database, password=password, **parameters)
        return client.value("SELECT current_user")


def refusal(weir: Any, user: str, password: str = "pencil", **parameters: str) -> ServerError:
    with weir.raw() as client, pytest.raises(ServerError) as refused:
        client.log_in(**{"user": user, "database": "app", "password": password, **parameters})
    return refused.value


@pytest.mark.parametrize("method", METHODS)
def test_looked_up_user_logs_in_to_both_sides(start: Callable[..., Any], method: str) -> None:
    weir = start(method)
    assert current_user(weir, "alice") == "alice"
    assert refusal(weir, "alice", "crayon").sqlstate == "28P01"
    if method != "scram-sha-256":  # an md5 hash cannot serve SCRAM
        assert current_user(weir, "alice_md5") == "alice_md5"
    assert refusal(weir, "alice_md5", "crayon").sqlstate == "28P01"


def test_drivers_log_in(start: Callable[..., Any]) -> None:
    weir = start()
    assert weir.value("SELECT current_user", user="alice", password="pencil") == "alice"
    with pytest.raises(psycopg.OperationalError, match='password authentication failed for user "alice"'):
        weir.psycopg(user="alice", password="crayon")


def test_configured_users_come_first(start: Callable[..., Any]) -> None:
    weir = start(user={"asker": {"password": "asks"}, "alice": {"password": "another"}}, database={"*": {"user": "postgres"}})
    assert current_user(weir, "alice", "another") == "postgres"
    assert refusal(weir, "alice", "pencil").sqlstate == "28P01"


def test_section_without_a_password_does_not_hide_the_user(start: Callable[..., Any]) -> None:
    weir = start(user={"asker": {"password": "asks"}, "alice": {"max_clients": 5}})
    assert current_user(weir, "alice") == "alice"


@pytest.mark.parametrize("method", METHODS)
def test_those_who_may_not_log_in_are_told_the_same_as_a_wrong_password(
    start: Callable[..., Any], method: str
) -> None:
    weir = start(method)
    current_user(weir, "alice")  # whom strangers are taken for
    conversations = []
    for user in ("alice", "nobody", "no_password", "no_login", "expired", "\u00fc\u00fc", "x' OR '1'='1", "a" * 200):
        with weir.raw() as client, pytest.raises(ServerError) as refused:
            client.log_in(user=user, database="app", password="wrong")
        fields = {code: text.replace(user, "*") for code, text in refused.value.message.fields().items()}
        kinds = [(message.type, message.body[:4]) for message in client.seen]
        conversations.append((fields, [kind for kind in kinds if kind[0] == "R"]))
    assert all(conversation == conversations[0] for conversation in conversations), conversations
    assert conversations[0][0]["C"] == "28P01"


def test_expired_and_null_passwords_let_nobody_in(start: Callable[..., Any]) -> None:
    for method in METHODS:
        weir = start(method)
        for user in ("expired", "no_password", "no_login"):
            assert refusal(weir, user, "pencil").sqlstate == "28P01"
            assert refusal(weir, user, "").sqlstate == "28P01"
        assert current_user(weir, "lasting") == "lasting"


def test_changed_password_holds_at_once(start: Callable[..., Any], users_postgres: Postgres) -> None:
    weir = start(listen={"threads": 2})
    users_postgres.execute("CREATE ROLE changing LOGIN PASSWORD 'first'")
    for password in ("first", "second", "third", "first"):
        users_postgres.execute(f"ALTER ROLE changing PASSWORD '{password}'")
        # A server connection that is open goes on under the old password, as a direct one would.
        users_postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'changing'")
        wait_until(lambda: users_postgres.backends("usename = 'changing'") == 0)
        assert refusal(weir, "changing", "other than " + password).sqlstate == "28P01"
        assert current_user(weir, "changing", password) == "changing"
    users_postgres.execute("ALTER ROLE changing VALID UNTIL '2001-01-01'")
    assert refusal(weir, "changing", "first").sqlstate == "28P01"
    users_postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'changing'")
    wait_until(lambda: users_postgres.backends("usename = 'changing'") == 0)
    users_postgres.execute("DROP ROLE changing")
    assert refusal(weir, "changing", "first").sqlstate == "28P01"


def test_function_of_another_owner_serves_without_a_superuser(
    start: Callable[..., Any], users_postgres: Postgres
) -> None:
    for sql in (
        "CREATE ROLE modest LOGIN PASSWORD 'asks'",
        "CREATE SCHEMA lookup",
        "CREATE FUNCTION lookup.get_auth(wanted text) RETURNS TABLE (name text, secret text) LANGUAGE sql "
        "SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ "
        "SELECT rolname::text, rolpassword FROM pg_authid WHERE rolname = wanted AND rolcanlogin $$",
        "REVOKE ALL ON FUNCTION lookup.get_auth FROM public",
        "GRANT USAGE ON SCHEMA lookup TO modest",
        "GRANT EXECUTE ON FUNCTION lookup.get_auth TO modest",
    ):
        users_postgres.execute(sql, dbname="app")
    auth = {"query": "SELECT name, secret FROM lookup.get_auth($1)", "query_user": "modest", "query_database": "app"}
    weir = start(auth=auth, user={"modest": {"password": "asks"}})
    assert current_user(weir, "alice") == "alice"
    # Also for those who go elsewhere: the function is in one database only.
    assert current_user(weir, "alice", database="other") == "alice"
    assert refusal(weir, "nobody").sqlstate == "28P01"


def test_nothing_a_client_brings_changes_what_the_query_reads(
    start: Callable[..., Any], users_postgres: Postgres
) -> None:
    for sql in (
        "CREATE SCHEMA evil",
        "CREATE TABLE evil.pg_authid AS SELECT 'nobody'::name AS rolname, 'pencil'::text AS rolpassword, "
        "true AS rolcanlogin, null::timestamptz AS rolvaliduntil",
        "GRANT ALL ON SCHEMA evil TO public",
        "GRANT ALL ON evil.pg_authid TO public",
    ):
        users_postgres.execute(sql, dbname="app")
    try:
        users_postgres.execute("ALTER ROLE asker SET search_path = evil, pg_catalog")
        weir = start(database={"*": {"set": {"search_path": "evil, pg_catalog"}}})
        for parameters in (
            {},
            {"search_path": "evil, pg_catalog"},
            {"options": "-c search_path=evil,pg_catalog"},
            {"role": "postgres", "session_authorization": "postgres"},
        ):
            assert refusal(weir, "nobody", **parameters).sqlstate == "28P01"
        # Nor what the user that asks leaves behind when it is here as a client.
        with weir.raw() as client:
            client.log_in(user="asker", database="app", password="asks")
            client.query("CREATE TEMP TABLE pg_authid AS SELECT * FROM evil.pg_authid")
            client.query("SET search_path = pg_temp, evil, pg_catalog")
            assert refusal(weir, "nobody").sqlstate == "28P01"
        assert current_user(weir, "alice") == "alice"
    finally:
        users_postgres.execute("ALTER ROLE asker RESET search_path")


def test_query_of_one_database_overrides_the_general_one(start: Callable[..., Any]) -> None:
    own = {"auth_query": "SELECT 'guest', 'pencil' WHERE 'guest' = $1", "user": "postgres"}
    weir = start(database={"*": {}, "app": own})
    assert current_user(weir, "guest") == "postgres"
    assert refusal(weir, "alice").sqlstate == "28P01"
    assert current_user(weir, "alice", database="other") == "alice"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT $1",
        "SELECT $1, 'a', 'b'",
        "SELECT $1, 'a' FROM generate_series(1, 3)",
        "SELECT nothing FROM nowhere WHERE x = $1",
        "SELECT get_auth($1)",
        "SELECT $1::text, repeat('x', 100000)",
        "COPY (SELECT 1) TO STDOUT --$1",
    ],
)
def test_query_that_cannot_be_right_is_told_to_the_operator(start: Callable[..., Any], query: str) -> None:
    weir = start(auth={"query": query})
    error = refusal(weir, "alice")
    assert error.sqlstate == "F0000"
    assert error.message.text == "bouncer config error (auth.query failed)"
    wait_until(lambda: "auth_query_failed" in weir.log)
    assert current_user(weir, "asker", "asks") == "asker"


def test_row_of_somebody_else_lets_nobody_in(start: Callable[..., Any]) -> None:
    weir = start(auth={"query": "SELECT 'alice', 'pencil' WHERE $1 <> ''"})
    assert refusal(weir, "mallory").sqlstate == "28P01"


def test_asker_that_postgresql_refuses_is_told_to_the_operator(start: Callable[..., Any]) -> None:
    weir = start(user={"asker": {"password": "wrong"}})
    assert refusal(weir, "alice").sqlstate == "F0000"
    wait_until(lambda: "auth_query_failed" in weir.log)


def test_database_that_does_not_exist_is_named(start: Callable[..., Any]) -> None:
    weir = start()
    error = refusal(weir, "alice", database="nowhere")
    assert (error.sqlstate, error.message.text) == ("3D000", 'database "nowhere" does not exist')


def test_secrets_and_questions_are_not_logged(start: Callable[..., Any]) -> None:
    weir = start(log={"level": "debug"})
    current_user(weir, "alice")
    refusal(weir, "alice", "top-secret-crayon")
    for word in ("SCRAM-SHA-256$", "asks", "pencil", "crayon"):
        assert word not in weir.log


def test_server_that_is_down_is_a_clear_error_and_then_it_recovers(
    own_postgres: Callable[..., Postgres], start_weir_at: StartWeir
) -> None:
    postgres = own_postgres()
    prepare(postgres)
    weir = start_weir_at(
        postgres.port,
        {
            "auth": {"method": "scram-sha-256", **LOOKUP, "query_timeout": "1s"},
            "user": {"asker": {"password": "asks"}, "postgres": {"password": "known here"}},
        },
    )
    assert current_user(weir, "alice") == "alice"
    postgres.kill()
    error = refusal(weir, "alice")
    assert error.sqlstate == "57P03"
    assert error.message.text.startswith("cannot look up users now")
    postgres.start()
    wait_until(lambda: _logs_in(weir, "alice"), "looked up again")


def _logs_in(weir: Any, user: str) -> bool:
    try:
        return current_user(weir, user) is not None
    except ServerError:
        return False


def test_slow_answer_has_a_deadline_and_does_not_hold_others(
    start: Callable[..., Any], users_postgres: Postgres
) -> None:
    slow = "SELECT $1::text, 'pencil' FROM pg_sleep(CASE WHEN $1 = 'slow' THEN 60 ELSE 0 END)"
    weir = start(
        auth={"query": slow, "query_timeout": "1s"}, listen={"threads": 1}, database={"*": {"user": "postgres"}}
    )
    errors: list[str] = []
    thread = threading.Thread(target=lambda: errors.append(refusal(weir, "slow").sqlstate))
    thread.start()
    assert current_user(weir, "quick") == "postgres"
    thread.join()
    assert errors == ["57P03"]
    # What still ran has been cancelled.
    wait_until(lambda: users_postgres.backends("query LIKE '%pg_sleep(CASE%' AND state = 'active'") == 0)
    assert current_user(weir, "quick") == "postgres"


def test_many_at_once_share_few_connections(start: Callable[..., Any], users_postgres: Postgres) -> None:
    weir = start(listen={"threads": 2}, database={"*": {"user": "postgres"}})
    values: list[object] = []

    def log_in(user: str) -> None:
        values.append(current_user(weir, user) if user != "nobody" else refusal(weir, user).sqlstate)

    users = ["alice", "lasting", "nobody"] * 15
    threads = [threading.Thread(target=log_in, args=[user]) for user in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, values)) == ["28P01"] * 15 + ["postgres"] * 30
    assert users_postgres.backends("application_name = 'weir auth.query'") <= 4


def test_client_that_leaves_during_the_look_up_costs_nothing(start: Callable[..., Any]) -> None:
    from support import wire

    slow = "SELECT $1::text, 'pencil' FROM pg_sleep(0.3)"
    weir = start(auth={"query": slow}, database={"*": {"user": "postgres"}})
    for _ in range(5):
        with weir.raw() as client:
            client.send(wire.startup({"user": "alice", "database": "app"}))
    assert current_user(weir, "alice") == "postgres"


def test_console_users_are_looked_up_in_the_named_database(start: Callable[..., Any]) -> None:
    weir = start(auth={"query_database": "app"}, admin={"admins": ["alice"]})
    assert weir.show("VERSION", user="alice", password="pencil")
    elsewhere = start(admin={"admins": ["alice"]})
    assert refusal(elsewhere, "alice", database="weir").sqlstate == "28P01"


def test_trust_lets_in_whom_the_database_does_not_know(start: Callable[..., Any]) -> None:
    weir = start("trust", database={"*": {"user": "postgres"}})
    assert current_user(weir, "whoever", "") == "postgres"


def test_stored_secret_serves_postgresql_where_nothing_is_asked(start: Callable[..., Any]) -> None:
    weir = start("trust")
    assert current_user(weir, "alice_md5", "") == "alice_md5"


@pytest.mark.parametrize("fault", ["frozen", "close_on_data", "reset", "refuse"])
def test_connection_that_breaks_during_the_look_up_is_a_clear_error_and_then_it_recovers(
    users_postgres: Postgres, start_weir_at: StartWeir, open_gate: Callable[[int], Any], fault: str
) -> None:
    gate = open_gate(users_postgres.port)
    weir = start_weir_at(
        gate.port,
        {
            "auth": {"method": "scram-sha-256", **LOOKUP, "query_timeout": "1s"},
            "user": {"asker": {"password": "asks"}, "postgres": {"password": "known here"}},
            "database": {"*": {"user": "postgres"}},
        },
    )
    if fault != "refuse":  # on a connection that is open, and else on one that is to be opened
        assert current_user(weir, "alice") == "postgres"
    setattr(gate.faults, fault, True)
    assert refusal(weir, "alice").sqlstate == "57P03"
    setattr(gate.faults, fault, False)
    gate.close_connections()
    wait_until(lambda: _logs_in(weir, "alice"), "looked up again")


@pytest.mark.parametrize("size", [1, 2, 7])
def test_answer_in_small_pieces_is_understood(
    users_postgres: Postgres, start_weir_at: StartWeir, open_gate: Callable[[int], Any], size: int
) -> None:
    gate = open_gate(users_postgres.port)
    gate.faults.slice_bytes = size
    weir = start_weir_at(
        gate.port,
        {
            "auth": {"method": "scram-sha-256", **LOOKUP},
            "user": {"asker": {"password": "asks"}, "postgres": {"password": "known here"}},
            "database": {"*": {"user": "postgres"}},
        },
    )
    assert current_user(weir, "alice") == "postgres"
    assert refusal(weir, "nobody").sqlstate == "28P01"


def test_message_that_comes_before_the_answer_waits_for_it(start: Callable[..., Any]) -> None:
    from support import wire

    weir = start("password", database={"*": {"user": "postgres"}})
    for password, last in (("pencil", "Z"), ("crayon", "E")):
        with weir.raw() as client:
            hello = wire.startup({"user": "alice", "database": "app"})
            client.send(hello + wire.frame("p", wire.text(password)))
            assert client.receive_until("Z", "E")[-1].type == last


def test_second_startup_message_during_the_look_up_is_refused(start: Callable[..., Any]) -> None:
    from support import wire

    weir = start("scram-sha-256")
    with weir.raw() as client:
        client.send(wire.startup({"user": "alice", "database": "app"}))
        client.send(wire.startup({"user": "postgres", "database": "app"}))
        assert client.receive_until("E")[-1].sqlstate == "08P01"


def test_orders_and_lists_do_not_stumble_over_a_look_up(start: Callable[..., Any], users_postgres: Postgres) -> None:
    users_postgres.execute(
        "CREATE OR REPLACE FUNCTION slow_secret(text) RETURNS TABLE (name text, secret text) LANGUAGE plpgsql AS"
        " $$ BEGIN IF $1 = 'slow' THEN PERFORM pg_sleep(30); END IF; RETURN QUERY SELECT $1, 'pencil'::text; END $$"
    )
    weir = start("password", {"query": "SELECT name, secret FROM public.slow_secret($1)", "query_timeout": "20s"})
    running = "state = 'active' AND query LIKE '%slow_secret($1)'"
    for order in ("KILL app", "KILL"):
        with weir.raw() as stranger:
            stranger.send(wire.startup({"user": "slow", "database": "app"}))
            wait_until(lambda: users_postgres.backends(running) == 1)
            asking = [row for row in weir.show("SERVERS", password="known here") if row["state"] == "active"]
            assert [(row["user"], row["link"]) for row in asking] == [("asker", "")]
            weir.show("CLIENTS", password="known here")
            with contextlib.closing(weir.psycopg(user="postgres", password="known here", dbname="weir")) as console:
                console.execute(order)
                told = stranger.receive_to_end()
                assert [(error.severity, error.sqlstate) for error in told] == [("FATAL", "57P03")], told
                console.execute(order.replace("KILL", "RESUME"))
        for pid in users_postgres.backend_pids(running):  # it has not looked whether anybody is there
            users_postgres.execute(f"SELECT pg_terminate_backend({pid})")
        assert weir.is_running()
        assert weir.show("SERVERS", password="known here") == []
        assert current_user(weir, "alice") == "alice"


def test_connections_of_look_ups_are_shown_and_kept(start: Callable[..., Any], users_postgres: Postgres) -> None:
    weir = start(database={"*": {"user": "postgres"}}, admin={"admins": ["postgres"]})

    def rows() -> list[dict[str, Any]]:
        pools = weir.show("POOLS", user="postgres", password="known here")
        return [row for row in pools if row["user"] == "asker"]

    for _ in range(5):
        assert current_user(weir, "alice") == "postgres"
    wait_until(lambda: [row["sv_idle"] for row in rows()] == [1])
    assert users_postgres.backends("application_name = 'weir auth.query'") == 1
