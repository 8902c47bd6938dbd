"""Statements that are run at the start: their results are there when the first client asks, for the same as if it had
asked itself."""

import re
import signal
import time
from typing import Any, Callable, Iterator, Optional

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import scaled, stays_true, wait_until
from support.postgres import Postgres
from support.raw_client import RawClient, ServerError, errors
from support.redis import Redis
from support.shared_cache import COUNTED, PLACES, calls, calls_of, figure, settings
from support.weir import Weir

pytestmark = pytest.mark.needs_weir

COUNT = "SELECT counted(count(*)) FROM thing"
NAMES = "SELECT id, counted(id), name FROM thing ORDER BY id"
CACHE = {"enabled": True, "default_ttl": "60s"}


@pytest.fixture
def things(postgres: Postgres) -> Iterator[None]:
    prepare(postgres)
    yield
    postgres.execute("DROP TABLE thing")


def prepare(postgres: Postgres) -> None:
    postgres.execute(
        "DROP TABLE IF EXISTS thing; CREATE TABLE thing (id int PRIMARY KEY, name text);"
        "INSERT INTO thing SELECT g, 'name ' || g FROM generate_series(1, 20) g;" + COUNTED
    )


def entry(*statements: str, user: str = "postgres", database: str = "app", **parameters: str) -> dict[str, Any]:
    return {"database": database, "user": user, "statements": list(statements), "parameters": parameters}


def warmed(*entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"cache": CACHE, "warm_up": list(entries), **more}


def end_of(weir: Weir, seen: int = 0, deadline_s: float = 10) -> tuple[int, int]:
    """Waits for the line at the end: how many results are kept, of how many statements."""

    def line() -> Optional[re.Match[str]]:
        return re.search(r"cache_warmed_up kept=(\d+) statements=(\d+) ms=\d+", weir.log[seen:])

    found = wait_until(line, "the list is through", deadline_s)
    return int(found.group(1)), int(found.group(2))


def lines_of(weir: Weir, event: str) -> list[str]:
    return [line for line in weir.log.splitlines() if f" {event} " in line]


def hits_of(weir: Weir, client: RawClient, sql: str) -> int:
    before = figure(weir, "hits")
    assert errors(client.query(sql)) == []
    return figure(weir, "hits") - before


@pytest.mark.parametrize("threads", [1, 2])
def test_first_client_finds_the_results(
    start_weir: StartWeir, postgres: Postgres, things: None, threads: int
) -> None:
    before = calls(postgres)
    weir = start_weir(warmed(entry(COUNT, "TABLE thing"), entry(NAMES), listen={"threads": threads}))
    assert end_of(weir) == (3, 3)
    assert calls(postgres) - before == 21  # each statement has run once
    assert (figure(weir, "hits"), figure(weir, "misses"), figure(weir, "entries")) == (0, 3, 3)
    clients = [weir.logged_in() for _ in range(2 * threads)]
    for client in clients:
        for sql in (COUNT, NAMES, "TABLE thing"):
            assert hits_of(weir, client, sql) == 1
    assert clients[0].rows(COUNT) == [["20"]]
    assert calls(postgres) - before == 21
    for client in clients:
        client.quit()
    assert lines_of(weir, "cache_warm_up") == []


def test_what_matches_is_what_a_client_with_these_parameters_asks(
    start_weir: StartWeir, postgres: Postgres, things: None
) -> None:
    weir = start_weir(warmed(entry(NAMES, TimeZone="Asia/Tokyo", application_name="shop", options="-c geqo=off")))
    assert end_of(weir) == (1, 1)
    same = {"TimeZone": "Asia/Tokyo", "application_name": "another", "options": "-c geqo=off"}
    with weir.logged_in(**same) as client:
        assert hits_of(weir, client, NAMES) == 1
        client.send(wire.extended(NAMES), wire.sync())  # the protocol is part of what a result is kept for
        client.receive_ready()
        assert figure(weir, "hits") == 1
    for name in same:
        with weir.logged_in(**{key: value for key, value in same.items() if key != name}) as client:
            assert hits_of(weir, client, NAMES) == 0, name
    postgres.execute("DROP ROLE IF EXISTS other_reader; CREATE ROLE other_reader LOGIN")
    with weir.logged_in(**same, user="other_reader") as client:  # who may not read it is not given it
        assert errors(client.query(NAMES)) == ["42501"]
    postgres.execute("DROP ROLE other_reader")


