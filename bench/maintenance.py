"""What maintenance does to clients, and what it is good for.

Partitions: a live table takes inserts through Weir at an even pace, each timed, while `weir partition create`
makes a year of partitions ahead. Aggregates: a table of millions of rows takes more through Weir, all of the last day and
so late, while Weir keeps an hourly aggregate of it; how far the aggregate is behind is asked
all the time, and at the end the dashboard's question is put to the rows and to the aggregate.
"""

import re
import statistics
import subprocess
import threading
import time

import psycopg

from clusters import verdict
from contenders import DATABASE, USER, make_weir, start_server
from processes import Failed, Stage

LIVE = """CREATE TABLE live (id bigint GENERATED ALWAYS AS IDENTITY, created_at timestamptz NOT NULL DEFAULT now(),
    what text, PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at);
CREATE INDEX ON live (what);"""

THIS_MONTH = """DO $$ BEGIN EXECUTE format('CREATE TABLE live_now PARTITION OF live FOR VALUES FROM (%L) TO (%L)',
    date_trunc('month', now()), date_trunc('month', now()) + interval '1 month'); END $$"""

EVENTS = """CREATE TABLE events (created_at timestamptz NOT NULL, app int NOT NULL, name text NOT NULL,
    value double precision NOT NULL);
INSERT INTO events SELECT date_trunc('hour', now()) - random() * interval '30 days', i % 20, 'event ' || i % 10,
    random() * 100 FROM generate_series(1, {rows}) i;
CREATE INDEX ON events (created_at);
ANALYZE events;"""

# All of the last day: hours that were complete are not any more.
INSERT = """INSERT INTO events SELECT date_trunc('hour', now()) - random() * interval '1 day', i % 20,
    'event ' || i % 10, random() * 100 FROM generate_series(1, {batch}) i"""

QUESTION = """SELECT date_trunc('day', created_at), name, count(*), sum(value) FROM events
    WHERE created_at < date_trunc('hour', now()) GROUP BY 1, 2"""
ANSWERED = "SELECT date_trunc('day', bucket), name, sum(events), sum(total) FROM hourly GROUP BY 1, 2"

MAINTENANCE = f"""
[maintenance]
enabled = true
database = "{DATABASE}"
user = "{USER}"
schedule = {{ daily = "", vacuum = "", retention = "" }}
governor = {{ max_p95_ratio = 0, max_replica_lag = "0s", max_pool_usage = 0 }}
"""

HOURLY = """
[[aggregate]]
source = "events"
target = "hourly"
time = "created_at"
bucket = "1 hour"
group_by = ["name"]
columns = { events = "count(*)", total = "sum(value)" }
late = "2 days"
every = "1s"
"""

PARTITIONED = """
[[partition]]
table = "live"
key = "created_at"
interval = "1 month"
ahead = { min = "12 months", max = "12 months" }
"""

BATCH = 100


def add_options(parser):
    """The options of `scripts/bench maintenance`."""
    parser.add_argument("--inserts", type=int, default=1000, help="a second, while partitions are made")
    parser.add_argument("--rows", type=int, default=2_000_000, help="of the table that is aggregated")
    parser.add_argument("--rate", type=int, default=10_000, help="rows a second that are added to it")
    parser.add_argument("--seconds", type=int, default=20, help="of each load")
    parser.add_argument("--threads", type=int, default=1, help="event-loop threads of weir")
    parser.add_argument("--assert-stall-ms", type=float, metavar="MS", default=300,
                        help="fail when an insert waited longer (default: %(default)s)")
    parser.add_argument("--assert-faster", type=float, metavar="N", default=10,
                        help="fail when the aggregate is less than N times faster (default: %(default)s)")


class Inserter(threading.Thread):
    """Runs one statement at an even pace; `times` are (when, seconds it took)."""

    def __init__(self, dsn, statement, a_second):
        super().__init__()
        self.times, self.failure = [], None
        self._statement, self._pause = statement, 1 / a_second
        self._connection = psycopg.connect(dsn, autocommit=True)
        self._goes_on = True

    def run(self):
        """Until end() is called; an error ends it and is kept."""
        due = time.monotonic()
        try:
            while self._goes_on:
                began = time.monotonic()
                self._connection.execute(self._statement)
                self.times.append((began, time.monotonic() - began))
                due += self._pause
                time.sleep(max(0, due - time.monotonic()))
        except psycopg.Error as error:
            self.failure = str(error)
        finally:
            self._connection.close()

    def end(self):
        """Ends it; what went wrong is raised."""
        self._goes_on = False
        self.join()
        if self.failure:
            raise Failed(f"an insert failed: {self.failure}")


def dsn_of(port):
    """Where psycopg goes."""
    return f"host=127.0.0.1 port={port} user={USER} dbname={DATABASE}"


def stalls(inserters, since, until):
    """The longest of the inserts that began in that time, in ms."""
    return max(took for one in inserters for began, took in one.times if since <= began < until) * 1000


