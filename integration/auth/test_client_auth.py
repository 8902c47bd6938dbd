"""How a client proves who it is: each method with each kind of stored secret, from TOML and from a users file."""

import struct
import time
from typing import Any

import psycopg
import psycopg2
import pytest

from conftest import StartWeir
from support import scram, wire
from support.raw_client import ServerError, errors

pytestmark = pytest.mark.needs_weir

METHODS = ["password", "md5", "scram-sha-256"]
SECRETS = {
    "plain": "pencil",
    "md5": scram.md5_password("alice", "pencil"),
    "verifier": scram.verifier("pencil"),
}
# An md5 hash cannot serve SCRAM. A verifier under method md5 is asked for by SCRAM, as PostgreSQL and PgBouncer do.
IMPOSSIBLE = [("scram-sha-256", "md5")]
POSSIBLE = [(method, kind) for method in METHODS for kind in SECRETS if (method, kind) not in IMPOSSIBLE]

# Every database is reached as postgres, so that these tests ask only about the client's side.
AS_POSTGRES = {"*": {"user": "postgres"}}


def settings(method: str, secret: str, where: str = "toml") -> dict[str, Any]:
    changes: dict[str, Any] = {"auth": {"method": method}, "database": AS_POSTGRES}
    if where == "toml":
        changes["user"] = {"alice": {"password": secret}}
    else:
        changes["auth"]["users_file"] = "users.txt"
    return changes


@pytest.mark.parametrize("where", ["toml", "file"])
@pytest.mark.parametrize(("method", "kind"), POSSIBLE)
def test_right_password_is_accepted_and_a_wrong_one_is_not(
    start_weir: StartWeir, method: str, kind: str, where: str
) -> None:
    secret = SECRETS[kind]
    files = {"users.txt": f'"alice" "{secret}"\n'}
    weir = start_weir(settings(method, secret, where), files=files)
    with weir.raw() as client:
        client.log_in(user="alice", database="app", password="pencil")
        assert client.value("SELECT 1") == "1"
    for wrong in ("Pencil", "", "pencil ", secret + "x"):
        with weir.raw() as client:
            with pytest.raises(ServerError) as refused:
                client.log_in(user="alice", database="app", password=wrong)
            assert refused.value.sqlstate == "28P01"
            assert refused.value.message.severity == "FATAL"
            assert refused.value.message.text == 'password authentication failed for user "alice"'


@pytest.mark.parametrize(("method", "kind"), IMPOSSIBLE)
def test_secret_that_cannot_serve_the_method_refuses_the_login(
    start_weir: StartWeir, method: str, kind: str
) -> None:
    weir = start_weir(settings(method, SECRETS[kind]))
    with weir.raw() as client, pytest.raises((ServerError, AssertionError)):
        client.log_in(user="alice", database="app", password="pencil")
        client.rows("SELECT 1")


@pytest.mark.parametrize("method", METHODS)
def test_drivers_log_in_with_each_method(start_weir: StartWeir, method: str) -> None:
    weir = start_weir(settings(method, "pencil"))
    assert weir.value("SELECT 1", user="alice", password="pencil") == 1
    connection = weir.psycopg2(user="alice", password="pencil")
    connection.close()
    with pytest.raises(psycopg.OperationalError, match='password authentication failed for user "alice"'):
        weir.psycopg(user="alice", password="wrong")
    with pytest.raises(psycopg2.OperationalError, match='password authentication failed for user "alice"'):
        weir.psycopg2(user="alice", password="wrong")


@pytest.mark.parametrize("method", METHODS)
def test_unknown_user_is_told_the_same_as_a_wrong_password(start_weir: StartWeir, method: str) -> None:
    weir = start_weir(settings(method, "pencil"))
    conversations = []
    for user in ("alice", "mallory"):
        with weir.raw() as client:
            with pytest.raises(ServerError) as refused:
                client.log_in(user=user, database="app", password="wrong")
            fields = {code: text.replace(user, "*") for code, text in refused.value.message.fields().items()}
            fields = {code: text for code, text in fields.items() if code not in "FLR"}
            conversations.append((fields, [message.type for message in client.seen]))
    assert conversations[0] == conversations[1]


def test_mock_scram_exchange_gives_an_unknown_user_the_same_salt_each_time(start_weir: StartWeir) -> None:
    weir = start_weir(settings("scram-sha-256", scram.verifier("pencil")))
    salts = {}
    for user in ("mallory", "mallory", "trudy"):
        with weir.raw() as client:
            client.send(wire.startup({"user": user, "database": "app"}))
            assert struct.unpack_from("!I", client.receive().body) == (10,)
            first = scram.ScramClient("x").first()
            answer = wire.text("SCRAM-SHA-256") + struct.pack("!I", len(first)) + first
            client.send(wire.frame("p", answer))
            fields = dict(part.split("=", 1) for part in client.receive().body[4:].decode().split(","))
            salts.setdefault(user, set()).add(fields["s"])
            assert fields["i"] == "4096"
    assert len(salts["mallory"]) == 1
    assert salts["mallory"] != salts["trudy"]


