"""What a client is told of the server's settings at login is the server's, not some other client's."""

import pytest

from conftest import StartWeir
from support.postgres import Postgres

pytestmark = pytest.mark.needs_weir


@pytest.mark.parametrize("threads", [1, 2])
def test_settings_of_one_client_are_not_told_to_others(start_weir: StartWeir, postgres: Postgres, threads: int) -> None:
    weir = start_weir({"listen": {"threads": threads}, "pool": {"max": 1}})
    with weir.logged_in() as client:
        usual = dict(client.parameters)
        client.query("SET client_encoding = 'LATIN1'")
        client.query("SET timezone = 'Asia/Tokyo'")
        client.query("SET application_name = 'secret'")
        for _ in range(4):  # some of them on the other thread, which borrows the one connection
            with weir.logged_in() as other:
                assert other.parameters == usual
                assert other.value("SHOW client_encoding") == usual["client_encoding"]
                client.query("SELECT 1")
