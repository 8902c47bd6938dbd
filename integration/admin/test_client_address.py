"""Where a client comes from: its own address, or the one a load balancer tells in a PROXY protocol header."""

import socket
import struct

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import wait_until
from support.raw_client import RawClient, ServerError, errors

pytestmark = pytest.mark.needs_weir

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
OWN_CHECK = SIGNATURE + b"\x20\x00\0\0"
BEHIND_A_BALANCER = {"listen": {"proxy_protocol": "v2"}}


def proxied(address: str, port: int) -> bytes:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address)
    body = packed + packed + struct.pack("!HH", port, 6432)
    return SIGNATURE + bytes([0x21, 0x21 if family == socket.AF_INET6 else 0x11]) + struct.pack("!H", len(body)) + body


def log_in(client: RawClient, before: bytes = b"", database: str = "app", **parameters: str) -> RawClient:
    client.send(before)
    client.log_in(user="postgres", database=database, **parameters)
    return client


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7"])
def test_proxy_header_tells_the_address_of_the_client(start_weir: StartWeir, address: str) -> None:
    weir = start_weir(BEHIND_A_BALANCER)
    with log_in(weir.raw(), proxied(address, 50001)) as client:
        assert client.value("SELECT 1") == "1"
        with log_in(weir.raw(), proxied("192.0.2.1", 7), database="weir") as admin:
            shown = [(row[5], row[6]) for row in admin.rows("SHOW CLIENTS")]
            assert (address, "50001") in shown and ("192.0.2.1", "7") in shown


def test_proxy_header_in_pieces_and_together_with_the_startup(start_weir: StartWeir) -> None:
    weir = start_weir(BEHIND_A_BALANCER)
    with weir.raw() as client:
        client.send_sliced(proxied("192.0.2.7", 50001))
        assert log_in(client).value("SELECT 1") == "1"
    with weir.raw() as client:
        client.send(proxied("192.0.2.7", 1) + wire.startup({"user": "postgres", "database": "app"}))
        assert errors(client.receive_ready()) == []


def test_check_of_the_balancer_itself_is_let_in_and_out(start_weir: StartWeir) -> None:
    weir = start_weir(BEHIND_A_BALANCER)
    before = weir.open_sockets()
    check = weir.raw()
    check.send(OWN_CHECK)
    check.close()
    wait_until(lambda: weir.open_sockets() <= before)
    with log_in(weir.raw(), OWN_CHECK) as client:
        assert client.value("SELECT 1") == "1"


def test_connection_without_the_header_is_refused(start_weir: StartWeir) -> None:
    weir = start_weir(BEHIND_A_BALANCER)
    with weir.raw() as client:
        with pytest.raises(ServerError) as refused:
            client.log_in(user="postgres", database="app")
        assert refused.value.sqlstate == "08P01"
        assert "PROXY" in str(refused.value)


def test_header_is_refused_where_it_is_not_expected(start_weir: StartWeir) -> None:
    weir = start_weir()
    with weir.raw() as client:
        client.send(proxied("192.0.2.7", 50001))
        assert errors(client.receive_to_end()) == ["08P01"]


def test_silence_in_place_of_the_header_ends_at_the_login_timeout(start_weir: StartWeir) -> None:
    weir = start_weir({"listen": {"proxy_protocol": "v2", "client_login_timeout": "300ms"}})
    with weir.raw() as client:
        client.send(SIGNATURE[:5])
        client.receive_to_end_of_bytes()


def test_unix_socket_needs_no_header(start_weir: StartWeir, tmp_path: object) -> None:
    weir = start_weir({"listen": {"proxy_protocol": "v2", "addresses": [f"unix:{tmp_path}"]}})
    assert weir.is_running()
    with log_in(RawClient.connect_unix(f"{tmp_path}/.s.PGSQL.6432")) as client:
        assert client.value("SELECT 1") == "1"


def test_host_is_added_to_the_application_name(start_weir: StartWeir) -> None:
    weir = start_weir({"listen": {"application_name_add_host": True}})
    with weir.logged_in(application_name="shop") as client, weir.logged_in() as nameless:
        host, port = client.socket.getsockname()[:2]
        assert client.value("SHOW application_name") == f"shop - {host}:{port}"
        port = nameless.socket.getsockname()[1]
        assert nameless.value("SHOW application_name") == f"app - {host}:{port}"
        client.query("SET application_name = 'mine'")
        assert client.value("SHOW application_name") == "mine"


def test_host_survives_a_long_application_name(start_weir: StartWeir) -> None:
    weir = start_weir({"listen": {"application_name_add_host": True}})
    with weir.logged_in(application_name="n" * 80) as client:
        host, port = client.socket.getsockname()[:2]
        name = client.value("SHOW application_name")
        assert name is not None and len(name) == 63 and name.endswith(f" - {host}:{port}")


def test_host_in_the_name_is_the_proxied_one(start_weir: StartWeir) -> None:
    weir = start_weir({"listen": {"application_name_add_host": True, "proxy_protocol": "v2"}})
    with log_in(weir.raw(), proxied("2001:db8::7", 50001), application_name="shop") as client:
        assert client.value("SHOW application_name") == "shop - [2001:db8::7]:50001"


def test_header_is_not_asked_for_by_a_reload_which_does_not_reach_the_balancer(start_weir: StartWeir) -> None:
    weir = start_weir()
    assert "needs_restart" in weir.reload({"listen": {"proxy_protocol": "v2"}})
    assert weir.value("SELECT 1") == 1