def test_rules_decide_what_is_kept_and_for_how_long(start_weir: StartWeir, postgres: Postgres, things: None) -> None:
    rules = [
        {"match": {"table": "thing", "application_name": "sh*"}, "set": {"cache_ttl": "1s"}},
        {"match": {"regex": "forbidden"}, "set": {"deny": "not here"}},
    ]
    list_of = entry(COUNT, "SELECT 'forbidden'", "VALUES (1)", application_name="shop")
    weir = start_weir(warmed(list_of, cache={"enabled": True}, rule=rules))
    assert end_of(weir) == (1, 3)
    assert [line.split(" statement=")[1] for line in lines_of(weir, "cache_warm_up")] == [
        '2 reason="42501: not here"',
        '3 reason="no cache_ttl holds for it"',
    ]
    with weir.logged_in(application_name="shop") as client:
        time.sleep(scaled(1.1))
        assert calls_of(postgres, lambda: client.query(COUNT)) == 1  # the second is over


def test_what_fails_or_cannot_be_kept_is_told_and_the_next_one_goes_on(
    start_weir: StartWeir, postgres: Postgres, things: None
) -> None:
    statements = [
        COUNT,
        "SELECT 'my secret'::int",
        "SELECT nothing FROM nowhere WHERE word = 'my secret'",
        "SELECT now(), 'my secret'",
        "SELECT 1; SELECT 2",
        "COPY thing FROM STDIN",
        "SELECT repeat('x', 2000), counted(1)",
        "INSERT INTO thing VALUES (21, 'once')",
        NAMES,
        "SELECT set_config('my.secret', 'my secret', false)",
    ]
    weir = start_weir(warmed(entry(*statements), cache={**CACHE, "max_entry": "1KiB"}))
    assert end_of(weir) == (2, 10)
    told = [re.search(r"statement=(\d+) reason=(.*)$", line) for line in lines_of(weir, "cache_warm_up")]
    reasons = {int(one.group(1)): one.group(2).strip('"') for one in told if one is not None}
    assert {number: reason.split(":")[0] for number, reason in reasons.items()} == {
        2: "22P02",
        3: "42P01",
        4: "it cannot be cached (function)",
        5: "it cannot be cached (not_one_query)",
        6: "57014",
        7: "its result is larger than cache.max_entry",
        8: "it cannot be cached (not_one_query)",
        10: "it cannot be cached (function)",
    }
    assert "my secret" not in weir.log
    assert postgres.value("SELECT count(*) FROM thing") == 21  # it has run once
    with weir.logged_in() as client:
        assert hits_of(weir, client, NAMES) == 1
        assert hits_of(weir, client, COUNT) == 0  # dropped by the INSERT


def test_large_result_is_kept(start_weir: StartWeir, postgres: Postgres, things: None) -> None:
    sql = "SELECT repeat('x', 1000), counted(g) FROM generate_series(1, 3000) g"
    weir = start_weir(warmed(entry(sql, COUNT), cache={**CACHE, "max_entry": "8MiB"}))
    assert end_of(weir) == (2, 2)
    with weir.logged_in() as client:
        assert hits_of(weir, client, sql) == 1


def test_statements_run_while_the_server_is_still_away_at_the_start(
    own_postgres: Callable[..., Postgres], start_weir_at: StartWeir
) -> None:
    postgres = own_postgres()
    prepare(postgres)
    postgres.stop()
    weir = start_weir_at(postgres.port, warmed(entry(COUNT), entry(NAMES), pool={"acquire_timeout": "300ms"}))
    wait_until(lambda: len(lines_of(weir, "cache_warm_up_waits")) == 2, "both entries wait")
    with weir.raw() as client, pytest.raises(ServerError):  # clients are told as ever
        client.log_in(user="postgres", database="app")
    postgres.start()
    assert end_of(weir, deadline_s=40) == (2, 2)
    assert len(lines_of(weir, "cache_warm_up_waits")) == 2
    assert calls(postgres) == 21
    with weir.logged_in() as client:
        assert hits_of(weir, client, COUNT) == 1


def test_server_that_goes_away_in_the_middle_is_waited_for(
    own_postgres: Callable[..., Postgres], start_weir_at: StartWeir
) -> None:
    postgres = own_postgres()
    prepare(postgres)
    postgres.execute("CHECKPOINT")
    weir = start_weir_at(postgres.port, warmed(entry("SELECT pg_sleep(1)", COUNT), pool={"acquire_timeout": "300ms"}))
    postgres.wait_until_running("SELECT pg_sleep(1)")
    postgres.kill()
    wait_until(lambda: lines_of(weir, "cache_warm_up_waits"), "it waits")
    postgres.start()
    assert end_of(weir, deadline_s=40) == (1, 2)


