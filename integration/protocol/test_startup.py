"""The first bytes of a connection: versions, options, requests for encryption, parameters."""

import struct
from pathlib import Path
from typing import Callable

import pytest

from conftest import StartWeir
from support import wire
from support.endpoint import Endpoint
from support.postgres import Postgres
from support.ports import free_port, has_ipv6
from support.raw_client import RawClient, ServerError, errors, types

pytestmark = pytest.mark.timeout(20)


@pytest.mark.needs_weir
@pytest.mark.parametrize("code", [wire.SSL_REQUEST, wire.GSSENC_REQUEST])
def test_encryption_request_is_refused_and_the_client_may_go_on(weir: Endpoint, code: int) -> None:
    with weir.raw() as client:
        client.send(wire.request(code))
        assert client.read_exactly(1) == b"N"
        client.log_in(user="postgres", database="app")
        assert client.value("SELECT 1") == "1"


@pytest.mark.needs_weir
def test_both_encryption_requests_may_be_tried_in_turn(weir: Endpoint) -> None:
    with weir.raw() as client:
        client.send(wire.request(wire.GSSENC_REQUEST))
        assert client.read_exactly(1) == b"N"
        client.send(wire.request(wire.SSL_REQUEST))
        assert client.read_exactly(1) == b"N"
        client.log_in(user="postgres", database="app")
        assert client.value("SELECT 1") == "1"


def test_login_ends_with_parameters_key_and_ready(any_weir: Endpoint, postgres: object) -> None:
    with any_weir.raw() as client:
        messages = client.log_in(user="postgres", database="app")
        assert types(messages).strip("S") != ""
        assert types(messages)[0] == "R" and types(messages)[-2:] == "KZ"
        assert messages[-1].body == b"I"
        assert client.process_id > 0 and len(client.secret) == 4


