"""How many clients there may be, and what slow ones may cost."""

import socket
import threading
from typing import Any

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import reduced, wait_until
from support.raw_client import RawClient, ServerError, errors

pytestmark = pytest.mark.needs_weir

MEBIBYTE = 1024 * 1024


def test_too_many_clients_are_told_so(start_weir: StartWeir) -> None:
    weir = start_weir({"listen": {"max_clients": 3}})
    clients = [weir.logged_in() for _ in range(3)]
    with weir.raw() as fourth:
        with pytest.raises(ServerError) as refused:
            fourth.log_in(user="postgres", database="app")
        assert refused.value.sqlstate == "53300"
        assert refused.value.message.severity == "FATAL"
        assert refused.value.message.text == "no more connections allowed (max_client_conn)"
    clients[0].quit()
    wait_until(lambda: can_log_in(weir), "there is room again")
    for client in clients[1:]:
        assert client.value("SELECT 1") == "1"
        client.quit()


def can_log_in(weir: Any) -> bool:
    with weir.raw() as client:
        try:
            client.log_in(user="postgres", database="app")
        except (ServerError, ConnectionError):
            return False
        return True


def test_too_many_clients_count_for_all_threads_together(start_weir: StartWeir) -> None:
    weir = start_weir({"listen": {"max_clients": 5, "threads": 4}})
    clients = [weir.logged_in() for _ in range(5)]
    assert not can_log_in(weir)
    for client in clients:
        client.quit()
    wait_until(lambda: can_log_in(weir))


def test_clients_of_one_user_that_come_at_once_count_before_they_are_welcome(
    start_weir_at: StartWeir, postgres: Any, open_gate: Any
) -> None:
    gate = open_gate(postgres.port)
    gate.faults.frozen = True
    weir = start_weir_at(gate.port, {"listen": {"threads": 2}, "user": {"postgres": {"max_clients": 2}}})
    clients = [weir.raw() for _ in range(10)]
    for client in clients:
        client.send(wire.startup({"user": "postgres", "database": "app"}))
    wait_until(lambda: weir.log.count("max_user_client_connections") >= 8, "eight are refused", deadline_s=5)
    gate.faults.frozen = False
    outcomes = [client.receive_until("Z", "E")[-1].type for client in clients]
    assert sorted(outcomes) == ["E"] * 8 + ["Z"] * 2
    for client in clients:
        client.close()
    wait_until(lambda: can_log_in(weir), "their places are free again")


def test_silent_connections_do_not_take_every_descriptor(start_weir: StartWeir) -> None:
    """Beyond max_clients there are 256 places for those that have not said who they are, then none."""
    weir: Any = start_weir({"listen": {"max_clients": 20, "threads": 2}})
    with weir.logged_in():
        before = weir.open_sockets()
    silent = [weir.raw() for _ in range(400)]
    wait_until(lambda: "connections_turned_away" in weir.log, "the surplus is turned away")
    assert silent[-1].receive_to_end() == []  # so all have been looked at
    own = 16  # what the process itself opens and closes meanwhile
    assert weir.open_sockets() - before <= 20 + 256 + own
    for client in silent:
        client.close()
    wait_until(lambda: can_log_in(weir), "there is room again")


def test_admins_come_in_when_there_is_no_room(start_weir: StartWeir) -> None:
    weir = start_weir({"listen": {"max_clients": 1}})
    with weir.logged_in():
        assert weir.show("VERSION")


def test_hundreds_of_clients_share_eight_backends(start_weir: StartWeir, postgres: Any) -> None:
    weir = start_weir({"pool": {"acquire_timeout": "20s"}})
    clients = [weir.logged_in() for _ in range(reduced(500))]
    for number, client in enumerate(clients):
        client.send(wire.query(f"SELECT {number}, pg_sleep(0.002)"))
    for number, client in enumerate(clients):
        messages = client.receive_ready()
        assert errors(messages) == [] and messages[1].columns()[0] == str(number).encode()
    assert postgres.backends() <= 8
    for client in clients:
        client.quit()


@pytest.mark.memory
@pytest.mark.timeout(120)
def test_slow_reader_of_a_big_result_costs_little_memory(start_weir: StartWeir) -> None:
    weir: Any = start_weir()
    megabytes = reduced(300)
    with weir.raw(receive_buffer=65536) as client, weir.logged_in() as other:
        client.log_in(user="postgres", database="app")
        client.send(wire.query(f"SELECT repeat('x', 1000000) FROM generate_series(1, {megabytes})"))
        received, peak = 0, 0
        while received < megabytes * 1_000_000:
            chunk = client.socket.recv(65536)
            assert chunk
            received += len(chunk)
            if received % 50 < 2:
                peak = max(peak, weir.resident_bytes())
            if received < 5_000_000:
                # Now and then nothing is read at all, while others are served.
                assert other.value("SELECT 1") == "1"
        peak = max(peak, weir.resident_bytes())
    assert peak < 64 * MEBIBYTE


@pytest.mark.memory
@pytest.mark.timeout(60)
def test_client_that_reads_nothing_pauses_its_backend_only(start_weir: StartWeir) -> None:
    weir: Any = start_weir({"pool": {"max": 2}})
    clients = []
    for _ in range(1):
        client: RawClient = weir.raw(receive_buffer=65536)
        client.log_in(user="postgres", database="app")
        client.send(wire.query("SELECT repeat('x', 1000000) FROM generate_series(1, 200)"))
        clients.append(client)
    with weir.logged_in() as other:
        for number in range(200):
            assert other.value(f"SELECT {number}") == str(number)
    assert weir.resident_bytes() < 64 * MEBIBYTE
    assert weir.cpu_share(0.5) < 0.2
    for client in clients:
        messages = client.receive_ready()
        assert len([message for message in messages if message.type == "D"]) == 200
        client.quit()


@pytest.mark.memory
@pytest.mark.timeout(60)
def test_client_that_writes_much_and_reads_nothing_is_held_back(start_weir: StartWeir) -> None:
    weir: Any = start_weir({"pool": {"max": 2}})
    with weir.raw(receive_buffer=65536) as client:
        client.log_in(user="postgres", database="app")
        client.socket.settimeout(1)
        batch = wire.query("SELECT repeat('x', 100000)") * 200
        with pytest.raises((TimeoutError, socket.timeout)):
            for _ in range(5000):
                client.send(batch)
        assert weir.resident_bytes() < 64 * MEBIBYTE
    assert weir.value("SELECT 1") == 1


@pytest.mark.timeout(60)
def test_one_big_result_does_not_starve_others(start_weir: StartWeir) -> None:
    weir: Any = start_weir({"pool": {"max": 2}})
    done = threading.Event()

    def gulp() -> None:
        with weir.logged_in() as client:
            client.send(wire.query("SELECT repeat('x', 1000000) FROM generate_series(1, 300)"))
            client.receive_ready()
        done.set()

    reader = threading.Thread(target=gulp)
    reader.start()
    served = 0
    with weir.logged_in() as other:
        while not done.is_set():
            assert other.value("SELECT 1") == "1"
            served += 1
    reader.join()
    assert served > 20
