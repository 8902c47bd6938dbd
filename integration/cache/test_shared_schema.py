"""What one Weir changes of the schema, the other knows of before it says what was read or written."""

from typing import Any, Callable, Iterator

import pytest

from conftest import StartWeir
from support.deadlines import scaled, wait_until
from support.postgres import Postgres
from support.raw_client import RawClient, errors
from support.redis import Redis
from support.shared_cache import LEASE_S, settings, wait_until_ready

pytestmark = pytest.mark.needs_weir


@pytest.fixture
def tables(postgres: Postgres) -> Iterator[None]:
    postgres.execute(
        "DROP TABLE IF EXISTS one, two, heir CASCADE; CREATE TABLE one (id int PRIMARY KEY, n int);"
        "INSERT INTO one VALUES (1, 10); CREATE TABLE two (id int PRIMARY KEY, n int); INSERT INTO two VALUES (1, 20);"
        "CREATE VIEW seen AS SELECT n FROM one WHERE id = 1;"
        "CREATE OR REPLACE FUNCTION follow() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN UPDATE two SET n = NEW.n WHERE id = NEW.id; RETURN NULL; END';"
        "CREATE OR REPLACE FUNCTION of_one() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 5'"
    )
    yield
    postgres.execute("DROP TABLE one, two CASCADE")


@pytest.fixture
def two(
    start_weir: StartWeir, start_redis: Callable[..., Redis], tables: None
) -> Iterator[tuple[RawClient, RawClient]]:
    """A client at each of two Weirs, both of which know the schema as it is now."""
    redis = start_redis()
    weirs: list[Any] = [start_weir(settings(redis.url())) for _ in range(2)]
    wait_until_ready(weirs)
    with weirs[0].logged_in() as first, weirs[1].logged_in() as second:
        for client in (first, second):
            for sql in ("SELECT n FROM seen", "SELECT n FROM one", "SELECT n FROM two"):
                client.rows(sql)
        yield first, second


def do(client: RawClient, *statements: str) -> None:
    for sql in statements:
        assert errors(client.query(sql)) == [], sql


def check_soon(client: RawClient, sql: str, value: Any) -> None:
    wait_until(lambda: client.value(sql) == value, f"{sql} is {value}", scaled(LEASE_S))


def test_view_of_another_table(two: tuple[RawClient, RawClient]) -> None:
    first, second = two
    do(first, "CREATE OR REPLACE VIEW seen AS SELECT n FROM two WHERE id = 1")
    check_soon(second, "SELECT n FROM seen", "20")
    for number in range(21, 25):
        assert second.value("SELECT n FROM seen") == str(number - 1)
        do(first, f"UPDATE two SET n = {number}")
        check_soon(second, "SELECT n FROM seen", str(number))


def test_new_trigger(two: tuple[RawClient, RawClient]) -> None:
    first, second = two
    do(first, "CREATE TRIGGER follows AFTER UPDATE ON one FOR EACH ROW EXECUTE FUNCTION follow()")
    for number in range(31, 35):
        assert first.value("SELECT n FROM two") == first.value("SELECT n FROM two")
        do(second, f"UPDATE one SET n = {number}")
        assert second.value("SELECT n FROM two") == str(number)
        check_soon(first, "SELECT n FROM two", str(number))


def test_new_foreign_key(two: tuple[RawClient, RawClient]) -> None:
    first, second = two
    do(first, "ALTER TABLE two ADD FOREIGN KEY (id) REFERENCES one ON DELETE CASCADE")
    assert first.value("SELECT count(*) FROM two") == "1"
    assert second.value("SELECT count(*) FROM two") == "1"
    do(second, "DELETE FROM one WHERE id = 1")
    assert second.value("SELECT count(*) FROM two") == "0"
    check_soon(first, "SELECT count(*) FROM two", "0")


def test_new_child(two: tuple[RawClient, RawClient]) -> None:
    first, second = two
    do(first, "CREATE TABLE heir () INHERITS (one)")
    assert second.value("SELECT count(*) FROM one") == "1"
    for number in range(2, 5):
        do(first, f"INSERT INTO heir VALUES ({number}, 0)")
        check_soon(second, "SELECT count(*) FROM one", str(number))


def test_new_function_body_and_volatility(two: tuple[RawClient, RawClient]) -> None:
    first, second = two
    sql = "SELECT of_one() + id - id FROM one"
    assert [client.value(sql) for client in (first, second)] == ["5", "5"]
    do(first, "CREATE OR REPLACE FUNCTION of_one() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 6'")
    check_soon(second, sql, "6")
    do(first, "CREATE OR REPLACE FUNCTION of_one() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT n FROM two'")
    check_soon(second, sql, "20")
    do(first, "UPDATE two SET n = 21")
    check_soon(second, sql, "21")


def test_renamed_tables(two: tuple[RawClient, RawClient]) -> None:
    first, second = two
    assert second.value("SELECT n FROM one") == "10"
    do(first, "BEGIN; ALTER TABLE one RENAME TO old; ALTER TABLE two RENAME TO one; COMMIT")
    check_soon(second, "SELECT n FROM one", "20")
    do(first, "UPDATE one SET n = 22")
    check_soon(second, "SELECT n FROM one", "22")
    do(second, "UPDATE one SET n = 23")
    check_soon(first, "SELECT n FROM one", "23")
    do(first, "ALTER TABLE one RENAME TO two; ALTER TABLE old RENAME TO one")
    check_soon(second, "SELECT n FROM one", "10")


def test_rights_taken_away(
    start_weir: StartWeir, start_redis: Callable[..., Redis], postgres: Postgres, tables: None
) -> None:
    redis = start_redis()
    postgres.execute("DROP ROLE IF EXISTS poor; CREATE ROLE poor LOGIN; GRANT SELECT ON one TO poor")
    weirs: list[Any] = [start_weir({**settings(redis.url()), "user": {"postgres": {}, "poor": {}}}) for _ in range(2)]
    wait_until_ready(weirs)
    try:
        with weirs[0].logged_in() as first, weirs[1].logged_in(user="poor") as poor:
            assert [poor.value("SELECT n FROM one") for _ in range(3)] == ["10"] * 3
            do(first, "REVOKE SELECT ON one FROM poor")
            wait_until(lambda: errors(poor.query("SELECT n FROM one")) == ["42501"], "it may not", scaled(LEASE_S))
    finally:
        postgres.execute("DROP OWNED BY poor; DROP ROLE poor")
