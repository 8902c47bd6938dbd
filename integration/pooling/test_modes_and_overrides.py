"""Session and statement mode, wildcard databases, settings of a database and of a user."""

import threading
from typing import Callable

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import wait_until
from support.postgres import Postgres
from support.raw_client import ServerError, errors, types

pytestmark = pytest.mark.needs_weir


def test_session_mode_gives_one_backend_for_the_whole_session(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"pool": {"mode": "session", "max": 3}})
    clients = [weir.logged_in() for _ in range(3)]
    pids = [client.backend_pid() for client in clients]
    assert len(set(pids)) == 3
    for _ in range(3):
        assert [client.backend_pid() for client in clients] == pids
    for client in clients:
        client.quit()


def test_session_mode_keeps_what_a_session_sets(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"mode": "session"}})
    with weir.logged_in() as client:
        client.query("SET work_mem = '77MB'; CREATE TEMP TABLE mine (id int); PREPARE p AS SELECT 7")
        client.query("SELECT pg_advisory_lock(7)")
        assert client.value("SHOW work_mem") == "77MB"
        assert client.value("SELECT count(*) FROM mine") == "0"
        assert client.value("EXECUTE p") == "7"


def test_session_mode_cleans_a_backend_before_the_next_client(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"pool": {"mode": "session", "max": 1}})
    with weir.logged_in() as client:
        pid = client.backend_pid()
        client.query("SET work_mem = '77MB'; CREATE TEMP TABLE mine (id int); PREPARE p AS SELECT 7; LISTEN news")
        client.query("SELECT pg_advisory_lock(7)")
        client.query("BEGIN")
        client.quit()
    with weir.logged_in() as client:
        assert client.backend_pid() == pid
        assert client.value("SHOW work_mem") != "77MB"
        with pytest.raises(ServerError):
            client.rows("SELECT * FROM mine")
        with pytest.raises(ServerError):
            client.rows("EXECUTE p")
        assert client.rows("SELECT * FROM pg_listening_channels()") == []
        assert client.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0"


def test_session_mode_waits_for_a_backend_at_login_or_at_the_first_statement(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"mode": "session", "max": 1, "acquire_timeout": "500ms"}})
    with weir.logged_in() as holder:
        holder.rows("SELECT 1")
        with weir.raw() as client:
            client.send(wire.startup({"user": "postgres", "database": "app"}) + wire.query("SELECT 1"))
            found = []
            while not found:
                message = client.receive()
                found = errors([message])
            assert found == ["53300"] and "query_wait_timeout" in message.text
        holder.quit()
    assert weir.value("SELECT 1") == 1


def test_session_mode_notifies_an_idle_client(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"mode": "session"}})
    with weir.logged_in() as listener, weir.logged_in() as speaker:
        listener.query("LISTEN news")
        speaker.query("NOTIFY news, 'hello'")
        message = listener.receive()
        assert message.type == "A" and message.body[4:] == b"news\0hello\0"


def test_session_mode_client_whose_backend_dies_is_told_and_disconnected(
    start_weir: StartWeir, postgres: Postgres
) -> None:
    weir = start_weir({"pool": {"mode": "session"}})
    with weir.logged_in() as client:
        postgres.execute("SELECT pg_terminate_backend(%s)", [client.backend_pid()])
        messages = client.receive_to_end()
        assert [message.severity for message in messages if message.type == "E"][:1] == ["FATAL"]
    assert weir.value("SELECT 1") == 1


def test_statement_mode_shares_a_backend_between_statements(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"mode": "statement", "max": 1}})
    with weir.logged_in() as one, weir.logged_in() as two:
        for _ in range(5):
            assert one.value("SELECT 1") == "1"
            assert two.value("SELECT 2") == "2"
        one.send(wire.extended("SELECT 3") + wire.sync())
        assert types(one.receive_ready()) == "12TDCZ"


