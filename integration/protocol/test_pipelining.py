"""Several messages under way at once, with errors, Flush and Sync in all places."""

import pytest

from support import wire
from support.deadlines import reduced, wait_until
from support.endpoint import Endpoint
from support.raw_client import errors, types

pytestmark = pytest.mark.also_cached

BATCH_OK = "12TDCZ"  # ParseComplete, BindComplete, RowDescription, DataRow, CommandComplete, ReadyForQuery


def test_several_batches_in_one_write_are_answered_in_order(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        client.send(*[wire.extended(f"SELECT {n}") + wire.sync() for n in range(50)])
        for number in range(50):
            messages = client.receive_ready()
            assert types(messages) == BATCH_OK
            assert messages[3].columns() == [str(number).encode()]


def test_batches_arrive_byte_by_byte(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        client.send_sliced(wire.extended("SELECT 'sliced'") + wire.sync() + wire.query("SELECT 'too'"))
        assert types(client.receive_ready()) == BATCH_OK
        assert types(client.receive_ready()) == "TDCZ"


def test_error_in_one_batch_does_not_touch_the_next(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        client.send(
            wire.extended("SELECT 1") + wire.sync(),
            wire.extended("SELECT 1/0") + wire.sync(),
            wire.extended("SELECT 3") + wire.sync(),
        )
        assert types(client.receive_ready()) == BATCH_OK
        failed = client.receive_ready()
        assert errors(failed) == ["22012"]
        third = client.receive_ready()
        assert types(third) == BATCH_OK and third[3].columns() == [b"3"]


def test_everything_after_an_error_is_skipped_until_sync(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        client.send(
            wire.extended("SELECT 1"),
            wire.extended("SELECT 1/0"),
            wire.extended("SELECT 3"),
            wire.parse("SELECT 4", "named"),
            wire.describe("S", "named"),
            wire.close("S", "named"),
            wire.sync(),
            wire.extended("SELECT 5"),
            wire.sync(),
        )
        assert types(client.receive_ready()) == "12TDC1EZ"
        assert types(client.receive_ready()) == BATCH_OK


def test_error_at_parse_skips_the_batch(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        client.send(wire.extended("SELEC 1"), wire.extended("SELECT 2"), wire.sync())
        messages = client.receive_ready()
        assert types(messages) == "EZ" and errors(messages) == ["42601"]


def test_simple_query_after_an_error_in_a_pipeline_is_skipped_too(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        client.send(wire.extended("SELECT 1/0"), wire.query("SELECT 2"), wire.sync(), wire.query("SELECT 3"))
        assert types(client.receive_ready()) == "1EZ"
        after = client.receive_ready()
        assert types(after) == "TDCZ" and after[1].columns() == [b"3"]


def test_two_syncs_in_one_packet_are_two_answers(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        client.send(wire.sync() + wire.sync())
        assert types(client.receive_ready() + client.receive_ready()) == "ZZ"
        client.send(wire.extended("SELECT 1") + wire.sync() + wire.sync() + wire.query("SELECT 2"))
        assert types(client.receive_ready()) == BATCH_OK
        assert types(client.receive_ready()) == "Z"
        assert types(client.receive_ready()) == "TDCZ"


def test_flush_delivers_without_sync(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        client.send(wire.extended("SELECT 1"), wire.flush())
        assert types(client.receive_until("C")) == "12TDC"
        client.send(wire.extended("SELECT 2"), wire.flush())
        assert types(client.receive_until("C")) == "12TDC"
        client.send(wire.sync())
        assert types(client.receive_ready()) == "Z"


def test_flush_alone_is_silent(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        client.send(wire.flush(), wire.flush())
        assert client.value("SELECT 1") == "1"


def test_portal_is_read_in_portions(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        client.send(
            wire.parse("SELECT generate_series(1, 5)"),
            wire.bind(),
            wire.execute(rows=2),
            wire.execute(rows=2),
            wire.flush(),
        )
        assert types(client.receive_until("s")) == "12DDs"
        assert types(client.receive_until("s")) == "DDs"
        client.send(wire.execute(rows=2), wire.sync())
        assert types(client.receive_ready()) == "DCZ"


def test_portal_lives_within_a_transaction(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        client.query("BEGIN")
        client.send(wire.parse("SELECT generate_series(1, 3)"), wire.bind(portal="p"), wire.sync())
        client.receive_ready()
        for expected in ("Ds", "Ds", "Ds", "C"):
            client.send(wire.execute("p", rows=1), wire.sync())
            assert types(client.receive_ready()) == expected + "Z"
        client.send(wire.close("P", "p"), wire.sync())
        assert types(client.receive_ready()) == "3Z"
        client.query("COMMIT")


def test_statement_and_portal_are_described(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        client.send(
            wire.parse("SELECT $1::int AS a, $2::text AS b"),
            wire.describe("S"),
            wire.bind([b"1", None]),
            wire.describe("P"),
            wire.execute(),
            wire.sync(),
        )
        messages = client.receive_ready()
        assert types(messages) == "1tT2TDCZ"
        assert messages[5].columns() == [b"1", None]


def test_named_statement_is_used_within_one_transaction(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        client.query("BEGIN")
        client.send(wire.parse("SELECT $1::int + 1", "plus_one"), wire.sync())
        client.receive_ready()
        for number in range(5):
            client.send(wire.bind([str(number).encode()], name="plus_one"), wire.execute(), wire.sync())
            messages = client.receive_ready()
            assert messages[1].columns() == [str(number + 1).encode()]
        client.send(wire.close("S", "plus_one"), wire.sync())
        assert types(client.receive_ready()) == "3Z"
        client.query("COMMIT")


def test_empty_statements_are_answered(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        assert types(client.query("")) == "IZ"
        assert types(client.query(";;")) == "IZ"
        client.send(wire.extended(""), wire.sync())
        assert types(client.receive_ready()) == "12nIZ"


def test_multi_statement_string_stops_at_the_error(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        messages = client.query("SELECT 1; SELECT 2; SELECT 1/0; SELECT 4")
        assert types(messages) == "TDCTDCEZ"
        assert client.value("SELECT 5") == "5"


def test_transaction_begins_and_ends_inside_multi_statement_strings(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        assert client.query("SELECT 1; BEGIN; SELECT 2")[-1].body == b"T"
        assert client.query("SELECT 1/0")[-1].body == b"E"
        assert client.query("ROLLBACK; SELECT 3")[-1].body == b"I"


def test_simple_queries_are_pipelined(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        client.send(*[wire.query(f"SELECT {n}") for n in range(200)])
        for number in range(200):
            messages = client.receive_ready()
            assert types(messages) == "TDCZ" and messages[1].columns() == [str(number).encode()]


def test_simple_and_extended_and_transactions_are_pipelined_together(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        client.send(
            wire.query("BEGIN"),
            wire.extended("SELECT 1") + wire.sync(),
            wire.query("SELECT 1/0"),
            wire.extended("SELECT 2") + wire.sync(),
            wire.query("ROLLBACK"),
            wire.query("SELECT 3"),
        )
        expected = [("CZ", b"T"), (BATCH_OK, b"T"), ("EZ", b"E"), ("EZ", b"E"), ("CZ", b"I"), ("TDCZ", b"I")]
        for order, status in expected:
            messages = client.receive_ready()
            assert (types(messages), messages[-1].body) == (order, status)


def test_client_that_says_goodbye_right_after_a_statement_has_it_done(any_weir: Endpoint) -> None:
    with any_weir.logged_in() as client:
        client.query("CREATE TABLE IF NOT EXISTS goodbyes (id int)")
        client.query("TRUNCATE goodbyes")
        client.send(wire.query("INSERT INTO goodbyes VALUES (1)"), wire.terminate())
        client.receive_to_end()
    with any_weir.logged_in() as client:
        wait_until(lambda: client.value("SELECT count(*) FROM goodbyes") == "1", "the row is there")
        client.query("DROP TABLE goodbyes")


@pytest.mark.timeout(60)
def test_thousands_of_statements_under_way_do_not_block(any_weir: Endpoint) -> None:
    count = reduced(20000)
    batch = wire.extended("SELECT repeat('x', 100)") + wire.sync()
    with any_weir.logged_in() as client:
        # Sent while nothing is read: the answers (4 MB) must wait somewhere with a bound.
        import threading

        sender = threading.Thread(target=client.send, args=(batch * count,))
        sender.start()
        for _ in range(count):
            assert types(client.receive_ready()) == BATCH_OK
        sender.join()
