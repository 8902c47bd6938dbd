"""pgbench through each contender in turn: CPU time per transaction of the proxy, and throughput.

All contenders stand in front of the same server and idle while one of them is measured. They take
turns within a round, and the order turns with each round, so that a machine that grows warm or
busy does not favour anybody. The medians over the rounds are compared.
"""

import re
import statistics
import subprocess

from contenders import DATABASE, USER, make, start_server
from processes import Failed, Stage
from usage import cpu_seconds


def add_options(parser):
    """The options of `scripts/bench throughput`."""
    parser.add_argument("--contenders", default="weir,pgbouncer,haproxy,direct",
                        help="who takes part (default: %(default)s)")
    add_load_options(parser)
    parser.add_argument("--protocol", choices=["simple", "extended", "prepared"], default="simple",
                        help="how pgbench sends; the pools are in transaction mode, where"
                             " PgBouncer carries prepared statements from 1.21 on: Debian's cannot")
    parser.add_argument("--script", choices=["select", "tpcb"], default="select")
    parser.add_argument("--assert-cpu-ratio", type=float, metavar="R",
                        help="fail when weir uses more than R of pgbouncer's CPU time")


def add_load_options(parser):
    """The options of what is measured with pgbench, in rounds."""
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--jobs", type=int, default=1, help="threads of pgbench")
    parser.add_argument("--pool-size", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1, help="event-loop threads of weir")
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=int, default=10, help="of pgbench's tables")


def measure(contender, options):
    """One run of pgbench with the script and protocol of the options; what it returns is pgbench()'s."""
    script = ["-S"] if options.script == "select" else []
    return pgbench(contender, options, *script, "-M", options.protocol)


def pgbench(contender, options, *words):
    """One run of pgbench: {"tps", "latency_ms", "transactions", and for proxies "cpu_us", "user_us",
    "system_us"} per transaction. options: clients, jobs, seconds; words are pgbench's own."""
    command = ["pgbench", "-n", *words, "-c", str(options.clients),
               "-j", str(options.jobs), "-T", str(options.seconds), "-h", "127.0.0.1",
               "-p", str(contender.port), "-U", USER, DATABASE]
    before = cpu_seconds(contender.pid) if contender.pid else None
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=options.seconds + 120, check=False)
    after = cpu_seconds(contender.pid) if contender.pid else None
    transactions = re.search(r"actually processed: (\d+)", done.stdout)
    failed = re.search(r"failed transactions: (\d+)", done.stdout)
    if done.returncode != 0 or transactions is None or (failed and failed.group(1) != "0"):
        raise Failed(f"pgbench through {contender.name}: {done.stderr.strip()[-2000:]}")
    count = int(transactions.group(1))
    result = {"tps": float(re.search(r"tps = ([\d.]+)", done.stdout).group(1)),
              "latency_ms": float(re.search(r"latency average = ([\d.]+)", done.stdout).group(1)),
              "transactions": count}
    if before:
        for key, start, end in zip(("cpu_us", "user_us", "system_us"), before, after):
            result[key] = (end - start) * 1e6 / count
    return result


def medians(rounds):
    """The median of each figure over the rounds, with the lowest and highest CPU time."""
    result = {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}
    if "cpu_us" in result:
        result["cpu_us_min"] = min(r["cpu_us"] for r in rounds)
        result["cpu_us_max"] = max(r["cpu_us"] for r in rounds)
    return result


def print_table(summary):
    """The medians as a table, with ratios to pgbouncer where it took part."""
    base = summary.get("pgbouncer")
    print(f"\n{'':10} {'CPU/tx':>9} {'user':>8} {'system':>8} {'lowest..highest':>17}"
          f" {'tps':>9} {'latency':>9} {'CPU ratio':>10} {'tps ratio':>10}")
    for name, row in summary.items():
        cpu = " ".join([f"{'-':>9}", f"{'-':>8}", f"{'-':>8}", f"{'-':>17}"])
        if "cpu_us" in row:
            spread = f"{row['cpu_us_min']:.2f}..{row['cpu_us_max']:.2f}"
            cpu = (f"{row['cpu_us']:6.2f} µs {row['user_us']:8.2f} {row['system_us']:8.2f}"
                   f" {spread:>17}")
        cpu_ratio = f"{row['cpu_us'] / base['cpu_us']:.3f}" if base and "cpu_us" in row else "-"
        tps_ratio = f"{row['tps'] / base['tps']:.3f}" if base else "-"
        print(f"{name:10} {cpu} {row['tps']:9.0f} {row['latency_ms']:6.3f} ms"
              f" {cpu_ratio:>10} {tps_ratio:>10}")
    if base:
        print("ratios: to pgbouncer; CPU ratio below 1 is cheaper, tps ratio above 1 is faster")


def run(options):
    """Measures, prints, and returns what goes into the JSON file."""
    names = [name for name in options.contenders.split(",") if name]
    options.max_clients = options.clients + 50
    stage = Stage("weir-bench")
    try:
        server = start_server(stage, options.scale, options.clients + options.pool_size * 2 + 20)
        contenders = [make(name, stage, server, options) for name in names]
        print(f"pgbench {options.script} -M {options.protocol} -c {options.clients}"
              f" -j {options.jobs}, pool of {options.pool_size}, {options.seconds} s each,"
              f" {options.rounds} rounds", flush=True)
        warm = type(options)(**{**vars(options), "seconds": 1})
        for contender in contenders:
            measure(contender, warm)
        results = {name: [] for name in names}
        for number in range(options.rounds):
            turn = number % len(contenders)
            for contender in contenders[turn:] + contenders[:turn]:
                row = measure(contender, options)
                results[contender.name].append(row)
                cpu = f"{row['cpu_us']:6.2f} µs/tx" if "cpu_us" in row else ""
                print(f"  round {number + 1}  {contender.name:10} {row['tps']:9.0f} tps  {cpu}",
                      flush=True)
    finally:
        stage.end()
    summary = {name: medians(rounds) for name, rounds in results.items()}
    print_table(summary)
    return {"medians": summary, "rounds": results, "failures": judge(summary, options)}


def judge(summary, options):
    """What was promised and not kept, as sentences."""
    limit = options.assert_cpu_ratio
    if limit is None:
        return []
    if "weir" not in summary or "pgbouncer" not in summary:
        return ["--assert-cpu-ratio needs weir and pgbouncer among the contenders"]
    ratio = summary["weir"]["cpu_us"] / summary["pgbouncer"]["cpu_us"]
    verdict = f"CPU time per transaction is {ratio:.3f} of pgbouncer's, allowed {limit:.2f}"
    print(f"{'ok' if ratio <= limit else 'FAILED'}: {verdict}")
    return [] if ratio <= limit else [verdict]
