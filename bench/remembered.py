"""What it costs to remember statements, and how true the memory is.

Weir with its ledger, the sums of every digest and the log of slow statements stands beside Weir with all
of that off, before the same server; they take turns, and the medians of the CPU time per transaction are
compared. Then statements of random length run through the first, and the percentiles that SHOW STATEMENTS
tells are compared with those of pgbench's own log of each transaction. At last every statement is to be
kept while another program holds the ledger's file: nobody may wait for that.
"""

import contextlib
import glob
import os
import sqlite3
import statistics
import subprocess
import time

from contenders import DATABASE, USER, make_weir, start_server
from processes import Failed, Stage
from servers import psql
from throughput import add_load_options, medians, pgbench

OFF = """[policy]
log_statements = "none"
slow_query = "0s"
"""

ON = """[policy]
log_statements = "slow"
slow_query = "1s"
"""

SLEEPS = """\\set ms random_exponential(4, 80, 3)
SELECT pg_sleep(:ms / 1000.0);
"""

# Each statement is a row of its own: more than fit while the file is held.
EVERYTHING = "sample_rate = 1.0"

# What a worker has counted is handed over every second.
SETTLED_S = 3

QUANTILES = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}


def add_options(parser):
    """The options of `scripts/bench remembered`."""
    add_load_options(parser)
    parser.add_argument("--protocol", choices=["simple", "extended", "prepared"], default="simple",
                        help="how pgbench sends")
    parser.add_argument("--assert-cpu-ratio", type=float, metavar="R", default=1.12,
                        help="fail when remembering costs more than R of what Weir needs without it"
                             " (default: %(default)s)")
    parser.add_argument("--assert-held-ratio", type=float, metavar="R", default=0.95,
                        help="fail when less than R of the throughput is left while the ledger's file is held"
                             " (default: %(default)s)")
    parser.add_argument("--assert-error", type=float, metavar="E", default=0.03,
                        help="fail when a percentile is off by more than this share (default: %(default)s)")


def measure_cost(weirs, options):
    """The rounds of both, by name."""
    words = ["-S", "-M", options.protocol]
    warm = type(options)(**{**vars(options), "seconds": 1})
    for weir in weirs:
        pgbench(weir, warm, *words)
    rounds = {weir.name: [] for weir in weirs}
    for number in range(options.rounds):
        turn = number % len(weirs)
        for weir in weirs[turn:] + weirs[:turn]:
            row = pgbench(weir, options, *words)
            rounds[weir.name].append(row)
            print(f"  round {number + 1}  {weir.name:4} {row['tps']:9.0f} tps  {row['cpu_us']:6.2f} µs/tx",
                  flush=True)
    return rounds


def exact_quantiles(stage, weir, options):
    """Runs the sleeps. Returns how many, and pgbench's own percentiles of them in ms."""
    script = stage.write("sleeps.sql", SLEEPS)
    prefix = os.path.join(stage.folder, "sleeps")
    seconds = max(20, options.seconds)
    command = ["pgbench", "-n", "-f", script, "-c", str(options.pool_size), "-T", str(seconds), "-l",
               "--log-prefix", prefix, "-h", "127.0.0.1", "-p", str(weir.port), "-U", USER, DATABASE]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=seconds + 120, check=False)
    if done.returncode != 0:
        raise Failed(f"pgbench: {done.stderr.strip()[-2000:]}")
    times = []
    for path in glob.glob(prefix + ".[0-9]*"):
        with open(path, encoding="ascii") as log:
            times += [int(line.split()[2]) for line in log]
    times.sort()
    return len(times), {key: times[min(len(times) - 1, int(len(times) * share))] / 1000
                        for key, share in QUANTILES.items()}


def judge(failures, is_kept, sentence):
    """Prints what was promised, and whether it was kept."""
    print(f"{'ok' if is_kept else 'FAILED'}: {sentence}")
    if not is_kept:
        failures.append(sentence)


def compare_quantiles(stage, weir, options, failures):
    """The percentiles of both, by name."""
    calls, exact = exact_quantiles(stage, weir, options)
    columns = ", ".join(QUANTILES)
    time.sleep(SETTLED_S)
    told = psql(f"host=127.0.0.1 port={weir.port} user={USER} dbname=weir",
                f"SELECT calls, {columns} FROM statements WHERE query LIKE '%pg_sleep%'")[0]
    judge(failures, int(told[0]) == calls, f"{told[0]} of {calls} statements are remembered")
    result = {}
    for (key, right), text in zip(exact.items(), told[1:]):
        error = abs(float(text) - right) / right
        result[key] = {"exact": right, "remembered": float(text), "error": error}
        judge(failures, error <= options.assert_error,
              f"{key}: {float(text):.2f}, pgbench's log says {right:.2f}: {error:.2%} off,"
              f" at most {options.assert_error:.0%}")
    return result