def test_trust_asks_nothing(start_weir: StartWeir) -> None:
    weir = start_weir({"auth": {"method": "trust"}, "database": AS_POSTGRES, "user": {"alice": {"password": "x"}}})
    with weir.raw() as client:
        client.log_in(user="alice", database="app")
        assert client.value("SELECT current_user") == "postgres"


def test_users_file_takes_comments_quotes_and_blanks(start_weir: StartWeir) -> None:
    content = '; a comment\n\n"alice"   "pen""cil"  ignored\n"bob builder" "can we"\n"empty" ""\n'
    weir = start_weir(settings("scram-sha-256", "", "file"), files={"users.txt": content})
    for user, password in (("alice", 'pen"cil'), ("bob builder", "can we")):
        with weir.raw() as client:
            client.log_in(user=user, database="app", password=password)
            assert client.value("SELECT 1") == "1"
    with weir.raw() as client:
        with pytest.raises(ServerError) as refused:
            client.log_in(user="empty", database="app", password="")
        assert refused.value.sqlstate == "28P01"


def test_secrets_come_from_the_environment(start_weir: StartWeir) -> None:
    weir = start_weir(settings("scram-sha-256", "${ALICE_PASSWORD}"), environment={"ALICE_PASSWORD": "pencil"})
    assert weir.value("SELECT 1", user="alice", password="pencil") == 1


def test_secrets_come_from_files(start_weir: StartWeir) -> None:
    weir = start_weir(settings("scram-sha-256", "file:secret.txt"), files={"secret.txt": "pencil\n"})
    assert weir.value("SELECT 1", user="alice", password="pencil") == 1


def test_secrets_are_never_logged(start_weir: StartWeir) -> None:
    changes = settings("scram-sha-256", "top-secret-pencil")
    changes["log"] = {"level": "debug"}
    changes["admin"] = {"admins": ["alice"]}
    weir = start_weir(changes)
    assert weir.value("SELECT 1", user="alice", password="top-secret-pencil") == 1
    with pytest.raises(psycopg.OperationalError):
        weir.psycopg(user="alice", password="another-secret")
    config = weir.show("CONFIG", user="alice", password="top-secret-pencil")
    assert "secret" not in weir.log
    assert "top-secret" not in str(config)


def test_passwords_beyond_ascii_are_prepared_as_rfc_4013_says(start_weir: StartWeir) -> None:
    weir = start_weir(settings("scram-sha-256", "pä\u00a0ss"))
    # libpq prepares the password: a no-break space becomes a space.
    assert weir.value("SELECT 1", user="alice", password="pä ss") == 1
    assert weir.value("SELECT 1", user="alice", password="pä\u00a0ss") == 1


def test_failed_logins_are_counted(start_weir: StartWeir) -> None:
    weir = start_weir(settings("md5", "pencil"), http=True)
    for _ in range(3):
        with weir.raw() as client, pytest.raises(ServerError):
            client.log_in(user="alice", database="app", password="wrong")
    assert weir.metrics().sum("weir_client_logins_failed_total") == 3


def test_wrong_passwords_do_not_cost_a_backend(start_weir: StartWeir, postgres: Any) -> None:
    weir = start_weir(settings("scram-sha-256", "pencil"))
    with weir.raw() as client, pytest.raises(ServerError):
        client.log_in(user="alice", database="app", password="wrong")
    assert postgres.backends() == 0


@pytest.mark.timeout(60)
def test_passwords_of_clients_that_are_gone_are_not_hashed(start_weir: StartWeir) -> None:
    weir = start_weir(settings("password", scram.verifier("pencil", iterations=500_000)))

    def seconds_of_a_login() -> float:
        began = time.monotonic()
        with weir.raw() as client:
            client.log_in(user="alice", database="app", password="pencil")
        return time.monotonic() - began

    alone = seconds_of_a_login()
    for _ in range(20):
        with weir.raw() as client:
            client.send(wire.startup({"user": "alice", "database": "app"}))
            client.receive()
            client.send(wire.frame("p", wire.text("crayon")))
    assert seconds_of_a_login() < 8 * alone


def test_login_that_is_slow_ends_at_client_login_timeout(start_weir: StartWeir) -> None:
    changes = settings("scram-sha-256", "pencil")
    changes["listen"] = {"client_login_timeout": "300ms"}
    weir = start_weir(changes)
    with weir.raw() as client:
        client.send(wire.startup({"user": "alice", "database": "app"}))
        assert client.receive().type == "R"
        assert errors(client.receive_to_end()) in ([], ["57014"])


def test_many_scram_logins_at_once_succeed(start_weir: StartWeir) -> None:
    import threading

    weir = start_weir(settings("scram-sha-256", "pencil"))
    values: list[object] = []

    def log_in() -> None:
        values.append(weir.value("SELECT 1", user="alice", password="pencil"))

    threads = [threading.Thread(target=log_in) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values == [1] * 30
