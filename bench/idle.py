"""How much resident memory an idle client costs, at thousands of them.

The process is warm before the first reading (a few clients have come, worked and gone), so that
what is divided by the number of clients is theirs. Two readings: after login, and after each client
has run one statement, since buffers may appear with the first one.
"""

import time

from contenders import DATABASE, USER, make, start_server
from processes import Failed, Stage, raise_descriptor_limit
from usage import memory_kib, open_descriptors
from wire import connect, query_message, read_until_ready

SPARE_DESCRIPTORS = 200


def add_options(parser):
    """The options of `scripts/bench idle`."""
    parser.add_argument("--contenders", default="weir,pgbouncer")
    parser.add_argument("--clients", type=int, default=8000)
    parser.add_argument("--pool-size", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1, help="event-loop threads of weir")
    parser.add_argument("--assert-bytes", type=int, metavar="N",
                        help="fail when an idle client of weir costs more than N bytes")


def one_statement(sock):
    """Runs a small statement and reads its answer."""
    sock.sendall(query_message("SELECT 1"))
    read_until_ready(sock)


def resident_bytes(contender):
    """Resident memory after things have settled."""
    time.sleep(1.0)
    return memory_kib(contender.pid) * 1024


def measure(contender, count):
    """Connects the clients; returns bytes for each after login and after one statement."""
    for sock in [connect(contender.port, USER, DATABASE) for _ in range(16)]:
        one_statement(sock)
        sock.close()
    before = resident_bytes(contender)
    sockets = []
    try:
        for _ in range(count):
            sockets.append(connect(contender.port, USER, DATABASE))
        held = open_descriptors(contender.pid)
        if held < count:
            raise Failed(f"{contender.name} holds only {held} descriptors for {count} clients")
        after_login = resident_bytes(contender)
        for sock in sockets:
            one_statement(sock)
        after_statement = resident_bytes(contender)
    finally:
        for sock in sockets:
            sock.close()
    return {"clients": count, "before_bytes": before,
            "login_bytes": (after_login - before) / count,
            "statement_bytes": (after_statement - before) / count}


def run(options):
    """Measures, prints, and returns what goes into the JSON file."""
    limit = raise_descriptor_limit()
    if limit < options.clients + SPARE_DESCRIPTORS:
        raise Failed(f"{options.clients} clients need a descriptor limit (ulimit -Hn) of"
                     f" {options.clients + SPARE_DESCRIPTORS}; it is {limit}")
    options.max_clients = options.clients + 100
    results, failures = {}, []
    for name in options.contenders.split(","):
        stage = Stage("weir-bench")
        try:
            server = start_server(stage, 0)
            results[name] = measure(make(name, stage, server, options), options.clients)
        finally:
            stage.end()
        row = results[name]
        print(f"{name:10} {options.clients} idle clients: {row['login_bytes']:6.0f} bytes each after"
              f" login, {row['statement_bytes']:6.0f} after one statement"
              f" (process without them {row['before_bytes'] / 1048576:.1f} MiB)", flush=True)
    if options.assert_bytes is not None:
        cost = max(results["weir"]["login_bytes"], results["weir"]["statement_bytes"])
        verdict = f"an idle client costs {cost:.0f} bytes, allowed {options.assert_bytes}"
        print(f"{'ok' if cost <= options.assert_bytes else 'FAILED'}: {verdict}")
        failures = [] if cost <= options.assert_bytes else [verdict]
    return {"results": results, "failures": failures}
