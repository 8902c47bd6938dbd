"""A row that has no partition: it is made at once, and the statement runs again where nobody can tell."""

import contextlib
import threading
from datetime import datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
from support.deadlines import wait_until

TABLE = """
CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY, created_at timestamptz NOT NULL, what text,
                     PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at);
CREATE TABLE plain (at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE numbers (n bigint PRIMARY KEY) PARTITION BY RANGE (n);
CREATE TABLE counted (n int);
CREATE TABLE kept (at timestamptz NOT NULL) PARTITION BY RANGE (at);
"""

SETTINGS = {
    "database": {"app": {"cluster": "main"}},
    "maintenance": {"enabled": True, "database": "app", "user": "postgres",
                    "schedule": {"daily": "", "vacuum": "", "retention": ""}},
    "partition": [
        {"table": "public.events", "key": "created_at", "interval": "1 month"},
        {"table": "plain", "key": "at", "interval": "1 month", "heal": False},
        {"table": "numbers", "key": "n", "interval": "1000", "ahead": {"min": "1000", "max": "5000"},
         "name": "{table}_p{lo}"},
        {"table": "kept", "key": "at", "interval": "1 month", "retention": {"keep": "6 months", "enforce": True}},
    ],
}


@pytest.fixture
def server(own_postgres: Any) -> Any:
    postgres = own_postgres()
    postgres.execute(TABLE)
    return postgres


@pytest.fixture
def healed(server: Any, start_weir_at: Any) -> Any:
    return start_weir_at(server.port, SETTINGS, http=True)


def partitions(postgres: Any, table: str = "events") -> int:
    return postgres.value(f"SELECT count(*) FROM pg_inherits WHERE inhparent = '{table}'::regclass")


MONTH = (datetime.now(timezone.utc).replace(day=1) + timedelta(days=100)).strftime("%Y-%m")
INSERT = "INSERT INTO events (created_at, what) VALUES (now() + interval '5 months', 'far')"


@pytest.mark.parametrize("style", ["simple", "extended", "returning"])
def test_the_client_sees_success(style: str, healed: Any, server: Any) -> None:
    before = partitions(server)
    with healed.psycopg(autocommit=True) as client:
        if style == "simple":
            client.execute(INSERT)
        elif style == "extended":
            client.execute(INSERT.replace("'far'", "%s"), ["far"])
        else:
            assert client.execute(INSERT + " RETURNING what").fetchone() == ("far",)
    assert partitions(server) == before + 1
    assert server.value("SELECT count(*) FROM events") == 1
    assert healed.metrics().sum("weir_retries_total", kind="partition", outcome="success") == 1


def test_in_a_transaction_the_error_passes_and_the_next_one_finds_it(healed: Any, server: Any) -> None:
    with healed.psycopg(autocommit=False) as client:
        client.execute("INSERT INTO counted VALUES (1)")
        with pytest.raises(psycopg.errors.CheckViolation, match='no partition of relation "events" found for row'):
            client.execute(INSERT)
        client.rollback()
        wait_until(lambda: partitions(server) == 1, "the partition is made")
        client.execute(INSERT)
        client.commit()
    assert server.value("SELECT count(*) FROM events") == 1
    assert server.value("SELECT count(*) FROM counted") == 0


def test_copy_fails_and_the_next_one_finds_it(healed: Any, server: Any) -> None:
    line = b"2027-01-05 10:00:00+00\tcopied\n"
    with healed.psycopg(autocommit=True) as client:
        with pytest.raises(psycopg.errors.CheckViolation):
            with client.cursor().copy("COPY events (created_at, what) FROM STDIN") as copy:
                copy.write(line)
        wait_until(lambda: partitions(server) == 1, "the partition is made")
        with client.cursor().copy("COPY events (created_at, what) FROM STDIN") as copy:
            copy.write(line)
    assert server.value("SELECT count(*) FROM events") == 1


def test_rows_of_several_partitions_in_one_statement(healed: Any, server: Any) -> None:
    with healed.psycopg(autocommit=True) as client:
        client.execute("INSERT INTO events (created_at) SELECT now() + make_interval(months => m) "
                       "FROM generate_series(1, 6) m")
    assert partitions(server) == 6
    assert server.value("SELECT count(*) FROM events") == 6


