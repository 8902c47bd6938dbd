"""Redis dead, slow, forgetful, full or wrong: nobody is told an error, waits long or reads what was before, and it is
used again when it is well."""

import contextlib
import random
import threading
import time
from typing import Any, Callable, Iterator

import pytest

from conftest import StartWeir
from support import wire
from support.counters import Load, create_tables, drop_tables, numbers
from support.deadlines import scaled, wait_until
from support.history import inexcusable
from support.postgres import Postgres
from support.raw_client import errors
from support.redis import Redis
from support.shared_cache import (
    COUNTED,
    IMPATIENT,
    LEASE_S,
    PLACES,
    calls_of,
    figure,
    settings,
    state_of,
    store,
    wait_until_ready,
    wait_until_state,
    wait_until_up,
)
from support.weir import Weir

pytestmark = pytest.mark.needs_weir

GROUPS = 6
# redis_timeout is 50 ms, a write waits for it twice or, where Redis is full, four times, and the machine is a busy one.
LONGEST_S = 3.0
COUNT = "SELECT counted(count(*)) FROM a0"


@pytest.fixture
def counters(postgres: Postgres) -> Iterator[None]:
    postgres.execute(create_tables(GROUPS) + ";" + COUNTED)
    yield
    postgres.execute(drop_tables(GROUPS))


def start_two(start_weir: StartWeir, redis: Redis, **cache: Any) -> list[Weir]:
    weirs: list[Any] = [start_weir(settings(redis.url(), **IMPATIENT, **cache), http=True) for _ in range(2)]
    return weirs


Sharing = tuple[Redis, list[Weir]]


@pytest.fixture
def sharing(start_weir: StartWeir, start_redis: Callable[..., Redis], counters: None) -> Sharing:
    """Redis, and two that use it."""
    redis = start_redis()
    weirs = start_two(start_weir, redis)
    wait_until_ready(weirs)
    return redis, weirs


@contextlib.contextmanager
def clients_at(weirs: list[Weir]) -> Iterator[Load]:
    """Clients that read and write all the time; at the end all they have seen must have been right, and soon."""
    load = Load(weirs, groups=GROUPS, each=3, operations=0, write_share=0.05, seed=random.randrange(1_000_000))
    load.busy.set()
    load.start()
    try:
        yield load
    finally:
        load.busy.clear()
        load.join()
    judgement = load.history.judged()
    assert load.failures == []
    assert judgement.wrong == []
    assert inexcusable(judgement.late, scaled(LEASE_S)) == []
    assert inexcusable(judgement.backwards, scaled(LEASE_S)) == []
    assert load.longest < scaled(LONGEST_S), load.slowest


def wait_until_hits(weirs: list[Weir]) -> None:
    """Until each of them has found something in Redis that was not found there before."""
    before = [figure(weir, "redis_hits") for weir in weirs]
    wait_until(
        lambda: all(figure(weir, "redis_hits") > least for weir, least in zip(weirs, before)), "Redis is of use"
    )


def kill(redis: Redis) -> None:
    redis.kill()
    redis.forget_saved()


def kill_with_old(redis: Redis) -> None:
    redis.save()
    redis.kill()


