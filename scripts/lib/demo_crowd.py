"""The demo's traffic: two hundred psql at once, pgbench, and somebody who watches meanwhile."""

import contextlib
import heapq
import random
import re
import subprocess
import threading
import time

import psycopg

from processes import Failed

# What one visit of a client sends. Each is a transaction, or a read by itself; between visits a
# client thinks, as people and web requests do, and needs no server connection.
BUY = """BEGIN;
INSERT INTO orders (client, item) VALUES ('{name}', {item});
UPDATE stock SET sold = sold + 1 WHERE item = {item};
SELECT 'name', current_setting('application_name');
COMMIT;
"""
CHANGE_OF_MIND = """BEGIN;
INSERT INTO orders (client, item) VALUES ('{name}', {item});
UPDATE stock SET sold = sold + 1 WHERE item = {item};
ROLLBACK;
"""
LOOK = """SELECT 'name', current_setting('application_name');
SELECT 'mine', count(*) FROM orders WHERE client = '{name}';
"""
SLOW_REPORT = """BEGIN;
SELECT 'sold', sum(sold) FROM stock;
SELECT pg_sleep(0.06);
COMMIT;
"""
VISITS = ((BUY, 5), (CHANGE_OF_MIND, 1), (LOOK, 3), (SLOW_REPORT, 1))


class Crowd:
    """Many psql processes, each a client of its own, fed at random moments."""

    def __init__(self, demo, count):
        self.demo, self.count = demo, count
        self.names = [f"shop-{number:03}" for number in range(count)]
        self.bought = dict.fromkeys(self.names, 0)
        self.visits = 0
        self._processes = {}

    def run(self, seconds, think):
        """Plays for this long; think is the mean pause of a client. Raises Failed when one fails."""
        dice = random.Random(15432)
        try:
            self._arrive()
            began = time.monotonic()
            agenda = [(began + dice.random() * think, name) for name in self.names]
            heapq.heapify(agenda)
            while agenda and agenda[0][0] < began + seconds:
                due, name = agenda[0]
                time.sleep(max(0.0, due - time.monotonic()))
                self._visit(name, dice)
                heapq.heapreplace(agenda, (due + dice.expovariate(1 / think), name))
            self._leave()
        finally:
            for process in self._processes.values():
                if process.poll() is None:
                    process.kill()

    def _arrive(self):
        for name in self.names:
            with open(self.demo.stage.path(f"{name}.out"), "wb") as out:
                self._processes[name] = subprocess.Popen(
                    ["psql", "-X", "-q", "-A", "-t", "-F", " ", "-v", "ON_ERROR_STOP=1",
                     "-d", self.demo.through_weir(application_name=name)],
                    stdin=subprocess.PIPE, stdout=out, stderr=out, env=self.demo.client_env())

    def _visit(self, name, dice):
        visit = dice.choices([v for v, _ in VISITS], [weight for _, weight in VISITS])[0]
        if self._processes[name].poll() is not None:
            raise Failed(f"client {name} ended: {self._said(name)[-500:]}")
        text = visit.format(name=name, item=dice.randint(1, 1000))
        self._processes[name].stdin.write(text.encode())
        self._processes[name].stdin.flush()
        self.visits += 1
        self.bought[name] += 1 if visit is BUY else 0

    def _leave(self):
        for process in self._processes.values():
            process.stdin.close()
        for name, process in self._processes.items():
            try:
                status = process.wait(60)
            except subprocess.TimeoutExpired:
                raise Failed(f"client {name} hangs: {self._said(name)[-500:]}") from None
            if status != 0:
                raise Failed(f"client {name} failed: {self._said(name)[-500:]}")

    def _said(self, name):
        with open(self.demo.stage.path(f"{name}.out"), encoding="utf-8") as out:
            return out.read()

    def strangers(self):
        """How often a client was shown an application_name that is not its own, and out of how many."""
        wrong = asked = 0
        for name in self.names:
            for seen in re.findall(r"^name (.*)$", self._said(name), re.MULTILINE):
                asked += 1
                wrong += seen != name
        return wrong, asked

    def books(self):
        """Whether orders and stock say exactly what the clients committed: (orders, sold, expected)."""
        counted = dict(self.demo.primary.sql("SELECT client, count(*) FROM orders GROUP BY 1", "shop"))
        sold = int(self.demo.primary.sql("SELECT sum(sold) FROM stock", "shop")[0][0])
        right = sum(int(counted.get(name, 0)) == bought for name, bought in self.bought.items())
        return right, sold, sum(self.bought.values())


class Watcher:
    """Samples the admin database and the servers' own lists of connections while traffic runs."""

    def __init__(self, demo):
        self.demo = demo
        self.rows = []  # one dictionary per sample of SHOW POOLS
        self.most_clients = self.most_primary = self.most_replicas = 0
        self.failure = None
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._watch_pool),
                         threading.Thread(target=self._watch_servers)]

    def __enter__(self):
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self.failure is not None:
            raise Failed(f"watching failed: {self.failure}")

    def _watch_pool(self):
        try:
            while not self._stop.wait(0.5):
                row = self.demo.pool()
                if row is None:
                    continue
                self.rows.append({"at": time.monotonic() - self._began, **row})
                self.most_clients = max(self.most_clients,
                                        int(row["cl_active"]) + int(row["cl_waiting"]))
        except (Failed, KeyError, subprocess.TimeoutExpired) as error:
            self.failure = error

    def _watch_servers(self):
        try:
            with contextlib.ExitStack() as stack:
                primary, *replicas = (stack.enter_context(psycopg.connect(
                    host=member.folder, port=member.port, user="postgres", dbname="postgres",
                    autocommit=True)) for member in (self.demo.primary, *self.demo.cluster.replicas))
                while not self._stop.wait(0.03):
                    self.most_primary = max(self.most_primary, server_connections(primary))
                    self.most_replicas = max(self.most_replicas,
                                             sum(map(server_connections, replicas)))
        except psycopg.Error as error:
            self.failure = error


def server_connections(connection):
    """How many connections of the application the server itself counts."""
    return connection.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'"
                              " AND backend_type = 'client backend'").fetchone()[0]


def pgbench(demo, port, clients, seconds, *words):
    """One run of pgbench as the application: (tps, mean latency in ms). Any error raises Failed."""
    done = subprocess.run(
        ["pgbench", "-n", "-c", str(clients), "-j", "2", "-T", str(seconds), *words,
         "-h", "127.0.0.1", "-p", str(port), "-U", "app", "shop"], env=demo.client_env(),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds + 120, check=False)
    tps = re.search(r"tps = ([\d.]+)", done.stdout)
    latency = re.search(r"latency average = ([\d.]+)", done.stdout)
    failed = re.search(r"failed transactions: (\d+)", done.stdout)
    if done.returncode != 0 or tps is None or latency is None or (failed and failed.group(1) != "0"):
        raise Failed(f"pgbench {' '.join(words)}: {done.stderr.strip()[-1000:]}")
    return float(tps.group(1)), float(latency.group(1))
