"""Applications to Weir: which sslmode of libpq gets in under which mode of [tls.client], and how."""

import contextlib
import socket
import ssl
import struct
from typing import Any

import psycopg
import pytest

from conftest import StartTlsWeir
from support import wire
from support.raw_client import ServerError
from support.tls import Certificates

pytestmark = pytest.mark.needs_weir

CLIENT_MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
IS_SECURE = "SELECT 1"
SSL_REQUEST = struct.pack("!II", 8, 80877103)

PLAIN, SECURE, REFUSED = "plain", "secure", "refused"


def expected(weir_mode: str, sslmode: str) -> str:
    """What becomes of a client without a certificate."""
    if weir_mode.startswith("verify"):
        return REFUSED
    if weir_mode == "disable":
        return PLAIN if sslmode in ("disable", "allow", "prefer") else REFUSED
    if sslmode == "disable" or (sslmode == "allow" and weir_mode != "require"):
        return REFUSED if weir_mode == "require" else PLAIN
    return SECURE


def outcome(weir: Any, **options: Any) -> str:
    try:
        connection = weir.psycopg(host="localhost", hostaddr="127.0.0.1", **options)
    except psycopg.OperationalError:
        return REFUSED
    with contextlib.closing(connection):
        assert connection.execute("SELECT 'through'").fetchone() == ("through",)
        return SECURE if weir_row(weir, connection)["tls"] else PLAIN


def weir_row(weir: Any, connection: Any) -> dict[str, Any]:
    port = socket_name(connection.fileno())
    return next(row for row in shown(weir) if row["port"] == port)


def socket_name(descriptor: int) -> int:
    with socket.socket(fileno=socket.dup(descriptor)) as copy:
        return int(copy.getsockname()[1])


def shown(weir: Any) -> list[dict[str, Any]]:
    mode = weir.settings["tls"]["client"]["mode"]
    rows: list[dict[str, Any]] = weir.show("CLIENTS", sslmode="disable" if mode == "disable" else "require")
    return rows


@pytest.mark.parametrize("weir_mode", ["disable", "allow", "prefer", "require", "verify-ca"])
def test_every_sslmode_gets_what_it_should(
    tls_weir: StartTlsWeir, certificates: Certificates, weir_mode: str
) -> None:
    weir = tls_weir(weir_mode)
    root = str(certificates.authority.certificate)
    got = {mode: outcome(weir, sslmode=mode, sslrootcert=root) for mode in CLIENT_MODES}
    assert got == {mode: expected(weir_mode, mode) for mode in CLIENT_MODES}


def test_a_plain_client_is_told_that_tls_is_required(tls_weir: StartTlsWeir) -> None:
    weir = tls_weir("require")
    with weir.raw() as client, pytest.raises(ServerError) as refusal:
        client.log_in(user="postgres", database="app")
    assert (refusal.value.sqlstate, refusal.value.message.text) == ("28000", "SSL required")
    # And it recovers.
    assert weir.value("SELECT 1", sslmode="require") == 1


@pytest.mark.parametrize("weir_mode", ["verify-ca", "verify-full"])
def test_only_a_known_certificate_gets_in(
    tls_weir: StartTlsWeir, certificates: Certificates, weir_mode: str
) -> None:
    weir = tls_weir(weir_mode)

    def attempt(pair: Any, user: str = "postgres") -> Any:
        files = {"sslcert": str(pair.certificate), "sslkey": str(pair.key)}
        return weir.value("SELECT 1", sslmode="require", user=user, **files)

    assert attempt(certificates.client) == 1
    with pytest.raises(psycopg.OperationalError):
        weir.value("SELECT 1", sslmode="require")
    with pytest.raises(psycopg.OperationalError):
        attempt(certificates.unknown_client)
    if weir_mode == "verify-ca":
        assert attempt(certificates.cert_user) == 1
    else:
        with pytest.raises(psycopg.OperationalError, match="certificate authentication failed for user"):
            attempt(certificates.cert_user)


