"""A primary with streaming replicas."""

from typing import Any, Callable, Iterator

import pytest

from conftest import StartWeir
from support.deadlines import wait_until
from support.postgres import Postgres, Template
from support.replica import Replica, make_primary, servers

MakeCluster = Callable[..., tuple[Any, ...]]
StartSplit = Callable[..., Any]

# Says where it runs. PostgreSQL's own functions that do are not asked of replicas.
AT = "CREATE FUNCTION at() RETURNS text LANGUAGE plpgsql STABLE AS 'BEGIN RETURN current_setting(''port''); END'"


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


@pytest.fixture
def start_split(start_weir_at: StartWeir) -> StartSplit:
    """Weir before a cluster, with reads going to replicas; ``at()`` says where a statement runs."""

    def start(*members: Postgres, cluster: Any = None, database: Any = None, **config: Any) -> Any:
        primary, *replicas = members
        if not primary.value("SELECT count(*) FROM pg_proc WHERE proname = 'at'"):
            primary.execute(AT)
        for replica in replicas:
            replica.wait_until_near(primary)
        config["cluster"] = servers(*members)
        config["cluster"]["main"].update(cluster or {})
        config["database"] = {"app": {"cluster": "main", "read_write_split": True, **(database or {})}}
        weir = start_weir_at(primary.port, config, http=True)
        with weir.logged_in() as client:
            wait_until(lambda: client.value("SELECT at()") != str(primary.port), "reads are on replicas")
        return weir

    return start
