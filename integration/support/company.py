"""Clients that keep a pool busy with short transactions, so that another client meets another backend each time."""

import threading
from typing import Optional

from support import wire
from support.endpoint import Endpoint
from support.raw_client import RawClient, errors

PAUSE_S = 0.001

# What drivers call their statements: each member means something of its own by these names.
DRIVERS_NAMES = (
    "S_1", "S_2", "a1", "a2", "pdo_stmt_00000001", "_pg3_0", "_pg3_1", "__asyncpg_stmt_1__", "dbdpg_p1_1", "lrupsc_1_0",
)  # fmt: skip


class Company:
    """A few members, each on a thread and a connection of its own, until stop()."""

    def __init__(self, endpoint: Endpoint, members: int = 3) -> None:
        self.failures: list[str] = []
        self.transactions = 0
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep_busy, args=(endpoint, number), daemon=True) for number in range(members)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Fails when a member met an error or somebody else's statement."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        assert not self.failures, self.failures
        assert self.transactions > 0

    def _keep_busy(self, endpoint: Endpoint, number: int) -> None:
        try:
            with endpoint.logged_in(application_name=f"company {number}") as client:
                self._prepare(client, number)
                turn = 0
                while not self._over.wait(PAUSE_S):
                    turn += 1
                    self._run(client, number, turn)
                client.quit()
        except Exception as error:  # noqa: BLE001 - told at the end, by the test's own thread
            self.failures.append(f"member {number}: {error!r}")

    def _prepare(self, client: RawClient, number: int) -> None:
        for at, name in enumerate(DRIVERS_NAMES):
            client.send(wire.parse(f"SELECT 'member {number} statement {at}'", name), wire.sync())
            self._check(client.receive_ready())

    def _run(self, client: RawClient, number: int, turn: int) -> None:
        at = turn % len(DRIVERS_NAMES)
        expected = f"member {number} statement {at}".encode()
        run = wire.bind(name=DRIVERS_NAMES[at]) + wire.execute() + wire.sync()
        self._check(client.query("BEGIN"))
        for _ in range(2):
            client.send(run)
            self._check(client.receive_ready(), expected)
        self._check(client.query("COMMIT"))
        client.send(run)
        self._check(client.receive_ready(), expected)
        self.transactions += 2

    @staticmethod
    def _check(messages: list[wire.Message], expected: Optional[bytes] = None) -> None:
        assert errors(messages) == [], [message.text for message in messages if message.type == "E"]
        if expected is not None:
            assert [message.columns() for message in messages if message.type == "D"] == [[expected]]
