"""A private PostgreSQL server in a temporary folder."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Iterator, Optional, Sequence

import psycopg

from support.deadlines import scaled, wait_until
from support.endpoint import Endpoint
from support.ports import free_port, has_ipv6

BINARIES = Path(os.environ.get("WEIR_TEST_POSTGRES_BIN", "/usr/lib/postgresql/15/bin"))
DATABASES = ("app", "other")
HARNESS_NAME = "weir-integration-harness"
START_ATTEMPTS = 5

SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "autovacuum": "off",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "logging_collector": "off",
    "log_min_messages": "warning",
    "timezone": "UTC",
}

TRUST_ALL = ("local all all trust", "host all all all trust")


def as_postgres(command: Sequence[str]) -> list[str]:
    """The command line that runs ``command`` as somebody PostgreSQL accepts: it refuses to run as root."""
    if os.getuid() != 0:
        return list(command)
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *command]


def make_folder(prefix: str) -> Path:
    """A temporary folder that the user of PostgreSQL can use."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    return folder


class Template:
    """A freshly initialised data folder that instances are copied from; initdb runs once."""

    def __init__(self) -> None:
        self.folder = make_folder("weir-pg-template-")
        self.data = self.folder / "data"
        command = [str(BINARIES / "initdb"), "-D", str(self.data), "-U", "postgres", "-A", "trust"]
        command += ["-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]
        subprocess.run(as_postgres(command), check=True, stdout=subprocess.DEVNULL, cwd="/")

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


class Postgres:
    """One server; ``kill()``, ``start()`` and ``stop()`` at will. Its port stays the same over restarts."""

    host = "127.0.0.1"

    def __init__(
        self, template: Template, *, hba: Sequence[str] = TRUST_ALL, port: int = 0, **settings: str
    ) -> None:
        """``port`` 0 is a free one; any further keyword is a setting of postgresql.conf."""
        self.folder = make_folder("weir-pg-")
        self.data = self.folder / "data"
        subprocess.run(as_postgres(["cp", "-a", str(template.data), str(self.data)]), check=True, cwd="/")
        self.settings = {**SETTINGS, **settings}
        self.port = port or free_port()
        self.process: Optional["subprocess.Popen[bytes]"] = None
        self.write_hba(hba)
        self.start()
        for name in DATABASES:
            self.execute(f"CREATE DATABASE {name}", dbname="postgres")

    # ---- life ----------------------------------------------------------------------------------------------------

    @property
    def socket_folder(self) -> Path:
        return self.folder

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def start(self) -> None:
        """Starts and returns when connections are accepted. The first start may move to another port."""
        first_start = self.process is None
        for _ in range(START_ATTEMPTS):
            if self._try_start():
                return
            if first_start:
                self.port = free_port()
        raise AssertionError("PostgreSQL did not start:\n" + self.log)

    def launch(self) -> None:
        """Starts without waiting."""
        addresses = "127.0.0.1,::1" if has_ipv6() else "127.0.0.1"
        settings = {
            "listen_addresses": addresses,
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            **self.settings,
        }
        command = [str(BINARIES / "postgres"), "-D", str(self.data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                self.command(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/"
            )

    def command(self, command: list[str]) -> list[str]:
        """The command line that runs ``command`` where the server is."""
        return as_postgres(command)

    def _try_start(self) -> bool:
        self.launch()
        assert self.process is not None

        def answers_or_gone() -> bool:
            assert self.process is not None
            return self.process.poll() is not None or self.is_ready()

        wait_until(answers_or_gone, "PostgreSQL answers", 20)
        return self.process.poll() is None

    def is_ready(self) -> bool:
        try:
            self.connect(dbname="postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT is PostgreSQL's fast shutdown: backends are told 57P01 and end."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(how)
        self.process.wait(scaled(20))

    def kill(self) -> None:
        """kill -9 of the postmaster and everything it started."""
        assert self.process is not None
        postmaster = self.process.pid
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        self.process.kill()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        self.process.wait(scaled(10))
        wait_until(lambda: not any(_is_alive(int(child)) for child in children), "backends are gone")

    @contextlib.contextmanager
    def is_frozen(self) -> Iterator[None]:
        """SIGSTOP: the kernel still takes connections and bytes for it, and nobody answers."""
        assert self.process is not None
        postmaster = self.process.pid
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        pids = [postmaster, *map(int, children)]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def remove(self) -> None:
        """What is written is of no interest any more, nor are those that it streams to."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- settings ------------------------------------------------------------------------------------------------

    def write_hba(self, lines: Sequence[str]) -> None:
        """Replaces pg_hba.conf; the harness itself always comes in through the unix socket."""
        everything = ["local all postgres trust", *lines]
        (self.data / "pg_hba.conf").write_text("\n".join(everything) + "\n")

    def reload(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    # ---- asking --------------------------------------------------------------------------------------------------

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint("127.0.0.1", self.port)

    def connect(self, dbname: str = "app") -> "psycopg.Connection[Any]":
        """The harness' own connection, past any pg_hba.conf and not counted as a backend."""
        return psycopg.connect(
            host=str(self.folder),
            port=self.port,
            user="postgres",
            dbname=dbname,
            application_name=HARNESS_NAME,
            connect_timeout=5,
            autocommit=True,
        )

    def execute(self, sql: str, parameters: Sequence[Any] = (), *, dbname: str = "app") -> list[tuple[Any, ...]]:
        """Runs one statement directly and returns its rows."""
        with contextlib.closing(self.connect(dbname)) as connection:
            cursor = connection.execute(sql, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def value(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        return self.execute(sql, parameters)[0][0]

    def backend_pids(self, where: str = "true") -> list[int]:
        """Backends that are not the harness' own, oldest first; ``where`` is a condition on pg_stat_activity."""
        rows = self.execute(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
            f" AND pid <> pg_backend_pid() AND application_name <> '{HARNESS_NAME}' AND ({where})"
            " ORDER BY backend_start"
        )
        return [row[0] for row in rows]

    def backends(self, where: str = "true") -> int:
        return len(self.backend_pids(where))

    def wait_until_running(self, sql: str) -> None:
        """Waits until this statement is under way for somebody."""
        quoted = sql.replace("'", "''")
        wait_until(lambda: self.backends(f"state = 'active' AND query = '{quoted}'") > 0, "it is under way: " + sql)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
