"""Clients that write without end, one statement at a time, and what becomes of it."""

import contextlib
import threading
from typing import Any

import psycopg

TABLE = "CREATE TABLE written (client int, number int)"


class Writer:
    """One of them. It numbers what it writes: ``acknowledged`` are those it was told of, ``failed`` the SQLSTATEs."""

    def __init__(self, weir: Any, client: int, over: threading.Event) -> None:
        self.weir, self.client, self.over = weir, client, over
        self.acknowledged: list[int] = []
        self.failed: list[str] = []
        self.thread = threading.Thread(target=self.work)

    def work(self) -> None:
        """It stays connected whatever happens: where Weir closes its connection, that is told as 'closed'."""
        number = 0
        with contextlib.closing(self.weir.psycopg()) as connection:
            while not self.over.is_set():
                number += 1
                try:
                    connection.execute("INSERT INTO written VALUES (%s, %s)", (self.client, number))
                    self.acknowledged.append(number)
                except psycopg.Error as error:
                    self.failed.append(error.sqlstate or "closed")
                    if connection.closed:
                        return


class Writers:
    """Several at once, for as long as the block lasts."""

    def __init__(self, weir: Any, count: int = 8) -> None:
        self.over = threading.Event()
        self.each = [Writer(weir, client, self.over) for client in range(count)]

    def __enter__(self) -> "Writers":
        for one in self.each:
            one.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for one in self.each:
            one.thread.join()

    @property
    def failed(self) -> list[list[str]]:
        """By client."""
        return [one.failed for one in self.each]

    def count(self) -> int:
        return sum(len(one.acknowledged) for one in self.each)

    def have_all_written(self) -> bool:
        return all(one.acknowledged for one in self.each)

    def lost_on(self, server: Any) -> set[tuple[int, int]]:
        """What they were told of, and the server does not have."""
        told = {(one.client, number) for one in self.each for number in one.acknowledged}
        return told - set(server.execute("SELECT client, number FROM written"))

    def twice_on(self, server: Any) -> list[tuple[Any, ...]]:
        return server.execute("SELECT client, number FROM written GROUP BY 1, 2 HAVING count(*) > 1")
