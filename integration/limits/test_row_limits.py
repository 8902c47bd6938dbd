"""policy.row_limit and byte_limit: on every way a result can take to a client, with each action.

A result of N rows is asked for through a limit of LIMIT rows. What is to come of it is the same on every way."""

from typing import Callable, Iterator

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import wait_until
from support.postgres import Postgres
from support.raw_client import RawClient, errors
from support.weir import Weir
from support.wire import Message

pytestmark = pytest.mark.needs_weir

LIMIT = 10
MANY = 25
SERIES = f"SELECT g FROM generate_series(1, {MANY}) g"
HUGE = "SELECT a.g FROM thousand a, thousand b, thousand c, thousand d"
ACTIONS = ["error", "truncate", "warn"]

Run = Callable[[RawClient, str], list[Message]]


def policy(action: str, rows: int = LIMIT, **more: object) -> dict[str, object]:
    return {"policy": {"row_limit": rows, "row_limit_action": action, **more}, "pool": {"max": 2}}


def rows_of(messages: list[Message]) -> int:
    return sum(message.type == "D" for message in messages)


def tags_of(messages: list[Message]) -> list[str]:
    return [message.body.rstrip(b"\0").decode() for message in messages if message.type == "C"]


def warnings_of(messages: list[Message]) -> list[str]:
    return [message.severity for message in messages if message.type == "N"]


def simple(client: RawClient, sql: str) -> list[Message]:
    return client.query(sql)


def extended(client: RawClient, sql: str) -> list[Message]:
    client.send(wire.extended(sql), wire.sync())
    return client.receive_ready()


def named(client: RawClient, sql: str) -> list[Message]:
    client.send(wire.parse(sql, "again"), wire.sync())
    assert errors(client.receive_ready()) == []
    client.send(wire.bind(name="again"), wire.describe("P"), wire.execute(), wire.sync())
    messages = client.receive_ready()
    client.send(wire.close("S", "again"), wire.sync())
    client.receive_ready()
    return messages


def flushed(client: RawClient, sql: str) -> list[Message]:
    """The Sync comes only after the answer has."""
    client.send(wire.extended(sql), wire.flush())
    messages = client.receive_until("C", "E")
    client.send(wire.sync())
    return messages + client.receive_ready()


def fetched(client: RawClient, sql: str) -> list[Message]:
    """The portal is executed in pieces, as JDBC does with a fetch size."""
    client.query("BEGIN")
    client.send(wire.parse(sql), wire.bind(portal="piece"), wire.describe("P", "piece"), wire.execute("piece", 4), wire.sync())
    messages = client.receive_ready()
    while messages[-2].type == "s":
        client.send(wire.execute("piece", 4), wire.sync())
        messages += client.receive_ready()
    return messages


def cursor(client: RawClient, sql: str) -> list[Message]:
    """A cursor of SQL, read by FETCH."""
    client.query("BEGIN")
    assert errors(client.query(f'DECLARE "A Cursor" CURSOR FOR {sql}')) == []
    messages: list[Message] = []
    while True:
        part = client.query('FETCH FORWARD 4 FROM "A Cursor"')
        messages += part
        if errors(part) or rows_of(part) < 4:
            return messages


def extended_cursor(client: RawClient, sql: str) -> list[Message]:
    """The same with messages of the extended protocol, as psycopg reads it."""
    client.query("BEGIN")
    assert errors(extended(client, f"DECLARE c CURSOR FOR {sql}")) == []
    messages: list[Message] = []
    while True:
        part = extended(client, "FETCH FORWARD 4 FROM c")
        messages += part
        if errors(part) or rows_of(part) < 4:
            return messages


def in_transaction(client: RawClient, sql: str) -> list[Message]:
    client.query("BEGIN")
    return client.query(sql)


def extended_in_transaction(client: RawClient, sql: str) -> list[Message]:
    client.query("BEGIN")
    return extended(client, sql)


WAYS = [simple, extended, named, flushed, fetched, cursor, extended_cursor, in_transaction, extended_in_transaction]


@pytest.fixture(autouse=True)
def thousand(postgres: Postgres) -> None:
    postgres.execute("CREATE TABLE IF NOT EXISTS thousand AS SELECT generate_series(1, 1000) g")