def test_verify_full_goes_by_one_map_alone(start_weir: Any, certificates: Certificates, postgres: Any) -> None:
    pair = certificates.cert_user
    name = "cert_user"
    mine, others = f"mine {name} postgres", f"others {name} postgres\nmine somebody postgres"

    def attempt(ident: str, auth: dict[str, Any], hba: str = "") -> bool:
        weir = start_weir(
            {"tls": certificates.weir("verify-full"), "auth": {"ident_file": "ident.conf", **auth}},
            files={"ident.conf": ident + "\n", "hba.conf": hba},
        )
        try:
            return bool(
                weir.value("SELECT 1", sslmode="require", sslcert=str(pair.certificate), sslkey=str(pair.key)) == 1
            )
        except psycopg.OperationalError as error:
            assert 'certificate authentication failed for user "postgres"' in str(error)
            return False

    assert attempt(mine, {"method": "trust", "cert_map": "mine"})
    assert not attempt(others, {"method": "trust", "cert_map": "mine"})
    assert not attempt(mine, {"method": "trust"})
    by_rule = {"method": "hba", "hba_file": "hba.conf"}
    assert attempt(mine, by_rule, "hostssl all all all cert map=mine\n")
    assert not attempt(others, by_rule, "hostssl all nobody all cert map=others\nhostssl all all all cert map=mine\n")
    assert not attempt(mine, by_rule, "hostssl all all all trust\n")


def test_what_came_before_the_handshake_is_refused(tls_weir: StartTlsWeir) -> None:
    weir = tls_weir("require")
    with socket.create_connection(("127.0.0.1", weir.port), 10) as client:
        client.sendall(SSL_REQUEST + struct.pack("!I", 8))
        told = b""
        while piece := client.recv(4096):
            told += piece
    assert told.startswith(b"E") and b"received unencrypted data after SSL request" in told
    assert weir.value("SELECT 1", sslmode="require") == 1


def say_startup(stream: Any) -> bytes:
    body = struct.pack("!I", 196608) + wire.text("user") + wire.text("postgres")
    body += wire.text("database") + wire.text("app") + b"\0"
    stream.sendall(struct.pack("!I", len(body) + 4) + body)
    answer: bytes = stream.recv(1)
    return answer


def direct(weir: Any, certificates: Certificates, protocols: list[str], **limits: Any) -> Any:
    context = ssl.create_default_context(cafile=str(certificates.authority.certificate))
    if protocols:
        context.set_alpn_protocols(protocols)
    for name, value in limits.items():
        setattr(context, name, value)
    plain = socket.create_connection(("127.0.0.1", weir.port), 10)
    return context.wrap_socket(plain, server_hostname="localhost")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_direct_tls_needs_no_request(
    tls_weir: StartTlsWeir, certificates: Certificates, version: ssl.TLSVersion
) -> None:
    weir = tls_weir("allow")
    with direct(weir, certificates, ["postgresql"], maximum_version=version, minimum_version=version) as client:
        assert client.selected_alpn_protocol() == "postgresql"
        assert say_startup(client) == b"R"


def test_direct_tls_without_its_protocol_is_refused(tls_weir: StartTlsWeir, certificates: Certificates) -> None:
    weir = tls_weir("allow")
    with pytest.raises((ssl.SSLError, OSError)):
        direct(weir, certificates, ["http/1.1"])
    with direct(weir, certificates, []) as client:
        with contextlib.suppress(OSError):
            assert say_startup(client) == b""
    assert weir.value("SELECT 1", sslmode="require") == 1


def test_direct_tls_where_there_is_none_is_hung_up_on(start_weir: Any, certificates: Certificates) -> None:
    weir = start_weir()
    with pytest.raises((ssl.SSLError, OSError)):
        direct(weir, certificates, ["postgresql"])
    assert weir.value("SELECT 1") == 1


def test_min_version_is_kept(start_weir: Any, certificates: Certificates) -> None:
    weir = start_weir({"tls": certificates.weir("require", min_version="1.3")})
    with pytest.raises((ssl.SSLError, OSError)):
        direct(weir, certificates, ["postgresql"], maximum_version=ssl.TLSVersion.TLSv1_2)
    with direct(weir, certificates, ["postgresql"]) as client:
        assert client.version() == "TLSv1.3"


def test_unix_sockets_never_have_tls(start_weir: Any, certificates: Certificates, tmp_path: Any) -> None:
    changes = {"tls": certificates.weir("require"), "listen": {"addresses": [f"unix:{tmp_path}"]}}
    weir = start_weir(changes)
    where = {"host": str(tmp_path), "port": 6432}
    assert weir.value("SELECT 1", sslmode="prefer", **where) == 1
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(f"{tmp_path}/.s.PGSQL.6432")
        client.sendall(SSL_REQUEST)
        assert client.recv(1) == b"N"
