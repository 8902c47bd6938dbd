"""The table of what may run where (tests/data/routing_statements.txt), statement by statement on real members."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from cluster.conftest import AT, MakeCluster
from conftest import StartWeir
from support import wire
from support.deadlines import wait_until
from support.endpoint import Endpoint
from support.postgres import Postgres
from support.raw_client import RawClient
from support.replica import PRIMARY_SETTINGS, servers
from support.wire import Message

pytestmark = pytest.mark.needs_weir

DATA = Path(__file__).resolve().parents[2] / "tests" / "data"
# The table names this one: postgres.app.orders.
DATABASE = "postgres"
# What logs say of each statement: SQLSTATE, then what it is.
LOGGED = {"log_statement": "all", "log_line_prefix": "%e ", "log_min_messages": "error"}
WITHOUT_WEIR = {**LOGGED, "wal_level": PRIMARY_SETTINGS["wal_level"]}
# What changes nothing comes first: where a change of the schema is on its way, the primary serves whatever it is.
ORDER = ("replica read", "replica begin", "refused read", "primary read", "primary neutral", "primary begin",
         "primary end", "primary unsure", "primary write")
# What a replica has refused so is known to write, and does not come again.
WRITES = "25006"


@dataclass(frozen=True)
class Case:
    """One line of the table; ``refused_with`` is the SQLSTATE that its comment gives."""

    line: int
    route: str
    access: str
    statement: str
    refused_with: str

    def marked(self, protocol: str) -> str:
        """The statement, to be known again in a server's log."""
        return f"{self.statement}\n/* line {self.line} {protocol} */"


def cases() -> Iterator[Case]:
    """The table, in the order in which its statements are run."""
    read, comment = [], ""
    for line, text in enumerate((DATA / "routing_statements.txt").read_text().splitlines(), 1):
        if text.startswith("#"):
            comment = text
        elif text:
            route, access, _, _, statement = text.split(" | ", 4)
            state = re.match(r"# ([0-9A-Z]{5}):", comment)
            read.append(Case(line, route, access, statement.replace("\\n", "\n"), state[1] if state else ""))
            comment = ""
    return iter(sorted(read, key=lambda case: ORDER.index(f"{case.route} {case.access}")))


def summary(messages: list[Message]) -> str:
    """What was answered, without what chance and the server decide (rows): kinds of messages, SQLSTATEs, the status."""
    words = [message.type + (message.sqlstate if message.type == "E" else "") for message in messages
             if message.type != "D"]
    return " ".join([*words, messages[-1].body.decode()])


def answer(client: RawClient, request: bytes, after_copy: bytes) -> list[Message]:
    """Everything up to ReadyForQuery; what a COPY asks for is nothing."""
    client.send(request)
    messages = client.receive_until("Z", "G")
    if messages[-1].type == "G":
        client.send(wire.frame("c") + after_copy)
        messages += client.receive_ready()
    return messages


def run_simple(client: RawClient, statement: str) -> list[Message]:
    return answer(client, wire.query(statement), b"")


def run_extended(client: RawClient, statement: str) -> list[Message]:
    """In one batch, as most drivers do; parameters are null."""
    parameters = max(map(int, re.findall(r"\$(\d+)", statement)), default=0)
    batch = wire.parse(statement) + wire.bind([None] * parameters) + wire.describe("P") + wire.execute()
    return answer(client, batch + wire.sync(), wire.sync())


PROTOCOLS: dict[str, Callable[[RawClient, str], list[Message]]] = {"simple": run_simple, "extended": run_extended}


def answered(at: Endpoint, case: Case, protocol: str) -> str:
    """By a session of its own: nothing that another statement left behind is in the way."""
    with at.logged_in(database=DATABASE) as client:
        got = summary(PROTOCOLS[protocol](client, case.marked(protocol)))
        client.quit()
        return got


def prepare(server: Postgres) -> None:
    server.execute((DATA / "routing_schema.sql").read_text(), dbname=DATABASE)
    server.execute(AT, dbname=DATABASE)


def logged(server: Postgres) -> dict[str, set[str]]:
    """By marker, the SQLSTATEs of what the log says of the statement: 00000 where it was run."""
    seen: dict[str, set[str]] = {}
    for record in server.log.replace("\n\t", " ").splitlines():
        if mark := re.search(r"^(\w{5}) .*/\* (line \d+ \w+) \*/", record):
            seen.setdefault(mark[2], set()).add(mark[1])
    return seen


def expected(case: Case, protocol: str) -> tuple[bool, bool]:
    """Whether the primary, and whether the replica sees it."""
    if case.route == "refused":
        return True, protocol == "simple" or case.refused_with != WRITES
    return case.route == "primary", case.route == "replica"


def is_logged(case: Case, protocol: str) -> bool:
    """PostgreSQL says nothing of an Execute of an empty statement."""
    return protocol == "simple" or case.statement.strip(" ;") not in ("", "-- nothing")


def wrong_ways(primary: Postgres, replica: Postgres) -> list[str]:
    """Of all that ran, what did not run where the table says."""
    by_primary, by_replica = logged(primary), logged(replica)
    wrong = []
    for case in cases():
        for protocol in PROTOCOLS:
            mark = f"line {case.line} {protocol}"
            ran = (mark in by_primary, mark in by_replica)
            if is_logged(case, protocol) and ran != expected(case, protocol):
                wrong.append(f"{mark}: primary, replica {ran}, not {expected(case, protocol)}: {case.statement}")
            if case.route == "refused" and protocol == "simple" and case.refused_with not in by_replica.get(mark, ()):
                wrong.append(f"{mark}: not refused with {case.refused_with}: {by_replica.get(mark)}")
    return wrong


def wait_until_split(weir: Any, replica: Postgres) -> None:
    """What the functions are is known, and the replica is read from."""
    with weir.logged_in(database=DATABASE) as client:
        wait_until(lambda: client.value("SELECT at()") == str(replica.port), "reads are on the replica")


@pytest.mark.timeout(90)
def test_every_statement_of_the_table_runs_where_it_says(
    make_cluster: MakeCluster, own_postgres: Callable[..., Postgres], start_weir_at: StartWeir
) -> None:
    """Asked of the members' logs; and each is answered as by a server without Weir that has seen the same."""
    primary, replica = make_cluster(**LOGGED)
    alone = own_postgres(**WITHOUT_WEIR)
    for server in (primary, alone):
        prepare(server)
    replica.wait_until_near(primary)
    weir = start_weir_at(primary.port, {
        "cluster": servers(primary, replica), "database": {DATABASE: {"cluster": "main", "read_write_split": True}}})
    wait_until_split(weir, replica)
    wrong = []
    for case in cases():
        for protocol in PROTOCOLS:
            through, direct = answered(weir, case, protocol), answered(alone.endpoint, case, protocol)
            if through != direct:
                wrong.append(f"line {case.line} {protocol}: {through}, not {direct}: {case.statement}")
    wrong += wrong_ways(primary, replica)
    assert not wrong, "\n".join(wrong)
    wait_until_split(weir, replica)  # and what follows is read from the replica again
