"""Prepared statements while their tables change shape: no storm of errors, nobody misreads rows."""

import threading
import time

import psycopg
import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import scaled
from support.postgres import Postgres
from support.raw_client import RawClient, errors, types

pytestmark = pytest.mark.needs_weir


def ask(client: RawClient, *parts: bytes) -> list[wire.Message]:
    client.send(b"".join(parts) + wire.sync())
    return client.receive_ready()


def run(name: str) -> bytes:
    return wire.bind(name=name) + wire.describe("P") + wire.execute()


@pytest.fixture
def table(postgres: Postgres) -> str:
    postgres.execute("DROP TABLE IF EXISTS shape; CREATE TABLE shape (a int); INSERT INTO shape VALUES (1)")
    return "shape"


@pytest.mark.parametrize("is_seen", [True, False], ids=["through weir", "behind its back"])
def test_who_prepares_again_is_healed_everywhere(
    start_weir: StartWeir, postgres: Postgres, table: str, is_seen: bool
) -> None:
    """pgbouncer#1038: preparing anew after a migration must not meet what was prepared before it."""
    weir = start_weir({"pool": {"max": 2}})
    clients = [weir.logged_in() for _ in range(4)]
    for client in clients:
        ask(client, wire.parse(f"SELECT * FROM {table}", "s"))
    for first, second in ((0, 1), (1, 0)):  # on both backends
        clients[first].query("BEGIN")
        assert types(ask(clients[second], run("s"))) == "2TDCZ"
        clients[first].query("COMMIT")
    ddl = f"ALTER TABLE {table} ADD b int DEFAULT 2"
    if is_seen:
        clients[0].query(ddl)
    else:
        postgres.execute(ddl)
    for client in clients:
        failures = 0
        for _ in range(6):
            answer = ask(client, run("s"))
            if errors(answer):
                assert errors(answer) == ["0A000"]
                failures += 1
                ask(client, wire.close("S", "s"))
                assert errors(ask(client, wire.parse(f"SELECT * FROM {table}", "s"))) == []
        assert failures <= 1
        assert ask(client, run("s"))[2].columns() == [b"1", b"2"]
    for client in clients:
        client.quit()


def test_new_clients_never_meet_the_old_shape(start_weir: StartWeir, table: str) -> None:
    weir = start_weir({"pool": {"max": 1}})
    with weir.logged_in() as one, weir.logged_in() as other:
        ask(one, wire.parse(f"SELECT * FROM {table}", "s"), run("s"))
        one.query("BEGIN")
        one.query(f"ALTER TABLE {table} ADD b int")
        one.query("COMMIT")
        assert types(ask(other, wire.parse(f"SELECT * FROM {table}", "t"), run("t"))) == "12TDCZ"


def test_error_protects_who_prepared_before(start_weir: StartWeir, postgres: Postgres, table: str) -> None:
    weir = start_weir({"pool": {"max": 1}})
    with weir.logged_in() as client:
        ask(client, wire.parse(f"SELECT * FROM {table}", "s"), run("s"))
        postgres.execute(f"ALTER TABLE {table} ALTER a TYPE text")
        assert errors(ask(client, run("s"))) == ["0A000"]
        assert errors(ask(client, run("s"))) == ["0A000"]


@pytest.mark.parametrize("is_seen", [True, False], ids=["through weir", "behind its back"])
def test_error_protects_who_prepared_before_from_who_prepared_after(
    start_weir: StartWeir, postgres: Postgres, table: str, is_seen: bool
) -> None:
    """What one client prepares after a change must not serve another that counts on the columns before it."""
    weir = start_weir({"pool": {"max": 1}})
    sql = f"SELECT * FROM {table}"
    with weir.logged_in() as old, weir.logged_in() as other, weir.logged_in() as new:
        for client in (old, other):
            ask(client, wire.parse(sql, "s"), run("s"))
        change = f"ALTER TABLE {table} ADD b int DEFAULT 2"
        if is_seen:
            other.query(change)
        else:
            postgres.execute(change)
        assert errors(ask(other, run("s"))) == ["0A000"]
        ask(other, wire.close("S", "s"), wire.parse(sql, "s"))
        for client, name in ((other, "s"), (new, "t")):
            answer = ask(client, wire.parse(sql, name), run(name)) if client is new else ask(client, run(name))
            assert [m.columns() for m in answer if m.type == "D"] == [[b"1", b"2"]]
        assert errors(ask(old, run("s"))) == ["0A000"]
        ask(old, wire.close("S", "s"), wire.parse(sql, "s"))
        assert types(ask(old, run("s"))) == "2TDCZ"
        assert len(new.rows("SELECT name FROM pg_prepared_statements")) == 2  # who heals shares again


