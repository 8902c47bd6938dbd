"""Where Redis is and who may use it: passwords, users with few rights, unix sockets, database numbers, prefixes."""

from typing import Any, Callable, Iterator

import pytest

from conftest import StartWeir
from support.deadlines import wait_until
from support.postgres import Postgres
from support.raw_client import errors
from support.redis import Redis
from support.shared_cache import COUNTED, calls_of, figure, settings, store, wait_until_ready, wait_until_up
from support.weir import Weir

pytestmark = pytest.mark.needs_weir

COUNT = "SELECT counted(count(*)) FROM thing"
# As cache/redis/README.md says.
RIGHTS = (
    "on >pass:w@rd ~weir:* &weir:* +select +client|setname +ping +subscribe +publish +script|load +eval +evalsha +time"
    " +info +get +set +del +hget +hmget +hset +hdel +hincrby"
)


@pytest.fixture
def thing(postgres: Postgres) -> Iterator[None]:
    postgres.execute("DROP TABLE IF EXISTS thing; CREATE TABLE thing AS SELECT generate_series(1, 20) AS id;" + COUNTED)
    yield
    postgres.execute("DROP TABLE thing")


def check_shared(start_weir: StartWeir, postgres: Postgres, urls: list[str]) -> None:
    """One Weir finds what the other has read, and drops what it writes."""
    weirs: list[Any] = [start_weir(settings(url, max_size="0B")) for url in urls]
    a, b = weirs
    wait_until_ready(weirs)
    with a.logged_in() as first, b.logged_in() as second:
        store(a, first, COUNT)
        wait_until(lambda: calls_of(postgres, lambda: second.value(COUNT)) == 0, "the other finds it")
        assert figure(b, "redis_hits") > 0
        assert errors(second.query("DELETE FROM thing WHERE id = 1")) == []
        assert first.value(COUNT) == "19"
    assert [figure(weir, "redis_errors") for weir in weirs] == [0, 0]


WAYS: dict[str, tuple[dict[str, str], Callable[[Redis], list[str]]]] = {
    "password": ({"requirepass": "s/e c@r:et%"}, lambda redis: [redis.url()] * 2),
    "user with the rights it needs": (
        {"user": "app " + RIGHTS},
        lambda redis: [redis.url("app", "pass:w@rd")] * 2,
    ),
    "unix socket": ({}, lambda redis: [redis.unix_url(), redis.url()]),
    "unix socket, user and number": (
        {"user": "app " + RIGHTS},
        lambda redis: [redis.unix_url("app", "pass:w@rd", 5), redis.url("app", "pass:w@rd", 5)],
    ),
    "number": ({}, lambda redis: [redis.url(database=3)] * 2),
    "name": ({}, lambda redis: [redis.url(), redis.url().replace("127.0.0.1", "localhost")]),
}


@pytest.mark.parametrize("way", WAYS)
def test_way_to_redis(
    start_weir: StartWeir, start_redis: Callable[..., Redis], postgres: Postgres, thing: None, way: str
) -> None:
    settings_of_redis, urls = WAYS[way]
    redis = start_redis(**settings_of_redis)
    check_shared(start_weir, postgres, urls(redis))


def test_everything_lies_in_the_database_named(
    start_weir: StartWeir, start_redis: Callable[..., Redis], postgres: Postgres, thing: None
) -> None:
    redis = start_redis()
    check_shared(start_weir, postgres, [redis.url(database=3)] * 2)
    assert redis.number("DBSIZE") == 0
    assert redis.number("DBSIZE", database=3) > 0
    assert all(key.startswith(b"weir:") for key in redis.keys(database=3))


def test_two_prefixes_do_not_meet(
    start_weir: StartWeir, start_redis: Callable[..., Redis], postgres: Postgres, thing: None
) -> None:
    redis = start_redis()
    prefixes = ["one:", "other/*[x]?~"]
    weirs: list[Any] = [
        start_weir(settings(redis.url(), max_size="0B", redis_key_prefix=prefix)) for prefix in prefixes
    ]
    a, b = weirs
    wait_until_ready(weirs)
    with a.logged_in() as first, b.logged_in() as second:
        store(a, first, COUNT)
        assert calls_of(postgres, lambda: second.value(COUNT)) == 1
        wait_until(lambda: calls_of(postgres, lambda: second.value(COUNT)) == 0, "it has its own")
        # Nor do they hear of each other's writes.
        assert errors(second.query("DELETE FROM thing WHERE id = 1")) == []
        assert second.value(COUNT) == "19"
        assert first.value(COUNT) == "20"
    assert all(any(key.startswith(prefix.encode()) for prefix in prefixes) for key in redis.keys())
    for prefix in prefixes:
        assert any(key.startswith(prefix.encode() + b"r:") for key in redis.keys())


BAD_URLS = {
    "rediss://host": "TLS",
    "http://host": "redis",
    "redis://": "host",
    "redis://user@host": "password",
    "redis://host/x": "database",
}


@pytest.mark.parametrize("url", BAD_URLS)
def test_bad_url_is_refused_at_the_start(start_weir: StartWeir, url: str) -> None:
    with pytest.raises(AssertionError, match=BAD_URLS[url]):
        start_weir(settings(url))


def test_password_is_shown_to_nobody(start_weir: StartWeir, start_redis: Callable[..., Redis]) -> None:
    redis = start_redis(requirepass="sEcret0")
    weir: Weir = start_weir(settings(redis.url()), http=True)
    wait_until_ready([weir])
    redis.kill()
    wait_until(lambda: "redis_away" in weir.log, "it is told")
    weir.reload()
    shown = [str(weir.show(what)) for what in ("CONFIG", "CACHE", "HEALTH")]
    shown += [weir.http(path)[1] for path in ("/api/config", "/api/cache", "/metrics")]
    assert not any("sEcret0" in text for text in shown)
    assert "sEcret0" not in weir.log


def test_write_that_began_before_redis_was_named_is_told(
    start_weir: StartWeir, start_redis: Callable[..., Redis], thing: None
) -> None:
    redis = start_redis()
    reader = start_weir(settings(redis.url()))
    writer = start_weir({"cache": {"enabled": True, "default_ttl": "60s"}})
    wait_until_ready([reader])
    with writer.logged_in() as one, reader.logged_in() as other:
        assert errors(one.query("BEGIN")) == []
        # What it does is not known, so that nothing more can be added to it.
        assert errors(one.query("DO $$ BEGIN DELETE FROM thing WHERE id = 1; END $$")) == []
        store(reader, other, COUNT)
        writer.reload(settings(redis.url()))
        wait_until_up([writer])
        assert other.value(COUNT) == "20"
        assert errors(one.query("COMMIT")) == []
        wait_until(lambda: other.value(COUNT) == "19", "the other has heard of it", 1)