def make_partitions(stage, server, options, failures):
    """The figures of the first part."""
    server.sql(LIVE, DATABASE)
    server.sql(THIS_MONTH, DATABASE)
    weir = make_weir(stage, [server], options, name="partitions", more=MAINTENANCE + PARTITIONED)
    weir.start()
    clients = 4
    inserters = [Inserter(dsn_of(weir.port), "INSERT INTO live (what) VALUES ('x')", options.inserts / clients)
                 for _ in range(clients)]
    for one in inserters:
        one.start()
    quiet = time.monotonic()
    time.sleep(options.seconds / 2)
    began = time.monotonic()
    done = subprocess.run([weir.binary, "partition", "create", "-c", weir.config], capture_output=True, text=True,
                          timeout=120, check=False)
    ended = time.monotonic()
    time.sleep(options.seconds / 4)
    for one in inserters:
        one.end()
    made = re.search(r"(\d+) partitions made", done.stderr)
    if done.returncode != 0 or made is None:
        raise Failed(f"weir partition create: {done.stdout}{done.stderr}")
    count = sum(len(one.times) for one in inserters)
    rate = count / (time.monotonic() - quiet)
    row = {"partitions": int(made.group(1)), "seconds": ended - began, "inserts_a_second": rate,
           "stall_ms": stalls(inserters, began, ended), "stall_before_ms": stalls(inserters, quiet, began)}
    print(f"{row['partitions']} partitions made in {row['seconds']:.2f} s at {rate:.0f} inserts a second; the longest"
          f" insert took {row['stall_ms']:.1f} ms meanwhile, {row['stall_before_ms']:.1f} ms before")
    # The month that is under way is there; a year ahead of now ends within the month twelve later.
    verdict(row["partitions"] >= 12, f"{row['partitions']} partitions made, goal 12 months ahead", failures)
    verdict(row["stall_ms"] <= options.assert_stall_ms,
            f"the longest insert {row['stall_ms']:.1f} ms, goal at most {options.assert_stall_ms:g} ms", failures)
    stage.stop(weir.pid)
    return row


def question_ms(connection, question):
    """The median of five."""
    times = []
    for _ in range(5):
        began = time.monotonic()
        connection.execute(question).fetchall()
        times.append(time.monotonic() - began)
    return statistics.median(times) * 1000


def watch(connection, inserters, base, seconds):
    """How many seconds the aggregate was behind, at each look."""
    lags = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        looked = time.monotonic()
        kept = int(connection.execute("SELECT coalesce(sum(events), 0) FROM hourly").fetchone()[0]) - base
        ends = sorted(began + took for one in inserters for began, took in list(one.times))
        missing = ends[kept // BATCH:]
        lags.append(max(0, looked - missing[0]) if missing else 0)
        time.sleep(0.2)
    return lags


def settle(connection):
    """How many seconds it takes until the aggregate has every row: a server tells of the last changes of a session
    that has nothing more to do after ten seconds. None: it never has."""
    began = time.monotonic()
    while time.monotonic() - began < 20:
        missing = connection.execute("SELECT (SELECT count(*) FROM events WHERE created_at < date_trunc('hour', now()))"
                                     " - (SELECT sum(events) FROM hourly)").fetchone()[0]
        if missing == 0:
            return time.monotonic() - began
        time.sleep(0.1)
    return None


def keep_aggregate(stage, server, options, failures):
    """The figures of the second part."""
    server.sql(EVENTS.format(rows=options.rows), DATABASE)
    weir = make_weir(stage, [server], options, name="aggregate", more=MAINTENANCE + HOURLY)
    began = time.monotonic()
    weir.start()
    with psycopg.connect(dsn_of(server.port), autocommit=True) as direct:
        total = direct.execute("SELECT count(*) FROM events").fetchone()[0]
        while True:
            there = direct.execute("SELECT to_regclass('hourly')").fetchone()[0]
            kept = there and direct.execute("SELECT coalesce(sum(events), 0) FROM hourly").fetchone()[0]
            if kept == total:
                break
            if time.monotonic() - began > 120:
                raise Failed(f"the aggregate has {kept} of {total} rows after two minutes")
            time.sleep(0.1)
        first = time.monotonic() - began
        inserters = [Inserter(dsn_of(weir.port), INSERT.format(batch=BATCH), options.rate / BATCH / 2)
                     for _ in range(2)]
        for one in inserters:
            one.start()
        lags = watch(direct, inserters, total, options.seconds)
        for one in inserters:
            one.end()
        added = sum(len(one.times) for one in inserters) * BATCH
        settled = settle(direct)
        raw, ready = question_ms(direct, QUESTION), question_ms(direct, ANSWERED)
    row = {"first_seconds": first, "rows_a_second": added / options.seconds, "lag_p50_s": statistics.median(lags),
           "lag_max_s": max(lags), "settled_s": settled, "raw_ms": raw, "aggregate_ms": ready}
    print(f"{total} rows aggregated for the first time in {first:.1f} s; then {row['rows_a_second']:.0f} late rows a"
          f" second through Weir for {options.seconds} s: the aggregate was {row['lag_p50_s']:.1f} s behind (median),"
          f" {row['lag_max_s']:.1f} s at most")
    print(f"the dashboard's question: {raw:.1f} ms on the rows, {ready:.1f} ms on the aggregate ({raw / ready:.0f} times)")
    verdict(settled is not None, "the aggregate counts every row" + (f", {settled:.1f} s after the last" if settled else
                                                                      ""), failures)
    verdict(raw / ready >= options.assert_faster,
            f"the aggregate is {raw / ready:.0f} times faster, goal {options.assert_faster:g}", failures)
    stage.stop(weir.pid)
    return row


def run(options):
    """Measures, prints, and returns what goes into the JSON file."""
    options.pool_size, options.max_clients = 8, 100
    failures = []
    stage = Stage("weir-bench")
    try:
        server = start_server(stage, 0)
        partitions = make_partitions(stage, server, options, failures)
        aggregate = keep_aggregate(stage, server, options, failures)
    finally:
        stage.end()
    return {"partitions": partitions, "aggregate": aggregate, "failures": failures}
