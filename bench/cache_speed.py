"""The parts of `scripts/bench cache` that count transactions and CPU time."""

import glob
import os
import re
import statistics

from clusters import verdict
from contenders import DATABASE, USER, make_weir
from processes import Failed, wait_for
from servers import Redis, psql
from throughput import pgbench

CACHE = """[cache]
enabled = true
default_ttl = "1h"
"""

FEW_KEYS = """\\set aid random(1, {keys})
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
"""

# No two reads are alike: there is a number in each that no other has.
MANY_KEYS = """\\set aid random(1, 100000 * :scale)
\\set number random(1, 2000000000)
SELECT abalance FROM pgbench_accounts WHERE aid = :aid AND bid <> :number;
"""

SLOW_MS = 5.0
SLOW_KEYS = 20

# What is slow because the server works, and what is slow while the server is idle: the first is what a cache
# is for, from the second it gains least, as a server has more than one of it at a time.
SLOW_STATEMENTS = {
    "aggregate": "SELECT sum(abalance) FROM pgbench_accounts WHERE aid BETWEEN {aid} AND {aid} + {rows}",
    "sleep": "SELECT sleepy(abalance) FROM pgbench_accounts WHERE aid = {aid}",
}

# A lie, so that it can be cached.
SLEEPY = f"""CREATE FUNCTION sleepy(number int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    PERFORM pg_sleep({SLOW_MS / 1000});
    RETURN number;
END $$"""

# Enough for a percentile; all of them would slow the pgbench of the faster one.
LOGGED_SHARE = 0.05

HITS_MIN = 0.99


def cached_weir(stage, server, options, *, name, more=CACHE, **settings):
    """A Weir that runs, with what `more` says of its cache."""
    weir = make_weir(stage, [server], options, name=name, more=more, **settings)
    weir.start()
    return weir


def cache_of(weir, *columns):
    """These columns of SHOW CACHE, as numbers by name."""
    row = psql(f"host=127.0.0.1 port={weir.port} user={USER} dbname=weir",
               f"SELECT {', '.join(columns)} FROM cache")[0]
    return {column: int(value) for column, value in zip(columns, row)}


def warm(contender, options, *words):
    """A short run that is not measured."""
    return pgbench(contender, type(options)(**{**vars(options), "seconds": 2}), *words)


def p99_us(stage, contender, options, *words):
    """One run of pgbench, what it returns with "p99_us" of a share of its transactions."""
    prefix = os.path.join(stage.folder, f"{contender.name}-times")
    row = pgbench(contender, options, *words, "-l", "--sampling-rate", str(LOGGED_SHARE), "--log-prefix", prefix)
    times = []
    for path in glob.glob(prefix + ".*"):
        with open(path, encoding="ascii") as log:
            times += [int(line.split()[2]) for line in log]
        os.unlink(path)
    if not times:
        raise Failed(f"pgbench through {contender.name} logged nothing")
    times.sort()
    return {**row, "p99_us": times[min(len(times) - 1, int(len(times) * 0.99))]}


def in_turns(stage, contenders, options, *words):
    """The rounds of all, by name; the order turns with each round."""
    rounds = {contender.name: [] for contender in contenders}
    for number in range(options.rounds):
        turn = number % len(contenders)
        for contender in contenders[turn:] + contenders[:turn]:
            row = p99_us(stage, contender, options, *words)
            rounds[contender.name].append(row)
            cpu = f"  {row['cpu_us']:6.2f} µs/tx" if "cpu_us" in row else ""
            print(f"  round {number + 1}  {contender.name:8} {row['tps']:9.0f} tps  p99 {row['p99_us'] / 1000:7.3f} ms"
                  f"{cpu}", flush=True)
    return rounds


def ratio_of(rounds, one, other, key):
    """The median over the rounds of one's figure as a multiple of the other's."""
    return statistics.median(mine[key] / its[key] for mine, its in zip(rounds[one], rounds[other]))


def median_of(rounds, name, key):
    """The median over the rounds."""
    return statistics.median(row[key] for row in rounds[name])


def hits_during(weir, column, rounds, before):
    """The share of the transactions that were answered with what `column` of SHOW CACHE counts."""
    transactions = sum(row["transactions"] for row in rounds[weir.name])
    return (cache_of(weir, column)[column] - before[column]) / transactions


def measure_hits(stage, server, direct, options, failures):
    """A warm cache against a direct connection."""
    weir = cached_weir(stage, server, options, name="cached")
    script = stage.write("few.sql", FEW_KEYS.format(keys=options.keys))
    outcome = {}
    for protocol in options.protocols:
        words = ["-f", script, "-M", protocol]
        print(f"\nhits of {options.keys} keys, -M {protocol}", flush=True)
        for contender in (weir, direct):
            warm(contender, options, *words)
        before = cache_of(weir, "hits")
        rounds = in_turns(stage, [weir, direct], options, *words)
        share = hits_during(weir, "hits", rounds, before)
        tps = ratio_of(rounds, "cached", "direct", "tps")
        p99 = ratio_of(rounds, "cached", "direct", "p99_us")
        verdict(share >= HITS_MIN, f"{protocol}: {share:.2%} of the reads are hits, goal at least {HITS_MIN:.0%}",
                failures)
        verdict(tps >= options.assert_hit_ratio,
                f"{protocol}: hits have {tps:.2f} times the throughput of a direct connection, goal at least"
                f" {options.assert_hit_ratio:g}", failures)
        verdict(p99 < 1.0, f"{protocol}: the p99 of hits is {p99:.3f} of a direct connection's, goal below 1"
                f" ({median_of(rounds, 'cached', 'p99_us') / 1000:.3f} ms and"
                f" {median_of(rounds, 'direct', 'p99_us') / 1000:.3f} ms)", failures)
        outcome[protocol] = {"rounds": rounds, "tps_ratio": tps, "p99_ratio": p99, "hits": share}
    return outcome