def test_user_who_may_not_log_in_costs_its_own_entry_only(
    start_weir: StartWeir, postgres: Postgres, things: None
) -> None:
    weir = start_weir(warmed(entry(COUNT, NAMES, user="nobody_at_all"), entry(COUNT, database="no_such"), entry(NAMES)))
    assert end_of(weir) == (1, 4)
    told = lines_of(weir, "cache_warm_up")
    assert [re.findall(r"user=(\S+) statement=(\d) reason=\"?(\w+)", line)[0] for line in told] == [
        ("nobody_at_all", "1", "28000"),
        ("nobody_at_all", "2", "28000"),
        ("postgres", "1", "3D000"),
    ]


def test_user_whose_password_only_its_clients_know(
    own_postgres: Callable[..., Postgres], start_weir_at: StartWeir
) -> None:
    postgres = own_postgres()
    prepare(postgres)
    postgres.execute("CREATE ROLE shy LOGIN PASSWORD 'quiet'; GRANT SELECT ON thing TO shy; GRANT ALL ON calls TO shy")
    verifier = postgres.value("SELECT rolpassword FROM pg_authid WHERE rolname = 'shy'")
    postgres.write_hba(["host all shy all scram-sha-256", "host all all all trust", "local all all trust"])
    postgres.reload()
    changes = warmed(entry(COUNT, user="shy"), user={"shy": {"password": verifier}}, auth={"method": "scram-sha-256"})
    weir = start_weir_at(postgres.port, {**changes, "user": {**changes["user"], "postgres": {"password": "p"}}})
    wait_until(lambda: lines_of(weir, "cache_warm_up_waits"), "it waits for a client")
    stays_true(lambda: len(lines_of(weir, "backend_login_failed")) == 1, 1)  # nobody tries in vain meanwhile
    client = weir.raw()
    client.log_in(user="shy", database="app", password="quiet")
    assert end_of(weir) == (1, 1)
    assert calls_of(postgres, lambda: client.query(COUNT)) == 0
    client.quit()


@pytest.mark.parametrize("place", list(PLACES))
def test_results_go_to_redis_and_come_from_there(
    start_weir: StartWeir, start_redis: Callable[..., Redis], postgres: Postgres, things: None, place: str
) -> None:
    changes = settings(start_redis().url(), max_size=PLACES[place])
    before = calls(postgres)
    for _ in range(2):
        weir = start_weir({**changes, "warm_up": [entry(COUNT, NAMES)]})
        assert end_of(weir, deadline_s=30) == (2, 2)
        with weir.logged_in() as client:
            assert hits_of(weir, client, COUNT) == 1
    assert calls(postgres) - before == 21


def test_redis_that_is_away_is_waited_for(
    start_weir: StartWeir, start_redis: Callable[..., Redis], postgres: Postgres, things: None
) -> None:
    redis = start_redis()
    redis.kill()
    weir = start_weir({**settings(redis.url()), "warm_up": [entry(COUNT)]})
    wait_until(lambda: lines_of(weir, "cache_warm_up_waits"), "it waits")
    assert calls(postgres) == 0
    redis.start()
    assert end_of(weir, deadline_s=40) == (1, 1)


@pytest.mark.timeout(150)
def test_reload_that_changes_the_list_or_switches_the_cache_on_runs_it(
    start_weir: StartWeir, postgres: Postgres, things: None
) -> None:
    weir = start_weir(warmed(entry(COUNT), cache={**CACHE, "enabled": False}))
    stays_true(lambda: "cache_warm" not in weir.log, 0.3)
    with weir.logged_in() as client:
        client.query("SELECT 1")  # the catalog is read, as for a Weir without a cache
        seen = len(weir.log)
        assert "reloaded" in weir.reload({"cache": CACHE})
        assert end_of(weir, seen, 90) == (1, 1)
        assert hits_of(weir, client, COUNT) == 1

        seen = len(weir.log)
        weir.reload({"warm_up": [entry(NAMES)]})
        assert end_of(weir, seen) == (1, 1)
        assert hits_of(weir, client, NAMES) == 1
        assert hits_of(weir, client, COUNT) == 1  # still there

        seen = len(weir.log)
        weir.reload({"log": {"level": "debug"}})  # nothing to run anew
        stays_true(lambda: "cache_warmed_up" not in weir.log[seen:], 0.3)


