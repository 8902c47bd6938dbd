"""Whether a session sees its own writes, on replicas that replay half a second late.

Each client thread has many sessions. At each turn one of them, chosen at random, writes the next number
into its own row (every other time in a transaction block) and reads it back at once: that is a check.
Then further sessions of the thread, chosen at random too, read their own rows; some of them wrote a
moment ago, some a while ago, some never. Every read must give what that session wrote last; one that
gives less is stale. Each read also says which member served it.
"""

import random
import threading
import time

import psycopg

from clusters import Endpoint, start_cluster, verdict
from contenders import DATABASE
from processes import Failed, Stage

WRITE = "UPDATE own SET number = %s WHERE session = %s"
READ = "SELECT number, served_by() FROM own WHERE session = %s"
AT_ONCE, RECENT, OLD = "at once", "within the delay", "later or never"


def add_options(parser):
    """The options of `scripts/bench own-writes`."""
    parser.add_argument("--checks", type=int, default=10000, help="writes that are read back at once")
    parser.add_argument("--other-reads", type=int, default=4, metavar="N",
                        help="reads by other sessions for each check (default: %(default)s)")
    parser.add_argument("--clients", type=int, default=8, help="threads that run sessions")
    parser.add_argument("--sessions", type=int, default=48, help="sessions of each thread")
    parser.add_argument("--delay-ms", type=int, default=500, help="how late the replicas replay")
    parser.add_argument("--max-replica-lag", default="10s",
                        help="of weir; a replica further behind gets no reads (default: %(default)s)")
    parser.add_argument("--synchronous-commit", choices=["on", "off"], default="on",
                        help="of the servers (default: %(default)s)")
    parser.add_argument("--pool-size", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1, help="event-loop threads of weir")
    parser.add_argument("--assert-stale", type=int, metavar="N", default=0,
                        help="fail when more than N reads were stale (default: %(default)s)")


class Session:
    """One connection through Weir and the row that is its own."""

    def __init__(self, dsn, number):
        self.number, self.written, self.written_at = number, 0, float("-inf")
        self.connection = psycopg.connect(dsn, autocommit=True)
        if number % 2:  # half of them use the simple protocol or unnamed statements only
            self.connection.prepare_threshold = None

    def write(self):
        """Writes the next number; returns when the COMMIT was acknowledged."""
        self.written += 1
        if self.written % 2:
            self.connection.execute(WRITE, (self.written, self.number))
        else:
            with self.connection.transaction():
                self.connection.execute(WRITE, (self.written, self.number))
        self.written_at = time.monotonic()

    def read(self):
        """(how many of its own writes it did not see, port of the member, seconds since its last write)."""
        age = time.monotonic() - self.written_at
        number, port = self.connection.execute(READ, (self.number,)).fetchone()
        return self.written - number, port, age


class Client(threading.Thread):
    """One thread with its sessions; `reads` are (kind, missing writes, port)."""

    def __init__(self, dsn, number, options):
        super().__init__()
        self.options, self.reads, self.failure = options, [], None
        self._dice = random.Random(number)
        first = number * options.sessions
        self._sessions = [Session(dsn, first + index) for index in range(options.sessions)]
        self._checks = options.checks // options.clients + (number < options.checks % options.clients)

    def run(self):
        """All the turns of this thread; an error ends it and is kept."""
        try:
            for _ in range(self._checks):
                self._turn()
        except psycopg.Error as error:
            self.failure = f"{error.sqlstate} {error}"
        finally:
            for session in self._sessions:
                session.connection.close()

    def _turn(self):
        session = self._dice.choice(self._sessions)
        session.write()
        missing, port, _ = session.read()
        self.reads.append((AT_ONCE, missing, port))
        for other in self._dice.choices(self._sessions, k=self.options.other_reads):
            if other is session:
                continue
            missing, port, age = other.read()
            kind = RECENT if age < self.options.delay_ms / 1000 else OLD
            self.reads.append((kind, missing, port))


def tally(reads, primary):
    """By kind: {"reads", "stale", "on_replicas"}."""
    kinds = {kind: {"reads": 0, "stale": 0, "on_replicas": 0} for kind in (AT_ONCE, RECENT, OLD)}
    for kind, missing, port in reads:
        kinds[kind]["reads"] += 1
        kinds[kind]["stale"] += missing > 0
        kinds[kind]["on_replicas"] += port != primary.port
    return kinds


def share(rows):
    """The part of the reads that replicas served."""
    return sum(row["on_replicas"] for row in rows) / (sum(row["reads"] for row in rows) or 1)


def play(endpoint, options):
    """Runs all threads; returns their reads and the seconds it took."""
    clients = [Client(endpoint.dsn, number, options) for number in range(options.clients)]
    began = time.monotonic()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    took = time.monotonic() - began
    failures = [client.failure for client in clients if client.failure]
    if failures:
        raise Failed(f"a client met an error: {failures[0]}")
    return [read for client in clients for read in client.reads], took


def run(options):
    """Measures, prints, and returns what goes into the JSON file."""
    sessions = options.clients * options.sessions
    options.max_clients = sessions + 50
    failures = []
    stage = Stage("weir-bench")
    try:
        cluster = start_cluster(
            stage, settings={"synchronous_commit": options.synchronous_commit},
            of_replicas={"recovery_min_apply_delay": f"{options.delay_ms}ms"},
            tables=lambda primary: primary.sql(
                "CREATE TABLE own (session int PRIMARY KEY, number int NOT NULL DEFAULT 0);"
                f" INSERT INTO own SELECT generate_series(0, {sessions - 1})", DATABASE))
        endpoint = Endpoint(stage, cluster, options, max_replica_lag=options.max_replica_lag)
        reads, took = play(endpoint, options)
        kinds = tally(reads, cluster.primary)
    finally:
        stage.end()
    print(f"{options.checks} writes read back at once and {options.other_reads} reads of other sessions for"
          f" each, by {sessions} sessions of {options.clients} threads, in {took:.1f} s; two replicas that"
          f" replay {options.delay_ms} ms late, max_replica_lag {options.max_replica_lag}")
    print(f"\n{'session wrote last':24} {'reads':>8} {'stale':>8} {'on replicas':>12}")
    for kind, row in kinds.items():
        print(f"{kind:24} {row['reads']:8} {row['stale']:8} {share([row]):11.1%}")
    others = share([kinds[RECENT], kinds[OLD]])
    print(f"\nserved by replicas: {share(kinds.values()):.1%} of all reads, {others:.1%} of the reads of"
          " sessions that did not write just then")
    stale = sum(row["stale"] for row in kinds.values())
    verdict(stale <= options.assert_stale,
            f"{stale} stale reads of {len(reads)}, goal at most {options.assert_stale}", failures)
    # Where nothing is read from replicas nothing was shown.
    verdict(kinds[OLD]["on_replicas"] > 0, f"replicas served {kinds[OLD]['on_replicas']} reads of sessions"
            " whose writes they have, goal more than 0", failures)
    return {"kinds": kinds, "seconds": took, "share_on_replicas": share(kinds.values()),
            "share_of_others_on_replicas": others, "failures": failures}
