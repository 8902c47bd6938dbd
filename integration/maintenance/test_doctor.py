"""``weir doctor``: what will not work, before it does not."""

import json
from typing import Any, Callable, Iterator

import pytest

from support.maintained import Maintained
from support.ports import free_port
from support.postgres import Postgres

pytestmark = pytest.mark.needs_weir

SECRET = "not-for-anybody"


@pytest.fixture
def shop(postgres: Postgres) -> Iterator[Maintained]:
    own = Maintained(postgres)
    yield own
    own.remove()


def doctor(shop: Maintained, status: int) -> list[dict[str, Any]]:
    done = shop.weir("doctor", "--json", status=status)
    assert SECRET not in done.out + done.said
    return done.items


def of(checks: list[dict[str, Any]], area: str, subject: str = "") -> list[dict[str, Any]]:
    return [check for check in checks if check["area"] == area and subject in check["subject"]]


def test_all_is_fine(shop: Maintained) -> None:
    shop.execute("CREATE MATERIALIZED VIEW v AS SELECT 1 AS n")
    shop.configure(
        materialized_view=[{"name": "public.v", "every": "1h"}],
        ledger={"path": str(shop.folder / "ledger.db")},
    )
    checks = doctor(shop, status=0)
    assert {check["state"] for check in checks} == {"fine"}
    [member] = of(checks, "member")
    assert member["subject"] == f"main 127.0.0.1:{shop.postgres.port}"
    assert "a primary, PostgreSQL 15" in member["text"] and " ms" in member["text"]
    assert of(checks, "version")[0]["subject"] == "weir"
    assert of(checks, "ledger")[0]["text"] == "can be written"
    assert of(checks, "privileges", "maintenance.timezone")[0]["text"] == "UTC is known to the server"


def test_what_is_missing_is_said_with_the_grant(shop: Maintained) -> None:
    shop.execute(
        "DROP ROLE IF EXISTS doctor_keeper", "CREATE ROLE doctor_keeper LOGIN",
        "DROP ROLE IF EXISTS doctor_owner", "CREATE ROLE doctor_owner",
        "CREATE TABLE events (at timestamptz NOT NULL, n int) PARTITION BY RANGE (at)",
        "CREATE TABLE plain (at timestamptz NOT NULL)",
        "CREATE MATERIALIZED VIEW v AS SELECT 1 AS n",
        "ALTER TABLE events OWNER TO doctor_owner", "ALTER MATERIALIZED VIEW v OWNER TO doctor_owner",
    )
    shop.configure(
        maintenance={"user": "doctor_keeper"},
        partition=[{"table": "public.events", "key": "at", "interval": "1 month"},
                   {"table": "public.plain", "key": "at", "interval": "1 month"}],
        aggregate=[{"source": "public.events", "target": "public.sums", "time": "at", "bucket": "1 hour",
                    "columns": {"n": "count(*)"}, "track": "triggers"}],
        materialized_view=[{"name": "public.v", "every": "1h"}, {"name": "gone", "every": "1h"}],
        database={"shop": {"user": "doctor_keeper", "password": SECRET}},
    )
    checks = doctor(shop, status=1)
    fixes = {check["fix"] for check in checks if check["state"] == "finding"}
    assert {
        'GRANT "doctor_owner" TO "doctor_keeper"',
        'GRANT USAGE, CREATE ON SCHEMA "public" TO "doctor_keeper"',
        'GRANT SELECT ON "public"."events" TO "doctor_keeper"',
        'GRANT TRIGGER ON "public"."events" TO "doctor_keeper"',
        'GRANT pg_monitor TO "doctor_keeper"',
        f'GRANT CREATE ON DATABASE "{shop.name}" TO "doctor_keeper"',
        "weir partition convert public.plain",
    } <= fixes
    assert "gone: no such relation" in of(checks, "privileges", "view gone")[0]["text"]
    shop.execute("GRANT doctor_owner, pg_monitor TO doctor_keeper", "DROP TABLE plain", "CREATE TABLE plain (n int)",
                 "ALTER TABLE plain OWNER TO doctor_keeper",
                 f"GRANT CREATE ON DATABASE {shop.name} TO doctor_keeper",
                 "GRANT CREATE ON SCHEMA public TO doctor_keeper")
    shop.configure(partition=[{"table": "public.events", "key": "at", "interval": "1 month"}],
                   materialized_view=[{"name": "public.v", "every": "1h"}])
    assert {check["state"] for check in doctor(shop, status=0)} == {"fine"}
    shop.execute("DROP OWNED BY doctor_keeper, doctor_owner", "DROP ROLE doctor_keeper, doctor_owner")


