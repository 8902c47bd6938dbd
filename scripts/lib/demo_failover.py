"""The demo's last act: the primary is killed under load, and a replica takes its place."""

import time

from failover_load import KINDS, Load, errors_text
from processes import wait_for

CLIENTS = 32
BEFORE_SECONDS, AFTER_SECONDS = 2.0, 3.0
MEMBER_COLUMNS = ("member", "role", "state", "writes", "reads", "lag_bytes", "breaker")


def show_members(demo, report, title):
    """SHOW MEMBERS without its widest columns."""
    report.line(f"SHOW MEMBERS, {title}")
    names = {f"127.0.0.1:{member.port}": member.name for member in demo.cluster.members}
    rows = [[row[column] for column in MEMBER_COLUMNS] + [names.get(row["member"], "")]
            for row in members(demo)]
    for row in [[*MEMBER_COLUMNS, ""], *rows]:
        report.line("  " + " ".join([f"{row[0]:16}", *(f"{word:9}" for word in row[1:])]).rstrip())


def members(demo):
    """The members of the cluster as SHOW MEMBERS has them."""
    return [row for row in demo.admin("SHOW MEMBERS") if row["cluster"] == "main"]


def healthy(demo):
    """Whether one member takes writes and all the others reads."""
    rows = members(demo)
    return (sum(row["writes"] == "1" for row in rows) == 1
            and sum(row["reads"] == "1" and row["role"] == "replica" for row in rows) == len(rows) - 1)


def lose_primary(demo):
    """The clients at work while the primary is killed and another promoted: (load, moments, old primary).

    The moments: when the kill began, when it was over, when there was another primary.
    """
    load = Load(demo.through_weir(), clients=CLIENTS, password=demo.app_password)
    load.start()
    try:
        time.sleep(BEFORE_SECONDS)
        began = time.monotonic()
        demo.cluster.kill_primary()
        dead = time.monotonic()
        old = demo.cluster.promote()
        promoted = time.monotonic()
        time.sleep(AFTER_SECONDS)
        load.stop()
    finally:
        load.end()
    return load, (began, dead, promoted), old


def promises(demo, report, load, moments):
    """What the clients met, against what was promised."""
    in_flight, others = load.errors(moments[:2])
    report.line(f"{len(load.events)} statements; {demo.primary.name} was promoted"
                f" {moments[2] - moments[1]:.2f} s after the kill")
    report.line("longest stall of a client: " + ", ".join(
        f"{kind} {load.longest_stall(kind):.2f} s" for kind in KINDS))
    report.line(f"errors of statements in flight at the kill: {errors_text(in_flight)}")
    report.promise("only statements in flight at the kill fail, and no client is disconnected",
                   not others and load.reconnects == 0,
                   f"other errors: {errors_text(others)}; connections lost: {load.reconnects}")
    report.promise("it goes on: every client writes or reads on the new primary and its replica",
                   load.stuck(moments[2]) == 0, f"clients that did not: {load.stuck(moments[2])}")
    books = load.compare(demo.primary, "shop")
    report.promise("every acknowledged write is there, none twice, each seen by who wrote it",
                   books["lost"] == books["twice"] == load.stale() == 0 < books["acknowledged"],
                   f"acknowledged {books['acknowledged']}, lost {books['lost']}, twice {books['twice']},"
                   f" not seen by their writer {load.stale()}")


def play_failover(demo, report):
    """Kill, promotion, and the lost member's return as a replica."""
    report.section(f"The primary is killed under {CLIENTS} clients, and a replica promoted")
    demo.cluster.commit_on_all()
    wait_for("a healthy cluster", lambda: healthy(demo))
    show_members(demo, report, "before")
    load, moments, old = lose_primary(demo)
    show_members(demo, report, "after")
    promises(demo, report, load, moments)
    demo.cluster.take_back(old)
    wait_for("the cluster to be whole again", lambda: healthy(demo))
    show_members(demo, report, f"{old.name} copied anew and back as a replica")
