"""Who may come in from where: auth.method = "hba", user name maps, and peers on unix sockets."""

import os
import pwd
import socket
from pathlib import Path
from typing import Any, Callable

import pytest

from conftest import StartWeir
from support import scram
from support.deadlines import wait_until
from support.raw_client import RawClient, ServerError

pytestmark = pytest.mark.needs_weir

AS_POSTGRES = {"*": {"user": "postgres"}}
USERS = {
    "alice": {"password": "pencil"},
    "bob": {"password": scram.verifier("pencil")},
    "carol": {"password": "pencil"},
    "postgres": {"password": "pencil"},
}


def settings(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "auth": {"method": "hba", "hba_file": "hba.conf"},
        "database": AS_POSTGRES,
        "user": USERS,
    }
    return {**base, **changes}


def asked_for(weir: Any, user: str, database: str = "app", **parameters: str) -> str:
    """What this client is asked for: "trust", "password", "md5", "scram", or the error's SQLSTATE."""
    with weir.raw() as client:
        return first_word(client, user, database, **parameters)


def first_word(client: RawClient, user: str, database: str = "app", **parameters: str) -> str:
    from support import wire

    client.send(wire.startup({"user": user, "database": database, **parameters}))
    message = client.receive()
    if message.type == "E":
        return message.sqlstate
    return {0: "trust", 3: "password", 5: "md5", 10: "scram"}[int.from_bytes(message.body[:4], "big")]


def test_first_line_that_fits_counts(start_weir: StartWeir) -> None:
    hba = """
        # first things first
        host  app,"all"      alice              127.0.0.1/32            password
        host  all            alice              127.0.0.0 255.0.0.0     md5
        host  sameuser       all                samehost                trust
        host  other          /^(bob|carol)$     samenet                 md5
        host  other          @staff             all                     scram-sha-256
        host  app            carol              192.0.2.0/24            trust
        host  app            carol              0.0.0.0/0               scram-sha-256
        host  app            mallory            all                     reject
        host  replication    alice              all                     trust
        local all            all                                        trust
        """
    weir = start_weir(settings(), files={"hba.conf": hba, "staff": "postgres, dave\n"})
    expected = {
        ("alice", "app"): "password",
        ("alice", "all"): "password",  # quoted: a database of that name
        ("alice", "other"): "md5",
        ("alice", "alice"): "md5",
        ("bob", "bob"): "trust",
        ("bob", "other"): "scram",  # md5 where the stored secret is a verifier
        ("carol", "other"): "md5",
        ("dave", "other"): "scram",
        ("postgres", "other"): "scram",
        ("carol", "app"): "scram",
        ("mallory", "app"): "28000",
        ("bob", "app"): "28000",
        ("nobody", "other"): "28000",
    }
    got = {(user, database): asked_for(weir, user, database) for user, database in expected}
    # A trusted client is let in only once its database is known to be there.
    assert {key: "trust" if value == "3D000" else value for key, value in got.items()} == expected


def test_refusals_say_what_postgresql_says(start_weir: StartWeir) -> None:
    weir = start_weir(settings(), files={"hba.conf": "host app bob all reject\n"})
    texts = {}
    for user, parameters in (("bob", {}), ("alice", {}), ("alice", {"replication": "true"})):
        with weir.raw() as client, pytest.raises(ServerError) as refused:
            client.log_in(user=user, database="app", password="pencil", **parameters)
        assert refused.value.sqlstate == "28000"
        assert refused.value.message.severity == "FATAL"
        texts[user, bool(parameters)] = refused.value.message.text
    assert texts == {
        ("bob", False): 'pg_hba.conf rejects connection for host "127.0.0.1", user "bob", database "app", no encryption',
        ("alice", False): 'no pg_hba.conf entry for host "127.0.0.1", user "alice", database "app", no encryption',
        ("alice", True): 'no pg_hba.conf entry for replication connection from host "127.0.0.1", user "alice", '
        "no encryption",
    }


@pytest.mark.parametrize("method", ["password", "md5", "scram-sha-256"])
def test_passwords_are_checked(start_weir: StartWeir, method: str) -> None:
    weir = start_weir(settings(), files={"hba.conf": f"host all all all {method}\n"})
    for user in ("alice", "bob"):
        assert weir.value("SELECT current_user", user=user, password="pencil") == "postgres"
        with weir.raw() as client, pytest.raises(ServerError) as refused:
            client.log_in(user=user, database="app", password="crayon")
        assert refused.value.sqlstate == "28P01"


