"""What the cache of results gains, what a miss costs, and whether it keeps to its memory.

All on two cores, by turns, as ratios. A warm cache against a direct connection: throughput of pgbench -S on few
keys, and its p99. Redis alone against a direct connection: throughput of a read that takes 5 ms. Reads that all
miss, with the cache and without: CPU time of Weir per transaction. At last results of ever other sizes go
through a small cache, several times what it holds: its resident memory is looked at all the time.
"""

import os

import cache_memory
import cache_speed
from contenders import Direct, start_server
from processes import Failed, Stage
from throughput import add_load_options

PARTS = {"hits": cache_speed.measure_hits, "redis": cache_speed.measure_redis,
         "misses": cache_speed.measure_misses, "memory": cache_memory.measure_memory}


def add_options(parser):
    """The options of `scripts/bench cache`."""
    add_load_options(parser)
    parser.add_argument("--parts", default=",".join(PARTS), help="what is measured (default: %(default)s)")
    parser.add_argument("--protocols", default="simple,prepared",
                        help="how pgbench sends; each is measured (default: %(default)s)")
    parser.add_argument("--cores", type=int, default=2, help="that all of it may use (default: %(default)s)")
    parser.add_argument("--keys", type=int, default=1000, help="that the hits are read from (default: %(default)s)")
    parser.add_argument("--max-size-mib", type=int, default=100,
                        help="cache.max_size where memory is looked at (default: %(default)s)")
    parser.add_argument("--churn", type=float, default=6.0, metavar="N",
                        help="how many times max_size is stored there (default: %(default)s)")
    parser.add_argument("--assert-hit-ratio", type=float, metavar="R", default=3.0,
                        help="fail when hits are not R times as many as a direct connection has transactions"
                             " (default: %(default)s)")
    parser.add_argument("--assert-redis-ratio", type=float, metavar="R", default=1.3,
                        help="the same of hits in Redis alone, of what takes 5 ms (default: %(default)s)")
    parser.add_argument("--assert-miss-ratio", type=float, metavar="R", default=1.10,
                        help="fail when a miss costs more than R of what Weir needs without a cache"
                             " (default: %(default)s)")
    parser.add_argument("--assert-memory-ratio", type=float, metavar="R", default=1.10,
                        help="fail when resident memory grows by more than R of max_size (default: %(default)s)")


def keep_to_cores(count):
    """This process and all that it starts."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < count:
        raise Failed(f"there are {len(cores)} cores, not {count}")
    os.sched_setaffinity(0, cores[:count])


def run(options):
    """Measures, prints, and returns what goes into the JSON file."""
    parts = [part for part in options.parts.split(",") if part]
    options.protocols = [protocol for protocol in options.protocols.split(",") if protocol]
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise Failed(f"no part '{unknown[0]}'; known: {' '.join(PARTS)}")
    options.max_clients = options.clients + 50
    keep_to_cores(options.cores)
    outcome, failures = {}, []
    stage = Stage("weir-bench")
    try:
        # Each of the Weirs has connections of its own, and a direct connection for each client.
        server = start_server(stage, options.scale, options.clients + options.pool_size * 8 + 40)
        print(f"pgbench -c {options.clients} -j {options.jobs}, pool of {options.pool_size},"
              f" {options.seconds} s each, {options.rounds} rounds, {options.cores} cores", flush=True)
        for part in parts:
            outcome[part] = PARTS[part](stage, server, Direct(server), options, failures)
    finally:
        stage.end()
    return {"parts": outcome, "failures": failures}
