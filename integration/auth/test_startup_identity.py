"""Who a client is, and where it goes, is said by the words PostgreSQL reads out of a startup packet, and by nothing else in it."""

from typing import Any, Callable, Iterator

import pytest

from conftest import StartWeir
from support import wire
from support.postgres import Postgres
from support.raw_client import RawClient, ServerError, errors

WHO = "SELECT session_user || '/' || current_user || '@' || current_database()"
MODES = ["transaction", "session", "statement"]


@pytest.fixture
def roles(postgres: Postgres) -> Iterator[None]:
    for sql in ("CREATE ROLE bob LOGIN", "CREATE ROLE readers", "GRANT readers TO bob"):
        postgres.execute(sql)
    yield
    for sql in ("DROP ROLE readers", "DROP ROLE bob"):
        postgres.execute(sql)


def who(weir: Any, **parameters: str) -> str | None:
    """Who PostgreSQL takes a client for, or what it is told instead."""
    with weir.raw() as client:
        try:
            client.log_in(**{"user": "bob", "database": "app", **parameters})
        except ServerError as refused:
            assert refused.message.severity == "FATAL"
            return f"{refused.sqlstate} {refused.message.text}"
        answer = client.value(WHO)
        client.quit()
        return answer


def unrecognized(name: str) -> str:
    return f'42704 unrecognized configuration parameter "{name}"'


@pytest.mark.usefixtures("roles")
@pytest.mark.parametrize("mode", MODES)
def test_no_setting_makes_a_client_somebody_else(start_weir: StartWeir, mode: str) -> None:
    weir = start_weir({"pool": {"mode": mode}})
    for name in ("USER", "User", "DATABASE", "REPLICATION", "OPTIONS"):
        assert who(weir, **{name: "postgres"}) == unrecognized(name)
        assert who(weir, replication="FALSE", **{name: "postgres"}) == unrecognized(name)
    for name in ("user", "USER", "database", "replication", "options"):
        for options in (f"-c {name}=postgres", f"-c{name}=postgres", f"--{name}=postgres"):
            assert who(weir, options=options) == unrecognized(name)
        assert who(weir, options=f"-c work_mem=1MB -c {name}=postgres -c geqo=off") == unrecognized(name)
    assert who(weir) == "bob/bob@app"
    assert who(weir, database="postgres") == "bob/bob@postgres"
    assert who(weir, **{"user.x": "1"}) == "bob/bob@app"


@pytest.mark.needs_weir
@pytest.mark.usefixtures("roles")
@pytest.mark.parametrize("mode", MODES)
def test_no_setting_is_an_option_of_the_protocol(start_weir: StartWeir, mode: str) -> None:
    weir = start_weir({"pool": {"mode": mode}})
    assert who(weir, **{"_PQ_.x": "1"}) == unrecognized("_PQ_.x")
    assert who(weir, options="-c _pq_.x=1") == unrecognized("_pq_.x")
    assert who(weir, **{"_pq_.x": "1"}) == "bob/bob@app"


@pytest.mark.usefixtures("roles")
@pytest.mark.parametrize("mode", MODES)
def test_a_role_at_the_start_is_postgresqls_to_grant(start_weir: StartWeir, mode: str) -> None:
    weir = start_weir({"pool": {"mode": mode, "max": 1}})
    assert who(weir, role="readers") == "bob/readers@app"
    assert who(weir) == "bob/bob@app"
    assert who(weir, options="-c role=readers") == "bob/readers@app"
    assert who(weir, ROLE="postgres") == '42501 permission denied to set role "postgres"'
    for name in ("session_authorization", "Session_Authorization"):
        refusal = '42501 permission denied to set session authorization "postgres"'
        assert who(weir, **{name: "postgres"}) == refusal
    assert who(weir, options="-c session_authorization=bob") == "bob/bob@app"
    assert who(weir) == "bob/bob@app"


@pytest.mark.needs_weir
@pytest.mark.usefixtures("roles")
def test_a_role_at_the_start_is_its_clients_alone(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1}})
    with weir.logged_in(user="bob", role="readers") as reader, weir.logged_in(user="bob") as plain:
        for _ in range(3):
            assert reader.value(WHO) == "bob/readers@app"
            assert plain.value(WHO) == "bob/bob@app"
        reader.query("RESET ROLE")
        assert plain.value(WHO) == "bob/bob@app"
        assert reader.value(WHO) == "bob/readers@app"  # as directly: that is where RESET leads
        reader.query("SET ROLE none")
        for _ in range(3):
            weir.wait_until_idle()  # what it has set is learnt from the server
            assert reader.value(WHO) == "bob/bob@app"
            assert plain.value(WHO) == "bob/bob@app"


def ordinary(weir: Any, word: str) -> str:
    """What a client is told that says `replication` in this way."""
    with weir.raw() as client:
        client.send(wire.startup({"user": "postgres", "database": "app", "replication": word}))
        messages = client.receive_until_end_or_ready()
        if errors(messages):
            return f"{messages[-1].sqlstate} {messages[-1].text}"
        client.quit()
        return "ordinary"


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_replication_is_a_boolean_or_database(start_weir: StartWeir, mode: str) -> None:
    weir = start_weir({"pool": {"mode": mode}})
    for word in ("false", "FALSE", "False", "f", "fa", "fal", "NO", "n", "oFF", "of", "0"):
        assert ordinary(weir, word) == "ordinary", word
    for word in ("", "o", "00", "2", "truex", " false", "DATABASE", "data", "x"):
        assert ordinary(weir, word) == f'22023 invalid value for parameter "replication": "{word}"'


@pytest.mark.needs_weir
def test_replication_that_is_wanted_is_given(
    own_postgres: Callable[..., Postgres], start_weir_at: StartWeir
) -> None:
    postgres = own_postgres(hba=["host all,replication all all trust"], max_wal_senders="4", wal_level="replica")
    weir = start_weir_at(postgres.port)
    for word in ("true", "T", "YES", "on", "1", "database"):
        with weir.logged_in(replication=word) as client:
            assert errors(client.query("IDENTIFY_SYSTEM")) == [], word
            assert errors(client.query("SELECT 1")) == ([] if word == "database" else ["0A000"]), word


@pytest.mark.needs_weir
def test_a_client_without_replication_is_counted_and_pooled_like_any_other(
    start_weir: StartWeir, postgres: Postgres
) -> None:
    weir = start_weir({"pool": {"max": 1}})
    words = ["FALSE", "f", "fa", "NO", "n", "oFF", "0", "false"]
    clients: list[RawClient] = [weir.logged_in(replication=word) for word in words]
    for client in clients:
        assert client.value("SELECT current_database()") == "app"
    assert postgres.backends() == 1
    assert weir.pool()["cl_active"] + weir.pool()["cl_waiting"] == len(words)
    for client in clients:
        client.quit()


@pytest.mark.needs_weir
def test_rules_for_replication_let_nobody_into_a_database(start_weir: StartWeir) -> None:
    hba = "host replication postgres 127.0.0.1/32 trust\nhost app postgres 127.0.0.1/32 reject\n"
    weir = start_weir({"auth": {"method": "hba", "hba_file": "hba.conf"}}, files={"hba.conf": hba})
    refusal = '28000 pg_hba.conf rejects connection for host "127.0.0.1", user "postgres", database "app", no encryption'
    for word in ("FALSE", "False", "f", "fa", "n", "NO", "oFF", "of", "0", "false", "off", "no"):
        assert ordinary(weir, word) == refusal, word
    assert ordinary(weir, "database") == refusal