def test_what_cannot_be_made_is_the_servers_error_word_for_word(healed: Any, server: Any) -> None:
    far = "INSERT INTO events (created_at) VALUES ('2297-01-01 00:00:00+00')"

    def error_of(where: Any) -> tuple[Any, ...]:
        with where.psycopg(autocommit=True) as client:
            with pytest.raises(psycopg.errors.CheckViolation) as caught:
                client.execute(far)
            told = caught.value.diag
            return (told.sqlstate, told.message_primary, told.message_detail, told.table_name, told.severity)

    assert error_of(healed) == error_of(server.endpoint)
    assert error_of(healed) == error_of(server.endpoint)  # remembered: it is not tried again at once
    assert partitions(server) == 0
    assert healed.log.count("partition_not_made") == 1


def test_heal_false_leaves_it_to_the_client(healed: Any, server: Any) -> None:
    with healed.psycopg(autocommit=True) as client, pytest.raises(psycopg.errors.CheckViolation):
        client.execute("INSERT INTO plain VALUES (now())")
    assert partitions(server, "plain") == 0


def test_integer_keys(healed: Any, server: Any) -> None:
    with healed.psycopg(autocommit=True) as client:
        client.execute("INSERT INTO numbers VALUES (1234)")
    assert partitions(server, "numbers") == 1
    assert server.value("SELECT count(*) FROM numbers") == 1


def test_many_clients_miss_the_same_one(healed: Any, server: Any) -> None:
    failures: list[BaseException] = []

    def insert() -> None:
        try:
            with healed.psycopg(autocommit=True) as client:
                client.execute(INSERT)
        except BaseException as problem:  # noqa: BLE001
            failures.append(problem)

    threads = [threading.Thread(target=insert) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert partitions(server) == 1
    assert server.value("SELECT count(*) FROM events") == 20


def test_a_check_of_the_table_is_nobodys_business(healed: Any, server: Any) -> None:
    server.execute("ALTER TABLE counted ADD CHECK (n < 10)")
    with healed.psycopg(autocommit=True) as client, pytest.raises(psycopg.errors.CheckViolation, match="violates check"):
        client.execute("INSERT INTO counted VALUES (11)")
    assert "partition_" not in healed.log


def test_what_retention_would_take_at_once_is_not_made(healed: Any, server: Any) -> None:
    with healed.psycopg(autocommit=True) as client:
        with pytest.raises(psycopg.errors.CheckViolation, match="no partition of relation"):
            client.execute("INSERT INTO kept VALUES (now() - interval '8 months')")
    assert partitions(server, "kept") == 0
    with healed.psycopg(autocommit=True) as client:
        client.execute("INSERT INTO kept VALUES (now() - interval '5 months')")
    assert partitions(server, "kept") == 1


def test_a_connection_that_was_lost_is_no_reason_not_to_heal(healed: Any, server: Any) -> None:
    with healed.psycopg(autocommit=True) as client:
        client.execute(INSERT)
    server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'weir-maintenance'")
    with healed.psycopg(autocommit=True) as client:
        client.execute(INSERT.replace("5 months", "6 months"))
    assert partitions(server) == 2


def test_who_was_healed_once_is_healed_again(healed: Any, server: Any) -> None:
    """Also where the client has kept its backend, and hears of the error."""
    with healed.psycopg(autocommit=True) as client:
        client.execute(INSERT)
        with contextlib.suppress(psycopg.errors.CheckViolation):
            client.execute(INSERT.replace("5 months", "6 months"))
        wait_until(lambda: partitions(server) == 2, "the partition is made")


def test_many_keys_of_one_partition_are_one_partition_made(healed: Any, server: Any) -> None:
    """All of them are missed while the first is being made."""
    with server.connect() as blocker, healed.psycopg(autocommit=False) as client:
        blocker.execute("BEGIN; LOCK TABLE ONLY events IN SHARE UPDATE EXCLUSIVE MODE")
        for i in range(70):
            with pytest.raises(psycopg.errors.CheckViolation):
                client.execute(f"INSERT INTO events (created_at) VALUES ('{MONTH}-01'::timestamptz + interval '{i} minutes')")
            client.rollback()
        blocker.execute("ROLLBACK")
    wait_until(lambda: partitions(server) == 1, "the partition is made")
    with healed.psycopg(autocommit=True) as client:
        client.execute(INSERT.replace("5 months", "7 months"))
    assert partitions(server) == 2
    assert healed.log.count("partition_made") == 2
