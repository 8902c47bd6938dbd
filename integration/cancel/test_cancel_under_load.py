"""Ten thousand random cancels over a small pool: only those who asked may be cancelled."""

import asyncio
import random
import struct

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import reduced

pytestmark = [pytest.mark.needs_weir, pytest.mark.timeout(120)]

CANCELS = 10_000
CLIENTS = 24
CANCEL_STREAMS = 16


class LoadClient:
    """A client on asyncio that runs short statements and knows whether it asked to be cancelled."""

    def __init__(self, number: int, port: int) -> None:
        self.number = number
        self.port = port
        self.asked = False
        self.statements = 0
        self.cancelled = 0

    async def log_in(self) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writer.write(wire.startup({"user": "postgres", "database": "app"}))
        for kind, body in await self.until_ready():
            if kind == "K":
                (self.process_id,) = struct.unpack_from("!I", body)
                self.secret = body[4:]

    async def until_ready(self) -> list[tuple[str, bytes]]:
        messages = []
        while not messages or messages[-1][0] != "Z":
            header = await self.reader.readexactly(5)
            (length,) = struct.unpack("!I", header[1:])
            messages.append((chr(header[0]), await self.reader.readexactly(length - 4)))
        return messages

    async def run_one(self, chance: random.Random) -> None:
        """One statement whose result only this client can expect."""
        token = f"{self.number}-{self.statements}"
        self.statements += 1
        sleep = chance.choice([0, 0, 0, 0.0005, 0.002])
        self.writer.write(wire.query(f"SELECT '{token}' FROM pg_sleep({sleep})"))
        messages = await self.until_ready()
        failures = [wire.Message(*message) for message in messages if message[0] == "E"]
        if failures:
            assert failures[0].sqlstate == "57014", failures[0].fields()
            assert self.asked, f"client {self.number} was cancelled and had not asked"
            self.cancelled += 1
        else:
            rows = [wire.Message(*message).columns() for message in messages if message[0] == "D"]
            assert rows == [[token.encode()]], rows

    async def cancel(self) -> None:
        self.asked = True
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(wire.cancel_request(self.process_id, self.secret))
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def storm(port: int, cancels: int, seed: int) -> list[LoadClient]:
    """Half of the clients get cancelled all the time, the other half never."""
    clients = [LoadClient(number, port) for number in range(CLIENTS)]
    for client in clients:
        await client.log_in()
    targets = clients[: CLIENTS // 2]
    done = asyncio.Event()

    async def work(client: LoadClient) -> None:
        chance = random.Random(seed + client.number)
        while not done.is_set():
            await client.run_one(chance)

    async def disturb(stream: int) -> None:
        chance = random.Random(seed * 1000 + stream)
        for _ in range(cancels // CANCEL_STREAMS):
            await chance.choice(targets).cancel()

    working = asyncio.gather(*(work(client) for client in clients))
    disturbing = asyncio.gather(*(disturb(stream) for stream in range(CANCEL_STREAMS)))
    # Whichever fails first ends the storm; the workers stop when all cancels are done.
    await asyncio.wait([working, disturbing], return_when=asyncio.FIRST_COMPLETED)
    done.set()
    await working
    await disturbing
    for client in clients:
        client.writer.close()
        await client.writer.wait_closed()
    return clients


@pytest.mark.parametrize("threads", [1, 2])
def test_ten_thousand_cancels_hit_only_those_who_asked(start_weir: StartWeir, threads: int) -> None:
    cancels = reduced(CANCELS)
    seed = 20_26
    weir = start_weir({"listen": {"threads": threads}, "pool": {"max": 4, "acquire_timeout": "30s"}})
    clients = asyncio.run(storm(weir.port, cancels, seed))
    bystanders = clients[CLIENTS // 2 :]
    assert all(client.cancelled == 0 for client in bystanders), f"seed {seed}"
    assert all(client.statements > 0 for client in clients)
    assert sum(client.cancelled for client in clients) > 0
    assert weir.value("SELECT 1") == 1
