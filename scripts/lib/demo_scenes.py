"""Scenes of the demo in which something goes wrong, and what it costs then.

Each returns (promise, kept, what was seen).
"""

import contextlib
import signal
import subprocess
import time

import psycopg

from processes import Failed, start_ticks, wait_for

OWN = "host={folder} port={port} dbname=shop user=postgres"
ON_PRIMARY = "/* weir: route=primary */ "


def connect(demo, database="shop", **more):
    """A psycopg connection through Weir that prepares nothing by name."""
    return psycopg.connect(demo.through_weir(database, **more), password=demo.app_password,
                           autocommit=True, prepare_threshold=None, connect_timeout=10)


def beside(demo, member=None):
    """A superuser's connection straight to a member, the primary if none is given."""
    member = member or demo.primary
    return psycopg.connect(OWN.format(folder=member.folder, port=member.port), autocommit=True)


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
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(beside(demo, member)) for member in demo.cluster.members]
        wait_for("both statements to run", lambda: sum(server.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(%'"
            " AND state = 'active'").fetchone()[0] for server in servers) == 2, 10)
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
        client.execute(ON_PRIMARY + "SELECT 1")
        old = [row[0] for row in server.execute(
            "SELECT pid FROM pg_stat_activity WHERE usename = 'app' AND datname = 'shop'")]
        server.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS pid", (old,))
        # Not asked in pg_stat_activity: a process leaves that before its socket is closed.
        wait_for("the terminated ones to leave", lambda: not any(map(start_ticks, old)))
        idle_ones_gone = client.execute(ON_PRIMARY + "SELECT 42").fetchone()[0] == 42
        seen = "nothing"
        try:
            client.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        except psycopg.Error as error:
            seen = f"{error.sqlstate} {str(error).splitlines()[0]}"
        again = client.execute(ON_PRIMARY + "SELECT 43").fetchone()[0] == 43
    return ("a client outlives its server connection", idle_ones_gone and again and seen != "nothing",
            f"{len(old)} idle server connections terminated: the next statement got a fresh one;"
            f" one terminated under a statement: \"{seen}\", and the same client went on")


def crashed_server(demo):
    """PostgreSQL is killed and started again; a client that was connected before goes on."""
    with connect(demo) as client, connect(demo) as reader:
        client.execute(ON_PRIMARY + "SELECT 1")
        demo.primary.crash()
        read = reader.execute("SELECT count(*) FROM stock").fetchone()[0]
        errors = []
        began = time.monotonic()
        demo.primary.start()
        while True:
            try:
                client.execute("INSERT INTO orders (client, item) VALUES ('crash-scene', 7)")
                break
            except psycopg.Error as error:
                errors.append(f"{error.sqlstate} {str(error).splitlines()[0]}")
                if client.closed or time.monotonic() - began > 30:
                    return ("a client outlives a crash of PostgreSQL", False, errors[-1])
                time.sleep(0.1)
        took = time.monotonic() - began
        orders = client.execute("SELECT count(*) FROM orders").fetchone()[0]
    return ("a client outlives a crash of PostgreSQL", read == 1000,
            f"kill -9 of the primary, start again: the same client placed order {orders}"
            f" {took:.1f} s later, after {len(errors)} failed attempts"
            + (f" (\"{errors[0]}\")" if errors else "")
            + f"; meanwhile another one read {read} rows from a replica")


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


def own_writes(demo):
    """Replicas stand still; who wrote something sees it all the same, others read from the replicas."""
    replicas = demo.cluster.replicas
    ports = [replica.port for replica in replicas]
    look = "SELECT sold, served_by() FROM stock WHERE item = 8"
    with connect(demo) as writer, connect(demo) as other:
        for replica in replicas:
            replica.sql("SELECT pg_wal_replay_pause()")
        try:
            right, elsewhere = 0, 0
            for number in range(50):
                writer.execute("UPDATE stock SET sold = %s WHERE item = 8", (-number,))
                right += writer.execute(look).fetchone()[0] == -number
                elsewhere += other.execute(look).fetchone()[1] in ports
        finally:
            for replica in replicas:
                replica.sql("SELECT pg_wal_replay_resume()")
        began = time.monotonic()
        wait_for("the session's reads to be on replicas again",
                 lambda: writer.execute(look).fetchone()[1] in ports, 10, 0.01)
        took = time.monotonic() - began
        right_there = writer.execute(look).fetchone()[0] == -49
    return ("a session reads its own writes, wherever", right == 50 and elsewhere > 0 and right_there,
            f"replay of both replicas paused: {right} of 50 writes read back at once, {elsewhere} of 50 reads"
            f" of another session were on replicas; resumed: {took * 1000:.0f} ms later a replica served the"
            f" writer again, {'with' if right_there else 'WITHOUT'} its writes")


SCENES = (killed_client, cancelled_statement, terminated_backend, own_writes, replica_reading,
          crashed_server)
