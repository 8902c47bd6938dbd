"""What the demo sets up: a primary, its streaming replica, a small shop in them, and Weir in front."""

import os
import secrets

from processes import Failed, Stage, wait_for
from servers import Postgres, Weir, psql

POOL_MAX = 8

HBA = """local all,replication postgres trust
host all app 127.0.0.1/32 scram-sha-256
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

[cluster.main]
servers = ["127.0.0.1:{primary}"]
[cluster.replica]
servers = ["127.0.0.1:{replica}"]

[database.shop]
cluster = "main"
[database.shop_replica]
cluster = "replica"
dbname = "shop"

[user.app]
password = "${{APP_PASSWORD}}"
[user.ops]
password = "${{OPS_PASSWORD}}"

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
        self.primary = self.replica = self.weir = None

    def set_up(self, tell):
        """Starts everything; tell() says what is happening."""
        tell("a PostgreSQL primary")
        self.primary = Postgres(self.stage, "primary", {"wal_level": "replica"})
        self.primary.create(HBA)
        self.primary.start()
        self.primary.sql(f"CREATE ROLE app LOGIN PASSWORD '{self.app_password}'")
        self.primary.sql("CREATE DATABASE shop OWNER app")
        tell("its streaming replica (pg_basebackup -R)")
        self.replica = Postgres(self.stage, "replica", {"hot_standby": "on"})
        self.replica.copy_from(self.primary)
        self.replica.start()
        wait_for("the replica to stream", lambda: self.primary.sql(
            "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"))
        tell("the shop's tables, and pgbench's at scale 10")
        self.primary.sql("SET ROLE app; " + SCHEMA, "shop")
        self.primary.initialize_pgbench(10, "shop", "postgres")
        self.primary.sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO app", "shop")
        tell("Weir")
        self.weir = Weir(self.stage, self.binary, CONFIG.format(
            primary=self.primary.port, replica=self.replica.port, pool_max=POOL_MAX))
        self.weir.start({"APP_PASSWORD": self.app_password, "OPS_PASSWORD": self.ops_password})

    def client_env(self):
        """The environment in which psql and pgbench log in as the application."""
        return {**os.environ, "PGPASSWORD": self.app_password}

    def through_weir(self, database="shop", **more):
        """A connection string to a database behind Weir."""
        extra = "".join(f" {key}={value}" for key, value in more.items())
        return f"host=127.0.0.1 port={self.weir.port} dbname={database} user=app{extra}"

    def admin(self, command):
        """Rows of the admin database as dictionaries."""
        lines = psql(f"host=127.0.0.1 port={self.weir.port} dbname=weir user=ops", command,
                     env={"PGPASSWORD": self.ops_password}, header=True)
        if not lines:
            raise Failed(f"{command} answered nothing")
        return [dict(zip(lines[0], row)) for row in lines[1:]]

    def pool(self, database="shop"):
        """The application's row of SHOW POOLS, or None while there is no such pool."""
        for row in self.admin("SHOW POOLS"):
            if row["database"] == database and row["user"] == "app":
                return row
        return None
