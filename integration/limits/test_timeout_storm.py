"""Many clients whose statements are cancelled all the time: no cancel hits a statement it was not meant for."""

import os
import random
import threading
import time

import pytest

from conftest import StartWeir
from support.endpoint import Endpoint
from support.raw_client import errors
from support.weir import Weir

pytestmark = pytest.mark.needs_weir

CLIENTS = 64
LIMIT_S = 0.010
# So many statements in all; 100,000 take some minutes.
STATEMENTS = int(os.environ.get("WEIR_TEST_STEPS", "4000"))


class Storm:
    """Clients that send statements of random length, each with an answer of its own."""

    def __init__(self, weir: Endpoint) -> None:
        self.weir = weir
        self.lock = threading.Lock()
        self.cancelled = self.answered = 0
        self.wrong: list[str] = []

    def run(self, number: int) -> None:
        chance = random.Random(number)
        done = {"cancelled": 0, "answered": 0}
        with self.weir.logged_in() as client:
            for step in range(STATEMENTS // CLIENTS):
                token = f"{number}-{step}"
                sleep = chance.choice((0.0, 0.0, 0.005, 0.010, 0.015, 2.0))
                sql = f"SELECT '{token}'" if sleep == 0 else f"SELECT '{token}' FROM pg_sleep({sleep})"
                began = time.monotonic()
                messages = client.query(sql)
                took = time.monotonic() - began
                if errors(messages) == ["57014"]:
                    done["cancelled"] += 1
                    if took < LIMIT_S:
                        self.tell(f"{token}: cancelled after {took * 1000:.2f} ms")
                elif errors(messages):
                    self.tell(f"{token}: {errors(messages)}")
                else:
                    done["answered"] += 1
                    rows = [message.columns() for message in messages if message.type == "D"]
                    if rows != [[token.encode()]]:
                        self.tell(f"{token}: was answered {rows}")
                    if sleep >= 2.0:
                        self.tell(f"{token}: was not cancelled")
        with self.lock:
            self.cancelled += done["cancelled"]
            self.answered += done["answered"]

    def tell(self, what: str) -> None:
        with self.lock:
            self.wrong.append(what)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("threads", [1, 2])
def test_no_cancel_hits_a_neighbour(start_weir: StartWeir, threads: int) -> None:
    weir = start_weir(
        {
            "listen": {"threads": threads},
            "policy": {"statement_timeout": f"{int(LIMIT_S * 1000)}ms"},
            "pool": {"max": 16, "acquire_timeout": "60s"},
        }
    )
    storm = Storm(weir)
    clients = [threading.Thread(target=storm.run, args=(number,)) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert storm.wrong == []
    assert storm.cancelled + storm.answered == STATEMENTS // CLIENTS * CLIENTS
    assert storm.cancelled > STATEMENTS // 10 and storm.answered > STATEMENTS // 10
    if isinstance(weir, Weir):
        weir.wait_until_idle()