def test_a_server_that_is_away_is_critical(shop: Maintained) -> None:
    port = free_port()
    shop.configure(cluster={"main": {"servers": [f"127.0.0.1:{shop.postgres.port}", f"127.0.0.1:{port}"]}})
    checks = doctor(shop, status=2)
    [away] = of(checks, "member", str(port))
    assert away["state"] == "critical" and "refused" in away["text"]


def test_what_another_has_made_in_its_schema_is_looked_at(shop: Maintained) -> None:
    shop.execute(
        "DROP ROLE IF EXISTS doctor_keeper", "CREATE ROLE doctor_keeper LOGIN", "GRANT pg_monitor TO doctor_keeper",
        "CREATE MATERIALIZED VIEW v AS SELECT 1 AS n", "ALTER MATERIALIZED VIEW v OWNER TO doctor_keeper",
        "GRANT CREATE ON SCHEMA public TO doctor_keeper", "CREATE SCHEMA weir", "CREATE TABLE weir.job (job text)",
    )
    shop.configure(
        maintenance={"user": "doctor_keeper"},
        database={"shop": {"user": "doctor_keeper", "password": SECRET}},
        materialized_view=[{"name": "public.v", "every": "1h"}],
    )
    grants = {check["fix"] for check in doctor(shop, status=1) if check["state"] == "finding"}
    assert grants == {
        'GRANT USAGE, CREATE ON SCHEMA weir TO "doctor_keeper"',
        'GRANT SELECT, INSERT, UPDATE ON weir.job TO "doctor_keeper"',
    }
    shop.execute(*grants)
    assert {check["state"] for check in doctor(shop, status=0)} == {"fine"}
    shop.execute("DROP OWNED BY doctor_keeper", "DROP ROLE doctor_keeper")


def test_clusters_that_are_not_maintained_need_not_know_its_user(
    shop: Maintained, own_postgres: Callable[..., Postgres]
) -> None:
    other = own_postgres()
    shop.execute("DROP ROLE IF EXISTS doctor_keeper", "CREATE ROLE doctor_keeper LOGIN",
                 "GRANT pg_monitor TO doctor_keeper")
    shop.configure(
        cluster={"other": {"servers": [f"127.0.0.1:{other.port}"]}},
        database={"else": {"cluster": "other", "dbname": "app"}},
        maintenance={"user": "doctor_keeper"},
    )
    [member] = of(doctor(shop, status=0), "member", "other ")
    assert member["state"] == "fine" and "nobody is configured to log in as" in member["text"]
    shop.configure(database={"else": {"user": "postgres"}})
    [member] = of(doctor(shop, status=0), "member", "other ")
    assert "a primary" in member["text"]
    shop.execute("DROP OWNED BY doctor_keeper", "DROP ROLE doctor_keeper")


def test_without_a_user_it_knocks(shop: Maintained) -> None:
    shop.settings.pop("maintenance")
    checks = doctor(shop, status=0)
    assert "nobody is configured to log in as" in of(checks, "member")[0]["text"]


def test_mistakes_in_the_settings_are_all_there_is_to_say(shop: Maintained) -> None:
    shop.configure(pool={"max": "many"})
    checks = doctor(shop, status=2)
    assert "pool.max" in of(checks, "settings")[0]["text"]
    assert not of(checks, "member")


def test_places_it_needs(shop: Maintained) -> None:
    port = free_port()
    shop.configure(
        ledger={"path": "/proc/nowhere/ledger.db"},
        cache={"enabled": True, "default_ttl": "1s", "redis": f"redis://somebody:{SECRET}@127.0.0.1:{port}/0"},
    )
    checks = doctor(shop, status=1)
    assert of(checks, "ledger")[0]["state"] == "finding"
    [redis] = of(checks, "redis")
    assert redis["subject"] == f"127.0.0.1:{port}" and "refused" in redis["text"]
    assert "finding" in shop.weir("doctor", status=1).out
    json.loads(shop.weir("doctor", "--json", status=1).out)
