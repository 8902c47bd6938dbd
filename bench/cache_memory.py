"""The part of `scripts/bench cache` that looks at the memory of results of ever other sizes."""

import contextlib
import math
import re
import subprocess
import threading
import time

from cache_speed import CACHE, cache_of, cached_weir
from clusters import verdict
from contenders import DATABASE, USER
from processes import Failed
from usage import memory_kib

MIB = 1 << 20
SAMPLE_S = 0.01

# Of a result of one row, around the value: frames, the column's name and type, what Weir keeps beside it.
AROUND = 512

SMALLEST, LARGEST = 100, MIB - AROUND

# From what size to what size, one after the other, evenly by their logarithm: after each the store is full of
# what is of no use to the next.
SIZES = [(SMALLEST, 1000), (64 * 1024, LARGEST), (1000, 16 * 1024), (SMALLEST, LARGEST)]

ONE_ROW = "CREATE TABLE one AS SELECT 0 AS id"

# Kept, for there is a number in each that no other has. Each is asked for once more at once: of a statement whose
# results nobody finds hardly any would be kept.
STORED = """\\set size int(exp(random({low}, {high}) / 1000.0))
\\set number random(1, 2000000000)
SELECT repeat('x', :size) FROM one WHERE id <> :number;
SELECT repeat('x', :size) FROM one WHERE id <> :number;
"""

# It locks its row: never answered from the cache, nor kept.
NOT_STORED = "SELECT 1 FROM one FOR SHARE;\n"

FULL_SHARE = 0.9


def mean_of(low, high):
    """What values spread evenly by their logarithm are in the mean."""
    return (high - low) / math.log(high / low)


def transact(weir, options, script, transactions, protocol):
    """One run of pgbench with so many transactions in all."""
    each = max(1, math.ceil(transactions / options.clients))
    command = ["pgbench", "-n", "-f", script, "-M", protocol, "-c", str(options.clients), "-j", str(options.jobs),
               "-t", str(each), "-h", "127.0.0.1", "-p", str(weir.port), "-U", USER, DATABASE]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900,
                          check=False)
    count = re.search(r"actually processed: (\d+)", done.stdout)
    if done.returncode != 0 or count is None or int(count.group(1)) != each * options.clients:
        raise Failed(f"pgbench through {weir.name}: {done.stderr.strip()[-2000:]}")
    return int(count.group(1))


@contextlib.contextmanager
def watched(pid, samples):
    """Adds the resident memory of the process in bytes to the samples all the time."""
    is_over = threading.Event()

    def watch():
        while not is_over.wait(SAMPLE_S):
            samples.append(memory_kib(pid) * 1024)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


def churn(stage, weir, options, samples):
    """Fills the store with each range of sizes in turn. Returns bytes and results that were stored."""
    room, stored, results = options.max_size_mib * MIB, 0, 0
    number = 0
    while stored < options.churn * room:
        low, high = SIZES[number % len(SIZES)]
        protocol = options.protocols[number % len(options.protocols)]
        script = stage.write("churn.sql", STORED.format(low=round(1000 * math.log(low)),
                                                        high=round(1000 * math.log(high))))
        # Small ones take more room than they have bytes: half of it fills the store.
        share = 0.5 if high <= 1000 else 1.25
        with watched(weir.pid, samples):
            done = transact(weir, options, script, share * room / mean_of(low, high), protocol)
        stored += done * mean_of(low, high)
        results += done
        held = cache_of(weir, "bytes", "entries")
        print(f"  {done:7} results of {low} to {high} bytes, -M {protocol}: {held['entries']} are kept in"
              f" {held['bytes'] / MIB:.1f} MiB; resident now {memory_kib(weir.pid) / 1024:.1f} MiB, at most"
              f" {max(samples) / MIB:.1f} MiB", flush=True)
        number += 1
    return stored, results


def measure_memory(stage, server, _direct, options, failures):
    """Resident memory while the sizes of results change."""
    room = options.max_size_mib * MIB
    print(f"\nmemory, max_size {options.max_size_mib} MiB", flush=True)
    server.sql(ONE_ROW + f"; ALTER TABLE one OWNER TO {USER}", DATABASE)
    weir = cached_weir(stage, server, options, name="memory",
                       more=CACHE + f'max_size = "{options.max_size_mib}MiB"\nmax_entries = 10000000\n')
    transact(weir, options, stage.write("none.sql", NOT_STORED), 2000, options.protocols[0])
    time.sleep(1.0)
    if cache_of(weir, "entries")["entries"]:
        raise Failed("something is kept before anything should be")
    baseline = memory_kib(weir.pid) * 1024
    samples = [baseline]
    stored, results = churn(stage, weir, options, samples)
    held = cache_of(weir, "bytes", "entries", "evictions", "misses", "not_kept")
    growth = max(samples) - baseline
    verdict(held["bytes"] >= FULL_SHARE * room and held["evictions"] > 0,
            f"results are kept: {held['bytes'] / room:.2f} of max_size is in use, goal at least {FULL_SHARE:g};"
            f" {held['evictions']} made room, goal more than 0; {results} were stored with {stored / room:.1f}"
            f" times max_size, {held['not_kept']} were not kept", failures)
    verdict(growth <= options.assert_memory_ratio * room,
            f"resident memory was {baseline / MIB:.1f} MiB without results and has grown by {growth / MIB:.1f} MiB at"
            f" most: {growth / room:.3f} of max_size, goal at most {options.assert_memory_ratio:g}"
            f" ({len(samples)} looks)", failures)
    return {"baseline_bytes": baseline, "growth_bytes": growth, "ratio": growth / room, "stored_bytes": stored,
            "results": results, "cache": held}
