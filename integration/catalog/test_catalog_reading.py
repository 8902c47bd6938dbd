"""What Weir asks a database about itself, while the client that caused it waits."""

from typing import Any, Callable

import pytest

from conftest import StartWeir
from support.deadlines import wait_until
from support.postgres import Postgres

pytestmark = pytest.mark.needs_weir

# So many that the server takes the question for one that is worth compiling.
FUNCTIONS = 200


@pytest.mark.parametrize("cache", [{}, {"cache": {"enabled": True, "default_ttl": "60s"}}], ids=["plain", "cached"])
def test_catalog_is_read_without_compiling(
    own_postgres: Callable[..., Postgres], start_weir_at: StartWeir, cache: dict[str, Any]
) -> None:
    server = own_postgres(shared_preload_libraries="pg_stat_statements")
    server.execute("CREATE EXTENSION pg_stat_statements")
    for number in range(FUNCTIONS):
        server.execute(f"CREATE FUNCTION f{number}() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    server.execute("ANALYZE")
    server.execute("SELECT pg_stat_statements_reset()")
    weir = start_weir_at(server.port, {"pool": {"max": 1}, **cache})
    assert weir.value("SELECT f1() + f2()") == 2
    for word in ["pg_proc", "clocked"] if cache else ["pg_proc"]:
        asked = f"FROM pg_stat_statements WHERE query LIKE '%WITH%' AND query LIKE '%{word}%'"
        wait_until(lambda: server.value(f"SELECT count(*) {asked}") > 0, "the catalog has been read")
        assert server.value(f"SELECT sum(jit_functions) {asked}") == 0
