"""Rules and hints say where statements go."""

import pytest

from cluster.conftest import MakeCluster, StartSplit
from support.deadlines import wait_until

pytestmark = pytest.mark.needs_weir


def test_rules_in_their_order_and_hints_above_them(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica = make_cluster()
    primary.execute("CREATE TABLE audit_log (x int); CREATE TABLE plain (x int)")
    weir = start_split(primary, replica, rule=[
        {"match": {"table": "audit_log"}, "set": {"route": "primary"}},
        {"match": {"application_name": "bi-*", "table": "audit_log"}, "set": {"route": "replica"}},
        {"match": {"regex": "(?i)current_.*never"}, "set": {"route": "primary"}},
    ])
    here, there = str(primary.port), str(replica.port)
    with weir.logged_in() as client, weir.logged_in(application_name="bi-7") as report:
        assert client.value("SELECT at(), count(*) FROM audit_log") == here
        assert client.value("SELECT at(), count(*) FROM public.audit_log") == here
        assert client.value("SELECT at(), count(*) FROM plain") == there
        assert report.value("SELECT at(), count(*) FROM audit_log") == there
        assert client.value("SELECT at() AS current_never") == here
        assert client.value("SELECT /* weir: route=replica */ at(), count(*) FROM audit_log") == there
        assert report.value("SELECT at(), count(*) FROM audit_log -- weir: route=primary") == here
        weir.reload({"rule": [{"set": {"route": "auto"}}]})
        wait_until(lambda: client.value("SELECT at(), count(*) FROM audit_log") == there, "the reload takes effect")


def test_rules_about_one_statement_and_hints_that_do_not_count(make_cluster: MakeCluster, start_split: StartSplit) -> None:
    primary, replica = make_cluster()
    weir = start_split(primary, replica, admin={"admins": ["postgres"]})
    here, there = str(primary.port), str(replica.port)
    statement = "SELECT at(), 5"
    with weir.psycopg(dbname="weir", user="postgres") as console:
        digest = dict(row[:2] for row in console.execute("EXPLAIN POLICY " + statement).fetchall())["digest"]
    with weir.logged_in() as client:
        assert client.value(statement) == there
        weir.reload({"rule": [{"match": {"digest": digest}, "set": {"route": "primary"}}]})
        wait_until(lambda: client.value(statement) == here, "the rule takes effect")
        assert client.value("select  at(), 'x' -- the same but for its literals") == here
        assert client.value("SELECT at(), 5, 6 AS other") == there
        assert client.value(statement + " /* weir: route=replica */") == there
        weir.reload({"rule": [], "policy": {"hints": "off"}})
        wait_until(lambda: client.value("SELECT at() -- weir: route=primary") == there, "hints count no more")
