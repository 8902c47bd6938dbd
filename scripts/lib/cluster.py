"""A PostgreSQL primary and its streaming replicas on a Stage. Who is who changes when one is promoted."""

import shutil

from processes import wait_for
from servers import Postgres

REPLAYED = "SELECT pg_last_wal_replay_lsn() >= '{position}'::pg_lsn"
STREAMING = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
DEFAULT_SETTINGS = {"wal_level": "replica", "max_wal_senders": 10, "wal_keep_size": "256MB",
                    "hot_standby": "on", "hot_standby_feedback": "on"}


class Cluster:
    """`members` in the order in which they were made; `primary` and `replicas` as things stand now."""

    def __init__(self, stage, replicas=2, settings=None):
        self.settings = {**DEFAULT_SETTINGS, **(settings or {})}
        self.primary = Postgres(stage, "primary", self.settings)
        self.replicas = [Postgres(stage, f"replica{number + 1}", self.settings)
                         for number in range(replicas)]
        self.members = [self.primary, *self.replicas]

    def start_primary(self, hba):
        """Makes and starts the primary; pg_hba.conf holds these lines."""
        self.primary.create(hba)
        self.primary.start()

    def start_replicas(self, **settings):
        """Copies the primary for each replica and starts those, with these settings besides; returns
        when all of them stream."""
        for replica in self.replicas:
            replica.settings.update(settings)
            replica.copy_from(self.primary)
            replica.start()
        self._wait_until_streaming()

    def wait_until_level(self):
        """Waits until every replica has replayed what the primary has written by now."""
        # A record of its own: at the beginning of a segment the position is past what was written.
        position = self.primary.sql("SELECT pg_logical_emit_message(false, 'weir', 'level')")[0][0]
        for replica in self.replicas:
            wait_for(f"{replica.name} to be level with the primary", lambda replica=replica:
                     replica.sql(REPLAYED.format(position=position)) == [["t"]])

    def commit_on_all(self):
        """From now on a COMMIT is acknowledged once every replica has it too: what is lost with the
        primary then was acknowledged to nobody."""
        self.primary.sql(f"ALTER SYSTEM SET synchronous_standby_names = '{len(self.replicas)} (*)'")
        self.primary.sql("SELECT pg_reload_conf()")
        wait_for("synchronous replicas", lambda: self.primary.sql(
            "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")
            == [[str(len(self.replicas))]])

    def kill_primary(self):
        """SIGKILL for the primary and everything it started; its member stays down."""
        self.primary.crash()

    def stop_primary(self):
        """A fast shutdown: the replicas get everything before it ends."""
        self.primary.stop()

    def promote(self):
        """Makes the replica that has received most the primary, and has the others follow it. To be
        called when the old primary is gone. Returns the old primary when the new one takes writes."""
        old = self.primary
        newest = max(self.replicas, key=lambda replica: int(replica.sql(
            "SELECT pg_last_wal_receive_lsn() - '0/0'")[0][0]))
        newest.sql("SELECT pg_promote()")
        self.primary = newest
        self.replicas = [replica for replica in self.replicas if replica is not newest]
        for replica in self.replicas:
            replica.follow(newest)
        return old

    def take_back(self, old):
        """Copies the primary anew for a member that was lost, which then is a replica."""
        shutil.rmtree(old.data)
        old.copy_from(self.primary)
        old.start()
        self.replicas.append(old)
        self._wait_until_streaming()

    def _wait_until_streaming(self):
        wait_for("the replicas to stream",
                 lambda: self.primary.sql(STREAMING) == [[str(len(self.replicas))]])