def test_lines_for_tls_do_not_fit_without_it(start_weir: StartWeir) -> None:
    hba = "hostssl all alice all trust\nhostgssenc all all all trust\nhostnossl all all all password\n"
    weir = start_weir(settings(), files={"hba.conf": hba})
    assert asked_for(weir, "alice") == "password"


def test_replication_is_a_database_of_its_own(start_weir: StartWeir) -> None:
    hba = "host replication bob all reject\nhost all all all md5\n"
    weir = start_weir(settings(), files={"hba.conf": hba})
    assert asked_for(weir, "bob", replication="true") == "28000"
    assert asked_for(weir, "alice", replication="true") == "28000"
    # replication=database is about one database.
    assert asked_for(weir, "alice", replication="database") == "md5"


def test_address_is_the_one_a_balancer_tells(start_weir: StartWeir) -> None:
    hba = "host all all 192.0.2.0/24 password\nhost all all 2001:db8::/32 md5\nhost all all all reject\n"
    listen = {"proxy_protocol": "v2"}
    weir = start_weir(settings(listen=listen), files={"hba.conf": hba})

    def header(family: int, source: str) -> bytes:
        kind = socket.AF_INET if family == 0x11 else socket.AF_INET6
        size = 4 if family == 0x11 else 16
        body = socket.inet_pton(kind, source) + bytes(size) + b"\x00\x01\x00\x02"
        return b"\r\n\r\n\0\r\nQUIT\n\x21" + bytes([family]) + len(body).to_bytes(2, "big") + body

    for family, source, word in (
        (0x11, "192.0.2.7", "password"),
        (0x11, "192.0.3.7", "28000"),
        (0x21, "2001:db8::1", "md5"),
        (0x21, "2001:db9::1", "28000"),
        (0x21, "::ffff:192.0.2.9", "password"),
    ):
        with weir.raw() as client:
            client.send(header(family, source))
            assert first_word(client, "alice") == word, source


# ---- unix sockets ----------------------------------------------------------------------------------------------------


@pytest.fixture
def unix_weir(start_weir: StartWeir, tmp_path: Path) -> Callable[..., Any]:
    """Weir that listens on a unix socket; returns how to connect to it."""

    def start(files: dict[str, str], **changes: Any) -> Any:
        addresses = [f"unix:{tmp_path}"]
        return start_weir(settings(listen={"addresses": addresses}, **changes), files=files)

    return start


def unix_client(tmp_path: Path) -> RawClient:
    return RawClient.connect_unix(str(tmp_path / ".s.PGSQL.6432"))


def me() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


def test_peer_is_who_the_kernel_says(unix_weir: Callable[..., Any], tmp_path: Path) -> None:
    unix_weir({"hba.conf": "local all all peer\n"}, user={me(): {}, "alice": {"password": "pencil"}})
    with unix_client(tmp_path) as client:
        client.log_in(user=me(), database="app")
        assert client.value("SELECT 1") == "1"
    with unix_client(tmp_path) as client, pytest.raises(ServerError) as refused:
        client.log_in(user="alice", database="app")
    assert (refused.value.sqlstate, refused.value.message.text) == ("28000", "unix socket login rejected")


def test_peer_that_is_not_a_user_here_is_refused(unix_weir: Callable[..., Any], tmp_path: Path) -> None:
    unix_weir({"hba.conf": "local all all peer\n"})
    with unix_client(tmp_path) as client, pytest.raises(ServerError) as refused:
        client.log_in(user=me(), database="app")
    assert refused.value.sqlstate == "28000"


def test_peer_goes_through_its_map(unix_weir: Callable[..., Any], tmp_path: Path) -> None:
    files = {
        "hba.conf": "local all all peer map=people\n",
        "ident.conf": f"people {me()} alice\npeople /^(.*)$ \\1_app\npeople nobody_else bob\n",
    }
    auth = {"method": "hba", "hba_file": "hba.conf", "ident_file": "ident.conf"}
    unix_weir(files, auth=auth, user={**USERS, me() + "_app": {}, me(): {}})
    for user in ("alice", me() + "_app"):
        with unix_client(tmp_path) as client:
            client.log_in(user=user, database="app")
            assert client.value("SELECT 1") == "1"
    for user in ("bob", me()):
        with unix_client(tmp_path) as client, pytest.raises(ServerError):
            client.log_in(user=user, database="app")


