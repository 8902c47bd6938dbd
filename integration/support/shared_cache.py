"""What the tests of results shared through Redis have in common."""

import time
from typing import Any, Callable, Optional, Sequence

from support.deadlines import scaled, wait_until
from support.postgres import Postgres
from support.raw_client import RawClient
from support.weir import Weir

# What another instance has in its memory may be given for as long after it was sent the news (cache/redis/README.md).
LEASE_S = 0.3

# Results kept in the memory of the process and in Redis, or in Redis only.
PLACES = {"memory": "100MB", "redis": "0B"}

# A machine that stands still for a moment is no trouble with Redis, but where troubles are what is tested.
PATIENT = {"redis_timeout": "1s"}
IMPATIENT = {"redis_timeout": f"{int(scaled(50))}ms"}

# Calls of counted() are counted, although it says that there is nothing to count: so its results are kept.
COUNTED = (
    "DROP SEQUENCE IF EXISTS calls; CREATE SEQUENCE calls;"
    "CREATE OR REPLACE FUNCTION counted(x bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS"
    " 'BEGIN PERFORM nextval(''calls''); RETURN x; END'"
)


def settings(url: str, **cache: Any) -> dict[str, Any]:
    """Those of a Weir that keeps all it can, and shares it through the Redis there."""
    shared = {"enabled": True, "default_ttl": "60s", "redis": url, **PATIENT, **cache}
    return {"cache": shared, "listen": {"threads": 2}}


def figures(weir: Weir) -> dict[str, Any]:
    """The row of SHOW CACHE."""
    return weir.show("CACHE")[0]


def figure(weir: Weir, name: str) -> int:
    return int(figures(weir)[name])


def state_of(weir: Weir) -> str:
    return str(figures(weir)["redis_state"])


def wait_until_state(weirs: Sequence[Weir], state: str, deadline_s: float = 10) -> None:
    for weir in weirs:
        wait_until(lambda: state_of(weir) == state, f"redis_state is {state}", deadline_s)


def wait_until_up(weirs: Sequence[Weir], deadline_s: float = 20) -> None:
    """Until all of them use Redis."""
    wait_until_state(weirs, "up", deadline_s)


def wait_until_ready(weirs: Sequence[Weir]) -> None:
    """Just started: until they use Redis, and know the catalog, which is read behind a first statement."""
    wait_until_up(weirs)
    for weir in weirs:
        before = figure(weir, "hits")

        def is_hit() -> bool:
            assert weir.value("SELECT 'ready'") == "ready"
            return figure(weir, "hits") > before

        wait_until(is_hit, "results are kept")
    # What each did before it knew the catalog counts as a write of everything: the others have heard of it by then.
    time.sleep(scaled(LEASE_S))


def calls(postgres: Postgres) -> int:
    """How often counted() has been called."""
    return int(postgres.value("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM calls"))


def calls_of(postgres: Postgres, work: Callable[[], Any]) -> int:
    before = calls(postgres)
    work()
    return calls(postgres) - before


def store(weir: Weir, client: RawClient, sql: str) -> list[list[Optional[str]]]:
    """Asks until the result lies in Redis, where it must not have been, and returns it."""
    before = figure(weir, "redis_stored")
    found = []

    def is_stored() -> bool:
        found.append(client.rows(sql))
        return figure(weir, "redis_stored") > before

    wait_until(is_stored, "it is kept in Redis: " + sql)
    weir.wait_until_idle()  # what is asked before its session has been looked at is the server's
    return found[-1]