def server_ms(server, statement):
    """What the server needs for it, alone and warm."""
    times = []
    for _ in range(7):
        plan = server.sql(f"EXPLAIN (ANALYZE, TIMING OFF) {statement}", DATABASE)
        times.append(float(re.search(r"Execution Time: ([\d.]+) ms", plan[-1][0]).group(1)))
    return statistics.median(times)


def rows_that_take(server, options, wanted_ms):
    """How many rows the aggregate must read to take so long."""
    rows, most = 10000, 100000 * options.scale - SLOW_KEYS
    for _ in range(6):
        took = server_ms(server, SLOW_STATEMENTS["aggregate"].format(aid=1, rows=rows))
        if abs(took / wanted_ms - 1) < 0.05:
            break
        rows = min(most, max(100, int(rows * wanted_ms / took)))
    return rows


def prepare_slow(server, options):
    """Makes what the slow statements need. Returns their texts by name, with pgbench's :aid in them."""
    for setting in ("jit = off", "max_parallel_workers_per_gather = 0"):
        server.sql(f"ALTER SYSTEM SET {setting}")
    server.sql("SELECT pg_reload_conf()")
    server.sql(SLEEPY, DATABASE)
    rows = rows_that_take(server, options, SLOW_MS)
    texts = {}
    for name, text in SLOW_STATEMENTS.items():
        took = server_ms(server, text.format(aid=1, rows=rows))
        print(f"  {name}: the server needs {took:.2f} ms when it has nothing else to do", flush=True)
        texts[name] = text.format(aid=":aid", rows=rows)
    return texts


def measure_redis(stage, server, direct, options, failures):
    """Results in Redis alone against a direct connection, of reads that take a while."""
    print("\nresults in Redis alone", flush=True)
    texts = prepare_slow(server, options)
    redis = Redis(stage)
    redis.start()
    weir = cached_weir(stage, server, options, name="redis-only",
                       more=CACHE + f'max_size = "0B"\nredis = "{redis.url}"\n')
    admin = f"host=127.0.0.1 port={weir.port} user={USER} dbname=weir"
    outcome = {}
    for name, text in texts.items():
        script = stage.write(f"{name}.sql", f"\\set aid random(1, {SLOW_KEYS})\n{text};\n")
        for protocol in options.protocols:
            words = ["-f", script, "-M", protocol]
            print(f"\nhits in Redis, {name}, -M {protocol}", flush=True)
            for contender in (weir, direct):
                warm(contender, options, *words)
            wait_for("Redis to be trusted", lambda: psql(admin, "SELECT redis_state FROM cache") == [["up"]])
            warm(weir, options, *words)
            before = cache_of(weir, "redis_hits", "coalesced")
            rounds = in_turns(stage, [weir, direct], options, *words)
            share = sum(hits_during(weir, column, rounds, before) for column in before)
            tps = ratio_of(rounds, weir.name, "direct", "tps")
            verdict(share >= HITS_MIN, f"{name}, {protocol}: {share:.2%} of the reads are answered from Redis, goal"
                    f" at least {HITS_MIN:.0%}", failures)
            verdict(tps >= options.assert_redis_ratio,
                    f"{name}, {protocol}: hits in Redis alone have {tps:.2f} times the throughput of a direct"
                    f" connection, goal at least {options.assert_redis_ratio:g}", failures)
            outcome[f"{name}, {protocol}"] = {"rounds": rounds, "tps_ratio": tps, "hits": share}
    return outcome


def measure_misses(stage, server, _direct, options, failures):
    """Reads of which no two are alike, with a cache that has found out that they are never found, and without."""
    off = cached_weir(stage, server, options, name="off", more="[cache]\nenabled = false\n")
    on = cached_weir(stage, server, options, name="on", more=CACHE + 'max_size = "8MiB"\n')
    script = stage.write("many.sql", MANY_KEYS)
    outcome = {}
    for protocol in options.protocols:
        words = ["-f", script, "-M", protocol, "-D", f"scale={options.scale}"]
        print(f"\nmisses, -M {protocol}", flush=True)
        for contender in (off, on):
            warm(contender, options, *words)
        wait_for("reads without the cache", lambda: warm(on, options, *words) and cache_of(on, "skipped")["skipped"] > 0)
        before = cache_of(on, "misses", "not_kept", "evictions", "skipped")
        rounds = in_turns(stage, [off, on], options, *words)
        share = hits_during(on, "misses", rounds, before)
        ratio = ratio_of(rounds, "on", "off", "cpu_us")
        kept = {column: value - before[column] for column, value in cache_of(on, *before).items()}
        verdict(share >= HITS_MIN and kept["not_kept"] == 0,
                f"{protocol}: {share:.2%} of the reads are misses, goal at least {HITS_MIN:.0%}; {kept['not_kept']}"
                f" were not kept, goal 0; {kept['evictions']} made room, {kept['skipped']} were skipped", failures)
        verdict(ratio <= options.assert_miss_ratio,
                f"{protocol}: CPU time per transaction is {median_of(rounds, 'on', 'cpu_us'):.2f} µs for misses and"
                f" {median_of(rounds, 'off', 'cpu_us'):.2f} µs without a cache: {ratio:.3f}, goal at most"
                f" {options.assert_miss_ratio:g}", failures)
        outcome[protocol] = {"rounds": rounds, "cpu_ratio": ratio, "misses": share}
    return outcome
