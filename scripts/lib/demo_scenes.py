"""Scenes of the demo in which something goes wrong, and what it costs then.

Each returns (promise, kept, what was seen).
"""

import signal
import subprocess
import time

import psycopg

from processes import Failed, start_ticks, wait_for

OWN = "host={folder} port={port} dbname=shop user=postgres"


def connect(demo, database="shop", **more):
    """A psycopg connection through Weir that prepares nothing by name."""
    return psycopg.connect(demo.through_weir(database, **more), password=demo.app_password,
                           autocommit=True, prepare_threshold=None, connect_timeout=10)


def beside(demo):
    """A superuser's connection straight to the primary."""
    return psycopg.connect(OWN.format(folder=demo.primary.folder, port=demo.primary.port),
                           autocommit=True)


def killed_client(demo):
    """A client dies in the middle of a transaction."""
    client = subprocess.Popen(
        ["psql", "-X", "-q", "-A", "-t", "-d", demo.through_weir(application_name="doomed")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=demo.client_env())
    client.stdin.write(b"BEGIN; UPDATE stock SET sold = sold + 1000000 WHERE item = 1;"
                       b" SELECT pg_backend_pid();\n")
    client.stdin.flush()
    backend = int(client.stdout.readline())
    with beside(demo) as server:
        def state():
            row = server.execute("SELECT state FROM pg_stat_activity WHERE pid = %s",
                                 (backend,)).fetchone()
            return row[0] if row else "gone"
        before = state()
        client.send_signal(signal.SIGKILL)
        client.wait()
        client.stdin.close()
        client.stdout.close()
        wait_for("the transaction to end", lambda: state() in ("idle", "gone"), 10, 0.01)
        after = state()
        damage = server.execute("SELECT sold FROM stock WHERE item = 1").fetchone()[0] >= 1000000
    return ("a client killed in a transaction costs a rollback, not a connection",
            before == "idle in transaction" and after == "idle" and not damage,
            f"kill -9 of psql; server connection {backend}: {before} -> {after}, "
            + ("its change was KEPT" if damage else "its change undone"))


def cancelled_statement(demo):
    """Ctrl-C in psql ends its own statement and nobody else's."""
    neighbour = subprocess.Popen(
        ["psql", "-X", "-q", "-A", "-t", "-d", demo.through_weir(),
         "-c", "SELECT pg_sleep(2)", "-c", "SELECT 'undisturbed'"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=demo.client_env())
    client = subprocess.Popen(
        ["psql", "-X", "-q", "-d", demo.through_weir(application_name="impatient"),
         "-c", "SELECT pg_sleep(60)"],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=demo.client_env())
    with beside(demo) as server:
        wait_for("both statements to run", lambda: server.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(%'"
            " AND state = 'active'").fetchone()[0] == 2, 10)
    began = time.monotonic()
    client.send_signal(signal.SIGINT)
    try:
        _, said = client.communicate(timeout=10)
        took = time.monotonic() - began
        heard, _ = neighbour.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        raise Failed("cancelling did not end the statement within 10 s") from None
    finally:
        for process in (client, neighbour):
            if process.poll() is None:
                process.kill()
    complaint = next((line for line in said.splitlines() if line.startswith("ERROR")), "no error")
    kept = "canceling statement due to user request" in complaint and "undisturbed" in heard
    return ("Ctrl-C ends the client's own statement and no other", kept,
            f"SELECT pg_sleep(60) ended after {took * 1000:.0f} ms with"
            f" \"{complaint}\";"
            f" a neighbour's statement went on: {'yes' if 'undisturbed' in heard else 'NO'}")


def terminated_backend(demo):
    """The server connection under a running statement is terminated; the client goes on."""
    with connect(demo) as client, beside(demo) as server:
        client.execute("SELECT 1")
        old = [row[0] for row in server.execute(
            "SELECT pid FROM pg_stat_activity WHERE usename = 'app' AND datname = 'shop'")]
        server.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS pid", (old,))
        # Not asked in pg_stat_activity: a process leaves that before its socket is closed.
        wait_for("the terminated ones to leave", lambda: not any(map(start_ticks, old)))
        idle_ones_gone = client.execute("SELECT 42").fetchone()[0] == 42
        seen = "nothing"
        try:
            client.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        except psycopg.Error as error:
            seen = f"{error.sqlstate} {str(error).splitlines()[0]}"
        again = client.execute("SELECT 43").fetchone()[0] == 43
    return ("a client outlives its server connection", idle_ones_gone and again and seen != "nothing",
            f"{len(old)} idle server connections terminated: the next statement got a fresh one;"
            f" one terminated under a statement: \"{seen}\", and the same client went on")


def crashed_server(demo):
    """PostgreSQL is killed and started again; a client that was connected before goes on."""
    with connect(demo) as client:
        client.execute("SELECT 1")
        demo.primary.crash()
        errors = []
        began = time.monotonic()
        demo.primary.start()
        while True:
            try:
                orders = client.execute("SELECT count(*) FROM orders").fetchone()[0]
                break
            except psycopg.Error as error:
                errors.append(f"{error.sqlstate} {str(error).splitlines()[0]}")
                if client.closed or time.monotonic() - began > 30:
                    return ("a client outlives a crash of PostgreSQL", False, errors[-1])
                time.sleep(0.1)
        took = time.monotonic() - began
    return ("a client outlives a crash of PostgreSQL", True,
            f"kill -9 of the postmaster, start again: the same client counted {orders} orders"
            f" {took:.1f} s later, after {len(errors)} failed attempts"
            + (f" (\"{errors[0]}\")" if errors else ""))


def replica_reading(demo):
    """What is written through the primary's name is read through the replica's, which cannot write."""
    with connect(demo) as writer, connect(demo, "shop_replica") as reader:
        writer.execute("INSERT INTO orders (client, item) VALUES ('replica-scene', 7)")
        began = time.monotonic()
        wait_for("the replica to show the order", lambda: reader.execute(
            "SELECT count(*) FROM orders WHERE client = 'replica-scene'").fetchone()[0] == 1, 10, 0.01)
        took = time.monotonic() - began
        standby = reader.execute("SELECT pg_is_in_recovery()").fetchone()[0]
        refused = "accepted"
        try:
            reader.execute("DELETE FROM orders WHERE client = 'replica-scene'")
        except psycopg.errors.ReadOnlySqlTransaction as error:
            refused = f"{error.sqlstate} {str(error).splitlines()[0]}"
    return ("the replica is read through its own name", standby and refused != "accepted",
            f"written to shop, seen in shop_replica {took * 1000:.0f} ms later; a DELETE there:"
            f" \"{refused}\"")


SCENES = (killed_client, cancelled_statement, terminated_backend, replica_reading, crashed_server)