def test_migration_sees_its_own_change_before_it_commits(
    start_weir: StartWeir, postgres: Postgres, table: str
) -> None:
    weir = start_weir({"pool": {"max": 1}})
    sql = f"SELECT * FROM {table}"
    for endpoint in (postgres.endpoint, weir):
        with endpoint.logged_in() as client, endpoint.logged_in() as migration:
            ask(client, wire.parse(sql, "s"), run("s"))
            for end, after in (("ROLLBACK", [b"1"]), ("COMMIT", [b"1", b"2"])):
                migration.query("BEGIN")
                migration.query(f"ALTER TABLE {table} ADD b int DEFAULT 2")
                answer = ask(migration, wire.parse(sql, end), run(end))
                assert [m.columns() for m in answer if m.type == "D"] == [[b"1", b"2"]]
                migration.query(end)
                answer = ask(migration, wire.parse(sql, "after " + end), run("after " + end))
                assert [m.columns() for m in answer if m.type == "D"] == [after]
            assert errors(ask(client, run("s"))) == ["0A000"]
        postgres.execute(f"ALTER TABLE {table} DROP b")


@pytest.mark.xfail(strict=True, reason="a server connection that never had the statement prepares it as things are now")
def test_error_protects_who_prepared_before_also_where_the_statement_is_missing(
    start_weir: StartWeir, table: str
) -> None:
    weir = start_weir({"pool": {"max": 1}})
    with weir.logged_in() as client, weir.logged_in() as other:
        ask(client, wire.parse(f"SELECT * FROM {table}", "s"), run("s"))
        other.query("DEALLOCATE ALL")
        other.query(f"ALTER TABLE {table} ADD b int")
        assert errors(ask(client, run("s"))) == ["0A000"]


def test_changes_that_keep_the_result_are_not_noticed(start_weir: StartWeir, table: str) -> None:
    weir = start_weir({"pool": {"max": 1}})
    with weir.logged_in() as client, weir.logged_in() as other:
        ask(client, wire.parse(f"SELECT a FROM {table}", "s"), run("s"))
        for number in range(5):
            other.query(f"ALTER TABLE {table} ADD c{number} int")
            assert types(ask(client, run("s"))) == "2TDCZ"


def test_drivers_survive_a_storm_of_changes(start_weir: StartWeir, postgres: Postgres, table: str) -> None:
    """psycopg prepares by itself and heals by preparing again, as long as that helps."""
    weir = start_weir({"pool": {"max": 3}})
    stop = threading.Event()
    broken: list[str] = []

    def work() -> None:
        with weir.psycopg(autocommit=True, prepare_threshold=0) as connection:
            in_a_row = 0
            while not stop.is_set():
                try:
                    connection.execute(f"SELECT * FROM {table}").fetchall()
                    in_a_row = 0
                except psycopg.errors.FeatureNotSupported:
                    in_a_row += 1
                    connection.execute("ROLLBACK")  # makes psycopg throw away what it prepared
                except psycopg.Error as error:
                    broken.append(repr(error))
                    return
                if in_a_row > 20:  # each may have met a change of its own
                    broken.append("the error does not end")
                    return

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + scaled(3)
    number = 0
    while time.monotonic() < until:
        number += 1
        postgres.execute(f"ALTER TABLE {table} ADD x{number} int")
        postgres.execute(f"ALTER TABLE {table} DROP x{number}")
        time.sleep(0.02)
    stop.set()
    for thread in threads:
        thread.join()
    assert broken == []
    assert number > 3
