"""user.NAME.priority: who is served first where clients wait, within a pool and where pools share a limit."""

import threading
import time
from typing import Any, Iterator

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import wait_until
from support.postgres import Postgres
from support.raw_client import RawClient, errors

pytestmark = pytest.mark.needs_weir

OPENED: list[RawClient] = []


@pytest.fixture(autouse=True)
def all_leave(start_weir: StartWeir) -> Iterator[None]:
    """Before Weir stops."""
    yield
    while OPENED:
        OPENED.pop().close()


def log_in(weir: Any, **parameters: str) -> RawClient:
    """A client that leaves at the end of the test, if not before."""
    OPENED.append(weir.logged_in(**parameters))
    return OPENED[-1]


def warm(weir: Any, **parameters: str) -> None:
    """Each thread has seen a server connection: from now on a login needs none."""
    clients = [weir.logged_in(**parameters) for _ in range(4)]
    for client in clients:
        assert errors(client.query("SELECT 1")) == []
    for client in clients:
        client.quit()

# Several users that one login to PostgreSQL serves.
SHARED_LOGIN = {
    "database": {"app": {"cluster": "main", "user": "postgres"}},
    "user": {"low": {"priority": -5}, "middle": {}, "high": {"priority": 5}},
}


def wait_in_line(weir: Any, client: RawClient, number: int) -> None:
    """Asks for a server connection and is the number-th to wait."""
    client.send(wire.query("SELECT 1"))
    wait_until(lambda: weir.pool()["cl_waiting"] == number, f"{number} wait")


def served_order(holder: RawClient, waiting: dict[str, RawClient]) -> list[str]:
    """Lets the holder go; who answers when, with one server connection for all."""
    order: list[str] = []
    lock = threading.Lock()

    def receive(name: str, client: RawClient) -> None:
        assert errors(client.receive_ready()) == []
        with lock:
            order.append(name)
        # In the transaction it has begun it keeps the server connection until it has been noted.
        assert errors(client.query("COMMIT")) == []

    threads = [threading.Thread(target=receive, args=item) for item in waiting.items()]
    for thread in threads:
        thread.start()
    holder.query("COMMIT")
    for thread in threads:
        thread.join()
    return order


@pytest.mark.parametrize("threads", [1, 2])
def test_higher_priority_is_served_first(start_weir: StartWeir, threads: int) -> None:
    weir = start_weir({"listen": {"threads": threads}, "pool": {"max": 1, "acquire_timeout": "30s"}, **SHARED_LOGIN})
    warm(weir, user="middle")
    holder = log_in(weir, user="middle")
    holder.query("BEGIN")
    waiting = {}
    for number, name in enumerate(["low", "middle", "high"], 1):
        client = log_in(weir, user=name)
        client.send(wire.query("BEGIN"))
        wait_until(lambda: weir.pool()["cl_waiting"] == number, f"{number} wait")
        waiting[name] = client
    assert served_order(holder, waiting) == ["high", "middle", "low"]


def test_without_priorities_it_is_first_come_first_served(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "acquire_timeout": "30s"}})
    holder = log_in(weir)
    holder.query("BEGIN")
    waiting = {}
    for number, name in enumerate(["first", "second", "third"], 1):
        waiting[name] = log_in(weir)
        waiting[name].send(wire.query("BEGIN"))
        wait_until(lambda: weir.pool()["cl_waiting"] == number, f"{number} wait")
    assert served_order(holder, waiting) == ["first", "second", "third"]


def test_nobody_starves(start_weir: StartWeir) -> None:
    """Two of the highest priority leave no gap between them; the lowest comes through all the same."""
    weir = start_weir(
        {
            "pool": {"max": 1, "acquire_timeout": "4s"},
            "database": {"app": {"cluster": "main", "user": "postgres"}},
            "user": {"low": {"priority": -10}, "high": {"priority": 10}},
        }
    )
    over = threading.Event()
    served = [0] * 3

    def work(number: int) -> None:
        with weir.logged_in(user="high") as client:
            while not over.is_set():
                answer = client.query("SELECT pg_sleep(0.02)")
                assert errors(answer) == [], b" ".join(message.body for message in answer)
                served[number] += 1

    workers = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for worker in workers:
        worker.start()
    try:
        wait_until(lambda: all(count > 1 for count in served), "they are all at work")
        with weir.logged_in(user="low") as client:
            before = sum(served)
            assert errors(client.query("SELECT 1")) == []
            assert sum(served) - before > 3, "they were served before it"
    finally:
        over.set()
        for worker in workers:
            worker.join()


def test_reload_changes_who_is_first(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "acquire_timeout": "30s"}, **SHARED_LOGIN})
    holder = log_in(weir, user="middle")
    holder.query("BEGIN")
    waiting = {}
    for number, name in enumerate(["low", "high"], 1):
        waiting[name] = log_in(weir, user=name)
        waiting[name].send(wire.query("BEGIN"))
        wait_until(lambda: weir.pool()["cl_waiting"] == number, f"{number} wait")
    weir.reload({"user": {"low": {"priority": 10}, "high": {"priority": -10}}})
    assert served_order(holder, waiting) == ["low", "high"]


def test_who_leaves_the_line_keeps_nobody(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 1, "acquire_timeout": "30s"}, **SHARED_LOGIN})
    holder = log_in(weir, user="middle")
    holder.query("BEGIN")
    gone, low = log_in(weir, user="high"), log_in(weir, user="low")
    wait_in_line(weir, gone, 1)
    wait_in_line(weir, low, 2)
    gone.close()
    wait_until(lambda: weir.pool()["cl_waiting"] == 1, "it has left")
    holder.query("COMMIT")
    assert errors(low.receive_ready()) == []


@pytest.mark.parametrize("threads", [1, 2])
def test_database_limit_serves_the_higher_priority_first(
    start_weir: StartWeir, postgres: Postgres, threads: int
) -> None:
    """Pools of their own, one server connection for all: who has it all the time gives it up for who is ahead."""
    for role in ("calm", "urgent"):
        postgres.execute(f"CREATE ROLE {role} LOGIN")
    weir = start_weir(
        {
            "listen": {"threads": threads},
            "limits": {"max_database_connections": 1},
            "pool": {"max": 2, "acquire_timeout": "20s"},
            "user": {"calm": {}, "urgent": {"priority": 10}},
        }
    )
    over = threading.Event()
    served = [0] * 3

    def work(number: int) -> None:
        with weir.logged_in(user="calm") as client:
            while not over.is_set():
                assert errors(client.query("SELECT pg_sleep(0.02)")) == []
                served[number] += 1

    workers = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for worker in workers:
        worker.start()
    try:
        wait_until(lambda: all(count > 1 for count in served), "they are all at work")
        before = time.monotonic()
        assert weir.value("SELECT current_user", user="urgent") == "urgent"
        assert time.monotonic() - before < 20
        assert postgres.backends() <= 1
        after = list(served)
        wait_until(lambda: all(now > then for now, then in zip(served, after)), "and the others go on")
    finally:
        over.set()
        for worker in workers:
            worker.join()
    weir.stop()
    wait_until(lambda: postgres.backends() == 0)
    for role in ("calm", "urgent"):
        postgres.execute(f"DROP ROLE {role}")
