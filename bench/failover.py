"""What clients notice when the primary is lost, or replaced as planned.

Clients write single statements and read through Weir. After a while the primary and all it started are
killed (SIGKILL), and the replica that has received most is promoted at once; the other follows it. With
--planned the database is paused in Weir instead (PAUSE), the primary shut down, the replica promoted, and
RESUME given. Commits are synchronous to all replicas, so that what was acknowledged cannot be lost with
the primary; each acknowledged write is looked for afterwards. The longest stall is how long a client
waited for one statement to succeed, failed attempts included. A statement was in flight when it was
asked before the primary was dead and answered after the first signal to it.
"""

import time

from clusters import Endpoint, start_cluster, verdict
from contenders import DATABASE
from failover_load import KINDS, TABLE, Load, errors_text
from processes import Stage


def add_options(parser):
    """The options of `scripts/bench failover`."""
    parser.add_argument("--planned", action="store_true", help="a switchover instead of a crash")
    parser.add_argument("--clients", type=int, default=32, help="half of them write")
    parser.add_argument("--processes", type=int, default=4, help="that run the clients")
    parser.add_argument("--pause-ms", type=float, default=5, help="between two turns of a client")
    parser.add_argument("--before", type=float, default=3, help="seconds of work before")
    parser.add_argument("--after", type=float, default=5, help="seconds of work after the promotion")
    parser.add_argument("--probe-interval", default="1s", help="of weir (default: %(default)s)")
    parser.add_argument("--pool-size", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1, help="event-loop threads of weir")
    parser.add_argument("--assert-stall", type=float, metavar="S",
                        help="fail when a write or a read stalled for more than S seconds")


def lose(cluster):
    """Kills the primary and promotes: when the kill began, when it was over, when there was a new one."""
    began = time.monotonic()
    cluster.kill_primary()
    dead = time.monotonic()
    cluster.promote()
    return began, dead, time.monotonic()


def replace(cluster, endpoint):
    """Replaces the primary as planned: when that began, when the old one was down, when it was over."""
    began = time.monotonic()
    endpoint.order(f"PAUSE {DATABASE}")
    cluster.stop_primary()
    down = time.monotonic()
    cluster.promote()
    endpoint.order(f"RESUME {DATABASE}")
    return began, down, time.monotonic()


def play(cluster, endpoint, options):
    """The clients at work through it all; returns the load and the three moments."""
    load = Load(endpoint.dsn, clients=options.clients, processes=options.processes,
                pause=options.pause_ms / 1000)
    load.start()
    try:
        time.sleep(options.before)
        moments = replace(cluster, endpoint) if options.planned else lose(cluster)
        time.sleep(options.after)
        load.stop()
    finally:
        load.end()
    return load, moments


def judge(load, books, moments, options):
    """Prints what came of each goal; returns what was missed."""
    failures = []
    in_flight, others = load.errors(None if options.planned else moments[:2])
    if not options.planned:
        print(f"errors of statements in flight at the kill: {errors_text(in_flight)}")
    verdict(not others, f"errors of other statements: {errors_text(others)}, goal none", failures)
    verdict(load.reconnects == 0, f"{load.reconnects} connections of clients lost, goal 0", failures)
    verdict(load.stale() == 0, f"{load.stale()} stale reads of own writes, goal 0", failures)
    verdict(books["lost"] == 0,
            f"{books['lost']} of {books['acknowledged']} acknowledged writes lost, goal 0", failures)
    verdict(books["twice"] == 0, f"{books['twice']} writes done twice, goal 0", failures)
    stuck = load.stuck(moments[2])
    verdict(stuck == 0, f"{stuck} clients did not go on, goal 0", failures)
    if options.assert_stall is not None:
        stall = max(load.longest_stall(kind) for kind in KINDS)
        verdict(stall <= options.assert_stall,
                f"longest stall {stall:.2f} s, goal at most {options.assert_stall:g} s", failures)
    return failures


def run(options):
    """Measures, prints, and returns what goes into the JSON file."""
    options.max_clients = options.clients + 50
    stage = Stage("weir-bench")
    try:
        cluster = start_cluster(stage, settings={"synchronous_commit": "on"},
                                tables=lambda primary: primary.sql(TABLE, DATABASE))
        cluster.commit_on_all()
        endpoint = Endpoint(stage, cluster, options, probe_interval=options.probe_interval)
        load, moments = play(cluster, endpoint, options)
        books = load.compare(cluster.primary, DATABASE)
    finally:
        stage.end()
    began, down, over = moments
    print(f"{options.clients} clients in {options.processes} processes, pool of {options.pool_size},"
          f" probe_interval {options.probe_interval}; {len(load.events)} statements")
    print(f"{'switchover' if options.planned else 'kill'}: old primary down after {down - began:.2f} s,"
          f" another promoted {over - down:.2f} s later")
    stalls = {kind: load.longest_stall(kind) for kind in KINDS}
    for kind, stall in stalls.items():
        print(f"{kind:20} {load.count(kind):8} done, longest stall {stall:.3f} s")
    print(f"{books['unacknowledged']} writes are there that nobody was told of")
    failures = judge(load, books, moments, options)
    in_flight, others = load.errors(None if options.planned else moments[:2])
    return {"statements": len(load.events), "longest_stall_s": stalls, "down_s": down - began,
            "promotion_s": over - down, "books": books, "stale": load.stale(),
            "errors_in_flight": [[*key, count] for key, count in in_flight.items()],
            "errors_others": [[*key, count] for key, count in others.items()], "failures": failures}
