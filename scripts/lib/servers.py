"""The servers that the demo and the bench put on a Stage: PostgreSQL, Weir, PgBouncer, HAProxy, Redis."""

import contextlib
import glob
import os
import shutil
import signal
import subprocess

from processes import Failed, as_user, free_port, wait_for

POSTGRES_USER = "postgres"


def postgres_programs():
    """The folder of the newest PostgreSQL server programs on this machine."""
    folders = glob.glob("/usr/lib/postgresql/*/bin/initdb")
    if folders:
        newest = max(folders, key=lambda path: int(path.split("/")[4]))
        return os.path.dirname(newest)
    initdb = shutil.which("initdb")
    if initdb is None:
        raise Failed("no PostgreSQL server programs; scripts/install-deps test installs them")
    return os.path.dirname(initdb)


class Postgres:
    """One private PostgreSQL on 127.0.0.1 and on a unix socket in the stage's folder.

    It forgets durability (fsync = off): what is measured and shown here is the way to the server.
    """

    def __init__(self, stage, name, settings=None):
        self.stage, self.name = stage, name
        self.programs = postgres_programs()
        self.port = free_port()
        self.folder = stage.path(name)
        self.settings = {
            "listen_addresses": "127.0.0.1", "port": self.port,
            "unix_socket_directories": self.folder, "fsync": "off", "synchronous_commit": "off",
            "full_page_writes": "off", "logging_collector": "off", **(settings or {})}
        self.pid = None
        os.mkdir(self.folder, 0o755)
        if os.geteuid() == 0:
            shutil.chown(self.folder, POSTGRES_USER, POSTGRES_USER)

    @property
    def data(self):
        """The data folder."""
        return os.path.join(self.folder, "data")

    def create(self, hba):
        """Makes an empty cluster whose pg_hba.conf holds these lines."""
        self._run(["initdb", "-D", self.data, "-U", POSTGRES_USER, "-A", "trust", "-E", "UTF8",
                   "--locale=C.UTF-8", "--no-sync"])
        self.stage.write(os.path.join(self.name, "data", "pg_hba.conf"), hba, POSTGRES_USER, 0o600)

    def copy_from(self, primary):
        """Makes this cluster a streaming replica of another one that runs."""
        self._run(["pg_basebackup", "-D", self.data, "-R", "--checkpoint=fast", "--no-sync",
                   "-d", f"host={primary.folder} port={primary.port} user={POSTGRES_USER}"])

    def start(self):
        """Starts the server and waits until it answers."""
        command = [os.path.join(self.programs, "postgres"), "-D", self.data]
        for key, value in self.settings.items():
            command += ["-c", f"{key}={value}"]
        self.pid = self.stage.start(self.name, command, POSTGRES_USER,
                                    stop_signal=signal.SIGINT)  # SIGINT: PostgreSQL's fast shutdown
        self.stage.must_listen(self.name, self.pid, self.port)
        ready = [os.path.join(self.programs, "pg_isready"), "-q", "-h", self.folder,
                 "-p", str(self.port)]
        wait_for(f"{self.name} ready", lambda: subprocess.call(ready) == 0)

    def crash(self):
        """Ends the server the hard way: SIGKILL for the postmaster and everything it started."""
        # The postmaster first: it would start others in the place of those it misses.
        os.kill(self.pid, signal.SIGKILL)
        for child in self._children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self.stage.stop(self.pid)
        # Their shared memory must be free before the next start.
        wait_for("the old server's processes to leave", lambda: not self._children(), 20, 0.01)

    def stop(self):
        """PostgreSQL's fast shutdown: clients are told 57P01, replicas get everything."""
        self.stage.stop(self.pid)

    def follow(self, primary):
        """From now on this replica streams from another server, which was a replica like it."""
        self.sql("ALTER SYSTEM SET primary_conninfo ="
                 f" 'host={primary.folder} port={primary.port} user={POSTGRES_USER}'")
        self.sql("SELECT pg_reload_conf()")

    def _children(self):
        mine = []  # every process of a PostgreSQL works in its data folder
        for path in glob.glob("/proc/[0-9]*/cwd"):
            try:
                if os.readlink(path) == self.data:
                    mine.append(int(path.split("/")[2]))
            except OSError:
                continue  # gone meanwhile
        return mine

    def sql(self, statement, database="postgres"):
        """Runs a statement as superuser over the unix socket; returns rows as lists of text."""
        return psql(f"host={self.folder} port={self.port} dbname={database} user={POSTGRES_USER}",
                    statement)

    def initialize_pgbench(self, scale, database, user):
        """Makes pgbench's tables."""
        self._run(["pgbench", "-i", "-q", "-s", str(scale), "-h", self.folder, "-p",
                   str(self.port), "-U", user, database])

    def dsn(self, database, user):
        """How a client reaches this server over TCP."""
        return f"host=127.0.0.1 port={self.port} dbname={database} user={user}"

    def _run(self, command):
        done = subprocess.run(
            as_user(POSTGRES_USER, [os.path.join(self.programs, command[0]), *command[1:]]),
            cwd=self.stage.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"{command[0]} failed:\n{done.stdout}")


