"""A primary and what streams from it."""

import shutil
import subprocess
from typing import Any

from support.deadlines import wait_until
from support.postgres import BINARIES, TRUST_ALL, Postgres, Template, make_folder
from support.ports import free_port

PRIMARY_SETTINGS = {"wal_level": "replica", "max_wal_senders": "10", "wal_keep_size": "64MB"}
TRUST_REPLICATION = (*TRUST_ALL, "host replication all all trust")


def make_primary(template: Template, **settings: str) -> Postgres:
    """A server that others can stream from."""
    return Postgres(template, hba=TRUST_REPLICATION, **{**PRIMARY_SETTINGS, **settings})


class Replica(Postgres):
    """A streaming standby of another server; ``promote()`` makes it a primary."""

    def __init__(self, primary: Postgres, *, port: int = 0, **settings: str) -> None:
        """``port`` 0 is a free one."""
        self.folder = make_folder("weir-pg-")
        self.data = self.folder / "data"
        self.settings = {**primary.settings, "hot_standby": "on", "hot_standby_feedback": "on", **settings}
        self.port = port or free_port()
        self.process = None
        copy_data(primary, self)
        self.start()
        self.wait_until_near(primary)

    def wait_until_near(self, primary: Postgres) -> None:
        """Waits until it has replayed all that the primary has written by now."""
        # A record of its own: at the beginning of a segment the position is past what has been written.
        written = primary.value("SELECT pg_logical_emit_message(false, 'weir', 'near')")
        wait_until(lambda: self.value("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [written]), "it has caught up")

    def pause_replay(self) -> None:
        """Returns when it replays no more."""
        self.execute("SELECT pg_wal_replay_pause()")
        wait_until(lambda: self.value("SELECT pg_get_wal_replay_pause_state()") == "paused", "its replay is paused")

    def promote(self) -> None:
        """Returns when it takes writes."""
        self.execute("SELECT pg_promote()")
        wait_until(lambda: not self.value("SELECT pg_is_in_recovery()"), "it is a primary")


def copy_data(primary: Postgres, to: Postgres) -> None:
    """Gives a server that is stopped the data of another one, anew, to follow it from there when it is started."""
    shutil.rmtree(to.data, ignore_errors=True)
    copy = [str(BINARIES / "pg_basebackup"), "-h", primary.host, "-p", str(primary.port), "-U", "postgres",
            "-D", str(to.data), "-R", "-X", "stream", "-c", "fast"]
    subprocess.run(to.command(copy), check=True, cwd="/", capture_output=True)


def servers(*members: Postgres) -> dict[str, Any]:
    """The part of Weir's configuration that names them."""
    return {"main": {"servers": [f"127.0.0.1:{member.port}" for member in members], "probe_interval": "200ms"}}
