"""What a service manager hears from Weir, and the sockets it may hand over; no systemd is needed for that."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator, Optional

import pytest

from conftest import StartWeir
from support.deadlines import scaled, wait_until
from support.ports import free_port
from support.postgres import Postgres
from support.raw_client import RawClient, errors
from support.weir import find_binary

pytestmark = pytest.mark.needs_weir


class Manager:
    """Hears what is said to NOTIFY_SOCKET."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="weir-notify-")
        self.path = os.path.join(self.folder, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.heard: list[dict[str, str]] = []

    def listen(self, wait_s: float = 0.05) -> None:
        self.socket.settimeout(wait_s)
        try:
            while True:
                lines = self.socket.recv(65536).decode().splitlines()
                self.heard.append(dict(line.split("=", 1) for line in lines))
        except TimeoutError:
            pass

    def has_heard(self, key: str, value: str = "1", since: int = 0) -> bool:
        self.listen()
        return any(message.get(key) == value for message in self.heard[since:])

    def close(self) -> None:
        self.socket.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def manager() -> Iterator[Manager]:
    manager = Manager()
    yield manager
    manager.close()


def test_service_manager_hears_of_start_reload_and_end(start_weir: StartWeir, manager: Manager) -> None:
    weir = start_weir(environment={"NOTIFY_SOCKET": manager.path})
    wait_until(lambda: manager.has_heard("READY"), "it says that it is ready")
    manager.listen()
    seen = len(manager.heard)
    weir.reload({"pool": {"max": 3}})
    wait_until(lambda: manager.has_heard("READY", since=seen), "it is ready again")
    reloading = [message for message in manager.heard[seen:] if message.get("RELOADING") == "1"]
    assert len(reloading) == 1 and int(reloading[0]["MONOTONIC_USEC"]) > 0
    order = [key for message in manager.heard[seen:] for key in message if key in ("RELOADING", "READY")]
    assert order == ["RELOADING", "READY"]
    with weir.logged_in() as client:
        client.query("BEGIN")
        weir.signal(signal.SIGTERM)
        wait_until(lambda: manager.has_heard("STOPPING"), "it says that it stops")
        assert errors(client.query("COMMIT")) == []
    weir.wait_exit()


def test_refused_reload_is_over_for_the_service_manager_too(start_weir: StartWeir, manager: Manager) -> None:
    weir = start_weir(environment={"NOTIFY_SOCKET": manager.path})
    wait_until(lambda: manager.has_heard("READY"))
    seen = len(manager.heard)
    weir.config_path.write_text("nonsense")
    assert "reload_failed" in weir.hang_up()
    wait_until(lambda: manager.has_heard("READY", since=seen), "it is ready again")
    weir.write_settings()


def test_status_line_counts_clients(start_weir: StartWeir, manager: Manager) -> None:
    weir = start_weir(environment={"NOTIFY_SOCKET": manager.path})
    with weir.logged_in() as client:
        client.query("BEGIN")
        wait_until(
            lambda: manager.has_heard("STATUS", "1 clients (0 waiting), 1 server connections"), "the status is told"
        )


def test_watchdog_is_fed_while_the_event_loops_turn_and_not_when_one_hangs(
    start_weir: StartWeir, manager: Manager
) -> None:
    weir = start_weir(
        {"listen": {"threads": 2}}, environment={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "3000000"}
    )
    for _ in range(2):
        manager.listen()
        seen = len(manager.heard)
        wait_until(lambda: manager.has_heard("WATCHDOG", since=seen), "the watchdog is fed")
    hung = [int(thread) for thread in os.listdir(f"/proc/{weir.pid}/task")]
    assert len(hung) > 2
    # A stopped process feeds nobody.
    weir.signal(signal.SIGSTOP)
    manager.listen()
    seen = len(manager.heard)
    manager.listen(2.5)
    assert not manager.has_heard("WATCHDOG", since=seen)
    weir.signal(signal.SIGCONT)
    wait_until(lambda: manager.has_heard("WATCHDOG", since=seen), "it is fed again")


class Inherited:
    """A Weir that finds sockets where systemd would have put them."""

    def __init__(self, postgres: Postgres, sockets: list[socket.socket], addresses: list[str]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="weir-inherit-"))
        config = self.folder / "weir.toml"
        listed = ", ".join(f'"{address}"' for address in addresses)
        config.write_text(
            f'[listen]\naddresses = [{listed}]\nthreads = 1\n[auth]\nmethod = "trust"\n[http]\naddress = ""\n'
            f'[cluster.main]\nservers = ["127.0.0.1:{postgres.port}"]\n[database.app]\n[pool]\nmin = 0\nmax = 2\n'
        )
        # LISTEN_PID must be the process's own: a shell says so and becomes it.
        moves = " ".join(f"{3 + i}<&{s.fileno() + 100}" for i, s in enumerate(sockets))
        for s in sockets:
            os.dup2(s.fileno(), s.fileno() + 100)
        script = f"LISTEN_PID=$$ LISTEN_FDS={len(sockets)} exec {find_binary()} serve -c {config} {moves}"
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", script],
                pass_fds=[s.fileno() + 100 for s in sockets],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        for s in sockets:
            os.close(s.fileno() + 100)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(scaled(10))
        shutil.rmtree(self.folder, ignore_errors=True)
        return code


