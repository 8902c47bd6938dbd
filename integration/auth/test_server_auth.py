"""How Weir proves to PostgreSQL who it is: every method PostgreSQL asks for, and pass-through of a client's SCRAM proof."""

from typing import Any, Callable, Iterator

import psycopg
import pytest

from conftest import StartWeir
from support import scram
from support.deadlines import wait_until
from support.postgres import Postgres, Template
from support.raw_client import ServerError

pytestmark = pytest.mark.needs_weir

PASSWORD = "pencil"
BACKEND_METHODS = ["trust", "password", "md5", "scram-sha-256"]
CLIENT_METHODS = ["trust", "password", "md5", "scram-sha-256"]
VERIFIER = scram.verifier(PASSWORD, b"a salt of 16 b..")


def role(method: str) -> str:
    """The role whose pg_hba.conf line asks for this method."""
    return "b_" + method.replace("-", "_")


@pytest.fixture(scope="module")
def strict_postgres(postgres_template: Template) -> Iterator[Postgres]:
    """One role per method; every database wants that method from it."""
    hba = [f"host all {role(method)} all {method}" for method in BACKEND_METHODS]
    hba.append("host all mixed all md5")
    postgres = Postgres(postgres_template, hba=hba)
    for method in BACKEND_METHODS:
        secret = scram.md5_password(role(method), PASSWORD) if method == "md5" else VERIFIER
        postgres.execute(f"CREATE ROLE {role(method)} LOGIN PASSWORD '{secret}'")
    # pg_hba.conf says md5, the stored secret is a SCRAM verifier: PostgreSQL then asks for SCRAM.
    postgres.execute(f"CREATE ROLE mixed LOGIN PASSWORD '{VERIFIER}'")
    yield postgres
    postgres.remove()


def log_in(weir: Any, user: str) -> str | None:
    with weir.raw() as client:
        client.log_in(user=user, database="app", password=PASSWORD)
        value: str | None = client.value("SELECT current_user")
        return value


@pytest.mark.parametrize("backend", BACKEND_METHODS)
@pytest.mark.parametrize("method", CLIENT_METHODS)
def test_known_password_serves_both_sides(
    strict_postgres: Postgres, start_weir_at: StartWeir, method: str, backend: str
) -> None:
    user = role(backend)
    weir = start_weir_at(
        strict_postgres.port, {"auth": {"method": method}, "user": {user: {"password": PASSWORD}}}
    )
    assert log_in(weir, user) == user


def test_password_of_the_database_serves_postgresql(strict_postgres: Postgres, start_weir_at: StartWeir) -> None:
    for backend in BACKEND_METHODS:
        weir = start_weir_at(
            strict_postgres.port,
            {
                "auth": {"method": "scram-sha-256"},
                "user": {"alice": {"password": "her own"}},
                "database": {"*": {"user": role(backend), "password": PASSWORD}},
            },
        )
        assert weir.value("SELECT current_user", user="alice", password="her own") == role(backend)


def test_md5_hash_in_the_users_file_serves_both_sides(strict_postgres: Postgres, start_weir_at: StartWeir) -> None:
    user = role("md5")
    weir = start_weir_at(
        strict_postgres.port,
        {"auth": {"method": "md5", "users_file": "users.txt"}},
        files={"users.txt": f'"{user}" "{scram.md5_password(user, PASSWORD)}"\n'},
    )
    assert log_in(weir, user) == user


@pytest.mark.parametrize("user", [role("scram-sha-256"), "mixed"])
def test_scram_proof_of_the_client_logs_in_to_postgresql(
    strict_postgres: Postgres, start_weir_at: StartWeir, user: str
) -> None:
    weir = start_weir_at(
        strict_postgres.port,
        {"auth": {"method": "scram-sha-256", "users_file": "users.txt"}, "pool": {"max": 5}},
        files={"users.txt": f'"{user}" "{VERIFIER}"\n'},
    )
    assert log_in(weir, user) == user
    # Several backends are opened with the same proof.
    clients = []
    for _ in range(4):
        client = weir.raw()
        client.log_in(user=user, database="app", password=PASSWORD)
        client.query("BEGIN")
        clients.append(client)
    assert len({client.backend_pid() for client in clients}) == 4
    for client in clients:
        client.quit()
    assert weir.value("SELECT current_user", user=user, password=PASSWORD) == user


