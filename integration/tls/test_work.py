"""Work over TLS on both sides: big results, COPY, cancel, pooling, reloads, PLUS."""

import asyncio
import contextlib
import os
import shutil
import socket
import ssl
import struct
import subprocess
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest

from conftest import StartTlsWeir, StartWeir
from support import wire
from support.deadlines import wait_until
from support.postgres import Postgres
from support.raw_client import RawClient
from support.tls import PASSWORD, Certificates

pytestmark = pytest.mark.needs_weir

BIG = 20_000_000


def both(certificates: Certificates, **changes: Any) -> dict[str, Any]:
    """TLS towards clients and towards PostgreSQL."""
    tls = certificates.weir("require")
    tls["server"] = {"mode": "verify-full", "ca_file": str(certificates.authority.certificate)}
    return {"tls": tls, "user": {"with_password": {}, "scram_tls": {}}, **changes}


@pytest.fixture
def secure(tls_postgres: Postgres, start_weir_at: StartWeir, certificates: Certificates) -> Any:
    """Weir with TLS on both sides and a pool of two, on two threads."""
    changes = both(certificates, pool={"max": 2}, listen={"threads": 2})
    return start_weir_at(tls_postgres.port, changes)


def test_big_results_and_slow_readers(secure: Any) -> None:
    with contextlib.closing(secure.psycopg(sslmode="require")) as connection:
        for size in (1, 16383, 16384, 16385, 1_000_000, BIG):
            text = connection.execute("SELECT repeat('ab', %s)", [size // 2]).fetchone()[0]
            assert text == "ab" * (size // 2)
        with connection.cursor(name=None) as cursor:
            rows = list(cursor.stream("SELECT i, repeat('x', 1000) FROM generate_series(1, 20000) AS i"))
        assert [row[0] for row in rows] == list(range(1, 20001))
        parameter = "p" * BIG
        assert connection.execute("SELECT length(%s::text)", [parameter]).fetchone() == (BIG,)


def test_copy_both_ways(secure: Any) -> None:
    with contextlib.closing(secure.psycopg(sslmode="require", autocommit=False)) as connection:
        connection.execute("CREATE TEMP TABLE t (i int, s text)")
        with connection.cursor() as cursor:
            with cursor.copy("COPY t FROM STDIN") as copy:
                for i in range(20000):
                    copy.write_row((i, "x" * 100))
            with cursor.copy("COPY t TO STDOUT") as copy:
                copied = b"".join(bytes(part) for part in copy)
        assert copied.count(b"\n") == 20000
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (20000,)
        connection.rollback()


def test_twenty_clients_share_two_connections(secure: Any, tls_postgres: Postgres) -> None:
    async def work() -> list[int]:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

        async def one(number: int) -> int:
            async with secure.asyncpg(ssl=context) as connection:
                for i in range(20):
                    assert await connection.fetchval("SELECT $1::int", number * 100 + i) == number * 100 + i
            return number

        return list(await asyncio.gather(*(one(number) for number in range(20))))

    assert asyncio.run(work()) == list(range(20))
    assert tls_postgres.backends() <= 2


def test_a_cancel_stops_the_statement(secure: Any, tls_postgres: Postgres) -> None:
    """libpq 15 sends it without TLS; Weir's own goes to PostgreSQL with TLS."""
    with contextlib.closing(secure.psycopg(sslmode="require")) as connection:
        canceller = threading.Thread(target=cancel_when_running, args=(connection, tls_postgres))
        canceller.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(30)")
        canceller.join()
        assert connection.execute("SELECT 1").fetchone() == (1,)


def cancel_when_running(connection: Any, postgres: Postgres) -> None:
    wait_until(lambda: postgres.backends("query LIKE 'SELECT pg_sleep%' AND state = 'active'") == 1, "it runs")
    connection.cancel()


def wrapped(weir: Any) -> Any:
    """A socket inside direct TLS."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["postgresql"])
    return context.wrap_socket(socket.create_connection(("127.0.0.1", weir.port), 10))


def test_a_cancel_may_come_over_tls(secure: Any, tls_postgres: Postgres) -> None:
    with RawClient(wrapped(secure)) as client:
        client.log_in(user="postgres", database="app")
        client.send(wire.query("SELECT pg_sleep(30)"))
        wait_until(lambda: tls_postgres.backends("query LIKE 'SELECT pg_sleep%' AND state = 'active'") == 1, "it runs")
        with wrapped(secure) as stream:
            key = struct.pack("!I", client.process_id) + client.secret
            stream.sendall(struct.pack("!II", 8 + len(key), 80877102) + key)
            assert stream.recv(1) == b""
        messages = client.receive_ready()
        assert [message.sqlstate for message in messages if message.type == "E"] == ["57014"]
        assert client.value("SELECT 1") == "1"


@pytest.mark.parametrize("channel_binding", ["require", "prefer", "disable"])
def test_scram_with_and_without_channel_binding(
    tls_weir: StartTlsWeir, channel_binding: str
) -> None:
    changes = {"auth": {"method": "scram-sha-256"}, "user": {"postgres": {"password": PASSWORD}}}
    weir = tls_weir("require", changes)
    options = {"sslmode": "require", "channel_binding": channel_binding}
    assert weir.value("SELECT 1", password=PASSWORD, **options) == 1
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        weir.value("SELECT 1", password="wrong", **options)


def psql(weir: Any, **options: str) -> subprocess.CompletedProcess[str]:
    where = {"host": "localhost", "hostaddr": "127.0.0.1", "port": str(weir.port), "user": "postgres", "dbname": "app"}
    words = " ".join(f"{key}={value}" for key, value in {**where, **options}.items())
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PGPASSWORD": PASSWORD}
    return subprocess.run(
        ["psql", words, "-XAtc", "SELECT 'through'"], capture_output=True, text=True, timeout=60, env=environment
    )


def test_psql_checks_everything(tls_weir: StartTlsWeir, certificates: Certificates) -> None:
    changes = {"auth": {"method": "scram-sha-256"}, "user": {"postgres": {"password": PASSWORD}}}
    weir = tls_weir("require", changes)
    root = str(certificates.authority.certificate)
    done = psql(weir, sslmode="verify-full", sslrootcert=root, channel_binding="require")
    assert (done.returncode, done.stdout) == (0, "through\n"), done.stderr
    refused = psql(weir, sslmode="disable")
    assert refused.returncode == 2 and "SSL required" in refused.stderr


def test_new_certificates_drop_nobody(
    start_weir: StartWeir, certificates: Certificates, tmp_path: Path
) -> None:
    live = certificates.server.copy_to(tmp_path / "live.crt", tmp_path / "live.key")
    weir = start_weir({"tls": certificates.weir("require", live)})
    seen = certificate_of(weir)
    stop = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with contextlib.closing(weir.psycopg(sslmode="require")) as connection:
                while not stop.is_set():
                    assert connection.execute("SELECT 1").fetchone() == (1,)
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    try:
        # Half of a change: said with its place, and nothing changes.
        shutil.copy(certificates.other_server.certificate, live.certificate)
        assert "is not the key of cert_file" in weir.hang_up()
        assert certificate_of(weir) == seen
        shutil.copy(certificates.other_server.key, live.key)
        live.key.chmod(0o644)
        assert "can be read by others" in weir.hang_up()
        assert certificate_of(weir) == seen
        live.key.chmod(0o600)
        assert "reloaded" in weir.hang_up()
        assert certificate_of(weir) != seen
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    assert failures == []


def certificate_of(weir: Any) -> bytes:
    with wrapped(weir) as stream:
        shown: bytes = stream.getpeercert(binary_form=True)
        return shown


def test_stalled_handshakes_end_at_the_login_deadline(tls_weir: StartTlsWeir) -> None:
    weir = tls_weir("require", {"listen": {"client_login_timeout": "1s"}})
    with socket.create_connection(("127.0.0.1", weir.port), 30) as client:
        client.sendall(struct.pack("!II", 8, 80877103))
        assert client.recv(1) == b"S"
        client.sendall(b"\x16\x03\x01")
        while client.recv(4096):
            pass
    assert weir.value("SELECT 1", sslmode="require") == 1


def test_rubbish_in_place_of_a_handshake_is_noted(tls_weir: StartTlsWeir) -> None:
    weir = tls_weir("require")
    with socket.create_connection(("127.0.0.1", weir.port), 30) as client:
        client.sendall(struct.pack("!II", 8, 80877103))
        assert client.recv(1) == b"S"
        client.sendall(b"x" * 1000)
        with contextlib.suppress(ConnectionResetError):
            while client.recv(4096):
                pass
    wait_until(lambda: "tls_handshake_failed" in weir.log, "the log says so")
    assert weir.value("SELECT 1", sslmode="require") == 1