@contextlib.contextmanager
def held(path):
    """Nobody else can write to this SQLite file meanwhile."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            holder.execute("ROLLBACK")


def ledger_of(weir):
    """What SHOW LEDGER tells: {"written", "dropped"}, rows."""
    written, dropped = psql(f"host=127.0.0.1 port={weir.port} user={USER} dbname=weir",
                            "SELECT rows_written, dropped_statements FROM ledger")[0]
    return {"written": int(written), "dropped": int(dropped)}


def slowest_ms(stage, weir):
    """The longest that a transaction took, by the log of pgbench's last run with --aggregate-interval."""
    slowest = 0
    for path in glob.glob(os.path.join(stage.folder, f"{weir.name}-held.*")):
        with open(path, encoding="ascii") as log:
            slowest = max([slowest] + [int(line.split()[5]) for line in log])
        os.unlink(path)
    return slowest / 1000


def compare_held(stage, weir, path, options, failures):
    """Rounds with the file free and held, in turns."""
    words = ["-S", "-M", options.protocol, "-l", "--aggregate-interval", "1",
             "--log-prefix", os.path.join(stage.folder, f"{weir.name}-held")]
    tps, slowest = {"free": [], "held": []}, {"free": [], "held": []}
    before = ledger_of(weir)
    for number in range(options.rounds):
        for state in tps:
            with held(path) if state == "held" else contextlib.nullcontext():
                row = pgbench(weir, options, *words)
            tps[state].append(row["tps"])
            slowest[state].append(slowest_ms(stage, weir))
            print(f"  round {number + 1}  {state} {row['tps']:9.0f} tps  slowest {slowest[state][-1]:6.1f} ms",
                  flush=True)
    dropped = ledger_of(weir)["dropped"] - before["dropped"]
    time.sleep(SETTLED_S)
    is_writing = ledger_of(weir)["written"]
    pgbench(weir, options, *words[:3])
    is_writing = ledger_of(weir)["written"] > is_writing
    middle = {state: statistics.median(rows) for state, rows in tps.items()}
    longest = {state: statistics.median(rows) for state, rows in slowest.items()}
    ratio = middle["held"] / middle["free"]
    judge(failures, ratio >= options.assert_held_ratio,
          f"{middle['held']:.0f} tps while the file is held and {middle['free']:.0f} while it is not: {ratio:.3f},"
          f" at least {options.assert_held_ratio:g}; the slowest of a round took {longest['held']:.1f} ms and"
          f" {longest['free']:.1f} ms")
    judge(failures, dropped > 0, f"{dropped} statements that did not fit are counted as dropped")
    judge(failures, is_writing, "and it writes again")
    return {"tps": tps, "slowest_ms": slowest, "ratio": ratio, "dropped": dropped}


def run(options):
    """Measures, prints, and returns what goes into the JSON file."""
    options.max_clients = options.clients + 50
    failures = []
    stage = Stage("weir-bench")
    try:
        server = start_server(stage, options.scale, options.clients + options.pool_size * 2 + 20)
        # One after the other: each takes a port that is free.
        off = make_weir(stage, [server], options, name="off", ledger="", more=OFF)
        off.start()
        on = make_weir(stage, [server], options, name="on", more=ON)
        on.start()
        print(f"pgbench -S -M {options.protocol} -c {options.clients} -j {options.jobs}, pool of"
              f" {options.pool_size}, {options.seconds} s each, {options.rounds} rounds", flush=True)
        rounds = measure_cost([off, on], options)
        summary = {name: medians(rows) for name, rows in rounds.items()}
        ratio = summary["on"]["cpu_us"] / summary["off"]["cpu_us"]
        judge(failures, ratio <= options.assert_cpu_ratio,
              f"CPU time per transaction is {summary['on']['cpu_us']:.2f} µs with the ledger and"
              f" {summary['off']['cpu_us']:.2f} µs without: {ratio:.3f}, at most {options.assert_cpu_ratio:g}")
        quantiles = compare_quantiles(stage, on, options, failures)
        path = os.path.join(stage.folder, "all-ledger.db")
        everything = make_weir(stage, [server], options, name="all", ledger=path, of_ledger=EVERYTHING, more=ON)
        everything.start()
        held_rounds = compare_held(stage, everything, path, options, failures)
    finally:
        stage.end()
    return {"medians": summary, "rounds": rounds, "cpu_ratio": ratio, "quantiles": quantiles, "held": held_rounds,
            "failures": failures}
