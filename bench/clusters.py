"""A primary and two replicas with Weir before them, as the benchmarks of clusters want them."""

from cluster import SERVED_BY, Cluster
from contenders import DATABASE, USER, make_weir
from processes import wait_for
from servers import psql

HBA = """local all,replication all trust
host all all 127.0.0.1/32 trust
"""

PROBE_USER = "probe"


def start_cluster(stage, *, tables, replicas=2, settings=None, of_replicas=None):
    """A running cluster with the roles of the benchmarks; tables(primary) fills the primary before the
    replicas are copied from it. settings are everybody's, of_replicas are theirs alone."""
    cluster = Cluster(stage, replicas, {"shared_buffers": "256MB", "autovacuum": "off",
                                        "max_connections": 100, **(settings or {})})
    cluster.start_primary(HBA)
    primary = cluster.primary
    primary.sql(f"CREATE ROLE {USER} LOGIN SUPERUSER")
    primary.sql(f"CREATE ROLE {PROBE_USER} LOGIN IN ROLE pg_monitor")
    primary.sql(f"CREATE DATABASE {DATABASE} OWNER {USER}")
    primary.sql(SERVED_BY, DATABASE)
    tables(primary)
    cluster.start_replicas(**(of_replicas or {}))
    cluster.wait_until_level()
    return cluster


class Endpoint:
    """One Weir before the cluster, with reads on replicas or without. A contender for pgbench()."""

    def __init__(self, stage, cluster, options, *, name="weir", split=True, **of_cluster):
        """options: weir, threads, max_clients, pool_size. of_cluster: further keys of [cluster.main]."""
        self.name, self.cluster = name, cluster
        keys = {"probe_user": PROBE_USER, **of_cluster}
        self._weir = make_weir(
            stage, cluster.members, options, name=name, users=(USER, PROBE_USER),
            of_cluster="\n".join(f'{key} = "{value}"' for key, value in keys.items()),
            of_database=f"read_write_split = {str(split).lower()}")
        self._weir.start()
        if split:
            self.wait_for_reads_on_replicas()

    @property
    def port(self):
        """Where it listens."""
        return self._weir.port

    @property
    def pid(self):
        """The process."""
        return self._weir.pid

    @property
    def dsn(self):
        """How a client gets to the database through it."""
        return f"host=127.0.0.1 port={self.port} dbname={DATABASE} user={USER}"

    def order(self, command):
        """Gives the admin database an order and returns when it is answered."""
        psql(f"host=127.0.0.1 port={self.port} dbname=weir user={USER}", command)

    def wait_for_reads_on_replicas(self):
        """The members must have answered, and the functions of the database must be known."""
        replicas = {str(replica.port) for replica in self.cluster.replicas}
        wait_for("reads on replicas", lambda: psql(self.dsn, "SELECT served_by()")[0][0] in replicas)


def committed(cluster, endpoints):
    """Transactions committed so far by the name of the member. Nobody may be at work: the endpoints' server
    connections are closed."""
    for endpoint in endpoints:
        endpoint.order(f"RECONNECT {DATABASE}")
    return cluster.committed(DATABASE, USER)


def verdict(kept, text, failures):
    """Prints a goal and what came of it; a missed one joins the failures."""
    print(f"{'ok' if kept else 'FAILED'}: {text}", flush=True)
    if not kept:
        failures.append(text)
