"""COPY, message by message."""

import pytest

from support import wire
from support.endpoint import Endpoint
from support.raw_client import RawClient, errors, types

pytestmark = pytest.mark.also_cached

TABLE = "CREATE TEMP TABLE t (id int) ON COMMIT DROP"


def begin(client: RawClient) -> None:
    client.query("BEGIN")
    assert errors(client.query(TABLE)) == []


def test_copy_in_by_simple_query(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        begin(client)
        client.send(wire.query("COPY t FROM STDIN"))
        assert client.receive().type == "G"
        client.send(*[wire.copy_data(b"%d\n" % n) for n in range(1000)], wire.copy_done())
        messages = client.receive_ready()
        assert types(messages) == "CZ" and messages[0].body == b"COPY 1000\0"
        assert client.value("SELECT sum(id) FROM t") == "499500"
        client.query("ROLLBACK")


def test_copy_in_within_one_write(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        begin(client)
        client.send(
            wire.query("COPY t FROM STDIN"), wire.copy_data(b"1\n2\n"), wire.copy_done(), wire.query("TABLE t")
        )
        assert types(client.receive_ready()) == "GCZ"
        assert types(client.receive_ready()) == "TDDCZ"
        client.query("ROLLBACK")


def test_copy_out_by_simple_query(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        messages = client.query("COPY (SELECT generate_series(1, 3)) TO STDOUT")
        assert types(messages) == "HdddcCZ"
        assert [message.body for message in messages if message.type == "d"] == [b"1\n", b"2\n", b"3\n"]


def test_copy_fail_is_an_error_with_the_reason(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        begin(client)
        client.send(wire.query("COPY t FROM STDIN"), wire.copy_data(b"1\n"), wire.copy_fail("changed my mind"))
        messages = client.receive_ready()
        assert types(messages) == "GEZ" and errors(messages) == ["57014"]
        assert "changed my mind" in messages[1].text
        client.query("ROLLBACK")
        assert client.value("SELECT 1") == "1"


def test_late_copy_data_after_an_error_is_dropped(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        begin(client)
        client.send(wire.query("COPY t FROM STDIN"))
        assert client.receive().type == "G"
        client.send(wire.copy_data(b"not a number\n"))
        messages = client.receive_ready()
        assert types(messages) == "EZ" and messages[-1].body == b"E"
        client.send(wire.copy_data(b"1\n") * 10, wire.copy_done())
        client.query("ROLLBACK")
        assert client.value("SELECT 2") == "2"


def test_late_copy_data_outside_a_transaction_reaches_nobody(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        client.query("CREATE TABLE late_copy (id int)")
        client.send(wire.query("COPY late_copy FROM STDIN"))
        assert client.receive().type == "G"
        client.send(wire.copy_data(b"not a number\n"))
        assert errors(client.receive_ready()) == ["22P02"]
        # The backend has been given back by now; these arrive when the client owns none.
        client.send(wire.copy_data(b"1\n"), wire.copy_fail("late"), wire.copy_done())
        assert client.value("SELECT count(*) FROM late_copy") == "0"
        client.query("DROP TABLE late_copy")


def test_copy_in_by_extended_protocol(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        begin(client)
        client.send(wire.parse("COPY t FROM STDIN"), wire.bind(), wire.execute(), wire.sync())
        assert types(client.receive_until("G")) == "12G"
        client.send(wire.copy_data(b"1\n2\n"), wire.copy_done(), wire.sync())
        assert types(client.receive_ready()) == "CZ"
        assert client.value("SELECT count(*) FROM t") == "2"
        client.query("ROLLBACK")


def test_copy_in_by_extended_protocol_that_fails_skips_to_sync(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        begin(client)
        client.send(wire.parse("COPY t FROM STDIN"), wire.bind(), wire.execute(), wire.flush())
        assert types(client.receive_until("G")) == "12G"
        client.send(wire.copy_data(b"no\n"), wire.copy_data(b"1\n"), wire.copy_done(), wire.sync())
        messages = client.receive_ready()
        assert types(messages) == "EZ" and errors(messages) == ["22P02"]
        client.query("ROLLBACK")
        assert client.value("SELECT 3") == "3"


def test_copy_out_by_extended_protocol(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        sql = "COPY (SELECT generate_series(1, 2)) TO STDOUT"
        client.send(wire.parse(sql), wire.bind(), wire.execute(), wire.sync())
        assert types(client.receive_ready()) == "12HddcCZ"


def test_copy_statements_follow_each_other_in_one_string(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        begin(client)
        client.send(wire.query("COPY t FROM STDIN; COPY t FROM STDIN; COPY t TO STDOUT"))
        assert client.receive().type == "G"
        client.send(wire.copy_data(b"1\n"), wire.copy_done())
        assert types(client.receive_until("G")) == "CG"
        client.send(wire.copy_data(b"2\n"), wire.copy_done())
        assert types(client.receive_ready()) == "CHddcCZ"
        client.query("ROLLBACK")


def test_query_during_copy_in_ends_a_session_as_postgresql_does(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        begin(client)
        client.send(wire.query("COPY t FROM STDIN"))
        assert client.receive().type == "G"
        client.send(wire.query("SELECT 1"))
        assert errors(client.receive_to_end())[0] == "08P01"
    with any_weir.logged_in() as client:
        assert client.value("SELECT 1") == "1"


def test_flush_and_sync_during_copy_in_are_ignored(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        begin(client)
        client.send(wire.query("COPY t FROM STDIN"))
        assert client.receive().type == "G"
        client.send(wire.flush(), wire.sync(), wire.copy_data(b"1\n"), wire.sync(), wire.copy_done())
        assert types(client.receive_ready()) == "CZ"
        assert client.value("SELECT count(*) FROM t") == "1"
        client.query("ROLLBACK")


@pytest.mark.timeout(60)
def test_copy_of_many_megabytes_arrives_whole(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        client.query("BEGIN")
        client.query("CREATE TEMP TABLE big (line text) ON COMMIT DROP")
        client.send(wire.query("COPY big FROM STDIN"))
        assert client.receive().type == "G"
        piece = wire.copy_data(b"y" * 99999 + b"\n")
        for _ in range(500):
            client.send(piece)
        client.send(wire.copy_done())
        client.receive_ready()
        messages = client.query("COPY big TO STDOUT")
        assert sum(len(message.body) for message in messages if message.type == "d") == 500 * 100000
        client.query("ROLLBACK")
