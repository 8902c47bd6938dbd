"""Replication connections pass through, each on a connection of its own: PostgreSQL's tools work."""

import signal
import subprocess
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import wait_until
from support.postgres import BINARIES, Postgres
from support.raw_client import ServerError, errors

pytestmark = [pytest.mark.needs_weir, pytest.mark.timeout(60)]


@pytest.fixture
def primary(own_postgres: Callable[..., Postgres]) -> Postgres:
    hba = ["local all all trust", "host all all all trust", "host replication all all trust"]
    return own_postgres(hba=hba, max_wal_senders="6", wal_level="logical", max_replication_slots="4")


@pytest.fixture(params=["session", "transaction"])
def replicating(request: pytest.FixtureRequest, primary: Postgres, start_weir_at: StartWeir) -> Any:
    return start_weir_at(primary.port, {"pool": {"mode": request.param, "max": 2}})


def tool(weir: Any, name: str, *options: str) -> list[str]:
    return [str(BINARIES / name), "-h", "127.0.0.1", "-p", str(weir.port), "-U", "postgres", *options]


@pytest.fixture
def running() -> Iterator[Callable[[list[str]], "subprocess.Popen[bytes]"]]:
    processes: list["subprocess.Popen[bytes]"] = []

    def start(command: list[str]) -> "subprocess.Popen[bytes]":
        processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def walsenders(primary: Postgres) -> int:
    return int(primary.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender'"))


def test_pg_basebackup_streams_a_whole_cluster(replicating: Any, primary: Postgres, tmp_path: Path) -> None:
    primary.execute("CREATE TABLE backed_up AS SELECT generate_series(1, 1000) AS id")
    target = tmp_path / "backup"
    options = ["-D", str(target), "-X", "stream", "--checkpoint=fast", "--no-sync"]
    done = subprocess.run(
        tool(replicating, "pg_basebackup", *options), capture_output=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stderr
    verified = subprocess.run([str(BINARIES / "pg_verifybackup"), str(target)], capture_output=True, check=False)
    assert verified.returncode == 0, verified.stderr
    wait_until(lambda: walsenders(primary) == 0, "its connections are closed")


def test_pg_receivewal_follows_the_log(
    replicating: Any, primary: Postgres, tmp_path: Path, running: Callable[[list[str]], Any]
) -> None:
    receiver = running(tool(replicating, "pg_receivewal", "-D", str(tmp_path), "--no-loop"))
    # One that is connected has yet to ask where the log is: it would begin behind the switch.
    streaming = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
    wait_until(lambda: primary.value(streaming) == 1, "it streams")
    primary.execute("CREATE TABLE followed AS SELECT generate_series(1, 1000) AS id")
    primary.execute("SELECT pg_switch_wal()")
    wait_until(lambda: any(not path.name.endswith(".partial") for path in tmp_path.iterdir()), "a segment is whole")
    assert receiver.poll() is None
    assert replicating.value("SELECT count(*) FROM followed") == 1000
    receiver.send_signal(signal.SIGINT)  # which it takes as "enough"
    assert receiver.wait(10) == 0
    wait_until(lambda: walsenders(primary) == 0, "its connection is closed")


def test_pg_recvlogical_decodes(
    replicating: Any, primary: Postgres, tmp_path: Path, running: Callable[[list[str]], Any]
) -> None:
    primary.execute("CREATE TABLE decoded (name text PRIMARY KEY)")
    primary.execute("CREATE PUBLICATION everything FOR ALL TABLES")
    slot = ["-d", "app", "--slot=probe"]
    create = tool(replicating, "pg_recvlogical", *slot, "--create-slot", "--plugin=pgoutput")
    created = subprocess.run(create, capture_output=True, timeout=20, check=False)
    assert created.returncode == 0, created.stderr
    out = tmp_path / "changes"
    options = ["-o", "proto_version=1", "-o", "publication_names=everything", "-f", str(out), "-F", "1", "--no-loop"]
    running(tool(replicating, "pg_recvlogical", *slot, "--start", *options))
    wait_until(lambda: walsenders(primary) == 1)
    replicating.value("INSERT INTO decoded VALUES ('a change') RETURNING name")
    wait_until(lambda: out.exists() and b"a change" in out.read_bytes(), "the change arrives")


def test_replication_clients_share_nothing(replicating: Any, primary: Postgres) -> None:
    clients = [replicating.raw() for _ in range(2)]
    for client in clients:
        client.log_in(user="postgres", database="app", replication="database")
        assert errors(client.query("IDENTIFY_SYSTEM")) == []
    assert walsenders(primary) == 2
    assert replicating.value("SELECT 1") == 1
    for client in clients:
        client.quit()
    wait_until(lambda: walsenders(primary) == 0, "their connections are closed")


def test_replication_client_that_vanishes_leaves_no_connection(replicating: Any, primary: Postgres) -> None:
    client = replicating.raw()
    client.log_in(user="postgres", database="app", replication="database")
    client.send(wire.query("START_REPLICATION PHYSICAL 0/1000000"))
    assert client.receive_until("W", "E")[-1].type == "W"
    client.reset()
    wait_until(lambda: walsenders(primary) == 0, "its connection is closed")
    assert replicating.value("SELECT 1") == 1


def test_startup_parameters_reach_the_replication_connection(replicating: Any, primary: Postgres) -> None:
    with replicating.raw() as client:
        client.log_in(
            user="postgres",
            database="app",
            replication="database",
            application_name="standby_7",
            options="-c wal_sender_timeout=7s",
        )
        assert client.value("SHOW wal_sender_timeout") == "7s"
        assert primary.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'standby_7'") == 1
    with replicating.raw() as client, pytest.raises(ServerError) as refused:
        client.log_in(user="postgres", database="app", replication="database", no_such_setting="1")
    assert refused.value.sqlstate == "42704"


def test_sql_over_a_replication_connection_is_no_way_around_rules(primary: Postgres, start_weir_at: StartWeir) -> None:
    primary.execute("CREATE TABLE secret (a int)")
    weir = start_weir_at(primary.port, {"rule": [{"match": {"table": "secret"}, "set": {"deny": "no"}}]})
    parameters = {"database": "postgres", "replication": "database"}
    with weir.logged_in(user="postgres", **parameters) as client:
        assert errors(client.query("SELECT * FROM secret")) == ["42501"]
        assert errors(client.query("/**/ SHOW work_mem; SELECT * FROM secret")) == ["42501"]
        assert errors(client.query("IDENTIFY_SYSTEM")) == []
        assert errors(client.query("SHOW work_mem;")) == []
    free = start_weir_at(primary.port, {})
    with free.logged_in(user="postgres", **parameters) as client:
        assert errors(client.query("SELECT * FROM pg_class")) == []


def test_sql_over_a_replication_connection_makes_results_old(primary: Postgres, start_weir_at: StartWeir) -> None:
    primary.execute("CREATE TABLE kept AS SELECT 'old' AS word")
    weir = start_weir_at(primary.port, {"cache": {"enabled": True, "default_ttl": "60s"}})
    sql = "SELECT word FROM kept"

    def is_hit() -> bool:
        before = weir.show("CACHE")[0]["hits"]
        return client.value(sql) == "old" and int(weir.show("CACHE")[0]["hits"]) > int(before)

    with weir.logged_in(user="postgres") as client:
        wait_until(is_hit, "it is kept")
        with weir.logged_in(user="postgres", replication="database") as writer:
            assert errors(writer.query("UPDATE kept SET word = 'new'")) == []
        assert client.value(sql) == "new"