def test_local_lines_are_for_unix_sockets_alone(unix_weir: Callable[..., Any], tmp_path: Path) -> None:
    unix_weir({"hba.conf": "host all all all trust\nlocal all alice password\n"})
    with unix_client(tmp_path) as client:
        assert first_word(client, "alice") == "password"
    with unix_client(tmp_path) as client, pytest.raises(ServerError) as refused:
        client.log_in(user="bob", database="app")
    assert 'host "[local]", user "bob"' in refused.value.message.text


# ---- reload ----------------------------------------------------------------------------------------------------------


def test_each_file_is_read_again(start_weir: StartWeir) -> None:
    files = {"hba.conf": "host all all all password\n", "users.txt": '"dave" "pencil"\n', "staff": "dave\n"}
    auth = {"method": "hba", "hba_file": "hba.conf", "users_file": "users.txt"}
    weir = start_weir(settings(auth=auth), files=files)
    assert weir.value("SELECT 1", user="dave", password="pencil") == 1

    (weir.folder / "users.txt").write_text('"dave" "cra""yon"\n')
    assert "reloaded" in weir.hang_up()
    assert weir.value("SELECT 1", user="dave", password='cra"yon') == 1
    with weir.raw() as client, pytest.raises(ServerError):
        client.log_in(user="dave", database="app", password="pencil")

    (weir.folder / "hba.conf").write_text("host all @staff all md5\n")
    assert "reloaded" in weir.hang_up()
    assert asked_for(weir, "dave") == "md5"
    (weir.folder / "staff").write_text("alice\n")
    assert "reloaded" in weir.hang_up()
    assert (asked_for(weir, "dave"), asked_for(weir, "alice")) == ("28000", "md5")

    (weir.folder / "hba.conf").write_text("host all all all password\n")
    (weir.folder / "users.txt").write_text("")
    assert "reloaded" in weir.hang_up()
    with weir.raw() as client, pytest.raises(ServerError) as refused:
        client.log_in(user="dave", database="app", password='cra"yon')
    assert refused.value.sqlstate == "28P01"


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("hba.conf", "host all all all md5\nhosts all all all trust\n", "hba.conf:2:1: "),
        ("users.txt", '"dave" "pencil"\n"alice\n', "users.txt:2:1: "),
        ("ident.conf", "m x\n", "ident.conf:1:1: has 2 columns"),
        ("ident.conf", "other x y\n", "is no map of auth.ident_file"),
    ],
)
def test_broken_file_keeps_the_old_one_and_says_why(
    start_weir: StartWeir, name: str, content: str, problem: str
) -> None:
    files = {
        "hba.conf": "local all all peer map=m\nhost all all all password\n",
        "users.txt": '"dave" "pencil"\n',
        "ident.conf": "m x y\n",
    }
    auth = {"method": "hba", "hba_file": "hba.conf", "users_file": "users.txt", "ident_file": "ident.conf"}
    weir = start_weir(settings(auth=auth), files=files)
    (weir.folder / name).write_text(content)
    assert "reload_failed" in weir.hang_up()
    wait_until(lambda: problem in weir.log)
    assert "pencil" not in weir.log
    assert weir.value("SELECT 1", user="dave", password="pencil") == 1
    (weir.folder / name).write_text(files[name])
    assert "reloaded" in weir.hang_up()


def test_files_are_watched(start_weir: StartWeir) -> None:
    files = {"hba.conf": "host all @staff all password\nhost all all all md5\n", "staff": "alice\n"}
    weir = start_weir(settings(watch=True), files=files)
    assert (asked_for(weir, "alice"), asked_for(weir, "carol")) == ("password", "md5")
    (weir.folder / "staff").write_text("carol\n")
    wait_until(lambda: asked_for(weir, "carol") == "password", "the list was read again", 20)
    assert asked_for(weir, "alice") == "md5"