@pytest.fixture(params=ACTIONS)
def action(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param


@pytest.mark.parametrize("mode", ["transaction", "session"])
@pytest.mark.parametrize("run", WAYS, ids=lambda run: run.__name__)
def test_result_beyond_the_limit(start_weir: StartWeir, action: str, run: Run, mode: str) -> None:
    settings = policy(action)
    settings["pool"] = {"max": 2, "mode": mode}
    weir = start_weir(settings, http=True)
    assert isinstance(weir, Weir)
    with weir.logged_in() as client:
        is_open = run in (fetched, cursor, extended_cursor, in_transaction, extended_in_transaction)
        for _ in range(3):
            messages = run(client, SERIES)
            status = messages[-1].body
            if action == "error":
                assert errors(messages) == ["54000"]
                assert rows_of(messages) == LIMIT
                assert status == (b"E" if is_open else b"I")
                assert "25P02" in errors(client.query("SELECT 1")) if is_open else client.value("SELECT 1") == "1"
            else:
                assert errors(messages) == []
                assert rows_of(messages) == (LIMIT if action == "truncate" else MANY)
                assert "WARNING" in warnings_of(messages)
                assert status == (b"T" if is_open else b"I")
                assert client.value("SELECT 'usable'") == "usable"
            if is_open:
                client.query("ROLLBACK")
        assert errors(run(client, f"SELECT g FROM generate_series(1, {LIMIT}) g")) == []
    # assert weir.metrics().sum("weir_row_limit_hits_total") >= 3


@pytest.mark.parametrize("run", [simple, extended, in_transaction, extended_in_transaction], ids=lambda run: run.__name__)
def test_tag_says_how_many_rows_there_were(start_weir: StartWeir, run: Run) -> None:
    with start_weir(policy("truncate")).logged_in() as client:
        assert tags_of(run(client, SERIES))[-1] == f"SELECT {LIMIT}"


def test_tag_of_a_fetch(start_weir: StartWeir) -> None:
    with start_weir(policy("truncate")).logged_in() as client:
        client.query("BEGIN")
        client.query(f"DECLARE c CURSOR FOR {SERIES}")
        assert tags_of(client.query("FETCH 20 FROM c")) == [f"FETCH {LIMIT}"]
        assert tags_of(client.query("FETCH 20 FROM c")) == ["FETCH 0"]


@pytest.mark.parametrize("run", [simple, extended, named, flushed], ids=lambda run: run.__name__)
def test_runaway_statement_is_ended_on_the_server(start_weir: StartWeir, postgres: Postgres, action: str, run: Run) -> None:
    if action == "warn":
        pytest.skip("a warning ends nothing")
    with start_weir(policy(action)).logged_in() as client:
        messages = run(client, HUGE)
        assert rows_of(messages) == LIMIT
        assert errors(messages) == (["54000"] if action == "error" else [])
        assert client.value("SELECT 1") == "1"
        wait_until(lambda: postgres.backends(f"query LIKE '%{HUGE}%' AND state = 'active'") == 0, "it has ended")


@pytest.mark.parametrize("run", [extended, named, flushed], ids=lambda run: run.__name__)
def test_what_a_refused_statement_has_written_is_undone(start_weir: StartWeir, postgres: Postgres, run: Run) -> None:
    postgres.execute("DROP TABLE IF EXISTS cut; CREATE TABLE cut (a int)")
    with start_weir(policy("error")).logged_in() as client:
        sql = f"INSERT INTO cut SELECT generate_series(1, {MANY}) RETURNING a"
        assert errors(run(client, sql)) == ["54000"]
        assert client.value("SELECT count(*) FROM cut") == "0"
        assert errors(run(client, "INSERT INTO cut VALUES (1) RETURNING a")) == []
        assert client.value("SELECT count(*) FROM cut") == "1"


@pytest.mark.parametrize("run", [simple, extended, named, flushed], ids=lambda run: run.__name__)
def test_what_a_truncated_statement_has_written_stays(start_weir: StartWeir, postgres: Postgres, run: Run) -> None:
    postgres.execute("DROP TABLE IF EXISTS cut; CREATE TABLE cut (a int)")
    with start_weir(policy("truncate")).logged_in() as client:
        messages = run(client, f"INSERT INTO cut SELECT generate_series(1, {MANY}) RETURNING a")
        assert errors(messages) == [] and rows_of(messages) == LIMIT
        assert tags_of(messages)[-1] == f"INSERT 0 {MANY}"
        assert client.value("SELECT count(*) FROM cut") == str(MANY)


def test_pipeline_behind_an_error_does_not_run(start_weir: StartWeir, postgres: Postgres) -> None:
    postgres.execute("DROP TABLE IF EXISTS behind; CREATE TABLE behind (a int)")
    insert = wire.extended("INSERT INTO behind VALUES (1)")
    with start_weir(policy("error")).logged_in() as client:
        client.send(insert, wire.extended(SERIES), insert, wire.sync())
        assert errors(client.receive_ready()) == ["54000"]
        assert client.value("SELECT count(*) FROM behind") == "0"
        # The next batch of the same pipeline is a transaction of its own.
        client.send(insert, wire.extended(SERIES), insert, wire.sync(), insert, wire.sync())
        assert errors(client.receive_ready()) == ["54000"]
        assert errors(client.receive_ready()) == []
        assert client.value("SELECT count(*) FROM behind") == "1"


@pytest.mark.parametrize("action_", ["truncate", "warn"])
def test_pipeline_goes_on_behind_a_warning(start_weir: StartWeir, postgres: Postgres, action_: str) -> None:
    postgres.execute("DROP TABLE IF EXISTS behind; CREATE TABLE behind (a int)")
    insert = wire.extended("INSERT INTO behind VALUES (1)")
    with start_weir(policy(action_)).logged_in() as client:
        client.send(insert, wire.extended(SERIES), insert, wire.extended(SERIES), wire.sync())
        messages = client.receive_ready()
        assert errors(messages) == []
        assert rows_of(messages) == 2 * (LIMIT if action_ == "truncate" else MANY)
        assert client.value("SELECT count(*) FROM behind") == "2"


def test_each_statement_of_a_query_string_has_the_limit_to_itself(start_weir: StartWeir, action: str) -> None:
    with start_weir(policy(action)).logged_in() as client:
        few = f"SELECT g FROM generate_series(1, {LIMIT}) g"
        assert rows_of(client.query(f"{few}; {few}; {few}")) == 3 * LIMIT
        messages = client.query(f"{few}; {SERIES}; SELECT 1")
        if action == "error":
            assert errors(messages) == ["54000"] and rows_of(messages) == 2 * LIMIT
        else:
            assert rows_of(messages) == LIMIT + (LIMIT if action == "truncate" else MANY) + 1


def test_copy_is_not_counted(start_weir: StartWeir) -> None:
    with start_weir(policy("error")).logged_in() as client:
        messages = client.query(f"COPY ({SERIES}) TO STDOUT")
        assert errors(messages) == []
        assert sum(message.type == "d" for message in messages) == MANY


@pytest.mark.parametrize("run", [simple, extended], ids=lambda run: run.__name__)
def test_bytes_are_limited_alike(start_weir: StartWeir, action: str, run: Run) -> None:
    settings = {"policy": {"byte_limit": "64KiB", "row_limit_action": action}, "pool": {"max": 2}}
    with start_weir(settings).logged_in() as client:
        sql = "SELECT repeat('x', 1000) FROM generate_series(1, 200)"
        messages = run(client, sql)
        size = sum(len(message.body) + 5 for message in messages if message.type == "D")
        if action == "warn":
            assert rows_of(messages) == 200 and "WARNING" in warnings_of(messages)
        else:
            assert size <= 64 * 1024 and rows_of(messages) > 50
            assert errors(messages) == (["54000"] if action == "error" else [])
        assert client.value("SELECT 1") == "1"


def test_portal_without_a_limit_of_its_own_goes_on_beside_one_that_has(start_weir: StartWeir) -> None:
    """Two portals of one transaction, read by turns: each has a count of its own."""
    with start_weir(policy("truncate")).logged_in() as client:
        client.query("BEGIN")
        client.send(wire.parse(SERIES), wire.bind(portal="a"), wire.bind(portal="b"), wire.sync())
        assert errors(client.receive_ready()) == []
        totals = {"a": 0, "b": 0}
        for _ in range(4):
            for name in totals:
                client.send(wire.execute(name, 3), wire.sync())
                totals[name] += rows_of(client.receive_ready())
        assert totals == {"a": LIMIT, "b": LIMIT}


def test_limit_of_a_reload_holds_for_the_next_statement(start_weir: StartWeir) -> None:
    weir = start_weir(policy("error"))
    assert isinstance(weir, Weir)
    with weir.logged_in() as client:
        assert errors(client.query(SERIES)) == ["54000"]
        weir.reload(policy("error", 100))
        assert errors(client.query(SERIES)) == []
        weir.reload(policy("truncate", 5))
        assert rows_of(client.query(SERIES)) == 5


def test_client_that_leaves_in_the_middle_of_a_cut_result_leaves_nothing_behind(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir(policy("truncate"))
    for _ in range(5):
        with weir.logged_in() as client:
            client.send(wire.query("BEGIN"))
            client.receive_ready()
            client.send(wire.query(HUGE))  # inside a transaction: what is too much is thrown away
            client.receive_until("D")
    with weir.logged_in() as client:
        assert client.value("SELECT 1") == "1"
    wait_until(lambda: postgres.backends(f"query LIKE '%{HUGE}%' AND state = 'active'") == 0, "they have been cancelled")
