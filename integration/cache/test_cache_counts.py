"""How often results were reused, and what that saved: by statement and by who has said that they may be."""

import threading
import time
from typing import Any, Iterator

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import wait_until
from support.postgres import Postgres
from support.raw_client import RawClient, errors

pytestmark = pytest.mark.needs_weir

BY_NUMBER = "SELECT name FROM priced WHERE id = "
BY_COUNT = "SELECT count(*) FROM priced WHERE id > "
SLOW = "SELECT slowly(count(*)::int) FROM priced WHERE id > "
ALL = "SELECT name FROM priced ORDER BY id"
SLEEP_US = 300_000

RULES: list[dict[str, Any]] = [
    {"match": {"table": "unpriced"}, "set": {"cache_ttl": "0s"}},
    {"match": {"table": "priced"}, "set": {"cache_ttl": "5m"}},
    {"match": {"application_name": "limited"}, "set": {"row_limit": 2}},
]
SETTINGS: dict[str, Any] = {
    "cache": {"enabled": True},
    "rule": RULES,
    "ledger": {"path": "weir-ledger.db", "sample_rate": 0.0},
    "admin": {"admins": ["postgres"], "viewers": ["looker"]},
    "user": {"postgres": {}, "looker": {}},
}
NOTHING = {"hits": 0, "misses": 0, "hit_rate": None, "saved_us": 0}


@pytest.fixture(autouse=True)
def tables(postgres: Postgres) -> Iterator[None]:
    postgres.execute(
        "DROP TABLE IF EXISTS priced, unpriced; CREATE TABLE unpriced (id int);"
        "CREATE TABLE priced (id int PRIMARY KEY, name text);"
        "INSERT INTO priced SELECT g, 'name ' || g FROM generate_series(1, 10) g;"
        "CREATE OR REPLACE FUNCTION slowly(x int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS"
        " 'BEGIN PERFORM pg_sleep(0.3); RETURN x; END'"
    )
    yield
    postgres.execute("DROP TABLE priced, unpriced; DROP FUNCTION slowly")


def started(start_weir: StartWeir, **changes: Any) -> Any:
    """Weir, when it knows the statements of the tests, so that the next of their kind are kept at once."""
    weir = start_weir({**SETTINGS, **changes}, http=True)
    with weir.logged_in(application_name="warm") as client:
        for sql in (BY_NUMBER + "99", BY_COUNT + "99", SLOW + "99", ALL):
            wait_until(lambda: hits_of(weir, lambda: client.query(sql)) == 1, "results are kept")
    return weir


def hits_of(weir: Any, work: Any) -> int:
    before = weir.show("CACHE")[0]["hits"]
    work()
    return int(weir.show("CACHE")[0]["hits"] - before)


def ask(weir: Any, client: RawClient, *statements: str) -> None:
    """One after another, each when the server connection of the one before has been given back: while a client has
    one, the server is asked."""
    for sql in statements:
        weir.wait_until_idle()
        assert errors(client.query(sql)) == []


def rule(weir: Any, source: str = "rule 2") -> dict[str, Any]:
    rows = [row for row in weir.show("CACHE_RULES") if row["source"] == source]
    assert len(rows) == 1, weir.show("CACHE_RULES")
    return rows[0]


def change(before: dict[str, Any], after: dict[str, Any], *names: str) -> list[int]:
    return [after[name] - before[name] for name in names]


def statement(weir: Any, words: str, where: str = "SHOW", **filters: str) -> dict[str, Any]:
    """The statement's row. What was counted before the call is in it: the sums are brought up to date at most once a
    second."""
    time.sleep(1.1)
    rows = weir.api("statements")["items"] if where == "api" else weir.show("STATEMENTS")
    shape = (words.lower() + ("?" if words.endswith(" ") else "")).replace(" ", "")
    found = [row for row in rows if row["query"].replace(" ", "") == shape]
    assert len(found) == 1, [row["query"] for row in rows]
    return found[0]


def test_every_form_has_the_numbers_that_are_known(start_weir: StartWeir) -> None:
    weir = started(start_weir, listen={"threads": 2})
    before = {words: statement(weir, words) for words in (BY_NUMBER, BY_COUNT)}
    rule_before, cache_before = rule(weir), weir.show("CACHE")[0]
    for _ in range(3):  # of several threads
        with weir.logged_in() as one, weir.logged_in() as other:
            for client in (one, other):
                ask(weir, client, BY_NUMBER + "1", BY_NUMBER + "2", BY_COUNT + "3")
    for words, hits, misses in ((BY_NUMBER, 10, 2), (BY_COUNT, 5, 1)):
        for where in ("SHOW", "api"):
            now = statement(weir, words, where)
            assert change(before[words], now, "calls", "cache_hits", "cache_misses") == [hits + misses, hits, misses]
            assert change(before[words], now, "errors", "rows") == [0, hits + misses]
            assert now["cache_saved_us"] > before[words]["cache_saved_us"]
    now, cache = rule(weir), weir.show("CACHE")[0]
    assert change(rule_before, now, "hits", "misses") == [15, 3]
    assert now["hit_rate"] == pytest.approx(now["hits"] / (now["hits"] + now["misses"]))
    assert (now["hits"], now["misses"], now["saved_us"]) == (cache["hits"], cache["misses"], cache["saved_us"])
    assert change(cache_before, cache, "hits", "misses", "stale", "coalesced", "bypassed") == [15, 3, 0, 0, 0]
    assert weir.api("cache")["rules"] == weir.show("CACHE_RULES") == [now]
    with weir.psycopg(dbname="weir", user="looker", autocommit=True) as viewer:
        assert viewer.execute("SELECT source, hits, misses FROM cache_rules").fetchall() == [
            ("rule 2", now["hits"], now["misses"])
        ]
        digest = statement(weir, BY_COUNT)
        row = viewer.execute(
            "SELECT cache_hits, cache_misses, cache_saved_us FROM statements WHERE digest = %s", [digest["digest"]]
        ).fetchone()
        assert row == (digest["cache_hits"], digest["cache_misses"], digest["cache_saved_us"])


