"""The demo's story and its report."""

import time
import urllib.error
import urllib.request

from cluster import SESSIONS_SCRIPT, shares, shares_text
from demo_crowd import Crowd, Watcher, pgbench
from demo_failover import play_failover
from demo_scenes import SCENES
from demo_stage import POOL_MAX, SCALE
from usage import memory_kib

CLIENTS = 200
CROWD_SECONDS = 12
THINK_SECONDS = 0.25
PGBENCH_CLIENTS = 64
PGBENCH_SECONDS = 4
SPLIT_CLIENTS = 32


class Report:
    """Prints the report as the show goes on and remembers which promises were kept."""

    def __init__(self):
        self.broken = []

    def section(self, title):
        """Begins a section."""
        print(f"\n{title}\n{'-' * len(title)}", flush=True)

    def line(self, text):
        """One line of it."""
        print(f"  {text}", flush=True)

    def promise(self, text, kept, seen):
        """Says whether a promise was kept, and what was seen."""
        print(f"  [{'ok' if kept else 'FAILED'}] {text}\n       {seen}", flush=True)
        if not kept:
            self.broken.append(text)


def show_stage(demo, report):
    """What runs where."""
    report.section("What runs where")
    for name, where, pid in (
            ("PostgreSQL primary", f"127.0.0.1:{demo.primary.port}", demo.primary.pid),
            *((f"PostgreSQL {replica.name}", f"127.0.0.1:{replica.port}  (streaming)", replica.pid)
              for replica in demo.cluster.replicas),
            ("Weir", f"127.0.0.1:{demo.weir.port}  database shop: reads go to the replicas, pools of at most"
                     f" {POOL_MAX} for them and {POOL_MAX} for the primary", demo.weir.pid)):
        report.line(f"{name:20} {where}   pid {pid}")
    report.line(f"max_connections of the primary: {demo.primary.sql('SHOW max_connections')[0][0]}")


