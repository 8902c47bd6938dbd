"""How many clients a database takes, whichever thread they are on."""

import pytest

from conftest import StartWeir
from support.deadlines import wait_until
from support.raw_client import RawClient, ServerError

pytestmark = pytest.mark.needs_weir


def test_database_has_a_limit_of_its_own_over_all_threads(start_weir: StartWeir) -> None:
    weir = start_weir(
        {
            "listen": {"threads": 2},
            "database": {"*": {"user": "postgres", "max_clients": 3}, "app": {"user": "postgres", "max_clients": 2}},
        }
    )

    def enter(database: str) -> RawClient:
        client: RawClient = weir.raw()
        try:
            client.log_in(user="anybody", database=database)
        except ServerError:
            client.close()
            raise
        return client

    inside = [enter("app"), enter("app")]
    with pytest.raises(ServerError) as refused:
        enter("app")
    assert refused.value.sqlstate == "53300"
    assert refused.value.message.text == "client connections exceeded (max_db_client_connections)"
    assert refused.value.message.severity == "FATAL"
    others = [enter("other") for _ in range(3)]
    with pytest.raises(ServerError):
        enter("other")
    inside.pop().quit()
    def enters() -> bool:
        try:
            inside.append(enter("app"))
        except ServerError:
            return False
        return True

    wait_until(enters, "a place that was given back is free")
    # Raised, lowered and lifted while clients are inside.
    weir.reload({"database": {"app": {"max_clients": 3}}})
    wait_until(enters)
    weir.reload({"database": {"app": {"max_clients": 1}}})
    with pytest.raises(ServerError):
        enter("app")
    assert inside[0].value("SELECT 1") == "1"  # nobody is sent away
    weir.reload({"database": {"app": {"max_clients": 0}}})
    wait_until(enters)
    for client in inside + others:
        client.quit()
