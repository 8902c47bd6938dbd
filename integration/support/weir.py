"""A Weir process under test."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Optional

from support.deadlines import scaled, wait_until
from support.endpoint import Endpoint
from support.metrics import Metrics, http_get
from support.ports import accepts_tcp, free_port
from support.raw_client import RawClient
from support.toml import merged, to_toml

ROOT = Path(__file__).resolve().parents[2]
START_ATTEMPTS = 5

# A line with one of these is a bug of Weir's, whatever the test was about.
BUG_SIGNS = re.compile(
    r"check failed|\bbug\b|AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|terminate called",
    re.IGNORECASE,
)

SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:exitcode=99",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1:exitcode=99",
}


def find_binary() -> Optional[Path]:
    """WEIR_BINARY, or what the presets build."""
    named = os.environ.get("WEIR_BINARY")
    candidates = [Path(named)] if named else [ROOT / "build" / preset / "weir" for preset in ("dev", "release")]
    return next((path.resolve() for path in candidates if path.is_file()), None)


def has_sanitizer(binary: Path) -> bool:
    """Whether the binary was linked with ASan or TSan, which cost memory and time."""
    data = binary.read_bytes()
    return b"__asan_init" in data or b"__tsan_init" in data


def default_settings(postgres_port: int) -> dict[str, Any]:
    """One cluster, every database of it, clients trusted: what a test starts from. With WEIR_TEST_CACHE every result
    that may be kept is: whatever is asked, the answers must be the same."""
    cache = {"cache": {"enabled": True, "default_ttl": "60s"}} if os.environ.get("WEIR_TEST_CACHE") else {}
    return {
        **cache,
        "listen": {"threads": 1},
        "auth": {"method": "trust"},
        "cluster": {"main": {"servers": [f"127.0.0.1:{postgres_port}"]}},
        "database": {"*": {"cluster": "main"}},
        "user": {"postgres": {}},
        "pool": {"mode": "transaction", "min": 0, "max": 8},
        "log": {"level": "info"},
        "admin": {"admins": ["postgres"]},
    }


class Weir(Endpoint):
    """``weir serve`` with a configuration of its own, in a folder of its own."""

    def __init__(
        self,
        postgres_port: int,
        changes: Optional[dict[str, Any]] = None,
        *,
        http: bool = False,
        environment: Optional[dict[str, str]] = None,
        files: Optional[dict[str, str]] = None,
    ) -> None:
        super().__init__("127.0.0.1", 0)
        self.folder = Path(tempfile.mkdtemp(prefix="weir-"))
        self.settings = merged(default_settings(postgres_port), changes or {})
        self.environment = environment or {}
        self.exit_code_expected = 0
        self.http_port = 0
        self.has_http = http
        self.http_is_open = False
        self.stopped = False
        self.process: Optional["subprocess.Popen[bytes]"] = None
        for name, content in (files or {}).items():
            (self.folder / name).write_text(content)
        try:
            self._start()
        except AssertionError:
            self.kill()
            raise

    # ---- life ----------------------------------------------------------------------------------------------------

    @property
    def config_path(self) -> Path:
        return self.folder / "weir.toml"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def _start(self) -> None:
        chosen_here = "addresses" not in self.settings["listen"]
        for _ in range(START_ATTEMPTS):
            self.port, self.http_port = free_port(), free_port()
            if self._try_start(chosen_here):
                return
            if not re.search(r"in use|EADDRINUSE", self.log):
                break
        raise AssertionError(f"weir did not start:\n{self.config_path.read_text()}\n{self.log}")

    def _try_start(self, choose_address: bool) -> bool:
        if choose_address:
            self.settings["listen"]["addresses"] = [f"127.0.0.1:{self.port}"]
        address = f"127.0.0.1:{self.http_port}" if self.has_http else ""
        self.settings.setdefault("http", {})["address"] = address
        self.write_settings()
        binary = find_binary()
        assert binary is not None
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **SANITIZER_OPTIONS}
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                self.command([str(binary), "serve", "-c", str(self.config_path)]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**environment, **self.environment},
            )

        def accepts_or_gone() -> bool:
            assert self.process is not None
            return self.process.poll() is not None or self.accepts()

        try:
            wait_until(accepts_or_gone, "weir accepts connections")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.config_path.read_text()}\n{self.log}") from None
        return self.process.poll() is None

    def command(self, command: list[str]) -> list[str]:
        """The command line that runs ``command`` where Weir is to be."""
        return command

    def accepts(self) -> bool:
        """Whether every client address takes connections: they are opened one after the other."""
        try:
            return all(self._accepts_at(address) for address in self.settings["listen"]["addresses"])
        except OSError:
            return False

    def _accepts_at(self, address: str) -> bool:
        if address.startswith("unix:"):
            name = address.removeprefix("unix:")
            path = "\0" + name[1:] if name.startswith("@") else name + "/.s.PGSQL.6432"
            RawClient.connect_unix(path).close()
            return True
        host, _, port = address.rpartition(":")
        return accepts_tcp(int(port), host.strip("[]"))

    def write_settings(self, changes: Optional[dict[str, Any]] = None) -> None:
        """Writes weir.toml anew; a running process reads it at the next reload."""
        self.settings = merged(self.settings, changes or {})
        self.config_path.write_text(to_toml(self.settings))

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def reload(self, changes: Optional[dict[str, Any]] = None) -> str:
        """Writes the settings, sends HUP and waits for the line that says how it went; returns that line."""
        seen = len(self.log)
        self.write_settings(changes)
        return self.hang_up(seen)

    def hang_up(self, seen: Optional[int] = None) -> str:
        """Sends HUP and waits for the log to say whether the reload was done or refused."""
        seen = len(self.log) if seen is None else seen
        self.signal(signal.SIGHUP)
        lines = wait_until(lambda: re.findall(r".*reload.*", self.log[seen:]), "the reload is logged")
        return str(lines[-1])

    def wait_exit(self, deadline_s: float = 10) -> int:
        """Waits for the process to end by itself and returns its exit code."""
        assert self.process is not None
        return self.process.wait(scaled(deadline_s))

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """Ends the process if it still runs, then fails if it ended badly or its log shows a bug."""
        if self.stopped:
            return
        self.stopped = True
        if self.is_running():
            self.signal(signal.SIGTERM)
            try:
                self.wait_exit(1)
            except subprocess.TimeoutExpired:
                self.signal(signal.SIGTERM)  # a second one ends a drain at once
        try:
            code = self.wait_exit()
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("weir did not end after a second SIGTERM:\n" + self.log[-4000:]) from None
        self._check_end(code)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _check_end(self, code: int) -> None:
        signs = [line for line in self.log.splitlines() if BUG_SIGNS.search(line)]
        assert not signs, "weir's log shows a bug:\n" + "\n".join(signs) + "\n" + self.log[-8000:]
        assert code == self.exit_code_expected, f"weir ended with {code}:\n{self.log[-4000:]}"

    # ---- asking --------------------------------------------------------------------------------------------------

    def show(self, what: str, **overrides: Any) -> list[dict[str, Any]]:
        """The rows of ``SHOW what`` in the admin database, as dictionaries."""
        options = {"user": "postgres", "dbname": "weir", **overrides}
        connection = self.psycopg2(**options)
        try:
            with connection.cursor() as cursor:
                cursor.execute("SHOW " + what)
                names = [column.name for column in cursor.description]
                return [dict(zip(names, row)) for row in cursor.fetchall()]
        finally:
            connection.close()

    def wait_until_idle(self) -> None:
        """Waits until every backend has been given back: looking at what a statement left behind takes a moment."""
        wait_until(lambda: {server["state"] for server in self.show("SERVERS")} <= {"idle"}, "all backends are idle")

    def wait_until_gone(self, pid: int) -> None:
        """Waits until Weir has seen the end of this backend."""
        wait_until(lambda: pid not in [server["remote_pid"] for server in self.show("SERVERS")], "the backend is gone")

    def pool(self, database: str = "app", user: str = "postgres") -> dict[str, Any]:
        """One row of SHOW POOLS."""
        rows = [row for row in self.show("POOLS") if (row["database"], row["user"]) == (database, user)]
        assert len(rows) == 1, rows
        return rows[0]

    def http(self, path: str, login: Optional[str] = None) -> tuple[int, str]:
        """Status and body of an answer from the HTTP port, which is open only if the test asked for it, and may open a moment after the others."""
        assert self.has_http, "start it with http=True"
        if not self.http_is_open:
            wait_until(lambda: accepts_tcp(self.http_port), "the HTTP port is open")
            self.http_is_open = True
        return http_get("127.0.0.1", self.http_port, path, login)

    def api(self, path: str) -> Any:
        """What the JSON below /api says."""
        status, body = self.http("/api/" + path)
        assert status == 200, body
        return json.loads(body)

    def health(self, check: str = "overall", subject: Optional[str] = None) -> dict[str, Any]:
        """One row of SHOW HEALTH."""
        rows = [row for row in self.show("HEALTH") if (row["check"], row["subject"]) == (check, subject)]
        assert len(rows) == 1, rows
        return rows[0]

    def metrics(self) -> Metrics:
        status, body = self.http("/metrics")
        assert status == 200, body
        return Metrics.parse(body)

    def resident_bytes(self) -> int:
        return self._memory("VmRSS")

    def own_bytes(self) -> int:
        """Resident memory without the pages of the program and its libraries, which come when they are first used."""
        return self._memory("RssAnon")

    def _memory(self, what: str) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(what + r":\s+(\d+) kB", status)
        assert found is not None
        return int(found.group(1)) * 1024

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def cpu_share(self, during_s: float) -> float:
        """How much of one core the process uses while nothing else is asked of it."""
        before, began = self.cpu_seconds(), time.monotonic()
        time.sleep(during_s)
        return (self.cpu_seconds() - before) / (time.monotonic() - began)

    def open_sockets(self) -> int:
        """Files are not counted: the ledger opens its own at any time behind the start."""
        names = []
        for descriptor in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed just now
                names.append(os.readlink(descriptor))
        return sum(name.startswith("socket:") for name in names)