def show_pool(watcher, report):
    """The pool as SHOW POOLS gave it, about ten moments of it."""
    report.line(f"{'second':>8} {'clients':>8} {'waiting':>8} {'in use':>8} {'idle':>8}"
                f" {'longest wait':>13}")
    step = max(1, len(watcher.rows) // 10)
    for row in watcher.rows[::step]:
        wait = int(row["maxwait"]) + int(row["maxwait_us"]) / 1e6
        clients = int(row["cl_active"]) + int(row["cl_waiting"])
        report.line(f"{row['at']:8.1f} {clients:8} {row['cl_waiting']:>8} {row['sv_active']:>8}"
                    f" {row['sv_idle']:>8} {wait * 1000:10.1f} ms")


def within_pools(watcher):
    """Whether no more server connections were seen than the pools allow."""
    return max(watcher.most_primary, watcher.most_replicas) <= POOL_MAX


def play_crowd(demo, report):
    """Two hundred psql over eight server connections."""
    report.section(f"{CLIENTS} psql at once, {CROWD_SECONDS} seconds (SHOW POOLS meanwhile)")
    crowd = Crowd(demo, CLIENTS)
    began = time.monotonic()
    with Watcher(demo) as watcher:
        crowd.run(CROWD_SECONDS, THINK_SECONDS)
    show_pool(watcher, report)
    took = time.monotonic() - began
    report.line(f"{crowd.visits} visits in {took:.1f} s, logins included;"
                f" Weir's resident memory: {memory_kib(demo.weir.pid) / 1024:.1f} MiB")
    report.promise(f"{CLIENTS} clients share at most {POOL_MAX} connections to the primary and {POOL_MAX} to"
                   " the replicas",
                   watcher.most_clients >= CLIENTS and within_pools(watcher)
                   and watcher.most_primary > 0 and watcher.most_replicas > 0,
                   f"clients seen: {watcher.most_clients}; connections the servers themselves counted,"
                   f" at most: {watcher.most_primary} and {watcher.most_replicas}")
    right, sold, expected = crowd.books()
    report.promise("every committed order is there, every rolled-back one is not",
                   right == CLIENTS and sold == expected,
                   f"books of {right} of {CLIENTS} clients are right; sold {sold}, bought {expected}")
    wrong, asked = crowd.strangers()
    report.promise("each client finds its own application_name on whatever connection serves it",
                   wrong == 0 and asked > 0, f"asked {asked} times, somebody else's {wrong} times")


def play_pgbench(demo, report):
    """pgbench straight to the server and through Weir."""
    report.section(f"pgbench, {PGBENCH_CLIENTS} clients, {PGBENCH_SECONDS} seconds each")
    for title, words in (("select only", ["-S"]), ("TPC-B like", []),
                         ("select only, extended", ["-S", "-M", "extended"])):
        direct = pgbench(demo, demo.primary.port, PGBENCH_CLIENTS, PGBENCH_SECONDS, *words)
        with Watcher(demo) as watcher:
            pooled = pgbench(demo, demo.weir.port, PGBENCH_CLIENTS, PGBENCH_SECONDS, *words)
        report.line(f"{title:22} direct {direct[0]:8.0f} tps {direct[1]:7.2f} ms on"
                    f" {PGBENCH_CLIENTS} connections   Weir {pooled[0]:8.0f} tps {pooled[1]:7.2f} ms"
                    f" on {watcher.most_primary}+{watcher.most_replicas}")
        if not within_pools(watcher):
            report.promise("pgbench stays within the pools", False, "server connections:"
                           f" {watcher.most_primary} and {watcher.most_replicas} on replicas")


def committed(demo):
    """Transactions so far by the name of the member. Weir's server connections are closed for that."""
    demo.admin_order("RECONNECT shop")
    return demo.cluster.committed("shop", "app")


def play_split(demo, report):
    """Readers and writers through one endpoint; the members themselves count what they did."""
    report.section(f"pgbench, {SPLIT_CLIENTS} clients, a quarter of them write, {PGBENCH_SECONDS} seconds,"
                   " one endpoint")
    script = demo.stage.write("sessions.sql", SESSIONS_SCRIPT)
    before = committed(demo)
    tps, latency = pgbench(demo, demo.weir.port, SPLIT_CLIENTS, PGBENCH_SECONDS, "-f", script,
                           "-D", f"scale={SCALE}")
    parts = shares(before, committed(demo))
    report.line(f"{tps:8.0f} tps {latency:7.2f} ms   by member: {shares_text(parts)}")
    report.promise("one endpoint serves writes from the primary and reads from every replica",
                   all(part > 0 for part in parts.values())
                   and sum(parts[replica.name] for replica in demo.cluster.replicas) > 0.5,
                   f"{1 - parts[demo.primary.name]:.0%} of the transactions were on replicas")


def play_scenes(demo, report):
    """What goes wrong, and what it costs."""
    report.section("When things go wrong")
    for scene in SCENES:
        try:
            report.promise(*scene(demo))
        except Exception as error:  # whatever a scene stumbles over is a promise not kept
            report.promise(scene.__doc__, False, f"{type(error).__name__}: {error}")


def show_http(demo, report):
    """A few lines of what monitoring sees."""
    report.section("What monitoring sees")
    base = f"http://127.0.0.1:{demo.weir.http_port}"
    answers = {}
    for path in ("/healthz", "/readyz", "/metrics"):
        try:
            with urllib.request.urlopen(base + path, timeout=5) as answer:
                answers[path] = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            answers[path] = error.code, error.read().decode()
        except OSError as error:
            answers[path] = 0, str(error)
    for line in answers["/metrics"][1].splitlines():
        if line.startswith(("weir_pool_connections", "weir_transactions_total", "weir_clients{",
                            "weir_member_role")):
            report.line(line)
    report.promise("/healthz, /readyz and /metrics answer",
                   all(status == 200 for status, _ in answers.values())
                   and "weir_pool_connections" in answers["/metrics"][1],
                   ", ".join(f"{path} {status}" for path, (status, _) in answers.items()))


def play(demo, report):
    """The whole show."""
    demo.set_up(lambda what: print(f"starting {what}", flush=True))
    show_stage(demo, report)
    play_crowd(demo, report)
    play_pgbench(demo, report)
    play_split(demo, report)
    play_scenes(demo, report)
    play_failover(demo, report)
    show_http(demo, report)
    report.promise("Weir itself is up after all this", demo.stage.alive(demo.weir.pid),
                   f"pid {demo.weir.pid}, {memory_kib(demo.weir.pid) / 1024:.1f} MiB resident")


def end_show(demo, report):
    """TERM to Weir: it must drain and end with status 0."""
    status = demo.stage.stop(demo.weir.pid)
    report.promise("TERM drains Weir and it ends", status == 0, f"exit status {status}")


def where(demo, state_file):
    """The last lines: how to reach what was left up."""
    print(f"\nleft up; `scripts/demo --stop` ends it (state in {state_file})")
    print(f"admin      PGPASSWORD={demo.ops_password} psql -h 127.0.0.1 -p {demo.weir.port}"
          " -U ops weir -c 'SHOW POOLS'")
    print(f"endpoint   PGPASSWORD={demo.app_password} psql -h 127.0.0.1 -p {demo.weir.port}"
          " -U app shop")
    print(f"status     http://127.0.0.1:{demo.weir.http_port}/metrics")