def psql(dsn, statement, timeout=60.0, env=None, header=False):
    """Runs a statement with psql; returns rows as lists of text, column names first if wanted."""
    command = ["psql", "-X", "-q", "-A", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-P", "footer=off",
               "-d", dsn, "-c", statement]
    if not header:
        command.insert(1, "-t")
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=timeout, env={**os.environ, **(env or {})}, check=False)
    if done.returncode != 0:
        raise Failed(f"psql: {done.stderr.strip()}")
    return [line.split("\t") for line in done.stdout.splitlines()]


class Weir:
    """A Weir process in front of the stage's servers. @PORT@ and @HTTP@ in its configuration
    become the ports it is given."""

    def __init__(self, stage, binary, config, name="weir"):
        self.stage, self.binary, self.name = stage, binary, name
        self.port, self.http_port = free_port(6432), free_port(9127)
        text = config.replace("@PORT@", str(self.port)).replace("@HTTP@", str(self.http_port))
        self.config = stage.write(f"{name}.toml", text, mode=0o600)
        self.pid = None

    def start(self, env=None):
        """Checks the configuration, starts the process and waits until it listens.

        Weir takes settings from the environment too, so it gets none of this terminal's.
        """
        env = {"PATH": os.environ["PATH"], "HOME": self.stage.folder, **(env or {})}
        check = subprocess.run([self.binary, "check", "-c", self.config], capture_output=True,
                               text=True, env=env, check=False)
        if check.returncode != 0:
            raise Failed(f"weir check refused the configuration:\n{check.stdout}{check.stderr}")
        self.pid = self.stage.start(self.name, [self.binary, "-c", self.config], env=env)
        self.stage.must_listen(self.name, self.pid, self.port)


class PgBouncer:
    """Debian's PgBouncer, trusting everybody, in transaction mode."""

    name = "pgbouncer"

    def __init__(self, stage, server, users, pool_size, max_clients=1000):
        self.stage = stage
        self.port = free_port()
        owner = POSTGRES_USER if os.geteuid() == 0 else None  # it refuses to run as root
        lines = "".join(f'"{user}" ""\n' for user in users)
        names = stage.write("pgbouncer-users.txt", lines, owner, 0o600)
        self.config = stage.write("pgbouncer.ini", f"""[databases]
* = host=127.0.0.1 port={server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = trust
auth_file = {names}
admin_users = {users[0]}
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = {max_clients}
ignore_startup_parameters = extra_float_digits
log_connections = 0
log_disconnections = 0
""", owner, 0o600)
        self.user = owner
        self.pid = None

    def start(self):
        """Starts the process and waits until it listens."""
        program = shutil.which("pgbouncer", path=os.environ["PATH"] + ":/usr/sbin")
        if program is None:
            raise Failed("no pgbouncer; scripts/install-deps bench installs it")
        self.pid = self.stage.start(self.name, [program, "-q", self.config], self.user,
                                    stop_signal=signal.SIGTERM)
        self.stage.must_listen(self.name, self.pid, self.port)


class HaProxy:
    """Debian's HAProxy in TCP mode with one thread: what copying bytes alone costs."""

    name = "haproxy"

    def __init__(self, stage, server):
        self.stage = stage
        self.port = free_port()
        self.config = stage.write("haproxy.cfg", f"""global
    nbthread 1
    maxconn 2000
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen postgres
    bind 127.0.0.1:{self.port}
    server one 127.0.0.1:{server.port}
""")
        self.pid = None

    def start(self):
        """Starts the process and waits until it listens."""
        program = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")
        if program is None:
            raise Failed("no haproxy; scripts/install-deps bench installs it")
        self.pid = self.stage.start(self.name, [program, "-db", "-f", self.config])
        self.stage.must_listen(self.name, self.pid, self.port)


class Redis:
    """A Redis that keeps nothing on disk."""

    name = "redis"

    def __init__(self, stage):
        self.stage = stage
        self.port = free_port()
        self.pid = None

    @property
    def url(self):
        """What cache.redis calls it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self):
        """Starts the process and waits until it listens."""
        program = shutil.which("redis-server")
        if program is None:
            raise Failed("no redis-server; scripts/install-deps test installs it")
        self.pid = self.stage.start(self.name, [program, "--bind", "127.0.0.1", "--port", str(self.port),
                                                "--save", "", "--appendonly", "no"])
        self.stage.must_listen(self.name, self.pid, self.port)