def test_reload_gives_up_what_is_under_way(start_weir: StartWeir, postgres: Postgres, things: None) -> None:
    weir = start_weir(warmed(entry("SELECT pg_sleep(60)", COUNT)))
    postgres.wait_until_running("SELECT pg_sleep(60)")
    seen = len(weir.log)
    weir.reload({"warm_up": [entry(NAMES)]})
    assert end_of(weir, seen) == (1, 1)
    assert "cache_warm_up_stopped kept=0 statements=2" in weir.log
    wait_until(lambda: postgres.backends("query = 'SELECT pg_sleep(60)' AND state = 'active'") == 0, "it is cancelled")
    weir.reload({"cache": {"enabled": False}})


def test_shutdown_does_not_wait_for_it(start_weir: StartWeir, postgres: Postgres, things: None) -> None:
    weir = start_weir(warmed(entry("SELECT pg_sleep(60)")))
    postgres.wait_until_running("SELECT pg_sleep(60)")
    rows = [row for row in weir.show("CLIENTS") if row["addr"] == "warm-up"]
    assert [(row["user"], row["database"], row["state"]) for row in rows] == [("postgres", "app", "active")]
    weir.signal(signal.SIGTERM)
    assert weir.wait_exit(2) == 0
    assert "drained" in weir.log and "drain_timed_out" not in weir.log
    postgres.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'")


def test_leaving_does_not_wait_for_it(start_weir: StartWeir, postgres: Postgres, things: None) -> None:
    weir = start_weir(warmed(entry("SELECT pg_sleep(60)")))
    postgres.wait_until_running("SELECT pg_sleep(60)")
    connection = weir.psycopg2(user="postgres", dbname="weir")
    connection.autocommit = True
    connection.cursor().execute("SHUTDOWN WAIT_FOR_CLIENTS")
    connection.close()
    assert weir.wait_exit(2) == 0
    postgres.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'")


def test_it_takes_no_clients_place_and_lets_nobody_in(start_weir: StartWeir, postgres: Postgres, things: None) -> None:
    changes = warmed(
        entry("SELECT pg_sleep(60)"),
        listen={"threads": 1, "max_clients": 1},
        user={"postgres": {"password": "secret", "max_clients": 1}},
        auth={"method": "scram-sha-256"},
    )
    weir = start_weir(changes)
    postgres.wait_until_running("SELECT pg_sleep(60)")
    client = weir.raw()
    client.log_in(user="postgres", database="app", password="secret")
    assert client.value("SELECT 1") == "1"
    for parameters in ({"application_name": "warm-up"}, {}):
        stranger = weir.raw()
        with pytest.raises(ServerError):
            stranger.log_in(user="postgres", database="app", password="wrong", **parameters)
        stranger.close()
    client.quit()
    weir.signal(signal.SIGTERM)
    assert weir.wait_exit(2) == 0
    postgres.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'")


def test_client_kill_ends_one_try(start_weir: StartWeir, postgres: Postgres, things: None) -> None:
    weir = start_weir(warmed(entry("SELECT pg_sleep(2), counted(1)", COUNT)))
    postgres.wait_until_running("SELECT pg_sleep(2), counted(1)")
    [row] = [row for row in weir.show("CLIENTS") if row["addr"] == "warm-up"]
    connection = weir.psycopg2(user="postgres", dbname="weir")
    connection.autocommit = True
    connection.cursor().execute(f"KILL_CLIENT {row['id']}")
    connection.close()
    assert end_of(weir, deadline_s=20) == (1, 2)


def test_session_mode_keeps_nothing(start_weir: StartWeir, postgres: Postgres, things: None) -> None:
    weir = start_weir(warmed(entry(COUNT), pool={"mode": "session"}))
    assert end_of(weir) == (0, 1)
    [line] = lines_of(weir, "cache_warm_up")
    assert "pool.mode is session" in line


def test_write_meanwhile_is_waited_for(start_weir: StartWeir, postgres: Postgres, things: None) -> None:
    weir = start_weir({"cache": CACHE})
    with weir.logged_in() as writer:
        wait_until(lambda: hits_of(weir, writer, "SELECT 1"), "the catalog is read")
        writer.query("BEGIN")
        writer.query("UPDATE thing SET name = 'new' WHERE id = 1")
        weir.reload({"warm_up": [entry(COUNT)]})
        wait_until(lambda: lines_of(weir, "cache_warm_up_waits"), "it waits")
        writer.query("COMMIT")
        assert end_of(weir) == (1, 1)
        assert hits_of(weir, writer, COUNT) == 1