def test_what_nobody_lets_the_cache_have_counts_nowhere(start_weir: StartWeir) -> None:
    weir = started(start_weir)
    rules = weir.show("CACHE_RULES")
    with weir.logged_in() as client:
        ask(weir, client, "SELECT id FROM unpriced", "SELECT id FROM unpriced", "INSERT INTO unpriced VALUES (1)")
    row = statement(weir, "SELECT id FROM unpriced")
    assert (row["calls"], row["cache_hits"], row["cache_misses"], row["cache_saved_us"]) == (2, 0, 0, 0)
    assert weir.show("CACHE_RULES") == rules


def test_the_default_and_comments_are_sources_too(start_weir: StartWeir) -> None:
    weir = started(start_weir, cache={"enabled": True, "default_ttl": "1m"}, policy={"hints": "tighten"})
    before = {row["source"]: row for row in weir.show("CACHE_RULES")}
    assert list(before) == ["default_ttl", "rule 2"] and before["default_ttl"] == {"source": "default_ttl", **NOTHING}
    with weir.logged_in() as client:
        for sql in ("VALUES (1)", BY_NUMBER + "3 /* weir: cache=9s */"):
            ask(weir, client, sql)
            wait_until(lambda: hits_of(weir, lambda: ask(weir, client, sql)) == 1, "it is kept")
    rows = {row["source"]: row for row in weir.show("CACHE_RULES")}
    assert list(rows) == ["default_ttl", "rule 2", "hint"]
    assert rows["rule 2"] == before["rule 2"]
    for source in ("default_ttl", "hint"):
        assert rows[source]["hits"] == 1 and rows[source]["misses"] >= 1, rows


def test_other_rules_begin_anew(start_weir: StartWeir) -> None:
    weir = started(start_weir, listen={"threads": 2})
    with weir.logged_in() as client, weir.logged_in() as other:
        ask(weir, client, BY_NUMBER + "1")
        ask(weir, other, BY_NUMBER + "1")
        shown, all_of_it = rule(weir), weir.show("CACHE")[0]
        weir.reload({**SETTINGS, "listen": {"threads": 2}, "policy": {"slow_query": "9s"}})  # the same rules
        assert rule(weir) == shown
        weir.reload({**SETTINGS, "listen": {"threads": 2}, "rule": RULES[1:]})
        assert weir.show("CACHE_RULES") == [{"source": "rule 1", **NOTHING}]
        ask(weir, client, BY_NUMBER + "1")
        ask(weir, other, BY_NUMBER + "1")
        now = rule(weir, "rule 1")
        assert (now["hits"], now["misses"]) == (2, 0)
        assert change(all_of_it, weir.show("CACHE")[0], "hits", "misses") == [2, 0]
        weir.reload({**SETTINGS, "listen": {"threads": 2}, "rule": []})
        assert weir.show("CACHE_RULES") == [] == weir.api("cache")["rules"]
    assert change(all_of_it, weir.show("CACHE")[0], "hits", "misses") == [2, 0]


def test_saved_is_what_the_server_took_and_nothing_else(start_weir: StartWeir) -> None:
    weir = started(start_weir, pool={"max": 1})
    before, cached = statement(weir, SLOW), rule(weir)
    with weir.logged_in() as client, weir.logged_in() as busy:
        busy.send(wire.query("SELECT pg_sleep(1)"))  # it has the only server connection
        wait_until(lambda: weir.pool()["sv_active"] == 1, "the server connection is taken")
        assert errors(client.query(SLOW + "1")) == [] == errors(busy.receive_ready())
        ask(weir, client, SLOW + "1", SLOW + "1")
    now = statement(weir, SLOW)
    assert change(before, now, "calls", "cache_hits", "cache_misses") == [3, 2, 1]
    (saved,) = change(before, now, "cache_saved_us")
    took_ms = now["server_ms"] - before["server_ms"]
    assert 2 * SLEEP_US <= saved <= 2000 * took_ms * 1.2, (saved, took_ms)
    assert change(cached, rule(weir), "saved_us") == [saved]
    assert now["wait_ms"] - before["wait_ms"] > 300  # which is not in what was saved
    assert saved <= 2000 * (change(before, now, "total_ms")[0] - change(before, now, "wait_ms")[0])


