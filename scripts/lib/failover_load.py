"""Clients that write and read through one endpoint without a pause, what they met, and what is left of it.

Each client is a thread with one connection, a handful of them in a process of their own, so that what is
seen is the endpoint and not the interpreter. Half of the clients write: single INSERTs, each followed by a
read of what this client wrote. The other half read only. All times are the system's monotonic clock,
which processes share.
"""

import collections
import multiprocessing
import os
import queue
import random
import signal
import threading
import time

import psycopg

from processes import Failed

TABLE = """CREATE TABLE kept (client int NOT NULL, number int NOT NULL);
CREATE INDEX ON kept (client, number);"""
WRITE, OWN_READ, READ = "write", "read of own writes", "read"
KINDS = (WRITE, OWN_READ, READ)
OK, STALE = "ok", "stale"
HANGS_AFTER = 90.0
FORK = multiprocessing.get_context("fork")

Event = collections.namedtuple("Event", "kind began ended outcome")  # outcome: OK, STALE or SQLSTATE


class Client(threading.Thread):
    """One connection at work until it is told to stop; `acknowledged` are the numbers it wrote."""

    def __init__(self, load, number):
        super().__init__(daemon=True)
        self.load, self.number = load, number
        self.writes = number % 2 == 0
        self.events, self.acknowledged, self.reconnects = [], [], 0
        self._connection = None
        self._dice = random.Random(number)

    def run(self):
        """Turn after turn."""
        number = 0
        while not self.load.is_over():
            if self.writes:
                number += 1
                if self._does(WRITE, lambda number=number: self._write(number)) == OK:
                    self.acknowledged.append(number)
                self._does(OWN_READ, self._read_own)
            else:
                self._does(READ, self._read)
            time.sleep(self.load.pause)
        if self._connection is not None:
            self._connection.close()

    def _does(self, kind, what):
        began = time.monotonic()
        try:
            if self._connection is None or self._connection.closed:
                self._connect()
            outcome = OK if what() else STALE
        except psycopg.Error as error:
            outcome = error.sqlstate or f"no SQLSTATE: {str(error).splitlines()[0]}"
        self.events.append(Event(kind, began, time.monotonic(), outcome))
        return outcome

    def _connect(self):
        self.reconnects += self._connection is not None
        self._connection = psycopg.connect(self.load.dsn, password=self.load.password, autocommit=True)
        if self.number % 4 < 2:  # half of them prepare by name, as psycopg does by itself
            self._connection.prepare_threshold = None

    def _write(self, number):
        self._connection.execute("INSERT INTO kept VALUES (%s, %s)", (self.number, number))
        return True

    def _read_own(self):
        seen = self._connection.execute("SELECT coalesce(max(number), 0) FROM kept WHERE client = %s",
                                        (self.number,)).fetchone()[0]
        return seen >= (self.acknowledged[-1] if self.acknowledged else 0)

    def _read(self):
        somebody = self._dice.randrange(0, self.load.clients, 2)
        self._connection.execute("SELECT max(number) FROM kept WHERE client = %s", (somebody,)).fetchone()
        return True


class Load:
    """The clients of all processes. start(), then stop(), then what they saw is in `events`."""

    def __init__(self, dsn, *, clients=32, processes=4, pause=0.005, password=None):
        """pause: seconds between two turns of a client; the table must be there (TABLE)."""
        self.dsn, self.password, self.clients, self.pause = dsn, password, clients, pause
        self.over = FORK.Value("b", 0, lock=False)
        self.by_client = {}  # number: events
        self.acknowledged = {}  # number: what it wrote and was told so
        self.reconnects = 0
        self._queue = FORK.Queue()
        self._parent = os.getpid()
        self._processes = [FORK.Process(target=self._work, args=(range(first, clients, processes),),
                                        daemon=True)
                           for first in range(processes)]

    @property
    def events(self):
        """All that was done, in no order."""
        return [event for events in self.by_client.values() for event in events]

    def is_over(self):
        """For the clients: whether they are to end, as they also do when nobody is left to tell them."""
        return self.over.value or os.getppid() != self._parent

    def start(self):
        """Begins; returns at once."""
        for process in self._processes:
            process.start()

    def stop(self):
        """Lets each client finish what it is at and collects; Failed when one hangs."""
        self.over.value = 1
        try:
            for _ in self._processes:
                try:
                    answer = self._queue.get(timeout=HANGS_AFTER)
                except queue.Empty:
                    raise Failed(f"a client hangs: no answer within {HANGS_AFTER:g} s") from None
                for number, events, acknowledged, reconnects in answer:
                    self.by_client[number] = [Event(*event) for event in events]
                    self.acknowledged[number] = acknowledged
                    self.reconnects += reconnects
        finally:
            self.end()

    def end(self):
        """Ends the processes, whatever they are at."""
        for process in self._processes:
            if process.is_alive():
                process.join(1.0 if self.by_client else 0.0)
            if process.is_alive():
                process.kill()

    def _work(self, numbers):
        # Ctrl-C reaches every process of the terminal; the parent then ends this one.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        clients = [Client(self, number) for number in numbers]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        self._queue.put([(client.number, [tuple(event) for event in client.events], client.acknowledged,
                          client.reconnects) for client in clients])

    def count(self, kind):
        """How many of this kind went well."""
        return sum(event.kind == kind and event.outcome == OK for event in self.events)

    def longest_stall(self, kind):
        """The longest time in seconds that a client waited for one to succeed, failed ones included."""
        longest = 0.0
        for events in self.by_client.values():
            since = None
            for event in events:
                if event.kind == kind:
                    since = event.began if since is None else since
                    longest = max(longest, event.ended - since)
                    since = None if event.outcome in (OK, STALE) else since
        return longest

    def stale(self):
        """How often a client did not see what it had written."""
        return sum(event.outcome == STALE for event in self.events)

    def stuck(self, moment):
        """How many clients had no success after this moment in something they do."""
        def fails(events):
            after = {event.kind for event in events if event.outcome == OK and event.began > moment}
            return any(event.kind not in after for event in events)
        return sum(fails(events) for events in self.by_client.values())

    def errors(self, loss=None):
        """Errors by (kind, SQLSTATE): those in flight at the loss of the primary, and the others.

        loss is when that began and when it was over. What had been asked before the end of it and was
        answered after its beginning was in flight.
        """
        in_flight, others = collections.Counter(), collections.Counter()
        for event in self.events:
            if event.outcome not in (OK, STALE):
                under_way = loss is not None and event.began <= loss[1] and event.ended >= loss[0]
                (in_flight if under_way else others)[event.kind, event.outcome] += 1
        return in_flight, others

    def compare(self, primary, database):
        """What the primary holds against what was acknowledged: {"acknowledged", "lost", "twice",
        "unacknowledged"}, the last being there without anybody having been told."""
        there = collections.Counter(
            (int(client), int(number)) for client, number in
            primary.sql("SELECT client, number FROM kept", database))
        told = {(client, number) for client, numbers in self.acknowledged.items() for number in numbers}
        return {"acknowledged": len(told), "lost": len(told - set(there)),
                "twice": sum(count > 1 for count in there.values()),
                "unacknowledged": len(set(there) - told)}


def errors_text(errors):
    """Errors for the terminal."""
    return ", ".join(f"{count} x {state} ({kind})"
                     for (kind, state), count in sorted(errors.items())) or "none"