def test_password_method_with_a_verifier_logs_in_to_postgresql(
    strict_postgres: Postgres, start_weir_at: StartWeir
) -> None:
    user = role("scram-sha-256")
    weir = start_weir_at(
        strict_postgres.port, {"auth": {"method": "password"}, "user": {user: {"password": VERIFIER}}}
    )
    assert log_in(weir, user) == user


def test_scram_pass_through_with_another_verifier_is_a_clear_error(
    strict_postgres: Postgres, start_weir_at: StartWeir
) -> None:
    user = role("scram-sha-256")
    other = scram.verifier(PASSWORD, b"another salt....")
    weir = start_weir_at(
        strict_postgres.port,
        {
            "auth": {"method": "scram-sha-256"},
            "user": {user: {"password": other}},
            "pool": {"acquire_timeout": "3s"},
        },
    )
    with weir.raw() as client, pytest.raises(ServerError) as refused:
        client.log_in(user=user, database="app", password=PASSWORD)
        client.rows("SELECT 1")
    assert refused.value.sqlstate in ("28P01", "28000", "08006")


def test_wrong_password_for_postgresql_is_told_to_the_client(
    strict_postgres: Postgres, start_weir_at: StartWeir
) -> None:
    for backend in ("password", "md5", "scram-sha-256"):
        weir = start_weir_at(
            strict_postgres.port,
            {
                "user": {"alice": {}},
                "database": {"*": {"user": role(backend), "password": "wrong"}},
                "pool": {"acquire_timeout": "3s"},
            },
        )
        with weir.raw() as client, pytest.raises(ServerError) as refused:
            client.log_in(user="alice", database="app")
            client.rows("SELECT 1")
        assert refused.value.sqlstate == "28P01", refused.value


def test_user_that_pg_hba_refuses_is_told_so(strict_postgres: Postgres, start_weir_at: StartWeir) -> None:
    weir = start_weir_at(strict_postgres.port, {"user": {"nobody": {}}, "pool": {"acquire_timeout": "3s"}})
    with weir.raw() as client, pytest.raises(ServerError) as refused:
        client.log_in(user="nobody", database="app")
        client.rows("SELECT 1")
    assert refused.value.sqlstate == "28000"


def test_password_that_changes_is_taken_over_by_reload(
    own_postgres: Callable[..., Postgres], start_weir_at: StartWeir
) -> None:
    postgres = own_postgres(hba=["host all all all scram-sha-256"])
    postgres.execute("CREATE ROLE changing LOGIN PASSWORD 'first'")
    weir = start_weir_at(
        postgres.port, {"auth": {"method": "scram-sha-256"}, "user": {"changing": {"password": "first"}}}
    )
    assert weir.value("SELECT 1", user="changing", password="first") == 1
    postgres.execute("ALTER ROLE changing PASSWORD 'second'")
    weir.reload({"user": {"changing": {"password": "second"}}})
    assert weir.value("SELECT 2", user="changing", password="second") == 2
    with pytest.raises(psycopg.OperationalError):
        weir.psycopg(user="changing", password="first")


@pytest.mark.parametrize("where", ["database", "user"])
def test_changed_password_serves_clients_that_are_logged_in(
    own_postgres: Callable[..., Postgres], start_weir_at: StartWeir, where: str
) -> None:
    postgres = own_postgres(hba=["host all app_role all scram-sha-256"])
    postgres.execute("CREATE ROLE app_role LOGIN PASSWORD 'old'")

    def known(password: str) -> dict[str, Any]:
        if where == "user":
            return {"user": {"app_role": {"password": password}}}
        return {"database": {"*": {"user": "app_role", "password": password}}}

    weir = start_weir_at(postgres.port, {"auth": {"method": "trust"}, **known("old")})
    with weir.raw() as client:
        client.log_in(user="app_role", database="app")
        assert client.value("SELECT current_user") == "app_role"
        postgres.execute("ALTER ROLE app_role PASSWORD 'new'")
        weir.reload(known("new"))
        postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app_role'")
        wait_until(lambda: postgres.backends("usename = 'app_role'") == 0)
        client.query("SELECT 1")  # may still meet the end of the old connection
        assert client.value("SELECT current_user") == "app_role"
