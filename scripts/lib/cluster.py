"""A PostgreSQL primary and its streaming replicas on a Stage. Who is who changes when one is promoted."""

import shutil

from processes import wait_for
from servers import Postgres

REPLAYED = "SELECT pg_last_wal_replay_lsn() >= '{position}'::pg_lsn"
STREAMING = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
DEFAULT_SETTINGS = {"wal_level": "replica", "max_wal_senders": 10, "wal_keep_size": "256MB",
                    "hot_standby": "on", "hot_standby_feedback": "on"}

# Says which member answered. PostgreSQL's own functions that do are not asked of replicas, and this one
# is because it calls itself STABLE.
SERVED_BY = ("CREATE FUNCTION served_by() RETURNS int LANGUAGE plpgsql STABLE AS"
             " 'BEGIN RETURN current_setting(''port''); END'")

# For pgbench -f with -D scale=N: three of four sessions read, each fourth writes.
SESSIONS_SCRIPT = """\\set aid random(1, 100000 * :scale)
\\if :client_id % 4 = 0
UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :aid;
\\else
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
\\endif
"""


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

    def committed(self, database, user):
        """Transactions committed in a database so far, by the name of the member.

        Server processes report what they did at the latest when they end: this waits until none of this
        user is left, so whoever holds them must have been told to close them.
        """
        counts = {}
        for member in self.members:
            wait_for(f"connections to {member.name} to be closed", lambda member=member: member.sql(
                f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{user}'") == [["0"]])
            counts[member.name] = int(member.sql(
                f"SELECT xact_commit FROM pg_stat_database WHERE datname = '{database}'")[0][0])
        return counts

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


def shares(before, after):
    """What part of the transactions each member did between two calls of committed(), by its name."""
    grown = {name: after[name] - before[name] for name in after}
    total = sum(grown.values()) or 1
    return {name: count / total for name, count in grown.items()}


def shares_text(parts):
    """Shares for the terminal."""
    return ", ".join(f"{name} {part:.0%}" for name, part in parts.items())
