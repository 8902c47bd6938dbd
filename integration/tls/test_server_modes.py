"""Weir to PostgreSQL: every mode of [tls.server] against servers that want TLS, refuse it or have none."""

from typing import Any

import psycopg
import pytest

from conftest import StartWeir
from support.postgres import Postgres
from support.tls import PASSWORD, Certificates

pytestmark = pytest.mark.needs_weir

MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
IS_SECURE = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
ROLES = ("only_tls", "only_plain", "scram_tls", "with_password", "cert_user")


def server(mode: str, certificates: Certificates | None = None, **more: str) -> dict[str, Any]:
    """Settings of a Weir that speaks to PostgreSQL in this mode; ``certificates`` gives it a CA."""
    tls = {"mode": mode, **more}
    if certificates is not None:
        tls["ca_file"] = str(certificates.authority.certificate)
    users: dict[str, Any] = {role: {} for role in ROLES}
    return {"tls": {"server": tls}, "user": users}


def needs_ca(mode: str) -> bool:
    return mode.startswith("verify")


@pytest.mark.parametrize("mode", MODES)
def test_who_wants_what(
    tls_postgres: Postgres, start_weir_at: StartWeir, certificates: Certificates, mode: str
) -> None:
    weir = start_weir_at(tls_postgres.port, server(mode, certificates if needs_ca(mode) else None))

    def attempt(user: str) -> Any:
        try:
            return weir.value(IS_SECURE, user=user)
        except psycopg.OperationalError:
            return None

    # With both ways open, with hostssl only, with hostnossl only.
    got = [attempt("postgres"), attempt("only_tls"), attempt("only_plain")]
    secure_first = mode not in ("disable", "allow")
    assert got == [
        secure_first,
        None if mode == "disable" else True,
        False if mode in ("disable", "allow", "prefer") else None,
    ]


@pytest.mark.parametrize("mode", MODES)
def test_a_server_without_tls(
    postgres: Postgres, start_weir_at: StartWeir, certificates: Certificates, mode: str
) -> None:
    weir = start_weir_at(postgres.port, server(mode, certificates if needs_ca(mode) else None))
    if mode in ("disable", "allow", "prefer"):
        assert weir.value(IS_SECURE) is False
    else:
        with pytest.raises(psycopg.OperationalError, match="server does not support SSL, but SSL was required"):
            weir.value("SELECT 1", connect_timeout=60)


def test_prefer_is_what_nobody_has_to_ask_for(tls_postgres: Postgres, start_weir_at: StartWeir) -> None:
    weir = start_weir_at(tls_postgres.port)
    assert weir.value(IS_SECURE) is True
    (row,) = weir.show("SERVERS")
    assert row["tls"].startswith("TLSv1.3/TLS_")


def test_an_unknown_authority_is_refused(
    tls_postgres: Postgres, start_weir_at: StartWeir, certificates: Certificates
) -> None:
    stranger = str(certificates.stranger.certificate)
    for mode in ("verify-ca", "require"):
        weir = start_weir_at(tls_postgres.port, server(mode, ca_file=stranger))
        with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
            weir.value("SELECT 1")
    # As libpq: prefer then does without.
    weir = start_weir_at(tls_postgres.port, server("prefer", ca_file=stranger))
    assert weir.value(IS_SECURE) is False


def test_verify_full_looks_at_the_name(
    misnamed_postgres: Postgres, start_weir_at: StartWeir, certificates: Certificates
) -> None:
    assert start_weir_at(misnamed_postgres.port, server("verify-ca", certificates)).value(IS_SECURE) is True
    weir = start_weir_at(misnamed_postgres.port, server("verify-full", certificates))
    with pytest.raises(psycopg.OperationalError, match='certificate is not for "127.0.0.1"'):
        weir.value("SELECT 1")


def test_verify_full_takes_names_and_addresses(
    tls_postgres: Postgres, start_weir_at: StartWeir, certificates: Certificates
) -> None:
    changes = server("verify-full", certificates)
    for host in ("127.0.0.1", "localhost"):
        cluster = {"cluster": {"main": {"servers": [f"{host}:{tls_postgres.port}"]}}}
        assert start_weir_at(tls_postgres.port, {**changes, **cluster}).value(IS_SECURE) is True


