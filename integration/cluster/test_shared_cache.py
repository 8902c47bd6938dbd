"""Results of replicas, shared through Redis: a replica that is behind leaves nothing old in the cache."""

from typing import Any, Callable

import pytest

from cluster.conftest import MakeCluster, StartSplit
from support.deadlines import wait_until
from support.raw_client import errors
from support.redis import Redis
from support.shared_cache import PLACES, figure, settings, wait_until_ready

pytestmark = pytest.mark.needs_weir

TABLES = range(40)


@pytest.mark.parametrize("place", PLACES)
def test_what_a_replica_has_not_replayed_is_not_missed_in_the_cache(
    make_cluster: MakeCluster, start_split: StartSplit, start_redis: Callable[..., Redis], place: str
) -> None:
    primary, replica = make_cluster()
    for table in TABLES:
        primary.execute(f"CREATE TABLE t{table} (x int); INSERT INTO t{table} VALUES (1)")
    redis = start_redis()
    config = settings(redis.url(), max_size=PLACES[place])
    a, b = (start_split(primary, replica, cluster={"max_replica_lag": "60s"}, **config) for _ in range(2))
    wait_until_ready([a, b])
    with a.logged_in() as reader, b.logged_in() as writer:
        replica.pause_replay()
        for table in TABLES:
            if table % 2 == 0:
                reader.value(f"SELECT x FROM t{table}")
            assert errors(writer.query(f"UPDATE t{table} SET x = 2")) == []
            # At once, where it may be what the replica has; but not for longer than that.
            reader.value(f"SELECT x FROM t{table}")
        replica.execute("SELECT pg_wal_replay_resume()")
        replica.wait_until_near(primary)

        def old() -> list[int]:
            return [table for table in TABLES for client in (reader, writer) if value(client, table) != "2"]

        def value(client: Any, table: int) -> Any:
            return client.value(f"SELECT x FROM t{table}")

        assert old() == []
        wait_until(lambda: old() == [] and figure(a, "redis_hits") + figure(b, "redis_hits") > 0, "it is of use")
