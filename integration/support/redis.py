"""A private Redis server in a temporary folder."""

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator, Optional, Union
from urllib.parse import quote

from support.deadlines import scaled, wait_until
from support.ports import free_low_port

START_ATTEMPTS = 5
ANSWER_TIMEOUT_S = 10.0

Answer = Union[None, int, bytes, list["Answer"]]
Word = Union[str, bytes, int]

SETTINGS = {"save": '""', "appendonly": "no", "loglevel": "notice", "bind": "127.0.0.1"}


class RedisError(Exception):
    """An error that Redis answers with."""


class Redis:
    """One server; ``kill()``, ``pause()``, ``start()`` and ``stop()`` at will. Its port stays the same over restarts.

    It writes nothing to disk by itself: what it has is gone with the process, unless ``save()`` has kept it, which the
    next start finds then.
    """

    host = "127.0.0.1"

    def __init__(self, **settings: str) -> None:
        """Keywords are settings of redis.conf, with underscores: ``requirepass="x"``,
        ``maxmemory_policy="noeviction"``, ``user="app on >secret ~* &* +@all"``."""
        self.folder = Path(tempfile.mkdtemp(prefix="weir-redis-"))
        self.settings = {**SETTINGS, **{name.replace("_", "-"): value for name, value in settings.items()}}
        self.port = free_low_port()
        self.process: Optional["subprocess.Popen[bytes]"] = None
        self.start()

    # ---- life ----------------------------------------------------------------------------------------------------

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    @property
    def socket_path(self) -> Path:
        return self.folder / "redis.sock"

    @property
    def password(self) -> str:
        """That of the user ``default``."""
        return self.settings.get("requirepass", "")

    def start(self) -> None:
        """Starts and returns when it answers. The first start may move to another port."""
        first_start = self.process is None
        for _ in range(START_ATTEMPTS):
            if self._try_start():
                return
            if first_start:
                self.port = free_low_port()
        raise AssertionError("Redis did not start:\n" + self.log)

    def _try_start(self) -> bool:
        settings = {
            "port": str(self.port),
            "dir": str(self.folder),
            "unixsocket": str(self.socket_path),
            **self.settings,
        }
        if self.password:
            settings["requirepass"] = f'"{self.password}"'
        config = self.folder / "redis.conf"
        config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["redis-server", str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/"
            )

        def answers_or_gone() -> bool:
            assert self.process is not None
            return self.process.poll() is not None or self.answers()

        wait_until(answers_or_gone, "Redis answers")
        return self.process.poll() is None

    def answers(self) -> bool:
        try:
            return self.command("PING") == b"PONG"
        except (OSError, RedisError):
            return False

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(scaled(10))

    def stop(self) -> None:
        """Ends it as an administrator would, and saves nothing."""
        if self.process is not None and self.process.poll() is None:
            self.resume()
            self.process.terminate()
            self.process.wait(scaled(10))

    def restart(self, *, keep: bool = False) -> None:
        """kill -9, and anew: empty, or with what it had at the last ``save()``."""
        self.kill()
        if not keep:
            self.forget_saved()
        self.start()

    def save(self) -> None:
        """Keeps what it has now for the starts to come."""
        assert self.command("SAVE") == b"OK"

    def forget_saved(self) -> None:
        (self.folder / "dump.rdb").unlink(missing_ok=True)

    def pause(self) -> None:
        """SIGSTOP: the kernel still takes connections and bytes for it, and nobody answers."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    @contextlib.contextmanager
    def is_paused(self) -> Iterator[None]:
        self.pause()
        try:
            yield
        finally:
            self.resume()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- asking --------------------------------------------------------------------------------------------------

    def url(self, user: str = "", password: str = "", database: int = 0) -> str:
        """Where it is, as ``cache.redis`` says it; without a password that of the user ``default``, if it has one."""
        return f"redis://{self._login(user, password)}127.0.0.1:{self.port}/{database}"

    def unix_url(self, user: str = "", password: str = "", database: int = 0) -> str:
        login = self._login(user, password)
        return f"{'redis+' if login else ''}unix://{login}{self.socket_path}{f'?db={database}' if database else ''}"

    def _login(self, user: str, password: str) -> str:
        password = password or self.password
        return f"{quote(user, safe='')}:{quote(password, safe='')}@" if password else ""

    def command(self, *words: Word, database: int = 0) -> Answer:
        """What one command answers, asked for as the user ``default`` on a connection of its own."""
        address = (self.host, self.port)
        with socket.create_connection(address, scaled(ANSWER_TIMEOUT_S)) as connection, _Stream(connection) as stream:
            if self.password:
                stream.ask("AUTH", self.password)
            if database:
                stream.ask("SELECT", database)
            return stream.ask(*words)

    def number(self, *words: Word, database: int = 0) -> int:
        answer = self.command(*words, database=database)
        assert isinstance(answer, int), answer
        return answer

    def info(self, section: str, name: str) -> int:
        """A number of INFO."""
        answer = self.command("INFO", section)
        assert isinstance(answer, bytes)
        return int(dict(line.split(":", 1) for line in answer.decode().split() if ":" in line)[name])

    def keys(self, pattern: str = "*", database: int = 0) -> list[bytes]:
        found = self.command("KEYS", pattern, database=database)
        assert isinstance(found, list)
        return [key for key in found if isinstance(key, bytes)]

    def flushall(self) -> None:
        assert self.command("FLUSHALL") == b"OK"


class _Stream:
    """Redis' protocol, version 2, on a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.file = connection.makefile("rb")

    def __enter__(self) -> "_Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def ask(self, *words: Word) -> Answer:
        out = b"*%d\r\n" % len(words)
        for word in words:
            data = word if isinstance(word, bytes) else str(word).encode()
            out += b"$%d\r\n%s\r\n" % (len(data), data)
        self.connection.sendall(out)
        return self.read()

    def read(self) -> Answer:
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionResetError("Redis closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RedisError(rest.decode(errors="replace"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return None if rest == b"-1" else [self.read() for _ in range(int(rest))]
        return rest
