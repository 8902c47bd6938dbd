"""What splitting reads from writes costs: Weir with read_write_split against Weir without it.

Both stand before the same primary and two replicas. They take turns within a round, and the order turns
with each round; the medians of the CPU time per transaction are compared. Each goes through one endpoint;
how much of the work each member did is counted by the members themselves (pg_stat_database). With the
split Weir has a second pool, of the same size, for the replicas. On one machine the members share its
cores, so throughput does not grow with their number.
"""

from cluster import SESSIONS_SCRIPT, shares, shares_text
from clusters import Endpoint, committed, start_cluster, verdict
from contenders import DATABASE, USER
from processes import Stage
from throughput import add_load_options, medians, pgbench

WORKLOADS = {
    "select, simple": ["-S", "-M", "simple"],
    "select, prepared": ["-S", "-M", "prepared"],
    # Each session writes in one of five transactions: an UPDATE, a SELECT and an INSERT. As it writes many
    # times a second, it has nearly always written something that no replica is known to have.
    "each session reads and writes": ["-b", "select-only@8", "-b", "simple-update@2"],
    "a quarter of the sessions writes": ["-f", "{script}", "-D", "scale={scale}"],
}


def add_options(parser):
    """The options of `scripts/bench split`."""
    add_load_options(parser)
    parser.add_argument("--assert-cpu-ratio", type=float, metavar="R", default=1.15,
                        help="fail when the split costs more than R of what Weir needs without it"
                             " (default: %(default)s)")


def measure(cluster, endpoints, words, options):
    """The rounds of one workload: figures by the endpoint's name, and the shares of the members."""
    warm = type(options)(**{**vars(options), "seconds": 1})
    for endpoint in endpoints:
        pgbench(endpoint, warm, *words)
    rounds = {endpoint.name: [] for endpoint in endpoints}
    parts = {}
    for number in range(options.rounds):
        turn = number % len(endpoints)
        for endpoint in endpoints[turn:] + endpoints[:turn]:
            # Counting ends the server connections, so it is done for one round only, the first.
            before = committed(cluster, endpoints) if number == 0 else None
            row = pgbench(endpoint, options, *words)
            rounds[endpoint.name].append(row)
            if before:
                parts[endpoint.name] = shares(before, committed(cluster, endpoints))
            print(f"  round {number + 1}  split {endpoint.name:4} {row['tps']:9.0f} tps"
                  f"  {row['cpu_us']:6.2f} µs/tx", flush=True)
    return rounds, parts


def judge(workload, summary, parts, options, failures):
    """Prints what came out of one workload; returns the ratio."""
    for name, row in summary.items():
        print(f"split {name:4} {row['cpu_us']:6.2f} µs/tx (user {row['user_us']:.2f},"
              f" {row['cpu_us_min']:.2f}..{row['cpu_us_max']:.2f}) {row['tps']:9.0f} tps"
              f" {row['latency_ms']:6.3f} ms   {shares_text(parts[name])}")
    ratio = summary["on"]["cpu_us"] / summary["off"]["cpu_us"]
    print(f"throughput with the split: {summary['on']['tps'] / summary['off']['tps']:.3f} of that without")
    verdict(ratio <= options.assert_cpu_ratio,
            f"{workload}: CPU time per transaction with the split is {ratio:.3f} of that without,"
            f" goal at most {options.assert_cpu_ratio:g}", failures)
    return ratio


def run(options):
    """Measures, prints, and returns what goes into the JSON file."""
    options.max_clients = options.clients + 50
    outcome, failures = {}, []
    stage = Stage("weir-bench")
    try:
        cluster = start_cluster(stage, tables=lambda primary: primary.initialize_pgbench(
            options.scale, DATABASE, USER))
        endpoints = [Endpoint(stage, cluster, options, name="off", split=False),
                     Endpoint(stage, cluster, options, name="on", split=True)]
        script = stage.write("sessions.sql", SESSIONS_SCRIPT)
        for workload, templates in WORKLOADS.items():
            words = [word.format(script=script, scale=options.scale) for word in templates]
            print(f"\n{workload}: pgbench {' '.join(words)} -c {options.clients} -j {options.jobs},"
                  f" pool of {options.pool_size}, {options.seconds} s each, {options.rounds} rounds",
                  flush=True)
            rounds, parts = measure(cluster, endpoints, words, options)
            summary = {name: medians(rows) for name, rows in rounds.items()}
            outcome[workload] = {"medians": summary, "rounds": rounds, "shares": parts, "cpu_ratio": judge(
                workload, summary, parts, options, failures)}
    finally:
        stage.end()
    return {"workloads": outcome, "failures": failures}
