"""What drivers without a Debian package say, message by message, directly and through Weir in company: pgx, Npgsql,
pgjdbc in its rarer moods, tokio-postgres."""

from typing import Any, Callable

import pytest

from support import wire
from support.endpoint import Endpoint
from support.postgres import Postgres
from support.raw_client import RawClient

pytestmark = pytest.mark.also_cached

REPEATS = 12

Flow = Callable[["Speaker"], None]


class Speaker:
    """Says things and keeps what is answered, without what a server process is free to say differently."""

    def __init__(self, client: RawClient) -> None:
        self.client = client
        self.heard: list[Any] = []

    def say(self, *parts: bytes, until: str = "Z") -> list[wire.Message]:
        self.client.send(*parts)
        answer = self.client.receive_until(until)
        for message in answer:
            if message.type == "E":
                self.heard.append(("E", message.sqlstate, message.text))
            elif message.type not in "SN":
                self.heard.append((message.type, message.body))
        return answer


def pgx_cached_statements(speaker: Speaker) -> None:
    """pgx by default: prepares and describes once under a name of its own, then Bind, Describe of the portal, Execute."""
    for number in range(4):
        sql, name = f"SELECT $1::int + {number}", f"stmtcache_{number}"
        speaker.say(wire.parse(sql, name), wire.describe("S", name), wire.sync())
    for turn in range(REPEATS):
        name = f"stmtcache_{turn % 4}"
        speaker.say(wire.bind([b"%d" % turn], name=name), wire.describe("P"), wire.execute(), wire.sync())
    # It lets go of what failed, or fell out of its cache, when it next has the connection.
    speaker.say(wire.close("S", "stmtcache_0"), wire.close("S", "stmtcache_1"), wire.sync())
    speaker.say(wire.bind([b"1"], name="stmtcache_0"), wire.execute(), wire.sync())
    speaker.say(wire.query("deallocate all"))
    speaker.say(wire.bind([b"1"], name="stmtcache_2"), wire.execute(), wire.sync())


def pgx_cached_descriptions(speaker: Speaker) -> None:
    """QueryExecModeCacheDescribe: describes once without a name, afterwards everything in one batch."""
    speaker.say(wire.parse("SELECT $1::int * 2"), wire.describe("S"), wire.sync())
    for turn in range(REPEATS):
        speaker.say(
            wire.parse("SELECT $1::int * 2", types=[23]), wire.bind([b"%d" % turn]), wire.describe("P"),
            wire.execute(), wire.sync(),
        )  # fmt: skip


def pgx_describe_exec(speaker: Speaker) -> None:
    """QueryExecModeDescribeExec: an unnamed statement prepared in one round trip and used in the next."""
    for turn in range(REPEATS):
        speaker.say(wire.parse(f"SELECT $1::int + {turn}"), wire.describe("S"), wire.sync())
        speaker.say(wire.bind([b"5"]), wire.describe("P"), wire.execute(), wire.sync())


def pgx_batch(speaker: Speaker) -> None:
    """SendBatch: named Parse and Describe for all that is new, Sync, then all of it in one pipeline."""
    names = [f"stmtcache_b{number}" for number in range(5)]
    speaker.say(
        b"".join(wire.parse(f"SELECT $1::int - {n}", name) + wire.describe("S", name) for n, name in enumerate(names)),
        wire.sync(),
    )
    for turn in range(REPEATS):
        speaker.say(
            b"".join(wire.bind([b"%d" % turn], name=name) + wire.describe("P") + wire.execute() for name in names),
            wire.sync(),
        )
    speaker.say(wire.bind([b"x"], name=names[0]), wire.execute(), wire.bind([b"1"], name=names[1]), wire.execute(), wire.sync())
    speaker.say(wire.bind([b"1"], name=names[1]), wire.execute(), wire.sync())


def npgsql_batches(speaker: Speaker) -> None:
    """Npgsql: several commands in one batch, automatic preparation as _auto0 inside of a batch, the pool's reset in front of it."""
    speaker.say(wire.query("SELECT 1"))
    for turn in range(REPEATS):
        speaker.say(wire.query("DISCARD ALL"))
        speaker.say(
            wire.parse("SELECT $1::int", types=[23]), wire.bind([b"1"]), wire.describe("P"), wire.execute(),
            wire.parse("SELECT 'two'", "_auto0"), wire.bind(name="_auto0"), wire.describe("P"), wire.execute(),
            wire.sync(),
        )  # fmt: skip
        speaker.say(wire.bind(name="_auto0"), wire.describe("P"), wire.execute(), wire.sync())
        speaker.say(
            wire.close("S", "_auto0"), wire.parse(f"SELECT {turn}", "_auto0"), wire.describe("S", "_auto0"), wire.sync()
        )
        speaker.say(wire.bind(name="_auto0"), wire.execute(), wire.sync())
    # What it says instead of DISCARD ALL when it has prepared statements to keep.
    for part in ("SET SESSION AUTHORIZATION DEFAULT", "RESET ALL", "CLOSE ALL", "UNLISTEN *", "SELECT pg_advisory_unlock_all()",
                 "DISCARD SEQUENCES", "DISCARD TEMP"):  # fmt: skip
        speaker.say(wire.query(part))
    speaker.say(wire.bind(name="_auto0"), wire.execute(), wire.sync())


