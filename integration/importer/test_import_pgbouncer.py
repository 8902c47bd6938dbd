"""weir import-pgbouncer: what it prints passes weir check, runs, and serves; the same file is one PgBouncer takes."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.deadlines import scaled, wait_until
from support.ports import accepts_tcp, free_port
from support.postgres import Postgres, as_postgres
from support.weir import find_binary

pytestmark = pytest.mark.needs_weir

# Settings of PgBouncer 1.18 (Debian 12), each with a value that is not its default where that is harmless.
INI = """\
;; databases
[databases]
app = host=127.0.0.1 port={postgres} user=postgres pool_size=3 min_pool_size=0 reserve_pool=1 connect_query='select ''x'''
reports=host=127.0.0.1 port={postgres} dbname=app user=postgres pool_mode=Session max_db_connections=5
sockets = port={postgres} dbname=app user=postgres timezone=UTC client_encoding=UTF8 datestyle='ISO, MDY' application_name=imported
* = host=127.0.0.1 port={postgres} user=postgres

[users]
postgres = pool_mode=transaction max_user_connections=20

# everything else
[pgbouncer]
%include {folder}/more.ini
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir = {folder}
unix_socket_mode = 0700
auth_type = trust
auth_file = {folder}/userlist.txt
admin_users = postgres, root
stats_users = monitor
pool_mode = Transaction
default_pool_size = 7
min_pool_size = 0
reserve_pool_size = 2
reserve_pool_timeout = 1.5
max_client_conn = 200
max_db_connections = 50
max_user_connections = 60
"""

MORE = """\
application_name_add_host = 1
autodb_idle_timeout = 3600
client_idle_timeout = 0
client_login_timeout = 30
disable_pqexec = 0
dns_max_ttl = 15
dns_nxdomain_ttl = 15
dns_zone_check_period = 0
idle_transaction_timeout = 300
ignore_startup_parameters = extra_float_digits
listen_backlog = 128
log_connections = 1
log_disconnections = 1
log_pooler_errors = 1
log_stats = 1
logfile = {folder}/pooler.log
max_packet_size = 2147483647
pidfile = {folder}/pooler.pid
pkt_buf = 4096
query_timeout = 60
query_wait_timeout = 30
sbuf_loopcnt = 5
server_check_delay = 30
server_check_query = select 1
server_connect_timeout = 15
server_fast_close = 0
server_idle_timeout = 600
server_lifetime = 3600
server_login_retry = 2
server_reset_query = DISCARD ALL
server_reset_query_always = 0
server_round_robin = 1
so_reuseport = 0
stats_period = 60
suspend_timeout = 10
syslog = 0
tcp_defer_accept = 0
tcp_keepalive = 1
tcp_keepcnt = 4
tcp_keepidle = 60
tcp_keepintvl = 5
tcp_socket_buffer = 0
tcp_user_timeout = 30000
verbose = 0
"""


def write_ini(folder: Path, postgres: Postgres, port: int) -> Path:
    folder.mkdir(exist_ok=True)
    names = {"folder": folder, "postgres": postgres.port, "port": port}
    ini = folder / "pgbouncer.ini"
    # PgBouncer looks for the server's socket where its own is.
    lines = [line for line in INI.format(**names).splitlines() if not line.startswith("sockets")]
    ini.write_text("\n".join(lines) + "\n")
    (folder / "more.ini").write_text(MORE.format(**names))
    (folder / "userlist.txt").write_text('"postgres" "so secret"\n"monitor" "very secret"\n')
    return ini


def run_import(ini: Path) -> "subprocess.CompletedProcess[str]":
    command = [str(find_binary()), "import-pgbouncer", str(ini)]
    return subprocess.run(command, capture_output=True, text=True, timeout=scaled(20), cwd=ini.parent)


def import_ini(tmp_path: Path, text: str, **files: str) -> "subprocess.CompletedProcess[str]":
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    ini = tmp_path / "p.ini"
    ini.write_text(text)
    return run_import(ini)


def test_imported_configuration_passes_the_check_runs_and_serves(postgres: Postgres, tmp_path: Path) -> None:
    port = free_port()
    result = run_import(write_ini(tmp_path, postgres, port))
    assert result.returncode == 1, result.stderr  # suspend_timeout and server_fast_close are not carried over
    config = tmp_path / "weir.toml"
    config.write_text(result.stdout.replace('[admin]', '[http]\naddress = ""\n[admin]'))
    check = subprocess.run([str(find_binary()), "check", "-c", str(config)], capture_output=True, text=True)
    assert check.returncode == 0, check.stdout + result.stdout
    shown = subprocess.run([str(find_binary()), "config", "-c", str(config)], capture_output=True, text=True).stdout
    for line in (
        'mode = "transaction"',
        "max = 7",
        'statement_timeout = "1m"',
        'tcp_user_timeout = "30s"',
        'reserve_after = "1500ms"',
        "round_robin = true",
        'connect = { attempts = 0, base = "100ms", multiplier = 2.0, max = "2s", jitter = true }',
        "max_clients = 200",
        'max_message = "2147483647B"',
        "connect_query = \"select 'x'\"",
    ):
        assert line in shown, line
    process = subprocess.Popen([str(find_binary()), "-c", str(config)], cwd=tmp_path)
    try:
        wait_until(lambda: accepts_tcp(port), "it listens")
        for database in ("app", "reports", "postgres"):
            rows = subprocess.run(
                ["psql", "-XAtc", "SELECT current_user", f"host=127.0.0.1 port={port} user=anybody dbname={database}"],
                capture_output=True,
                text=True,
            )
            assert rows.stdout == "postgres\n", rows.stderr
        assert (tmp_path / "pooler.pid").read_text().strip() == str(process.pid)
        assert "client_login" in (tmp_path / "pooler.log").read_text()
        shown = subprocess.run(
            ["psql", "-XAtc", "SHOW VERSION", f"host=127.0.0.1 port={port} user=root dbname=pgbouncer"],
            capture_output=True,
            text=True,
        )
        assert shown.returncode == 0, shown.stderr
    finally:
        process.terminate()
        assert process.wait(scaled(10)) == 0


@pytest.mark.skipif(shutil.which("pgbouncer", path="/usr/sbin:/usr/bin") is None, reason="needs Debian's pgbouncer")
def test_the_same_file_is_one_that_pgbouncer_starts_with(postgres: Postgres) -> None:
    folder = Path("/tmp") / f"weir-import-{os.getpid()}"
    port = free_port()
    ini = write_ini(folder, postgres, port)
    for path in (folder, *folder.iterdir()):
        path.chmod(0o777)
    log = folder / "output"
    binary = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin")
    with open(log, "wb") as output:
        process = subprocess.Popen(as_postgres([str(binary), str(ini)]), stdout=output, stderr=output, cwd=folder)
    try:
        wait_until(lambda: accepts_tcp(port) or process.poll() is not None, "pgbouncer listens")
        assert process.poll() is None, log.read_text()
        rows = subprocess.run(
            ["psql", "-XAtc", "SELECT current_user", f"host=127.0.0.1 port={port} user=postgres dbname=app"],
            capture_output=True,
            text=True,
        )
        assert rows.stdout == "postgres\n", rows.stderr + log.read_text()
    finally:
        process.terminate()
        process.wait(scaled(10))
        shutil.rmtree(folder, ignore_errors=True)


def test_what_could_not_be_carried_over_is_named_with_its_place(tmp_path: Path) -> None:
    result = import_ini(
        tmp_path,
        "[databases]\nshop = host=10.0.0.1,10.0.0.2 password=hushhush foo=1\n"
        "[pgbouncer]\nlisten_addr = 127.0.0.1\nno_such_thing = 1\nuser = nobody\npkt_buf = 1\n",
    )
    assert result.returncode == 1
    ini = tmp_path / "p.ini"
    for line in (
        f"{ini}:2:1: shop: has several hosts: PgBouncer uses them for everything, Weir sends all to the primary",
        f"{ini}:2:1: shop: foo: is no part of PgBouncer's connection strings",
        f"{ini}:5:1: no_such_thing: is no setting of PgBouncer's",
        f"{ini}:6:1: user: Weir does not change its user",
        "note: pkt_buf: not needed",
    ):
        assert line in result.stderr, result.stderr
        assert line.removeprefix("note: ") in result.stdout  # and as comments at the end
    assert "hushhush" not in result.stderr


@pytest.mark.parametrize(
    "text, line, what",
    [
        ("[databases]\nshop host=x\n", 2, "is no setting"),
        ("[databases\n", 1, "a section without its ]"),
        ("[nonsense]\n", 1, r"unknown section \[nonsense\]"),
        ("pool_mode = session\n", 1, "stands before the first section"),
        ("[databases]\nshop = host='x\n", 2, "shop: a ' without its end"),
        ("[databases]\nshop = host\n", 2, "shop: a word without its ="),
        ("[databases]\npgbouncer = host=x\n", 2, "is the name of the admin database"),
        ("[pgbouncer]\nquery_timeout = soon\n", 2, "query_timeout: is no number of seconds"),
        ("[pgbouncer]\nlog_connections = yes\n", 2, "log_connections: is neither 0 nor 1"),
        ("[users]\nann = query_timeout=x\n", 2, "query_timeout: is no number of seconds"),
        ("[pgbouncer]\n%include /nowhere/at/all\n", 0, "/nowhere/at/all: cannot be read"),
        ("[pgbouncer]\nauth_file = users\n", 1, "users"),
    ],
)
def test_mistakes_are_named_with_their_place_and_nothing_is_printed(
    tmp_path: Path, text: str, line: int, what: str
) -> None:
    result = import_ini(tmp_path, text, users="not a users file\n")
    assert result.returncode == 2 and result.stdout == ""
    assert re.search(rf"(:{line}:\d+: )?.*{what}", result.stderr), result.stderr
    if line and "users" not in what:
        assert f"p.ini:{line}:" in result.stderr


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    result = run_import(tmp_path / "missing.ini")
    assert result.returncode == 2 and "missing.ini: cannot be read" in result.stderr


def test_includes_in_a_circle_end(tmp_path: Path) -> None:
    result = import_ini(tmp_path, "[pgbouncer]\n%include p.ini\n")
    assert result.returncode == 2 and "nested too deep" in result.stderr


def test_defaults_that_differ_are_written_down(tmp_path: Path) -> None:
    result = import_ini(tmp_path, "[databases]\nshop = host=127.0.0.1\n[pgbouncer]\nlisten_addr = 127.0.0.1\n")
    assert result.returncode == 0, result.stderr
    for line in ('mode = "session"', "max = 20", 'method = "md5"', "max_clients = 100", 'acquire_timeout = "2m"'):
        assert line in result.stdout, result.stdout


def test_imported_hba_file_is_used_or_named(tmp_path: Path) -> None:
    result = import_ini(
        tmp_path,
        "[databases]\nshop = host=127.0.0.1\n[pgbouncer]\nlisten_addr = 127.0.0.1\nauth_type = hba\n"
        "auth_hba_file = rules\n",
        rules="local all all trust\n",
    )
    if result.returncode == 0:
        assert f'hba_file = "{tmp_path}/rules"' in result.stdout and 'method = "hba"' in result.stdout
    else:
        assert "auth_hba_file: this version of Weir has no auth.hba_file" in result.stderr
        assert 'method = "scram-sha-256"' in result.stdout


def test_settings_of_newer_versions_are_known(tmp_path: Path) -> None:
    result = import_ini(
        tmp_path,
        "[databases]\nshop = host=127.0.0.1 server_lifetime=0 query_wait_timeout=5\n"
        "[users]\nann = query_timeout=2.5 client_idle_timeout=60 idle_transaction_timeout=30 pool_size=4\n"
        "[peers]\n1 = host=127.0.0.1\n"
        "[pgbouncer]\nlisten_addr = 127.0.0.1\ncancel_wait_timeout = 10\ntransaction_timeout = 90\n"
        "query_wait_notify = 7\nmax_prepared_statements = 100\ntrack_extra_parameters = IntervalStyle\n"
        "login_notify_message = hello\nscram_iterations = 4096\npeer_id = 1\nserver_check_query =\n",
    )
    assert result.returncode == 0, result.stderr
    for line in (
        'max_lifetime = "1ms"',  # 0 there: each connection is used once
        'acquire_timeout = "5s"',
        'statement_timeout = "2500ms"',
        'client_idle_timeout = "1m"',
        'transaction_timeout = "90s"',
        'notice_after = "7s"',
        "prepared_statements = 100",
        'login_notice = "hello"',
        'check_after = "0s"',
        "max = 4",
    ):
        assert line in result.stdout, line + "\n" + result.stdout


@pytest.mark.parametrize(
    "seconds, first, longest", [("0", "100ms", "100ms"), ("0.05", "50ms", "50ms"), ("0.1", "100ms", "100ms"), ("15", "100ms", "15s")]
)
def test_pause_between_logins_grows_to_theirs(tmp_path: Path, seconds: str, first: str, longest: str) -> None:
    result = import_ini(
        tmp_path,
        "[databases]\nshop = host=127.0.0.1\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nserver_login_retry = {seconds}\n",
    )
    assert result.returncode == 0, result.stderr
    assert f'base = "{first}", multiplier = 2.0, max = "{longest}", jitter = true' in result.stdout


@pytest.mark.parametrize(
    "keys, mode, cluster, split",
    [
        ("", "transaction", 'balance = "round-robin"', True),
        (" load_balance_hosts=round-robin", "statement", 'balance = "round-robin"', True),
        ("", "session", 'balance = "round-robin"', False),
        (" pool_mode=session", "transaction", 'balance = "round-robin"', False),
        (" pool_mode=transaction", "session", 'balance = "round-robin"', True),
        (" load_balance_hosts=disable", "transaction", "", False),
    ],
)
def test_several_hosts_become_members_of_one_cluster(
    tmp_path: Path, keys: str, mode: str, cluster: str, split: bool
) -> None:
    result = import_ini(
        tmp_path,
        f"[databases]\nshop = host=10.0.0.1,10.0.0.2,10.0.0.1,::1,/run/pg port=5433{keys}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\npool_mode = {mode}\n",
    )
    assert result.returncode == 1  # said, since it is not the same
    assert "shop: has several hosts: " in result.stderr
    servers = 'servers = ["10.0.0.1:5433", "10.0.0.2:5433", "[::1]:5433", "unix:/run/pg/.s.PGSQL.5433"]'
    assert servers in result.stdout
    assert cluster in result.stdout and ("balance" in result.stdout) == bool(cluster)
    assert ("read_write_split = true" in result.stdout) == split
    toml = tmp_path / "weir.toml"
    toml.write_text(result.stdout)
    check = subprocess.run([find_binary(), "check", "-c", toml], capture_output=True, text=True)
    assert check.returncode == 0, check.stderr