@pytest.mark.parametrize("begin", ["BEGIN", "START TRANSACTION", "begin work", "SELECT 1; BEGIN"])
def test_statement_mode_refuses_transaction_blocks_and_goes_on(start_weir: StartWeir, begin: str) -> None:
    weir = start_weir({"pool": {"mode": "statement", "max": 1}})
    with weir.logged_in() as client:
        messages = client.query(begin)
        assert errors(messages)[-1:] == ["0A000"], messages
        assert messages[-1].body == b"I"
        text = next(message.text for message in messages if message.type == "E")
        assert text == "transaction blocks not allowed in statement pooling mode"
        assert client.value("SELECT 1") == "1"


def test_statement_mode_refuses_transaction_blocks_in_extended_protocol(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"mode": "statement", "max": 1}})
    with weir.logged_in() as client:
        client.send(wire.extended("BEGIN"), wire.sync())
        messages = client.receive_ready()
        assert errors(messages) == ["0A000"] and messages[-1].body == b"I"
        assert client.value("SELECT 1") == "1"


def test_wildcard_database_serves_every_name_as_itself(start_weir: StartWeir) -> None:
    weir = start_weir()
    for name in ("app", "other", "postgres"):
        assert weir.value("SELECT current_database()", dbname=name) == name


def test_wildcard_database_that_postgresql_does_not_have_is_unknown(start_weir: StartWeir) -> None:
    weir = start_weir()
    with weir.raw() as client:
        with pytest.raises(ServerError) as refused:
            client.log_in(user="postgres", database="not_there")
        assert refused.value.sqlstate == "3D000"
    assert weir.value("SELECT 1") == 1


def test_unknown_database_is_refused_without_a_wildcard(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"database": {"*": None, "app": {"cluster": "main"}}})
    with weir.raw() as client:
        with pytest.raises(ServerError) as refused:
            client.log_in(user="postgres", database="other")
        assert refused.value.sqlstate == "3D000"
        assert refused.value.message.severity == "FATAL"
        assert refused.value.message.text == "no such database: other"
    assert weir.value("SELECT 1") == 1


def test_database_may_have_another_name_at_postgresql(start_weir: StartWeir) -> None:
    weir = start_weir({"database": {"shop": {"cluster": "main", "dbname": "other"}}})
    assert weir.value("SELECT current_database()", dbname="shop") == "other"


def test_database_may_log_in_as_another_user(start_weir: StartWeir) -> None:
    weir = start_weir(
        {"database": {"shop": {"cluster": "main", "dbname": "app", "user": "postgres"}}, "user": {"someone": {}}}
    )
    assert weir.value("SELECT current_user", dbname="shop", user="someone") == "postgres"


def test_clients_of_a_forced_user_share_one_pool(start_weir: StartWeir, postgres: Postgres) -> None:
    shop = {"cluster": "main", "dbname": "app", "user": "postgres", "pool": {"max": 1}}
    weir = start_weir({"database": {"shop": shop}, "user": {"someone": {}, "another": {}}})
    with weir.logged_in(user="someone", database="shop") as one:
        with weir.logged_in(user="another", database="shop") as two:
            assert one.backend_pid() == two.backend_pid()


def test_database_settings_start_each_backend(start_weir: StartWeir) -> None:
    shop = {"cluster": "main", "dbname": "app", "set": {"work_mem": "77MB", "search_path": "pg_catalog"}}
    weir = start_weir({"database": {"shop": shop}})
    assert weir.value("SHOW work_mem", dbname="shop") == "77MB"
    assert weir.value("SHOW search_path", dbname="shop") == "pg_catalog"
    assert weir.value("SHOW work_mem") != "77MB"


def test_connect_query_runs_on_each_new_backend(start_weir: StartWeir) -> None:
    shop = {"cluster": "main", "dbname": "app", "connect_query": "SET work_mem = '66MB'"}
    weir = start_weir({"database": {"shop": shop}})
    assert weir.value("SHOW work_mem", dbname="shop") == "66MB"