def test_who_waits_for_anothers_read_is_a_hit_that_took_time(start_weir: StartWeir) -> None:
    weir = started(start_weir, listen={"threads": 2}, pool={"max": 4})
    before, cached, whole = statement(weir, SLOW), rule(weir), weir.show("CACHE")[0]
    clients = [weir.logged_in() for _ in range(6)]
    for client in clients:
        client.send(wire.query(SLOW + "1"))
    for client in clients:
        assert errors(client.receive_ready()) == []
        client.close()
    now, all_of_it = statement(weir, SLOW), weir.show("CACHE")[0]
    assert change(before, now, "calls", "cache_hits", "cache_misses") == [6, 5, 1]
    assert change(cached, rule(weir), "hits", "misses") == [5, 1]
    assert all_of_it["coalesced"] > whole["coalesced"]
    waited = all_of_it["coalesced"] - whole["coalesced"]
    # Each of them had its answer late, and the server had nothing to do for it.
    assert now["total_ms"] - before["total_ms"] > (1 + waited) * 200
    assert SLEEP_US / 1000 <= now["server_ms"] - before["server_ms"] < 5 * SLEEP_US / 1000
    (saved,) = change(before, now, "cache_saved_us")
    assert saved >= 5 * SLEEP_US and change(cached, rule(weir), "saved_us") == [saved]


def test_a_result_that_is_refused_by_a_limit_has_saved_nothing(start_weir: StartWeir) -> None:
    weir = started(start_weir)
    before = statement(weir, ALL)
    with weir.logged_in(application_name="other") as client:
        cached, whole = rule(weir), weir.show("CACHE")[0]
        with weir.logged_in(application_name="limited") as limited:
            assert errors(limited.query(ALL)) == ["54000"]
            ask(weir, limited, BY_NUMBER + "99")
            assert change(cached, rule(weir), "hits", "misses") == [1, 0]
        now = weir.show("CACHE")[0]
        assert change(whole, now, "hits", "misses", "bypassed") == [1, 0, 1]
        ask(weir, client, ALL)
        assert change(whole, weir.show("CACHE")[0], "hits", "misses", "bypassed") == [2, 0, 1]
    now = statement(weir, ALL)
    assert change(before, now, "calls", "errors", "cache_hits", "cache_misses") == [2, 1, 1, 0]


def test_who_reads_in_anothers_place_is_a_miss(start_weir: StartWeir) -> None:
    weir = started(start_weir, pool={"max": 4})
    before, whole = rule(weir), weir.show("CACHE")[0]
    first, second = weir.logged_in(), weir.logged_in()
    first.send(wire.query(SLOW + "2"))
    wait_until(lambda: rule(weir)["misses"] - before["misses"] == 1, "the first is reading")
    second.send(wire.query(SLOW + "2"))
    wait_until(lambda: "waiting" in {client["state"] for client in weir.show("CLIENTS")}, "the second waits for it")
    first.close()  # the second one reads in its place
    assert errors(second.receive_ready()) == []
    second.close()
    assert change(whole, weir.show("CACHE")[0], "hits", "coalesced") == [0, 0]
    assert change(before, rule(weir), "hits", "misses", "saved_us") == [0, 2, 0]


def test_reads_within_a_transaction_count_like_others(start_weir: StartWeir) -> None:
    weir = started(start_weir)
    before, cached = statement(weir, BY_NUMBER), rule(weir)
    with weir.logged_in(application_name="inside") as client:

        def read_inside() -> None:
            for sql in ("BEGIN", BY_NUMBER + "99", BY_NUMBER + "99", "COMMIT"):
                assert errors(client.query(sql)) == []

        wait_until(lambda: hits_of(weir, read_inside) == 2, "reads in a transaction are answered")
    now = statement(weir, BY_NUMBER)
    numbers = change(before, now, "cache_hits", "cache_misses", "cache_saved_us")
    assert numbers == change(cached, rule(weir), "hits", "misses", "saved_us")
    assert numbers[0] >= 2 and numbers[1] == 0


def test_many_clients_are_all_counted(start_weir: StartWeir) -> None:
    weir = started(start_weir, listen={"threads": 2})
    before, cached = statement(weir, BY_NUMBER), rule(weir)
    rounds, clients = 200, 8

    def work() -> None:
        with weir.logged_in() as client:
            for number in range(rounds):
                assert errors(client.query(BY_NUMBER + str(100 + number % 10))) == []

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    now = statement(weir, BY_NUMBER)
    calls, hits, misses, saved = change(before, now, "calls", "cache_hits", "cache_misses", "cache_saved_us")
    assert (calls, misses) == (rounds * clients, 10)
    assert calls - misses - 10 * clients <= hits <= calls - misses  # behind a miss its client has a server connection
    assert change(cached, rule(weir), "hits", "misses", "saved_us") == [hits, misses, saved]