def listening_tcp(port: int = 0) -> socket.socket:
    listener = socket.create_server(("127.0.0.1", port))
    return listener


def select_one(client: RawClient) -> None:
    with client:
        client.log_in(user="postgres", database="app")
        assert client.value("SELECT 1") == "1"


def test_sockets_that_are_handed_over_are_served_and_left_in_place(postgres: Postgres) -> None:
    folder = tempfile.mkdtemp(prefix="weir-activation-")
    path = os.path.join(folder, ".s.PGSQL.6432")
    with listening_tcp() as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(path)
        unix.listen()
        port = tcp.getsockname()[1]
        weir = Inherited(postgres, [tcp, unix], [f"127.0.0.1:{port}", f"unix:{folder}"])
        # Already before it has started, clients can connect: they wait in the sockets' queues.
        select_one(RawClient.connect_tcp("127.0.0.1", port))
        select_one(RawClient.connect_unix(path))
        assert weir.log.count(" listening ") == 2
        assert weir.stop() == 0, weir.log
        assert os.path.exists(path)  # not ours to remove
        again = Inherited(postgres, [tcp, unix], [f"127.0.0.1:{port}", f"unix:{folder}"])
        select_one(RawClient.connect_unix(path))
        assert again.stop() == 0
    shutil.rmtree(folder)


def test_socket_that_is_in_no_address_is_served_beside_those_that_are(postgres: Postgres) -> None:
    other = free_port()
    with listening_tcp() as tcp:
        weir = Inherited(postgres, [tcp], [f"127.0.0.1:{other}"])
        select_one(RawClient.connect_tcp("127.0.0.1", tcp.getsockname()[1]))
        select_one(RawClient.connect_tcp("127.0.0.1", other))
        assert "socket_not_in_addresses" in weir.log
        assert weir.stop() == 0, weir.log


def test_descriptor_that_is_no_listening_socket_is_named_and_closed(postgres: Postgres) -> None:
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
        weir = Inherited(postgres, [datagram], [f"127.0.0.1:{port}"])

        def accepts() -> bool:
            try:
                select_one(RawClient.connect_tcp("127.0.0.1", port))
            except OSError:
                return False
            return True

        wait_until(accepts, "it serves its own address")
        assert "is no socket that listens for streams" in weir.log
        assert weir.stop() == 0, weir.log


@pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="needs systemd-socket-activate")
def test_systemd_socket_activate_starts_it_with_the_first_client(postgres: Postgres, tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "weir.toml"
    config.write_text(
        f'[listen]\naddresses = ["127.0.0.1:{port}"]\nthreads = 1\n[auth]\nmethod = "trust"\n[http]\naddress = ""\n'
        f'[cluster.main]\nservers = ["127.0.0.1:{postgres.port}"]\n[database.app]\n[pool]\nmin = 0\nmax = 2\n'
    )
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(
            ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", str(find_binary()), "-c", str(config)],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )

    def connected() -> Optional[RawClient]:
        try:
            return RawClient.connect_tcp("127.0.0.1", port)
        except OSError:
            return None

    select_one(wait_until(connected, "it listens"))
    process.send_signal(signal.SIGTERM)
    assert process.wait(scaled(10)) == 0, (tmp_path / "log").read_text()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_units_are_understood_by_systemd(tmp_path: Path) -> None:
    deploy = Path(__file__).resolve().parents[2] / "deploy"
    for name in ("weir.service", "weir.socket"):
        text = (deploy / name).read_text().replace("/usr/bin/weir", "/bin/true")
        (tmp_path / name).write_text(text)
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / "weir.service"), str(tmp_path / "weir.socket")],
        capture_output=True,
        text=True,
        timeout=scaled(20),
    )
    about_us = [line for line in (result.stdout + result.stderr).splitlines() if "weir" in line]
    assert not about_us, about_us


def test_log_goes_on_under_its_name_after_logrotate_has_moved_it(start_weir: StartWeir) -> None:
    weir = start_weir({"log": {"file": "weir.log", "connections": True}})
    log, moved = weir.folder / "weir.log", weir.folder / "weir.log.1"
    with weir.logged_in():
        wait_until(lambda: "client_login" in log.read_text())
    log.rename(moved)
    weir.signal(signal.SIGHUP)
    wait_until(log.exists, "the log is opened under its name again")
    wait_until(lambda: "reloaded" in log.read_text(), "and written to")
    before = moved.read_text()
    with weir.logged_in():
        wait_until(lambda: "client_login" in log.read_text())
    assert moved.read_text() == before
    assert re.search(r"\d{4}-\d\d-\d\dT", before)


def test_pid_file_is_there_while_it_runs_and_keeps_a_second_one_out(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"pid_file": "weir.pid"})
    path = weir.folder / "weir.pid"
    assert int(path.read_text()) == weir.pid
    second = subprocess.run(
        [str(find_binary()), "-c", str(weir.config_path)],
        cwd=weir.folder,
        capture_output=True,
        text=True,
        timeout=scaled(20),
    )
    assert second.returncode == 2 and "another process holds the pid_file" in second.stderr
    assert int(path.read_text()) == weir.pid
    weir.signal(signal.SIGTERM)
    weir.wait_exit()
    assert not path.exists()
