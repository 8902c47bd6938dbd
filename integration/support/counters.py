"""Clients that read and write counters through several Weirs in all ways there are, for a History to be judged.

Each group has two tables. Rows 0 and 1 are written alone, rows 2 and 3 in both tables by the same transaction. What is
rolled back would have added RUINED.
"""

import gc
import random
import threading
import time
from typing import Any, Callable, Sequence

from support import wire
from support.history import NEVER, History, Read, Row, Write
from support.raw_client import errors
from support.wire import Message

ALONE = (0, 1)
PAIRED = (2, 3)
RUINED = 1_000_000
PATIENCE_S = 30.0


def create_tables(groups: int) -> str:
    """The SQL that makes them."""
    sql = (
        "CREATE OR REPLACE FUNCTION bump(name text, number int) RETURNS bigint LANGUAGE plpgsql AS"
        " $$ DECLARE r bigint; BEGIN EXECUTE format('UPDATE %I SET v = v + 1 WHERE id = $1 RETURNING v', name)"
        " INTO r USING number; RETURN r; END $$;"
    )
    for group in range(groups):
        for name in (f"a{group}", f"b{group}"):
            sql += (
                f"DROP TABLE IF EXISTS {name} CASCADE; CREATE TABLE {name} (id int PRIMARY KEY, v bigint NOT NULL);"
                f"INSERT INTO {name} SELECT g, 0 FROM generate_series(0, 3) g;"
            )
        sql += (
            f"CREATE VIEW both{group} AS SELECT id, a.v AS a, b.v AS b FROM a{group} a JOIN b{group} b USING (id)"
            " WHERE id >= 2;"
        )
    return sql


def drop_tables(groups: int) -> str:
    names = ", ".join(f"a{group}, b{group}" for group in range(groups))
    return f"DROP TABLE IF EXISTS {names} CASCADE"


def update(row: Row, by: int = 1) -> str:
    return f"UPDATE {row[0]} SET v = v + {by} WHERE id = {row[1]} RETURNING v"


def numbers(messages: Sequence[Message]) -> list[list[int]]:
    """All rows of an answer."""
    return [[int(value or b"-1") for value in message.columns()] for message in messages if message.type == "D"]


class Load:
    """Clients at Weirs, ``each`` at every one, until they have done ``operations`` and ``busy`` is not set any more."""

    def __init__(
        self, weirs: Sequence[Any], *, groups: int, each: int, operations: int, write_share: float, seed: int
    ) -> None:
        self.weirs, self.groups, self.operations, self.write_share = weirs, groups, operations, write_share
        self.history = History()
        self.failures: list[str] = []
        self.done = 0
        self.longest, self.slowest = 0.0, b""
        self.busy = threading.Event()
        self.clients = [
            Client(self, number, number % len(weirs), random.Random(seed * 1000 + number))
            for number in range(each * len(weirs))
        ]

    def goes_on(self) -> bool:
        return not self.failures and (self.done < self.operations or self.busy.is_set())

    def start(self) -> None:
        gc.disable()  # a look through millions of reads stands still for seconds, which are taken for an answer's
        for client in self.clients:
            client.thread.start()

    def join(self) -> None:
        for client in self.clients:
            client.thread.join()
        gc.enable()


