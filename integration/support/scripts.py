"""Conversations for the differential test: each is a list of writes, and after each write answers are awaited."""

import struct
from dataclasses import dataclass, field

from support import wire


@dataclass(frozen=True)
class Step:
    """One write, and the type of message that ends the answer to it; ``repeat`` such messages are awaited."""

    say: bytes
    until: str = "Z"
    repeat: int = 1


@dataclass(frozen=True)
class Script:
    name: str
    steps: list[Step]
    parameters: dict[str, str] = field(default_factory=dict)
    session_only: bool = False


def simple(*statements: str) -> list[Step]:
    return [Step(wire.query(statement)) for statement in statements]


def batch(*parts: bytes) -> Step:
    return Step(b"".join(parts) + wire.sync())


TEMP = "CREATE TEMP TABLE t (id int PRIMARY KEY, name text DEFAULT 'x') ON COMMIT DROP"
COPY_IN = [Step(wire.query("COPY t (id) FROM STDIN"), "G")]

SCRIPTS = [
    Script("select", simple("SELECT 1, 'two', NULL, 3.5", "SELECT", "VALUES (1), (2)", "TABLE pg_am")),
    Script("empty", simple("", " ", ";", "-- nothing", "/* nothing */;;")),
    Script("several statements", simple("SELECT 1; SELECT 2", "SELECT 1; SELEC 2", "BEGIN; SELECT 1; COMMIT")),
    Script(
        "errors",
        simple(
            "SELECT 1/0",
            "SELEC",
            "SELECT * FROM nowhere",
            "SELECT nothing(1)",
            "DO $$ BEGIN RAISE EXCEPTION 'own %', 1 USING ERRCODE = 'WEIR1', DETAIL = 'd', HINT = 'h'; END $$",
            "SELECT 'x'::int",
        ),
    ),
    Script(
        "notices",
        simple(
            "DO $$ BEGIN RAISE NOTICE 'n'; RAISE WARNING 'w'; RAISE INFO 'i'; END $$",
            "DROP TABLE IF EXISTS nowhere",
            "COMMIT",
            "BEGIN",
            "BEGIN",
            "ROLLBACK",
        ),
    ),
    # No temporary table here: the error names its schema, which is the backend's own.
    Script(
        "transactions",
        simple(
            "BEGIN",
            "CREATE TABLE made (id int PRIMARY KEY)",
            "INSERT INTO made VALUES (1)",
            "SAVEPOINT s",
            "INSERT INTO made VALUES (1)",
            "SELECT 1",
            "ROLLBACK TO s",
            "SELECT id + 0 FROM made",
            "ROLLBACK",
            "COMMIT AND CHAIN",
        ),
    ),
    Script("cursors", simple("BEGIN", "DECLARE c CURSOR FOR SELECT generate_series(1, 5)", "FETCH 2 FROM c",
                             "MOVE 1 FROM c", "FETCH ALL FROM c", "CLOSE c", "COMMIT")),
    Script("commands", simple("SHOW server_version", "EXPLAIN (COSTS OFF) SELECT 1", "CHECKPOINT", "SET LOCAL work_mem = '1MB'",
                              "CREATE TABLE made AS SELECT 1 AS a", "UPDATE made SET a = 2", "DELETE FROM made RETURNING a + 0",
                              "VACUUM made", "DROP TABLE made")),
    Script(
        "extended",
        [
            batch(wire.parse("SELECT $1::int + $2::int"), wire.bind([b"1", b"2"]), wire.describe("P"), wire.execute()),
            batch(wire.parse("SELECT $1", types=[25]), wire.describe("S"), wire.bind([None]), wire.execute()),
            batch(wire.parse("SELECT 1"), wire.bind(result_format=1), wire.describe("P"), wire.execute()),
            batch(wire.parse(""), wire.bind(), wire.describe("P"), wire.execute()),
            batch(),
        ],
    ),
    Script(
        "extended errors",
        [
            batch(wire.extended("SELEC"), wire.extended("SELECT 1")),
            batch(wire.extended("SELECT 1"), wire.extended("SELECT 1/0"), wire.extended("SELECT 2")),
            batch(wire.bind(name="nowhere")),
            batch(wire.execute("nowhere")),
            batch(wire.describe("S", "nowhere"), wire.describe("P", "nowhere")),
            batch(wire.close("S", "nowhere"), wire.close("P", "nowhere")),
            batch(wire.parse("SELECT $1::int"), wire.bind([b"x"]), wire.execute()),
            batch(wire.parse("SELECT $1::int"), wire.bind([]), wire.execute()),
            batch(wire.parse("SELECT 1; SELECT 2")),
        ],
    ),
    Script(
        "several batches in one write",
        [
            Step(
                b"".join(
                    part + wire.sync()
                    for part in (wire.extended("SELECT 1"), wire.extended("SELECT 1/0"), b"", wire.extended("SELECT 3"))
                ),
                repeat=4,
            ),
            Step(wire.query("SELECT 1") + wire.query("SELECT 1/0") + wire.query("SELECT 3"), repeat=3),
            Step(wire.query("BEGIN") + wire.extended("SELECT 1/0") + wire.sync() + wire.query("ROLLBACK"), repeat=3),
        ],
    ),
    Script(
        "flush",
        [
            Step(wire.extended("SELECT 1") + wire.flush(), "C"),
            Step(wire.extended("SELECT 2") + wire.flush(), "C"),
            Step(wire.sync()),
            Step(wire.flush() + wire.query("SELECT 3")),
        ],
    ),
    Script(
        "portals",
        [
            Step(wire.query("BEGIN")),
            batch(wire.parse("SELECT generate_series(1, 5)", "s"), wire.bind(name="s", portal="p")),
            batch(wire.execute("p", 2)),
            batch(wire.execute("p", 2), wire.describe("P", "p")),
            batch(wire.execute("p", 2), wire.execute("p", 2), wire.close("P", "p"), wire.close("S", "s")),
            Step(wire.query("COMMIT")),
        ],
    ),
    Script(
        "copy in",
        [
            *simple("BEGIN", TEMP),
            *COPY_IN,
            Step(wire.copy_data(b"1\n2\n") + wire.copy_data(b"3\n") + wire.copy_done()),
            *COPY_IN,
            Step(wire.copy_data(b"4\n") + wire.copy_fail("enough")),
            *simple("SELECT id + 0, name || '' FROM t", "ROLLBACK"),
        ],
    ),
    Script(
        "copy in that fails",
        [
            *simple("BEGIN", TEMP),
            *COPY_IN,
            Step(wire.copy_data(b"x\n")),
            Step(wire.copy_data(b"1\n") + wire.copy_done() + wire.query("ROLLBACK")),
        ],
    ),
    Script(
        "copy extended",
        [
            *simple("BEGIN", TEMP),
            Step(wire.parse("COPY t (id) FROM STDIN") + wire.bind() + wire.execute() + wire.sync(), "G"),
            Step(wire.copy_data(b"7\n") + wire.copy_done() + wire.sync()),
            batch(wire.parse("COPY t TO STDOUT"), wire.bind(), wire.execute()),
            *simple("ROLLBACK"),
        ],
    ),
    Script("copy out", simple("COPY (SELECT generate_series(1, 100)) TO STDOUT", "COPY (SELECT 1/0) TO STDOUT",
                              "COPY (VALUES (1), (2)) TO STDOUT (FORMAT binary)")),
    Script(
        "function call",
        [
            Step(wire.function_call(177, [struct.pack("!i", 1), struct.pack("!i", 2)])),
            Step(wire.function_call(1, [])),
            *simple("BEGIN", "SELECT 1/0"),
            Step(wire.function_call(177, [struct.pack("!i", 1), struct.pack("!i", 2)])),
            *simple("ROLLBACK"),
        ],
    ),
    Script(
        "startup parameters",
        simple("SHOW TimeZone", "SHOW DateStyle", "SHOW application_name", "SHOW search_path", "SHOW work_mem"),
        {
            "TimeZone": "Asia/Tokyo",
            "DateStyle": "German, DMY",
            "application_name": "differential",
            "search_path": "a, b",
            "options": "-c work_mem=9MB",
        },
    ),
    Script("set of a reported parameter", simple("SET TimeZone = 'Asia/Tokyo'", "SELECT now()::text LIKE '%+09'",
                                                 "SET DateStyle = 'SQL'", "SELECT '2020-02-01'::date", "RESET TimeZone",
                                                 "SET client_encoding = 'LATIN1'", "SHOW client_encoding")),
    Script("settings", simple("SET work_mem = '7MB'", "SHOW work_mem", "RESET work_mem", "PREPARE p AS SELECT 1", "EXECUTE p",
                              "DEALLOCATE p", "DISCARD ALL"), session_only=True),
    Script("big rows", simple("SELECT repeat('x', 300000), generate_series(1, 20)")),
    Script("many rows", simple("SELECT generate_series(1, 5000), 'row'")),
    Script("syncs", [Step(wire.sync()), Step(wire.sync() * 5, repeat=5)]),
    Script("late copy messages", [Step(wire.copy_data(b"x") + wire.copy_done() + wire.copy_fail("x") + wire.query("SELECT 1"))]),
]
