"""Clients that read without end, and what becomes of their reads."""

import threading
import time
from typing import Any

from support.deadlines import scaled

CLIENTS = 16


class Readers:
    """Clients that read all the time; what goes wrong is kept."""

    def __init__(self, weir: Any, sql: str = "SELECT at()", *, clients: int = CLIENTS, **parameters: str) -> None:
        """``parameters`` are those of the startup message."""
        self.over = threading.Event()
        self.failed: list[Any] = []
        self.served: dict[str, int] = {}
        self.longest = 0.0
        self.weir, self.sql, self.parameters = weir, sql, parameters
        self.threads = [threading.Thread(target=self.work) for _ in range(clients)]

    def work(self) -> None:
        with self.weir.logged_in(**self.parameters) as client:
            while not self.over.is_set():
                began = time.monotonic()
                messages = client.query(self.sql)
                self.longest = max(self.longest, time.monotonic() - began)
                self.failed += [(m.sqlstate, m.text) for m in messages if m.type == "E"]
                for message in messages:
                    if message.type == "D":
                        at = (message.columns()[0] or b"").decode()
                        self.served[at] = self.served.get(at, 0) + 1

    def __enter__(self) -> "Readers":
        for thread in self.threads:
            thread.start()
        time.sleep(scaled(0.5))
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

    def comes_to(self, server: Any) -> bool:
        """Whether it serves reads from now on."""
        self.served = {}
        time.sleep(0.2)
        return self.served.get(str(server.port), 0) > 0