def test_connect_query_that_fails_is_told_to_the_client(start_weir: StartWeir, postgres: Postgres) -> None:
    shop = {"cluster": "main", "dbname": "app", "connect_query": "SELECT 1/0"}
    weir = start_weir({"database": {"shop": shop}, "pool": {"acquire_timeout": "2s"}})
    with weir.raw() as client:
        client.send(wire.startup({"user": "postgres", "database": "shop"}) + wire.query("SELECT 1"))
        found = errors(client.receive_until("E"))
        assert found
    assert weir.value("SELECT 1") == 1


def test_database_has_a_pool_size_and_a_mode_of_its_own(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir(
        {
            "pool": {"max": 5},
            "database": {"shop": {"cluster": "main", "dbname": "app", "pool": {"max": 1, "mode": "session"}}},
        }
    )
    with weir.logged_in(database="shop") as one:
        one.query("SET work_mem = '55MB'")
        assert one.value("SHOW work_mem") == "55MB"
        pool = weir.pool(database="shop")
        assert pool["pool_mode"] == "session"
        assert weir.value("SELECT 1") == 1


def test_user_has_a_pool_size_and_a_mode_of_its_own(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"user": {"postgres": {"pool": {"max": 2, "mode": "session"}}}})
    with weir.logged_in() as one, weir.logged_in() as two:
        assert one.backend_pid() != two.backend_pid()
        assert weir.pool()["pool_mode"] == "session"
        assert postgres.backends() == 2


def test_user_may_have_no_more_clients_than_allowed(start_weir: StartWeir) -> None:
    weir = start_weir({"user": {"postgres": {"max_clients": 2}}})
    with weir.logged_in() as one, weir.logged_in():
        with weir.raw() as third:
            with pytest.raises(ServerError) as refused:
                third.log_in(user="postgres", database="app")
            assert refused.value.sqlstate == "53300"
            assert refused.value.message.severity == "FATAL"
        one.quit()
        wait_until(lambda: weir.value("SELECT 1") == 1)


@pytest.mark.parametrize("threads", [2, 4])
def test_max_holds_for_all_threads_together(start_weir: StartWeir, postgres: Postgres, threads: int) -> None:
    weir = start_weir({"listen": {"threads": threads}, "pool": {"max": 2, "acquire_timeout": "20s"}})
    highest = [0]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            highest[0] = max(highest[0], postgres.backends())

    def work(number: int) -> None:
        with weir.psycopg() as connection:
            for step in range(30):
                row = connection.execute("SELECT %s::int", (number * 100 + step,)).fetchone()
                assert row == (number * 100 + step,)

    failures: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    watcher = threading.Thread(target=watch)
    watcher.start()
    workers = [threading.Thread(target=guarded, args=(number,)) for number in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    done.set()
    watcher.join()
    assert failures == []
    assert 0 < highest[0] <= 2


@pytest.mark.parametrize("threads", [2, 4])
def test_nobody_waits_while_another_thread_has_an_idle_backend(start_weir: StartWeir, threads: int) -> None:
    weir = start_weir({"listen": {"threads": threads}, "pool": {"max": 1, "acquire_timeout": "3s"}})
    clients = [weir.logged_in() for _ in range(8)]
    for _ in range(5):
        for number, client in enumerate(clients):
            assert client.value(f"SELECT {number}") == str(number)
    for client in clients:
        client.quit()


def test_statement_mode_lets_a_replication_connection_have_its_transactions(
    own_postgres: Callable[..., Postgres], start_weir_at: StartWeir
) -> None:
    postgres = own_postgres(max_wal_senders="4", wal_level="replica")
    weir = start_weir_at(postgres.port, {"pool": {"mode": "statement", "max": 1}})
    with weir.raw() as client:
        client.log_in(user="postgres", database="app", replication="database")
        assert client.query("BEGIN")[-1].body == b"T"
        assert client.value("SELECT 1") == "1"
        assert client.query("COMMIT")[-1].body == b"I"