TROUBLES: dict[str, tuple[Callable[[Redis], None], Callable[[Redis], None]]] = {
    "killed": (kill, Redis.start),
    "killed, with an old snapshot": (kill_with_old, Redis.start),
    "paused": (Redis.pause, Redis.resume),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_redis_goes_and_comes_back(sharing: Sharing, trouble: str) -> None:
    redis, weirs = sharing
    begin, end = TROUBLES[trouble]
    seen = [len(weir.log) for weir in weirs]
    with clients_at(weirs) as load:
        wait_until_hits(weirs)
        begin(redis)
        wait_until_state(weirs, "down")
        assert weirs[0].metrics().sum("weir_redis_up") == 0
        # It is down from the first write on that it was not told; not trusted only once it is silent for the lease.
        for weir, start in zip(weirs, seen):
            wait_until(lambda: "cache_not_trusted" in weir.log[start:], "nothing kept is given")
        done = load.done
        wait_until(lambda: load.done > done + 200, "clients go on")
        end(redis)
        wait_until_up(weirs)
        wait_until_hits(weirs)
    for weir, start in zip(weirs, seen):
        assert figure(weir, "redis_errors") > 0
        assert weir.metrics().sum("weir_redis_up") == 1
        assert figure(weir, "redis_late") > 0
        check_log(weir.log[start:])


def check_log(log: str) -> None:
    """A line for each change of state, and no flood of refusals."""
    count = {word: log.count(word) for word in ("cache_not_trusted", "cache_trusted", "redis_away", "redis_back")}
    assert count["cache_not_trusted"] == count["cache_trusted"] == 1, log
    assert count["redis_away"] == count["redis_back"] <= 1, log
    assert log.count("redis_error") <= 10, log


def test_flushed_it_is_of_use_again(sharing: Sharing) -> None:
    redis, weirs = sharing
    with clients_at(weirs):
        for _ in range(3):
            wait_until_hits(weirs)
            redis.flushall()
            wait_until_state(weirs, "down")
            wait_until_up(weirs)
        wait_until_hits(weirs)


def test_redis_that_comes_later_is_used(
    start_weir: StartWeir, start_redis: Callable[..., Redis], postgres: Postgres, counters: None
) -> None:
    redis = start_redis()
    redis.kill()
    weirs = start_two(start_weir, redis)
    with clients_at(weirs) as load:
        wait_until_state(weirs, "down")
        wait_until(lambda: load.done > 200, "clients go on")
        assert [figure(weir, "redis_hits") for weir in weirs] == [0, 0]
        redis.start()
        wait_until_up(weirs)
        wait_until_hits(weirs)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("where", ["same Weir", "other Weir"])
def test_write_while_redis_is_paused_is_not_undone_by_what_redis_has(
    start_weir: StartWeir, start_redis: Callable[..., Redis], counters: None, where: str, place: str
) -> None:
    """The pause is shorter than what anybody takes for the end: when Redis goes on, what was asked last may be answered
    before it has read what it was told first."""
    redis = start_redis()
    weirs = start_two(start_weir, redis, max_size=PLACES[place])
    wait_until_ready(weirs)
    reading, other = weirs
    with contextlib.ExitStack() as stack:
        writer = stack.enter_context((reading if where == "same Weir" else other).logged_in())
        filler = stack.enter_context(other.logged_in())
        # Several, so that some meet on a thread and some do not; each with a result of its own.
        clients = [stack.enter_context(reading.logged_in()) for _ in range(8)]
        early, late = clients[:4], clients[4:]
        for number in range(1, 13):
            wait_until_up(weirs)
            queries = [f"SELECT v FROM a0 WHERE id = 0 AND {number * 10 + at} > 0" for at in range(len(clients))]
            for sql in queries:
                store(other, filler, sql)
            resume = threading.Timer(scaled(0.13), redis.resume)
            redis.pause()
            resume.start()
            for client, sql in zip(early, queries):
                client.send(wire.query(sql))
            assert errors(writer.query(f"UPDATE a0 SET v = {number} WHERE id = 0")) == []
            for client, sql in zip(late, queries[4:]):
                client.send(wire.query(sql))
            found = [numbers(client.receive_ready()) for client in late]
            for client in early:
                client.receive_ready()
            resume.join()
            wait_until(lambda: [numbers(late[0].query(sql)) for sql in queries] == [[[number]]] * 8, "all is new", 3)
            # Another Weir may be asked before it can have heard: docs/cache.md, "What remains".
            assert found == [[[number]]] * len(late) or where == "other Weir", f"in turn {number}"


@pytest.mark.parametrize("pause_s", [0.13, 0.25, 1.0])
def test_what_is_written_during_a_pause_is_kept_again_soon(
    sharing: Sharing, postgres: Postgres, pause_s: float
) -> None:
    redis, weirs = sharing
    with contextlib.ExitStack() as stack:
        reader = stack.enter_context(weirs[0].logged_in())
        writers = [stack.enter_context(weirs[1].logged_in()) for _ in range(2 * GROUPS)]
        resume = threading.Timer(scaled(pause_s), redis.resume)
        redis.pause()
        resume.start()
        while resume.is_alive():
            for number, client in enumerate(writers):
                client.send(wire.query(f"UPDATE {'ab'[number % 2]}{number // 2} SET v = v + 1 WHERE id = 0"))
            for client in writers:
                assert errors(client.receive_ready()) == []
        wait_until_up(weirs)
        for client in (reader, writers[0]):
            wait_until(lambda: calls_of(postgres, lambda: client.rows(COUNT)) == 0, "it is kept", 5)


@pytest.mark.parametrize("policy", ["noeviction", "allkeys-lru", "volatile-lru"])
def test_full_redis_forgets_and_is_used_again(
    start_weir: StartWeir, start_redis: Callable[..., Redis], postgres: Postgres, counters: None, policy: str
) -> None:
    redis = start_redis(maxmemory_policy=policy)
    weirs = start_two(start_weir, redis, max_size="0B")
    wait_until_ready(weirs)
    with clients_at(weirs), weirs[0].logged_in() as client:
        wait_until_hits(weirs)
        redis.command("CONFIG", "SET", "maxmemory", redis.info("memory", "used_memory") + 300_000)
        for number in range(200):
            assert len(client.rows(f"SELECT id, repeat('x', 5000), {number} FROM a0")) == 4
        if policy == "noeviction":
            wait_until(lambda: sum(figure(weir, "redis_errors") for weir in weirs) > 0, "it is full")
        else:
            assert redis.info("stats", "evicted_keys") > 0
        assert redis.command("CONFIG", "SET", "maxmemory", 0) == b"OK"
        wait_until_up(weirs)
        wait_until_hits(weirs)


def test_garbage_is_a_miss(
    start_weir: StartWeir, start_redis: Callable[..., Redis], postgres: Postgres, counters: None
) -> None:
    redis = start_redis()
    weirs = start_two(start_weir, redis, max_size="0B")
    wait_until_ready(weirs)
    chance = random.Random(3)

    def random_bytes(key: bytes) -> None:
        redis.command("SET", key, chance.randbytes(chance.choice([0, 1, 7, 64, 5000])))

    def another_type(key: bytes) -> None:
        redis.command("EVAL", "redis.call('DEL', KEYS[1]); redis.call('SADD', KEYS[1], 'x')", 1, key)

    def damaged(key: bytes) -> None:
        value = redis.command("GET", key)
        assert isinstance(value, bytes)
        at = chance.randrange(len(value))
        redis.command("SET", key, value[:at] + bytes([value[at] ^ (1 << chance.randrange(8))]) + value[at + 1 :])

    def shortened(key: bytes) -> None:
        value = redis.command("GET", key)
        assert isinstance(value, bytes)
        redis.command("SET", key, value[: chance.randrange(len(value))])

    sql = "SELECT counted(id), repeat('text ', 20) FROM a0 ORDER BY id"
    with weirs[0].logged_in() as first, weirs[1].logged_in() as second:
        others = set(redis.keys("weir:r:*"))
        rows = store(weirs[0], first, sql)
        for spoil in (random_bytes, another_type, damaged, shortened) * 3:
            wait_until(lambda: calls_of(postgres, lambda: second.rows(sql)) == 0, "it is given from Redis")
            keys = set(redis.keys("weir:r:*")) - others
            assert keys
            errors_before = figure(weirs[1], "redis_errors")
            misses_before = figure(weirs[1], "redis_misses")
            for key in keys:
                spoil(key)
            assert second.rows(sql) == rows
            failed = figure(weirs[1], "redis_errors") - errors_before
            assert failed + figure(weirs[1], "redis_misses") - misses_before > 0, spoil.__name__
            assert first.rows(sql) == rows


@pytest.mark.parametrize("kind", ["string", "set"])
def test_garbage_instead_of_versions_recovers(sharing: Sharing, kind: str) -> None:
    """Under every key there is, the record of versions and the epoch included."""
    redis, weirs = sharing
    with clients_at(weirs) as load:
        for _ in range(2):
            wait_until_hits(weirs)
            for key in redis.keys("weir:*"):
                make = {"string": "'SET', KEYS[1], 'xxxxxxxx'", "set": "'SADD', KEYS[1], 'x'"}[kind]
                redis.command("EVAL", f"redis.call('DEL', KEYS[1]); redis.call({make})", 1, key)
            asked = len(load.history.reads)
            wait_until(lambda: len(load.history.reads) > asked + 200, "clients go on with it")
            for key in redis.keys("weir:*"):
                redis.command("DEL", key)
            wait_until_up(weirs)
        wait_until_hits(weirs)


def test_messages_of_others_on_its_channels_do_no_harm(sharing: Sharing) -> None:
    redis, weirs = sharing
    channels = redis.command("PUBSUB", "CHANNELS", "weir:*")
    assert isinstance(channels, list) and len(channels) == 3
    with clients_at(weirs):
        wait_until_hits(weirs)
        for message in (b"", b"x", b"1 b 2 3 app", b"0 e 0 * app", b"9" * 30 + b" 1 1", b"\0" * 5000, b"1 1 1"):
            for channel in channels:
                assert isinstance(channel, bytes)
                redis.command("PUBLISH", channel, message)
        wait_until_up(weirs)
        wait_until_hits(weirs)


def test_scripts_that_were_flushed_are_loaded_again(sharing: Sharing) -> None:
    redis, weirs = sharing
    with clients_at(weirs):
        wait_until_hits(weirs)
        redis.command("SCRIPT", "FLUSH")
        wait_until_up(weirs)
        wait_until_hits(weirs)


def test_connections_that_are_killed_come_back(sharing: Sharing) -> None:
    redis, weirs = sharing
    with clients_at(weirs):
        for kind in ("normal", "pubsub"):
            wait_until_hits(weirs)
            redis.command("CLIENT", "KILL", "TYPE", kind)
            wait_until_up(weirs)
            wait_until_hits(weirs)


def test_wrong_password_is_told_and_works_without(
    start_weir: StartWeir, start_redis: Callable[..., Redis], postgres: Postgres, counters: None
) -> None:
    redis = start_redis(requirepass="right")
    weir: Any = start_weir(settings(redis.url(password="wr0ng-w0rd"), max_size="0B"))
    with weir.logged_in() as client:
        wait_until_state([weir], "down")
        assert client.value(COUNT) == "4"
        wait_until(lambda: "WRONGPASS" in weir.log, "it is told")
        assert figure(weir, "redis_errors") > 0
        redis.command("CONFIG", "SET", "requirepass", "wr0ng-w0rd")
        wait_until_up([weir])
        store(weir, client, COUNT)
    assert "wr0ng-w0rd" not in weir.log
    assert "wr0ng-w0rd" not in str(weir.show("CONFIG"))


def test_switched_off_and_on_by_a_reload(sharing: Sharing) -> None:
    redis, weirs = sharing
    with clients_at(weirs):
        wait_until_hits(weirs)
        for weir in weirs:
            weir.reload({"cache": {"redis": ""}})
            wait_until(lambda: state_of(weir) == "off", "it is off")
        for weir in weirs:
            weir.reload({"cache": {"redis": redis.url()}})
        wait_until_up(weirs)
        wait_until_hits(weirs)


@pytest.mark.parametrize("off", [{"enabled": False}, {"redis": ""}, {"invalidate_on_write": False}])
def test_what_is_written_while_it_is_off_is_not_given_afterwards(sharing: Sharing, off: dict[str, Any]) -> None:
    """By nobody: also the other one has what was read before."""
    redis, weirs = sharing
    sql = "SELECT id, v FROM a0 ORDER BY id"
    with weirs[0].logged_in() as client, weirs[1].logged_in() as other:
        assert store(weirs[0], client, sql) == other.rows(sql)
        weirs[0].reload({"cache": off})
        client.query("UPDATE a0 SET v = v + 1")
        weirs[0].reload({"cache": {"enabled": True, "redis": redis.url(), "invalidate_on_write": True}})
        wait_until_up(weirs)
        for _ in range(3):
            assert client.rows(sql)[0][1] == other.rows(sql)[0][1] == "1"


def test_who_waits_for_redis_goes_on_when_another_one_is_named(
    start_weir: StartWeir, start_redis: Callable[..., Redis], counters: None
) -> None:
    redis = start_redis()
    weir: Any = start_weir(settings(redis.url(), max_size="0B", redis_timeout="1s"))
    wait_until_ready([weir])
    with weir.logged_in() as reader, weir.logged_in() as writer, redis.is_paused():
        reader.send(wire.query("SELECT v FROM a0 WHERE id = 0"))
        writer.send(wire.query("UPDATE a1 SET v = 1"))
        wait_until(lambda: "waiting" in {one["state"] for one in weir.show("CLIENTS")}, "Redis is asked", 0.9)
        began = time.monotonic()
        weir.reload({"cache": {"redis": redis.url(database=1)}})
        for client in (reader, writer):
            assert errors(client.receive_ready()) == []
        assert time.monotonic() - began < scaled(LONGEST_S)