def test_a_client_certificate_for_postgresql(
    tls_postgres: Postgres, start_weir_at: StartWeir, certificates: Certificates
) -> None:
    pair = certificates.cert_user
    files = {"cert_file": str(pair.certificate), "key_file": str(pair.key)}
    weir = start_weir_at(tls_postgres.port, server("require", **files))
    assert weir.value("SELECT current_user", user="cert_user") == "cert_user"
    weir = start_weir_at(tls_postgres.port, server("require"))
    with pytest.raises(psycopg.OperationalError):
        weir.value("SELECT 1", user="cert_user")


def test_one_cluster_may_differ(tls_postgres: Postgres, start_weir_at: StartWeir) -> None:
    changes = server("disable")
    changes["cluster"] = {"main": {"tls": {"mode": "require"}}}
    weir = start_weir_at(tls_postgres.port, changes)
    assert weir.value(IS_SECURE) is True


def test_over_a_unix_socket_there_is_none(tls_postgres: Postgres, start_weir_at: StartWeir) -> None:
    changes = server("require")
    changes["cluster"] = {"main": {"servers": [f"unix:{tls_postgres.socket_folder}:{tls_postgres.port}"]}}
    assert start_weir_at(tls_postgres.port, changes).value(IS_SECURE) is False


def test_scram_is_bound_to_the_connection(tls_postgres: Postgres, start_weir_at: StartWeir) -> None:
    """PostgreSQL's log would not tell; that it offers PLUS and a login follows says that "y" was not sent."""
    changes = server("require")
    changes["user"]["scram_tls"] = {"password": PASSWORD}
    weir = start_weir_at(tls_postgres.port, changes)
    assert weir.value("SELECT current_user", user="scram_tls") == "scram_tls"


def test_a_wrong_password_is_not_tried_again_without_tls(
    tls_postgres: Postgres, start_weir_at: StartWeir
) -> None:
    changes = server("prefer")
    changes["user"]["with_password"] = {"password": "wrong"}
    weir = start_weir_at(tls_postgres.port, changes)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        weir.value("SELECT 1", user="with_password")


@pytest.mark.parametrize("value, expected", [("true", True), ("require", True), ("false", False), (None, True)])
def test_db_ssl(tls_postgres: Postgres, start_weir_at: StartWeir, value: str | None, expected: bool) -> None:
    environment = {"DB_HOST": "127.0.0.1", "DB_PORT": str(tls_postgres.port), "DB_NAME": "app", "DB_USER": "postgres"}
    if value is not None:
        environment["DB_SSL"] = value
    weir = start_weir_at(1, environment=environment)
    assert weir.value(IS_SECURE) is expected


def test_database_url(tls_postgres: Postgres, start_weir_at: StartWeir, certificates: Certificates) -> None:
    root = certificates.authority.certificate
    for query, expected in ((f"sslmode=verify-full&sslrootcert={root}", True), ("sslmode=disable", False)):
        url = f"postgres://postgres@localhost:{tls_postgres.port}/app?{query}"
        assert start_weir_at(1, environment={"DATABASE_URL": url}).value(IS_SECURE) is expected


def test_a_scram_verifier_is_enough(tls_postgres: Postgres, start_weir_at: StartWeir, certificates: Certificates) -> None:
    """Pass-through: the client's own proof logs in to PostgreSQL, each leg bound to its own connection."""
    verifier = tls_postgres.value("SELECT rolpassword FROM pg_authid WHERE rolname = 'scram_tls'")
    changes = server("require")
    changes["tls"]["client"] = certificates.weir("require")["client"]
    changes["auth"] = {"method": "scram-sha-256"}
    changes["user"] = {"scram_tls": {"password": verifier}}
    weir = start_weir_at(tls_postgres.port, changes)
    options = {"user": "scram_tls", "password": PASSWORD, "sslmode": "require", "channel_binding": "require"}
    assert weir.value("SELECT current_user", **options) == "scram_tls"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        weir.value("SELECT 1", **{**options, "password": "wrong"})