class Client:
    """One session, which reads and writes at random."""

    def __init__(self, load: Load, number: int, weir: int, chance: random.Random) -> None:
        self.load, self.number, self.weir, self.chance = load, number, weir, chance
        self.thread = threading.Thread(target=self.work)
        self.prepared: set[str] = set()
        self.reads: list[Callable[[], None]] = [
            *[self.read_table] * 4,
            *[self.read_joined] * 3,
            *[self.read_view] * 2,
            self.read_row,
            self.read_bound,
            self.read_prepared,
        ]
        self.steps = [*self.reads, self.read_inside]
        self.writes: list[Callable[[], dict[Row, int]]] = [
            *[self.write_simple] * 4,
            *[self.write_extended] * 4,
            *[self.write_transaction] * 4,
            *[self.write_rolled_back] * 2,
            self.write_failed,
            self.write_savepoint,
            self.write_string,
            self.write_implicit_string,
            self.write_batch,
            self.write_with,
            self.write_and_read_at_once,
        ]

    def work(self) -> None:
        try:
            with self.load.weirs[self.weir].logged_in() as self.client:
                while self.load.goes_on():
                    self.step()
                    self.load.done += 1
        except Exception as error:  # pylint: disable=broad-except
            self.load.failures.append(f"client {self.number}: {error!r}")

    def step(self) -> None:
        if self.chance.random() >= self.load.write_share:
            self.chance.choice(self.steps)()
            return
        kind = self.chance.random()
        if kind < 0.01:
            self.note_write(self.write_unknown)
        elif kind < 0.03:
            self.leave_behind()
        else:
            self.note_write(self.chance.choice(self.writes))

    # ---- choosing ------------------------------------------------------------------------------------------------

    def group(self) -> int:
        """Some are much more in demand than others."""
        return int(self.chance.random() ** 2 * self.load.groups)

    def table(self) -> str:
        return f"{self.chance.choice('ab')}{self.group()}"

    def lone_row(self) -> Row:
        return self.table(), self.chance.choice(ALONE)

    def pair(self) -> tuple[Row, Row]:
        group, number = self.group(), self.chance.choice(PAIRED)
        return (f"a{group}", number), (f"b{group}", number)

    # ---- talking -------------------------------------------------------------------------------------------------

    def ask(self, *chunks: bytes) -> list[Message]:
        began = time.monotonic()
        self.client.send(*chunks)
        messages = self.client.receive_ready()
        if time.monotonic() - began > self.load.longest:
            self.load.longest, self.load.slowest = time.monotonic() - began, chunks[0][5:80]
        assert errors(messages) == [], [(m.sqlstate, m.text) for m in messages if m.type == "E"]
        return messages

    def query(self, sql: str) -> list[list[int]]:
        return numbers(self.ask(wire.query(sql)))

    # ---- reading -------------------------------------------------------------------------------------------------

    def note_read(self, how: str, chunks: bytes, rows: Callable[[list[list[int]]], dict[Row, int]]) -> None:
        asked = time.monotonic()
        messages = self.ask(chunks)
        answered = time.monotonic()
        self.load.history.reads.append(Read(self.weir, self.number, asked, answered, rows(numbers(messages)), how))

    def read_row(self) -> None:
        row = self.lone_row()
        sql = f"SELECT v FROM {row[0]} WHERE id = {row[1]}"
        self.note_read("row", wire.query(sql), lambda found: {row: found[0][0]})

    def read_bound(self) -> None:
        row = self.lone_row()
        sql = f"SELECT v FROM {row[0]} WHERE id = $1::int"
        batch = wire.extended(sql, [str(row[1]).encode()]) + wire.sync()
        self.note_read("bound", batch, lambda found: {row: found[0][0]})

    def read_prepared(self) -> None:
        row = self.lone_row()
        if row[0] not in self.prepared:
            self.ask(wire.parse(f"SELECT v FROM {row[0]} WHERE id = $1::int", row[0]), wire.sync())
            self.prepared.add(row[0])
        batch = wire.bind([str(row[1]).encode()], name=row[0]) + wire.execute() + wire.sync()
        self.note_read("prepared", batch, lambda found: {row: found[0][0]})

    def read_table(self) -> None:
        table = self.table()
        sql = wire.query(f"SELECT id, v FROM {table} ORDER BY id")
        self.note_read("table", sql, lambda found: {(table, number): version for number, version in found})

    def read_joined(self) -> None:
        group = self.group()
        sql = f"SELECT id, a.v, b.v FROM a{group} a JOIN b{group} b USING (id) WHERE id >= 2 ORDER BY id"
        self.note_read("joined", wire.query(sql), lambda found: self.pairs(group, found))

    def read_view(self) -> None:
        group = self.group()
        sql = f"SELECT id, a, b FROM both{group} ORDER BY id"
        batch = wire.extended(sql) + wire.sync() if self.chance.random() < 0.5 else wire.query(sql)
        self.note_read("view", batch, lambda found: self.pairs(group, found))

    def read_inside(self) -> None:
        """A transaction that only reads; each of them sees what is committed by then."""
        self.query("BEGIN")
        for _ in range(self.chance.randint(1, 4)):
            self.chance.choice(self.reads)()
        self.query("COMMIT")

    def pairs(self, group: int, found: list[list[int]]) -> dict[Row, int]:
        rows = {}
        for number, a, b in found:
            if a != b:
                self.load.failures.append(f"half a transaction: group {group}, row {number}: {a} and {b}")
            rows.update({(f"a{group}", number): a, (f"b{group}", number): b})
        return rows

    # ---- writing -------------------------------------------------------------------------------------------------

    def note_write(self, how: Callable[[], dict[Row, int]]) -> None:
        begun = time.monotonic()
        rows = how()
        if rows:
            self.load.history.writes.append(Write(self.weir, begun, time.monotonic(), rows))

    def write_simple(self) -> dict[Row, int]:
        row = self.lone_row()
        return {row: self.query(update(row))[0][0]}

    def write_extended(self) -> dict[Row, int]:
        row = self.lone_row()
        sql = f"UPDATE {row[0]} SET v = v + 1 WHERE id = $1::int RETURNING v"
        return {row: numbers(self.ask(wire.extended(sql, [str(row[1]).encode()]), wire.sync()))[0][0]}

    def write_transaction(self) -> dict[Row, int]:
        return self.write_pair("COMMIT", 1)

    def write_rolled_back(self) -> dict[Row, int]:
        self.write_pair("ROLLBACK", RUINED)
        return {}

    def write_pair(self, end: str, by: int) -> dict[Row, int]:
        rows, written = self.pair(), {}
        self.query("BEGIN")
        if self.chance.random() < 0.3:
            self.chance.choice(self.reads)()
        for row in rows:
            written[row] = self.query(update(row, by))[0][0]
        own = self.query(f"SELECT v FROM {rows[0][0]} WHERE id = {rows[0][1]}")[0][0]
        assert own == written[rows[0]], f"in its transaction {own}, not {written[rows[0]]}"
        self.query(end)
        return written

    def write_failed(self) -> dict[Row, int]:
        self.query("BEGIN")
        self.query(update(self.pair()[0], RUINED))
        assert errors(self.client.query("SELECT 1 / 0")) == ["22012"]
        self.query("COMMIT")
        return {}

    def write_savepoint(self) -> dict[Row, int]:
        row = self.lone_row()
        self.query("BEGIN")
        self.query("SAVEPOINT here")
        self.query(update(row, RUINED))
        self.query("ROLLBACK TO here")
        written = {row: self.query(update(row))[0][0]}
        self.query("COMMIT")
        return written

    def write_string(self) -> dict[Row, int]:
        rows = self.pair()
        return dict(zip(rows, map(_first, self.query(f"BEGIN; {update(rows[0])}; {update(rows[1])}; COMMIT"))))

    def write_implicit_string(self) -> dict[Row, int]:
        rows = self.pair()
        return dict(zip(rows, map(_first, self.query(f"{update(rows[0])}; {update(rows[1])}"))))

    def write_batch(self) -> dict[Row, int]:
        rows = self.pair()
        batch = [wire.extended(update(row)) for row in rows]
        return dict(zip(rows, map(_first, numbers(self.ask(*batch, wire.sync())))))

    def write_with(self) -> dict[Row, int]:
        rows = self.pair()
        # First the one, then the other, as all do who write both.
        sql = f"WITH first AS ({update(rows[0])}) UPDATE {rows[1][0]} b SET v = first.v FROM first"
        found = self.query(f"{sql} WHERE id = {rows[1][1]} RETURNING b.v")[0][0]
        return {row: found for row in rows}

    def write_unknown(self) -> dict[Row, int]:
        """By a function that could do anything."""
        row = self.lone_row()
        return {row: self.query(f"SELECT bump('{row[0]}', {row[1]})")[0][0]}

    def write_and_read_at_once(self) -> dict[Row, int]:
        """The read is sent before the write is answered, on the same connection."""
        row = self.lone_row()
        sql = f"SELECT id, v FROM {row[0]} ORDER BY id"
        asked = time.monotonic()
        self.client.send(wire.extended(update(row)), wire.sync(), wire.extended(sql), wire.sync())
        written = {row: numbers(self.client.receive_ready())[0][0]}
        told = time.monotonic()
        found = {(row[0], number): version for number, version in numbers(self.client.receive_ready())}
        self.load.history.reads.append(
            Read(self.weir, self.number, asked, time.monotonic(), found, "at once", written)
        )
        # As soon as it was told: another's read may have been asked before the second answer came.
        self.load.history.writes.append(Write(self.weir, asked, told, written))
        return {}

    def leave_behind(self) -> None:
        """A client that leaves without waiting for the end: nobody is ever told whether it was committed."""
        rows, written = self.pair(), {}
        begun = time.monotonic()
        with self.load.weirs[self.weir].logged_in() as leaver:
            assert errors(leaver.query("BEGIN")) == []
            for row in rows:
                written[row] = numbers(leaver.query(update(row)))[0][0]
            leaver.send(wire.query("COMMIT"))
        self.load.history.writes.append(Write(self.weir, begun, NEVER, written))


def _first(row: list[int]) -> int:
    return row[0]