def npgsql_transaction(speaker: Speaker) -> None:
    """Its BEGIN goes in front of the first batch, in the same write."""
    for turn in range(REPEATS):
        begin = wire.query("BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED")
        speaker.client.send(begin, wire.extended(f"SELECT {turn}"), wire.extended("SELECT 1/0"), wire.sync())
        speaker.say(until="Z")
        speaker.say(until="Z")
        speaker.say(wire.query("ROLLBACK"))


def jdbc_portals(speaker: Speaker) -> None:
    """pgjdbc with a fetch size: named statement, named portal, Describe of the portal, Execute in steps, Close."""
    speaker.say(wire.parse("BEGIN", "S_1"), wire.sync())
    for turn in range(REPEATS):
        portal = f"C_{turn}"
        speaker.say(
            wire.bind(name="S_1"), wire.execute("", 0),
            wire.parse("SELECT generate_series(1, 7)", "" if turn % 2 else f"S_p{turn}"),
            wire.bind(name="" if turn % 2 else f"S_p{turn}", portal=portal), wire.describe("P", portal),
            wire.execute(portal, 3), wire.sync(),
        )  # fmt: skip
        speaker.say(wire.execute(portal, 3), wire.sync())
        speaker.say(wire.execute(portal, 3), wire.close("P", portal), wire.sync())
        speaker.say(wire.parse("COMMIT"), wire.bind(), wire.execute(), wire.sync())
        speaker.say(wire.execute(portal, 3), wire.sync())


def jdbc_autosave(speaker: Speaker) -> None:
    """autosave=always: savepoints by message around each statement."""
    # random(), so that no plan has the error in it already: a server process plans by how often it ran the statement.
    statements = {
        "S_s": "SAVEPOINT PGJDBC_AUTOSAVE",
        "S_r": "ROLLBACK TO SAVEPOINT PGJDBC_AUTOSAVE",
        "S_d": "SELECT 1 / (random() * 0 + $1::int)::int",
    }
    for name, sql in statements.items():
        speaker.say(wire.parse(sql, name), wire.sync())
    for turn in range(REPEATS):
        speaker.say(wire.query("BEGIN"))
        speaker.say(
            wire.bind(name="S_s"), wire.execute(), wire.bind([b"%d" % (turn % 2)], name="S_d"), wire.describe("P"),
            wire.execute(), wire.sync(),
        )  # fmt: skip
        speaker.say(wire.bind(name="S_r"), wire.execute(), wire.sync())
        speaker.say(wire.query("COMMIT"))


def tokio_postgres(speaker: Speaker) -> None:
    """tokio-postgres: s0, s1, …, Close when a statement is dropped, which may overtake what others do."""
    for turn in range(REPEATS):
        name = f"s{turn}"
        speaker.say(wire.parse(f"SELECT $1::int + {turn}", name), wire.describe("S", name), wire.sync())
        speaker.client.send(wire.bind([b"1"], name=name), wire.execute(), wire.sync(), wire.close("S", name), wire.sync())
        speaker.say(until="Z")
        speaker.say(until="Z")
    speaker.say(wire.bind([b"1"], name="s0"), wire.execute(), wire.sync())


FLOWS: list[Flow] = [
    pgx_cached_statements, pgx_cached_descriptions, pgx_describe_exec, pgx_batch, npgsql_batches, npgsql_transaction,
    jdbc_portals, jdbc_autosave, tokio_postgres,
]  # fmt: skip


@pytest.mark.parametrize("flow", FLOWS)
def test_flow_is_answered_the_same_both_ways(busy_weir: Endpoint, postgres: Postgres, flow: Flow) -> None:
    heard = []
    for endpoint in (postgres.endpoint, busy_weir):
        with endpoint.logged_in() as client:
            speaker = Speaker(client)
            flow(speaker)
            heard.append(speaker.heard)
            client.quit()
    assert len(heard[0]) > REPEATS
    assert heard[1] == heard[0]
