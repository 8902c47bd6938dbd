"""psycopg2: simple protocol only, as most older applications speak."""

import io

import psycopg2
import psycopg2.errors
import psycopg2.extras
import pytest

from support.deadlines import wait_until
from support.endpoint import Endpoint

pytestmark = pytest.mark.also_cached


def test_psycopg2_runs_statements(any_weir: Endpoint) -> None:
    connection = any_weir.psycopg2()
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::int + 1, %s", (41, "it's"))
        assert cursor.fetchone() == (42, "it's")
    connection.close()


def test_psycopg2_commits_and_rolls_back(any_weir: Endpoint) -> None:
    connection = any_weir.psycopg2(autocommit=False)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE t (id int) ON COMMIT DROP")
        cursor.execute("INSERT INTO t VALUES (1) RETURNING id")
        assert cursor.fetchone() == (1,)
        connection.rollback()
        with pytest.raises(psycopg2.errors.UndefinedTable):
            cursor.execute("SELECT * FROM t")
        connection.rollback()
        cursor.execute("SELECT 5")
        assert cursor.fetchone() == (5,)
        connection.commit()
    connection.close()


def test_psycopg2_hears_notices(any_weir: Endpoint) -> None:
    connection = any_weir.psycopg2()
    with connection.cursor() as cursor:
        cursor.execute("DO $$ BEGIN RAISE NOTICE 'hello'; END $$")
    assert [notice.strip() for notice in connection.notices] == ["NOTICE:  hello"]
    connection.close()


def test_psycopg2_is_notified_in_session_mode(session_weir: Endpoint) -> None:
    listener, speaker = session_weir.psycopg2(), session_weir.psycopg2()
    with listener.cursor() as cursor:
        cursor.execute("LISTEN news")
    with speaker.cursor() as cursor:
        cursor.execute("NOTIFY news, 'hello'")

    def heard() -> bool:
        listener.poll()
        return bool(listener.notifies)

    wait_until(heard, "the notification arrives")
    assert [notify.payload for notify in listener.notifies] == ["hello"]
    listener.close()
    speaker.close()


def test_psycopg2_copy_expert_moves_rows_in_and_out(any_weir: Endpoint) -> None:
    connection = any_weir.psycopg2(autocommit=False)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE t (id int, name text) ON COMMIT DROP")
        lines = "".join(f"{number}\tname {number}\n" for number in range(20000))
        cursor.copy_expert("COPY t FROM STDIN", io.StringIO(lines))
        out = io.StringIO()
        cursor.copy_expert("COPY (SELECT * FROM t ORDER BY id) TO STDOUT", out)
        assert out.getvalue() == lines
    connection.rollback()
    connection.close()


def test_psycopg2_copy_that_fails_leaves_the_connection_usable(any_weir: Endpoint) -> None:
    connection = any_weir.psycopg2(autocommit=False)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE t (id int) ON COMMIT DROP")
        with pytest.raises(psycopg2.errors.InvalidTextRepresentation):
            cursor.copy_expert("COPY t FROM STDIN", io.StringIO("1\nno\n" + "2\n" * 100000))
        connection.rollback()
        cursor.execute("SELECT 6")
        assert cursor.fetchone() == (6,)
        connection.rollback()
    connection.close()


def test_psycopg2_inserts_batches(any_weir: Endpoint) -> None:
    connection = any_weir.psycopg2(autocommit=False)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE t (id int, name text) ON COMMIT DROP")
        rows = [(number, str(number)) for number in range(5000)]
        psycopg2.extras.execute_values(cursor, "INSERT INTO t VALUES %s", rows, page_size=1000)
        psycopg2.extras.execute_batch(cursor, "UPDATE t SET name = %s WHERE id = %s", [("x", 1), ("y", 2)])
        cursor.execute("SELECT count(*), count(*) FILTER (WHERE name IN ('x', 'y')) FROM t")
        assert cursor.fetchone() == (5000, 2)
    connection.rollback()
    connection.close()


def test_psycopg2_sets_the_client_encoding(any_weir: Endpoint) -> None:
    connection = any_weir.psycopg2()
    connection.set_client_encoding("LATIN1")
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s", ("é",))
        assert cursor.fetchone() == ("é",)
    assert connection.encoding == "LATIN1"
    connection.close()


def test_psycopg2_uses_isolation_levels(any_weir: Endpoint) -> None:
    connection = any_weir.psycopg2(autocommit=False)
    connection.set_session(isolation_level="SERIALIZABLE", readonly=True)
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_isolation")
        assert cursor.fetchone() == ("serializable",)
        with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
            cursor.execute("CREATE TABLE never (id int)")
    connection.rollback()
    connection.close()
