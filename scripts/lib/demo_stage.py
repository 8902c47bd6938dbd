"""What the demo sets up: a primary and two streaming replicas, a small shop in them, and Weir in front."""

import os
import secrets

from cluster import SERVED_BY, Cluster
from failover_load import TABLE
from processes import Failed, Stage, wait_for
from servers import Weir, psql

POOL_MAX = 8
SCALE = 10  # of pgbench's tables

HBA = """local all,replication postgres trust
host all app,probe 127.0.0.1/32 scram-sha-256
"""

SCHEMA = """
CREATE TABLE stock (item int PRIMARY KEY, sold bigint NOT NULL DEFAULT 0);
INSERT INTO stock SELECT generate_series(1, 1000);
CREATE TABLE orders (id bigserial PRIMARY KEY, client text NOT NULL, item int NOT NULL, at timestamptz DEFAULT now());
"""

CONFIG = """# Written by scripts/demo.
[listen]
addresses = ["127.0.0.1:@PORT@"]
threads = 1
max_clients = 1000

[auth]
method = "scram-sha-256"

# A primary and two replicas; which is which is asked of them.
[cluster.main]
servers = [{members}]
probe_user = "probe"
# One of the replicas under a name of its own.
[cluster.replica]
servers = ["127.0.0.1:{replica}"]

[database.shop]
cluster = "main"
read_write_split = true
[database.shop_replica]
cluster = "replica"
dbname = "shop"

[user.app]
password = "${{APP_PASSWORD}}"
[user.ops]
password = "${{OPS_PASSWORD}}"
[user.probe]
password = "${{PROBE_PASSWORD}}"

[pool]
mode = "transaction"
min = 0
max = {pool_max}
acquire_timeout = "30s"

[http]
address = "127.0.0.1:@HTTP@"
[admin]
admins = ["ops"]
"""


class Demo:
    """The servers of the demo and how to reach them."""

    def __init__(self, binary):
        self.binary = binary
        self.stage = Stage("weir-demo")
        self.app_password, self.ops_password = secrets.token_hex(8), secrets.token_hex(8)
        self.cluster = self.weir = None

    @property
    def primary(self):
        """Whoever is primary now."""
        return self.cluster.primary

    def set_up(self, tell):
        """Starts everything; tell() says what is happening."""
        self.cluster = Cluster(self.stage, 2, {"synchronous_commit": "on"})
        probe_password = secrets.token_hex(8)
        tell("a PostgreSQL primary")
        self.cluster.start_primary(HBA)
        self.primary.sql(f"CREATE ROLE app LOGIN PASSWORD '{self.app_password}'")
        self.primary.sql(f"CREATE ROLE probe LOGIN PASSWORD '{probe_password}' IN ROLE pg_monitor")
        self.primary.sql("CREATE DATABASE shop OWNER app")
        tell("two streaming replicas (pg_basebackup -R)")
        self.cluster.start_replicas()
        tell("the shop's tables, and pgbench's at scale 10")
        for statements in (SCHEMA, TABLE, SERVED_BY):
            self.primary.sql("SET ROLE app; " + statements, "shop")
        self.primary.initialize_pgbench(SCALE, "shop", "postgres")
        self.primary.sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO app", "shop")
        self.cluster.wait_until_level()
        tell("Weir")
        members = ", ".join(f'"127.0.0.1:{member.port}"' for member in self.cluster.members)
        self.weir = Weir(self.stage, self.binary, CONFIG.format(
            members=members, replica=self.cluster.replicas[-1].port, pool_max=POOL_MAX))
        self.weir.start({"APP_PASSWORD": self.app_password, "OPS_PASSWORD": self.ops_password,
                         "PROBE_PASSWORD": probe_password})
        ports = [str(replica.port) for replica in self.cluster.replicas]
        wait_for("reads on replicas", lambda: self.served_by() in ports)

    def served_by(self):
        """The port of the member that answers a new client's read."""
        return psql(self.through_weir(), "SELECT served_by()", env=self.client_env())[0][0]

    def client_env(self):
        """The environment in which psql and pgbench log in as the application."""
        return {**os.environ, "PGPASSWORD": self.app_password}

    def through_weir(self, database="shop", **more):
        """A connection string to a database behind Weir."""
        extra = "".join(f" {key}={value}" for key, value in more.items())
        return f"host=127.0.0.1 port={self.weir.port} dbname={database} user=app{extra}"

    def admin_order(self, command):
        """Gives the admin database an order; returns the lines it answers, column names first."""
        return psql(f"host=127.0.0.1 port={self.weir.port} dbname=weir user=ops", command,
                    env={"PGPASSWORD": self.ops_password}, header=True)

    def admin(self, command):
        """Rows of the admin database as dictionaries."""
        lines = self.admin_order(command)
        if not lines:
            raise Failed(f"{command} answered nothing")
        return [dict(zip(lines[0], row)) for row in lines[1:]]

    def pool(self, database="shop"):
        """The application's row of SHOW POOLS, or None while there is no such pool."""
        for row in self.admin("SHOW POOLS"):
            if row["database"] == database and row["user"] == "app":
                return row
        return None
