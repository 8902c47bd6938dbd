"""read_only at work: nothing a client can say lets the functions it calls write."""

import time
from typing import Any

import pytest

from conftest import StartWeir
from support import wire
from support.postgres import Postgres
from support.raw_client import RawClient, errors
from support.weir import Weir

pytestmark = pytest.mark.needs_weir

WRITES = "SELECT writes()"
MODES = [{"mode": "transaction"}, {"mode": "transaction", "state": "forget"}, {"mode": "session"},
         {"mode": "transaction", "prepared_statements": 0}]
SHARED = [mode for mode in MODES if mode["mode"] == "transaction"]


@pytest.fixture(autouse=True)
def goods(postgres: Postgres) -> None:
    postgres.execute(
        "DROP TABLE IF EXISTS goods CASCADE; CREATE TABLE goods (a int);"
        "CREATE OR REPLACE FUNCTION writes() RETURNS int LANGUAGE sql AS 'INSERT INTO goods VALUES (9) RETURNING a';"
        "CREATE OR REPLACE FUNCTION lifts() RETURNS text LANGUAGE sql"
        " AS $$SELECT set_config('default_transaction_read_only', 'off', false)$$"
    )


def read_only(start_weir: StartWeir, pool: dict[str, Any], **policy: Any) -> Weir:
    weir = start_weir({"policy": {"read_only": True, **policy}, "pool": {"max": 1, **pool}})
    assert isinstance(weir, Weir)
    return weir


def rows(postgres: Postgres) -> int:
    return int(postgres.value("SELECT count(*) FROM goods"))


def batch(*statements: str) -> list[bytes]:
    return [wire.extended(sql) for sql in statements] + [wire.sync()]


@pytest.mark.parametrize("pool", MODES, ids=str)
@pytest.mark.parametrize("value", ["off", "false", "0", "no"])
def test_startup_packet_does_not_undo_it(start_weir: StartWeir, postgres: Postgres, pool: dict[str, Any], value: str) -> None:
    weir = read_only(start_weir, pool)
    for startup in ({"options": f"-c default_transaction_read_only={value}"}, {"default_transaction_read_only": value}):
        with weir.logged_in(**startup) as client:
            for reset in ("SELECT 1", "RESET ALL", "DISCARD ALL"):
                assert errors(client.query(reset)) == [], reset
                assert errors(client.query(WRITES)) == ["25006"], reset
                assert client.value("SHOW default_transaction_read_only") == "on", reset
    assert rows(postgres) == 0


@pytest.mark.parametrize("pool", MODES, ids=str)
def test_reset_among_other_statements_does_not_undo_it(start_weir: StartWeir, postgres: Postgres, pool: dict[str, Any]) -> None:
    with read_only(start_weir, pool).logged_in() as client:
        for reset in ("RESET ALL", "DISCARD ALL"):
            assert errors(client.query(f"{reset}; COMMIT; {WRITES}")) == ["25006"]
            client.send(wire.query(reset), wire.query(WRITES))
            assert errors(client.receive_ready()) == []
            assert errors(client.receive_ready()) == ["25006"]
        assert errors(client.query("SELECT 1; CLOSE ALL; RESET ALL;")) == []
        assert errors(client.query(WRITES)) == ["25006"]
    assert rows(postgres) == 0


@pytest.mark.parametrize("pool", MODES, ids=str)
def test_reset_in_a_pipeline_does_not_undo_it(start_weir: StartWeir, postgres: Postgres, pool: dict[str, Any]) -> None:
    with read_only(start_weir, pool).logged_in() as client:
        for reset in ("RESET ALL", "DISCARD ALL"):
            for behind in ((WRITES,), ("COMMIT", WRITES), ("COMMIT", "BEGIN", WRITES, "COMMIT")):
                client.send(*batch(reset, *behind), wire.query("ROLLBACK"), wire.query(WRITES))
                assert errors(client.receive_ready()) == ["25006"]
                assert errors(client.receive_ready()) == []
                assert errors(client.receive_ready()) == ["25006"]
                assert rows(postgres) == 0


@pytest.mark.parametrize("pool", SHARED, ids=str)
def test_portals_bound_before_do_not_undo_it(start_weir: StartWeir, postgres: Postgres, pool: dict[str, Any]) -> None:
    with read_only(start_weir, pool).logged_in() as client:
        client.query("BEGIN")
        for portal, sql in (("r", "RESET ALL"), ("c", "COMMIT"), ("w", WRITES)):
            client.send(wire.parse(sql), wire.bind(portal=portal), wire.sync())
            client.receive_ready()
        client.send(wire.execute("r"), wire.execute("c"), wire.execute("w"), wire.sync())
        client.receive_ready()
        client.query("ROLLBACK")
        assert errors(client.query(WRITES)) == ["25006"]
        # A Bind that fails leaves the portal what it was.
        client.query("BEGIN")
        client.send(wire.parse("RESET ALL"), wire.bind(portal="r"), wire.parse("SELECT 1"), wire.bind(portal="s"), wire.sync())
        client.receive_ready()
        client.query("SAVEPOINT s")
        client.send(wire.parse("SELECT 1"), wire.bind(portal="r"), wire.sync())
        client.receive_ready()
        client.query("ROLLBACK TO s")
        client.send(wire.execute("r"), wire.extended("COMMIT"), wire.extended(WRITES), wire.sync())
        client.receive_ready()
        client.query("ROLLBACK")
    assert rows(postgres) == 0


