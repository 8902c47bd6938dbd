"""The servers that a benchmark compares, on one stage: PostgreSQL and what may stand before it."""

import os

from processes import Failed
from servers import HaProxy, PgBouncer, Postgres, Weir

DATABASE, USER = "bench", "bench"

HBA = """local all all trust
host all all 127.0.0.1/32 trust
"""

WEIR_CONFIG = """[listen]
addresses = ["127.0.0.1:@PORT@"]
threads = {threads}
max_clients = {max_clients}
[auth]
method = "trust"
[cluster.main]
servers = [{servers}]
{of_cluster}
[database.{database}]
cluster = "main"
{of_database}
{users}
[pool]
mode = "transaction"
min = 0
max = {pool_size}
acquire_timeout = "60s"
[log]
level = "warn"
[ledger]
path = "{ledger}"
{of_ledger}
[http]
address = "127.0.0.1:@HTTP@"
[admin]
admins = ["{user}"]
"""


class Direct:
    """No proxy: the server itself."""

    name, pid = "direct", None

    def __init__(self, server):
        self.port = server.port

    def start(self):
        """Nothing to start: the server runs."""


def start_server(stage, scale, max_connections=100):
    """A PostgreSQL with pgbench's tables at this scale (0: none), everything in memory."""
    server = Postgres(stage, "postgres", {"shared_buffers": "256MB", "autovacuum": "off",
                                          "max_connections": max_connections})
    server.create(HBA)
    server.start()
    server.sql(f"CREATE ROLE {USER} LOGIN SUPERUSER")
    server.sql(f"CREATE DATABASE {DATABASE} OWNER {USER}")
    if scale:
        server.initialize_pgbench(scale, DATABASE, USER)
    return server


def make_weir(stage, servers, options, *, name="weir", of_cluster="", of_database="", users=(USER,),
              ledger=None, of_ledger="", more=""):
    """A Weir in front of these servers, not started. of_cluster, of_database and of_ledger are further
    keys, more is further sections, as TOML; ledger the path of its ledger ("": none), by default one
    of its own.

    options: pool_size, max_clients, threads (Weir's), weir (the binary).
    """
    if not os.access(options.weir, os.X_OK):
        raise Failed(f"no binary at {options.weir}")
    return Weir(stage, os.path.abspath(options.weir), WEIR_CONFIG.format(
        threads=options.threads, max_clients=options.max_clients, pool_size=options.pool_size,
        servers=", ".join(f'"127.0.0.1:{server.port}"' for server in servers),
        of_cluster=of_cluster, database=DATABASE, of_database=of_database, user=USER,
        ledger=f"{name}-ledger.db" if ledger is None else ledger, of_ledger=of_ledger,
        users="\n".join(f"[user.{user}]" for user in users)) + more, name)


def make(name, stage, server, options):
    """Starts the contender with this name in front of the server.

    options: pool_size, max_clients, threads (Weir's), weir (the binary).
    """
    if name == "direct":
        contender = Direct(server)
    elif name == "pgbouncer":
        contender = PgBouncer(stage, server, [USER], options.pool_size, options.max_clients)
    elif name == "haproxy":
        contender = HaProxy(stage, server)
    elif name == "weir":
        contender = make_weir(stage, [server], options)
    else:
        raise Failed(f"no contender '{name}'; known: direct weir pgbouncer haproxy")
    contender.start()
    return contender
