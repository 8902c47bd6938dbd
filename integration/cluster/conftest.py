"""A primary with streaming replicas."""

from typing import Any, Callable, Iterator

import pytest

from support.postgres import Postgres, Template
from support.replica import Replica, make_primary

MakeCluster = Callable[..., tuple[Any, ...]]


@pytest.fixture
def make_cluster(postgres_template: Template) -> Iterator[MakeCluster]:
    """Starts a primary and so many replicas of it; the primary comes first."""
    started: list[Postgres] = []

    def make(replicas: int = 1, **settings: str) -> tuple[Any, ...]:
        primary = make_primary(postgres_template, **settings)
        started.append(primary)
        for _ in range(replicas):
            started.append(Replica(primary))
        return tuple(started)

    yield make
    for server in started:
        server.remove()
