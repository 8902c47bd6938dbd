"""psycopg 3: the query styles of an application."""

import contextlib

import psycopg
import pytest

from support.endpoint import Endpoint

pytestmark = pytest.mark.also_cached


def test_psycopg_runs_statements_with_and_without_parameters(any_weir: Endpoint) -> None:
    with any_weir.psycopg() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert connection.execute("SELECT %s::int + %s", (1, 2)).fetchone() == (3,)
        assert connection.execute("SELECT %s::text, %s::bool", ("é", None)).fetchone() == ("é", None)


def test_psycopg_reads_binary_results(any_weir: Endpoint) -> None:
    with any_weir.psycopg() as connection:
        cursor = connection.cursor(binary=True)
        cursor.execute("SELECT %s::bytea, 7::int8, 1.5::float8", (b"\x00\xff",))
        assert cursor.fetchone() == (b"\x00\xff", 7, 1.5)


def test_psycopg_gets_every_result_of_a_multi_statement_string(any_weir: Endpoint) -> None:
    with any_weir.psycopg() as connection:
        cursor = connection.execute("SELECT 1; SELECT 2; SELECT 3")
        rows = [cursor.fetchall()]
        while cursor.nextset():
            rows.append(cursor.fetchall())
        assert rows == [[(1,)], [(2,)], [(3,)]]


def test_psycopg_goes_on_after_an_error(any_weir: Endpoint) -> None:
    with any_weir.psycopg() as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute("SELECT 1/0")
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT * FROM not_there WHERE id = %s", (1,))
        assert connection.execute("SELECT 2").fetchone() == (2,)


def test_psycopg_rolls_back_a_failed_transaction_and_goes_on(any_weir: Endpoint) -> None:
    with any_weir.psycopg(autocommit=False) as connection:
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("CREATE TEMP TABLE t (id int PRIMARY KEY) ON COMMIT DROP")
            connection.execute("INSERT INTO t VALUES (1), (1)")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            connection.execute("SELECT 1")
        connection.rollback()
        assert connection.execute("SELECT 3").fetchone() == (3,)
        connection.commit()


def test_psycopg_nests_transactions_with_savepoints(any_weir: Endpoint) -> None:
    with any_weir.psycopg() as connection:
        with connection.transaction():
            connection.execute("CREATE TEMP TABLE t (id int) ON COMMIT DROP")
            connection.execute("INSERT INTO t VALUES (1)")
            with contextlib.suppress(psycopg.errors.DivisionByZero), connection.transaction():
                connection.execute("INSERT INTO t VALUES (2)")
                connection.execute("SELECT 1/0")
            assert connection.execute("SELECT count(*) FROM t").fetchone() == (1,)


def test_psycopg_hears_notices(any_weir: Endpoint) -> None:
    with any_weir.psycopg() as connection:
        heard: list[str] = []
        connection.add_notice_handler(lambda notice: heard.append(notice.message_primary or ""))
        connection.execute("DO $$ BEGIN RAISE NOTICE 'hello %', 42; RAISE WARNING 'careful'; END $$")
        assert heard == ["hello 42", "careful"]


def test_psycopg_listens_and_is_notified_in_session_mode(session_weir: Endpoint) -> None:
    with session_weir.psycopg() as listener, session_weir.psycopg() as speaker:
        listener.execute("LISTEN news")
        speaker.execute("NOTIFY news, 'first'")
        speaker.execute("SELECT pg_notify('news', 'second')")
        heard = listener.notifies()
        assert [next(heard).payload, next(heard).payload] == ["first", "second"]
        heard.close()


def test_psycopg_prepares_statements_in_session_mode(session_weir: Endpoint) -> None:
    with session_weir.psycopg() as connection:
        for number in range(10):
            row = connection.execute("SELECT %s::int * 2", (number,), prepare=True).fetchone()
            assert row == (number * 2,)


def test_psycopg_reads_through_a_server_side_cursor(any_weir: Endpoint) -> None:
    with any_weir.psycopg() as connection, connection.transaction():
        cursor = connection.cursor(name="walk")
        cursor.execute("SELECT generate_series(1, 1000)")
        assert sum(row[0] for row in cursor) == 500500
        cursor.close()


def test_psycopg_sends_many_rows_with_executemany(any_weir: Endpoint) -> None:
    with any_weir.psycopg() as connection, connection.transaction():
        connection.execute("CREATE TEMP TABLE t (id int, name text) ON COMMIT DROP")
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO t VALUES (%s, %s)", [(i, f"n{i}") for i in range(500)])
        assert connection.execute("SELECT count(*), max(id) FROM t").fetchone() == (500, 499)


def test_psycopg_pipelines_statements(any_weir: Endpoint) -> None:
    with any_weir.psycopg() as connection, connection.pipeline():
        cursors = [connection.execute("SELECT %s::int", (number,)) for number in range(100)]
        assert [cursor.fetchone() for cursor in cursors] == [(number,) for number in range(100)]


def test_psycopg_pipeline_recovers_after_an_error_in_the_middle(any_weir: Endpoint) -> None:
    with any_weir.psycopg() as connection:
        with pytest.raises(psycopg.errors.DivisionByZero), connection.pipeline() as pipeline:
            connection.execute("SELECT 1")
            connection.execute("SELECT 1/%s::int", (0,))
            connection.execute("SELECT 2")
            pipeline.sync()
        with connection.pipeline():
            assert connection.execute("SELECT %s::int", (3,)).fetchone() == (3,)


def test_psycopg_copies_in_and_out(any_weir: Endpoint) -> None:
    with any_weir.psycopg() as connection, connection.transaction():
        connection.execute("CREATE TEMP TABLE t (id int, name text) ON COMMIT DROP")
        with connection.cursor() as cursor:
            with cursor.copy("COPY t FROM STDIN") as copy:
                for number in range(1000):
                    copy.write_row((number, f"name {number}"))
            with cursor.copy("COPY (SELECT * FROM t ORDER BY id) TO STDOUT") as copy:
                copy.set_types(["int4", "text"])
                rows = list(copy.rows())
        assert rows == [(number, f"name {number}") for number in range(1000)]


def test_psycopg_copy_that_fails_leaves_the_connection_usable(any_weir: Endpoint) -> None:
    with any_weir.psycopg() as connection:
        with pytest.raises(psycopg.errors.InvalidTextRepresentation), connection.transaction():
            connection.execute("CREATE TEMP TABLE t (id int) ON COMMIT DROP")
            with connection.cursor() as cursor, cursor.copy("COPY t FROM STDIN") as copy:
                copy.write("1\nnot a number\n3\n")
        assert connection.execute("SELECT 4").fetchone() == (4,)


def test_psycopg_moves_big_values_both_ways(any_weir: Endpoint) -> None:
    value = "weir " * 1_000_000
    with any_weir.psycopg() as connection:
        assert connection.execute("SELECT %s::text", (value,)).fetchone() == (value,)


def test_psycopg_is_told_the_parameters_of_the_real_server(any_weir: Endpoint, postgres: object) -> None:
    with any_weir.psycopg() as connection:
        row = connection.execute("SHOW server_version").fetchone()
        assert row is not None
        assert connection.info.parameter_status("server_version") == row[0]
        assert connection.info.parameter_status("standard_conforming_strings") == "on"
        assert connection.info.parameter_status("integer_datetimes") == "on"