def test_parameters_are_those_of_the_real_server(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        for name in ("server_version", "server_encoding", "TimeZone", "DateStyle", "client_encoding"):
            assert client.parameters[name] == client.value(f"SHOW {name}")


def test_database_defaults_to_the_user(any_weir: Endpoint) -> None:
    with any_weir.raw() as client:
        client.log_in(user="postgres")
        assert client.value("SELECT current_database()") == "postgres"


def test_startup_without_a_user_is_refused(any_weir: Endpoint) -> None:
    with any_weir.raw() as client:
        with pytest.raises(ServerError) as refused:
            client.send(wire.startup({"database": "app"}))
            raise ServerError(client.receive())
        assert refused.value.sqlstate == "28000"
        assert refused.value.message.severity == "FATAL"


@pytest.mark.needs_weir
def test_protocol_3_2_gets_a_long_cancel_key(weir: Endpoint) -> None:
    with weir.raw() as client:
        client.log_in(user="postgres", database="app", version=wire.PROTOCOL_3_2)
        assert 4 < len(client.secret) <= 256
        assert client.value("SELECT 1") == "1"
        assert "v" not in types(client.seen)


@pytest.mark.needs_weir
@pytest.mark.parametrize("minor", [3, 4, 99, 9999])
def test_newer_minor_version_is_negotiated_down_to_3_2(weir: Endpoint, minor: int) -> None:
    with weir.raw() as client:
        client.log_in(user="postgres", database="app", version=(3 << 16) | minor)
        offer = next(message for message in client.seen if message.type == "v")
        newest, unknown = struct.unpack_from("!II", offer.body)
        assert newest in (2, wire.PROTOCOL_3_2) and unknown == 0
        assert client.value("SELECT 1") == "1"


def test_unknown_protocol_options_are_named_and_the_login_goes_on(any_weir: Endpoint) -> None:
    with any_weir.raw() as client:
        options = {"_pq_.something": "1", "_pq_.other": "x"}
        client.log_in(user="postgres", database="app", **options)
        offer = next(message for message in client.seen if message.type == "v")
        assert struct.unpack_from("!I", offer.body, 4) == (2,)
        assert offer.body[8:] == b"_pq_.something\0_pq_.other\0"
        assert client.value("SELECT 1") == "1"


def test_protocol_2_is_refused(any_weir: Endpoint) -> None:
    with any_weir.raw() as client:
        client.send(wire.startup({"user": "postgres", "database": "app"}, 2 << 16))
        # PostgreSQL answers in the form of protocol 2, which has no lengths: only the first byte is the same.
        assert client.read_exactly(1) == b"E"
        with pytest.raises(ConnectionError):
            client.read_exactly(1 << 20)


@pytest.mark.parametrize("version", [4 << 16, (1234 << 16) | 1])
def test_unsupported_protocol_is_refused(any_weir: Endpoint, version: int) -> None:
    with any_weir.raw() as client:
        client.send(wire.startup({"user": "postgres", "database": "app"}, version))
        messages = client.receive_to_end()
        assert [message.severity for message in messages if message.type == "E"] == ["FATAL"]
        assert errors(messages) in (["0A000"], ["08P01"])


@pytest.mark.parametrize(
    ("parameter", "value", "shown"),
    [
        ("application_name", "shop", "shop"),
        ("TimeZone", "Asia/Tokyo", "Asia/Tokyo"),
        ("DateStyle", "SQL, DMY", "SQL, DMY"),
        ("IntervalStyle", "iso_8601", "iso_8601"),
        ("client_encoding", "LATIN1", "LATIN1"),
        ("search_path", "pg_catalog, public", "pg_catalog, public"),
        ("statement_timeout", "12345", "12345ms"),
        ("extra_float_digits", "2", "2"),
    ],
)
def test_startup_parameter_takes_effect(any_weir: Endpoint, parameter: str, value: str, shown: str) -> None:
    with any_weir.logged_in(**{parameter: value}) as client:
        assert client.value(f"SHOW {parameter}") == shown


def test_startup_options_take_effect(any_weir: Endpoint) -> None:
    options = r"-c statement_timeout=4321 --search_path=pg_catalog -c application_name=with\ blank"
    with any_weir.logged_in(options=options) as client:
        assert client.value("SHOW statement_timeout") == "4321ms"
        assert client.value("SHOW search_path") == "pg_catalog"
        assert client.value("SHOW application_name") == "with blank"


def test_bad_startup_parameter_is_an_error_that_names_it(any_weir: Endpoint) -> None:
    with any_weir.raw() as client:
        with pytest.raises(ServerError) as refused:
            client.log_in(user="postgres", database="app", TimeZone="Not/There")
            client.rows("SELECT 1")
        assert refused.value.sqlstate == "22023"
        assert "TimeZone" in refused.value.message.text
    with any_weir.logged_in() as client:
        assert client.value("SELECT 1") == "1"


@pytest.mark.needs_weir
def test_startup_parameters_of_different_clients_do_not_mix(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1}})
    zones = ["Asia/Tokyo", "Europe/Rome", "America/Lima", "UTC"]
    clients = [weir.logged_in(TimeZone=zone, search_path=f"schema_{i}") for i, zone in enumerate(zones)]
    for _ in range(5):
        for number, client in enumerate(clients):
            assert client.value("SHOW TimeZone") == zones[number]
            assert client.value("SHOW search_path") == f"schema_{number}"
    with weir.logged_in() as plain:
        assert plain.value("SHOW TimeZone") == "UTC"
        assert plain.value("SHOW search_path") == '"$user", public'
    for client in clients:
        client.quit()


@pytest.mark.needs_weir
def test_reported_parameters_that_a_client_sets_follow_it(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1}})
    settings = {
        "TimeZone": "Asia/Tokyo",
        "DateStyle": "SQL, DMY",
        "IntervalStyle": "iso_8601",
        "application_name": "it's mine",
        "client_encoding": "LATIN1",
        "standard_conforming_strings": "off",
    }
    with weir.logged_in() as setter, weir.logged_in() as other:
        before = {name: other.value(f"SHOW {name}") for name in settings}
        for name, value in settings.items():
            quoted = value.replace("'", "''")
            setter.rows(f"SET {name} = '{quoted}'" if name != "DateStyle" else f"SET DateStyle = {value}")
        for _ in range(3):
            assert {name: other.value(f"SHOW {name}") for name in settings} == before
            assert {name: setter.value(f"SHOW {name}") for name in settings} == settings