@pytest.mark.parametrize("pool", [pool for pool in MODES if "prepared_statements" not in pool], ids=str)
def test_reset_by_message_runs_by_itself(start_weir: StartWeir, postgres: Postgres, pool: dict[str, Any]) -> None:
    with read_only(start_weir, pool).logged_in(options="-c work_mem=7MB") as client:
        for reset in ("RESET ALL", "DISCARD ALL"):
            client.query("SET work_mem = '5MB'")
            client.send(*batch("SELECT 1", "RESET ALL"))
            assert errors(client.receive_ready()) == []
            client.send(*batch(reset))
            assert errors(client.receive_ready()) == []
            if pool.get("state") != "forget":
                assert client.value("SHOW work_mem") == "7MB"
            client.send(*batch(WRITES))
            assert errors(client.receive_ready()) == ["25006"]
        client.send(wire.parse("RESET ALL", "r"), wire.sync())
        assert errors(client.receive_ready()) == []
        for _ in range(2):
            client.send(wire.bind(name="r"), wire.execute(), wire.sync(), wire.query(WRITES))
            assert errors(client.receive_ready()) == []
            assert errors(client.receive_ready()) == ["25006"]
    assert rows(postgres) == 0


@pytest.mark.parametrize("pool", MODES, ids=str)
def test_reset_in_a_transaction_does_not_undo_it(start_weir: StartWeir, postgres: Postgres, pool: dict[str, Any]) -> None:
    with read_only(start_weir, pool).logged_in() as client:
        for end in ("COMMIT", "ROLLBACK", "ROLLBACK TO a"):
            for sql in ("BEGIN", "SAVEPOINT a", "RESET ALL", end, "ROLLBACK"):
                client.query(sql)
            assert errors(client.query(WRITES)) == ["25006"]
        for sql in ("BEGIN", "SELECT 1/0", "RESET ALL", "ROLLBACK"):
            client.query(sql)
        assert client.value("SELECT 1") == "1"
        assert errors(client.query(WRITES)) == ["25006"]
    assert rows(postgres) == 0


@pytest.mark.parametrize("pool", SHARED, ids=str)
def test_reset_that_is_canceled_half_way_does_not_undo_it(start_weir: StartWeir, postgres: Postgres, pool: dict[str, Any]) -> None:
    weir = read_only(start_weir, pool)
    client = weir.logged_in()
    for pause_us in range(0, 6000, 50):
        client.send(wire.query("RESET ALL"), wire.query(WRITES))
        time.sleep(pause_us / 1e6)
        client.cancel(weir.raw)
        heard = client.receive_until_end_or_ready()
        if heard[-1].type == "Z":
            heard += client.receive_until_end_or_ready()
        assert set(errors(heard)) <= {"57014", "25006", "57P01"} and errors(heard), pause_us
        if heard[-1].type != "Z":  # its settings could not be set again
            client.close()
            client = weir.logged_in()
    client.close()
    assert rows(postgres) == 0


@pytest.mark.parametrize("pool", SHARED, ids=str)
def test_function_that_lifts_it_does_so_for_its_transaction(start_weir: StartWeir, postgres: Postgres, pool: dict[str, Any]) -> None:
    with read_only(start_weir, pool).logged_in() as client:
        for _ in range(3):
            assert errors(client.query("SELECT lifts()")) == []
            assert errors(client.query(WRITES)) == ["25006"]
    assert rows(postgres) == 0


def test_function_that_lifts_it_ends_a_session_of_its_own(start_weir: StartWeir, postgres: Postgres) -> None:
    with read_only(start_weir, {"mode": "session"}).logged_in() as client:
        client.send(wire.query("SELECT lifts()"))
        assert errors(client.receive_to_end()) == ["57P01"]
    assert rows(postgres) == 0


@pytest.mark.parametrize("pool", SHARED, ids=str)
def test_user_may_only_read_from_the_reload_on(start_weir: StartWeir, postgres: Postgres, pool: dict[str, Any]) -> None:
    weir = start_weir({"pool": {"max": 1, **pool}})
    with weir.logged_in() as client, weir.logged_in(options="-c default_transaction_read_only=off") as other:
        for one in (client, other):
            assert errors(one.query("SET work_mem = '5MB'")) == []
        weir.reload({"policy": {"read_only": True}, "pool": {"max": 1, **pool}})
        for one in (client, other):
            assert errors(one.query(WRITES)) == ["25006"]
            assert errors(one.query("RESET ALL")) == []
            assert errors(one.query(WRITES)) == ["25006"]
    assert rows(postgres) == 0


@pytest.mark.parametrize("pool", [{"mode": "session"}, {"mode": "transaction"}], ids=str)
def test_clients_that_keep_their_connection_are_ended_by_the_reload(
    start_weir: StartWeir, postgres: Postgres, pool: dict[str, Any]
) -> None:
    weir = start_weir({"pool": {"max": 3, **pool}})
    with weir.logged_in() as idle, weir.logged_in() as busy:
        for one in (idle, busy):
            one.query("LISTEN news")  # pins it
        busy.query("BEGIN")
        weir.reload({"policy": {"read_only": True}, "pool": {"max": 3, **pool}})
        assert errors(idle.receive_to_end()) == ["57P01"]
        assert errors(busy.query("INSERT INTO goods VALUES (1)")) == ["25006"]
        busy.send(wire.query("ROLLBACK"))
        assert errors(busy.receive_to_end()) == ["57P01"]
        with weir.logged_in() as fresh:
            assert errors(fresh.query(WRITES)) == ["25006"]
    assert rows(postgres) == 0