@pytest.mark.needs_weir
def test_set_that_is_rolled_back_does_not_follow_the_client(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1}})
    with weir.logged_in() as setter, weir.logged_in(TimeZone="Europe/Rome") as other:
        setter.query("BEGIN")
        setter.query("SET TimeZone = 'Asia/Tokyo'")
        setter.query("ROLLBACK")
        assert other.value("SHOW TimeZone") == "Europe/Rome"
        assert setter.value("SHOW TimeZone") == "UTC"
        setter.query("SET LOCAL TimeZone = 'Asia/Tokyo'")
        assert other.value("SHOW TimeZone") == "Europe/Rome"
        assert setter.value("SHOW TimeZone") == "UTC"


@pytest.mark.needs_weir
def test_weir_listens_on_ipv6(start_weir: StartWeir) -> None:
    if not has_ipv6():
        pytest.skip("this machine has no ::1")
    port = free_port("::1")
    start_weir({"listen": {"addresses": [f"[::1]:{port}"]}})
    client = RawClient.connect_tcp("::1", port)
    client.log_in(user="postgres", database="app")
    assert client.value("SELECT 1") == "1"
    client.quit()


@pytest.mark.needs_weir
def test_weir_listens_on_a_unix_socket(start_weir: StartWeir, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    weir = start_weir({"listen": {"addresses": [f"unix:{folder}"], "unix_socket_mode": "0700"}})
    path = folder / ".s.PGSQL.6432"
    assert path.is_socket() and path.stat().st_mode & 0o777 == 0o700
    client = RawClient.connect_unix(str(path))
    client.log_in(user="postgres", database="app")
    assert client.value("SELECT 1") == "1"
    client.quit()
    with weir.psycopg(host=str(folder), port=6432) as connection:
        assert connection.execute("SELECT 2").fetchone() == (2,)


@pytest.mark.needs_weir
def test_weir_listens_on_an_abstract_unix_socket(start_weir: StartWeir) -> None:
    name = f"weir-test-{free_port()}"
    start_weir({"listen": {"addresses": [f"unix:@{name}"]}})
    client = RawClient.connect_unix("\0" + name)
    client.log_in(user="postgres", database="app")
    assert client.value("SELECT 1") == "1"
    client.quit()


@pytest.mark.needs_weir
def test_weir_listens_on_several_addresses(start_weir: StartWeir, tmp_path: Path) -> None:
    ports = [free_port(), free_port()]
    addresses = [f"127.0.0.1:{port}" for port in ports] + [f"unix:{tmp_path}"]
    start_weir({"listen": {"addresses": addresses}})
    clients = [RawClient.connect_tcp("127.0.0.1", port) for port in ports]
    clients.append(RawClient.connect_unix(str(tmp_path / ".s.PGSQL.6432")))
    for client in clients:
        client.log_in(user="postgres", database="app")
        assert client.value("SELECT 1") == "1"
        client.quit()


@pytest.mark.needs_weir
def test_weir_reaches_postgresql_over_its_unix_socket(
    own_postgres: Callable[..., Postgres], start_weir_at: StartWeir
) -> None:
    # A folder stands for the socket of the default port; without TCP nobody else's 5432 is in the way.
    postgres = own_postgres(port=5432, listen_addresses="")
    weir = start_weir_at(0, {"cluster": {"main": {"servers": [f"unix:{postgres.socket_folder}"]}}})
    with weir.psycopg() as connection:
        row = connection.execute("SELECT inet_server_addr() IS NULL, current_database()").fetchone()
        assert row == (True, "app")
