"""pool.application_max: how many server connections the clients of one application may hold."""

import random
import re
import threading
from typing import Any, Iterator

import pytest

from conftest import StartWeir
from support import wire
from support.deadlines import reduced, stays_true, wait_until
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


def hold(weir: Any, application: str) -> RawClient:
    """A client of the application, in a transaction."""
    client = log_in(weir, application_name=application)
    answer = client.query("BEGIN; SELECT 1")
    assert errors(answer) == [], text_of(answer)
    return client


def ask(weir: Any, application: str) -> RawClient:
    """A client of the application that has asked for a server connection."""
    client = log_in(weir, application_name=application)
    client.send(wire.query("BEGIN"))
    return client


def waits_for_application(weir: Any, count: int) -> None:
    wait_until(
        lambda: weir.pool()["cl_application_waiting"] == count, f"{count} wait because of their application"
    )


def text_of(messages: list[Any]) -> str:
    return " ".join(message.body.decode() for message in messages if message.type == "E")


def ask_in_turn(weir: Any, application: str, count: int) -> list[RawClient]:
    """Clients that wait because of their application, who came first first, on whichever thread."""
    late = []
    for number in range(1, count + 1):
        late.append(ask(weir, application))
        waits_for_application(weir, number)
    return late


def leave_idle(weir: Any, count: int) -> None:
    """So many server connections that others have given back."""
    shops = [hold(weir, f"shop {number}") for number in range(count)]
    for client in shops:
        client.query("COMMIT")


@pytest.mark.parametrize("threads", [1, 2])
def test_others_get_past_an_application_at_its_limit(start_weir: StartWeir, threads: int) -> None:
    weir = start_weir({"listen": {"threads": threads}, "pool": {"max": 4, "application_max": 2}})
    warm(weir)
    reports = [hold(weir, "reports") for _ in range(2)]
    late = ask_in_turn(weir, "reports", 3)
    shop = [hold(weir, "shop") for _ in range(2)]
    assert weir.pool()["sv_active"] == 4
    for client in shop:
        client.query("COMMIT")
    wait_until(lambda: weir.pool()["sv_idle"] == 2, "two are idle")
    assert weir.pool()["cl_application_waiting"] == 3
    for done, (client, next_client) in enumerate(zip(reports, late), 1):
        client.query("COMMIT")
        assert errors(next_client.receive_ready()) == []
        waits_for_application(weir, 3 - done)


@pytest.mark.parametrize("threads", [1, 2])
def test_place_goes_to_who_has_waited_longest(start_weir: StartWeir, threads: int) -> None:
    """On whichever thread: all of them have server connections to spare."""
    weir = start_weir({"listen": {"threads": threads}, "pool": {"max": 6, "application_max": 1}})
    warm(weir)
    holder = hold(weir, "reports")
    late = ask_in_turn(weir, "reports", 12)
    leave_idle(weir, 5)
    for next_client in late:
        holder.query("COMMIT")
        assert errors(next_client.receive_ready()) == []
        holder = next_client


def test_no_server_connection_travels_to_those_who_may_not_have_it(start_weir: StartWeir) -> None:
    """Who waits because of the application is no reason for two threads to hand each other what is idle."""
    weir = start_weir({"listen": {"threads": 2}, "pool": {"max": 6, "application_max": 1}})
    warm(weir)
    holder = hold(weir, "reports")
    late = ask_in_turn(weir, "reports", 8)
    leave_idle(weir, 5)
    for next_client in late[:6]:
        holder.query("COMMIT")
        assert errors(next_client.receive_ready()) == []
        holder = next_client
        assert len([row for row in weir.show("SERVERS") if row["database"] == "app"]) == weir.pool()["open"]
    assert weir.cpu_share(0.3) < 0.3


def test_error_names_the_limit_and_it_recovers(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 4, "application_max": 1, "acquire_timeout": "300ms"}}, http=True)
    report = hold(weir, "reports")
    with weir.logged_in(application_name="reports") as late:
        late.send(wire.query("SELECT 1"))
        wait_until(
            lambda: weir.metrics().sum("weir_pool_application_waiting", database="app") == 1
            or weir.metrics().sum("weir_pool_events_total", database="app", event="acquire_fail") == 1,
            "it waits, or has waited",
        )
        answer = late.receive_ready()
        assert errors(answer) == ["53300"]
        text = text_of(answer)
        assert "query_wait_timeout: no server connection within" in text
        assert re.search(r'application "reports" holds 1 of the 1 that pool\.application_max allows it', text)
        report.query("COMMIT")
        assert errors(late.query("SELECT 1")) == []


def test_activity_says_why_a_client_waits(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 2, "application_max": 1, "acquire_timeout": "30s"}})

    def reasons() -> list[Any]:
        return sorted(row["wait_reason"] for row in weir.show("ACTIVITY") if row["state"] == "waiting")

    report = hold(weir, "reports")
    late = ask(weir, "reports")
    wait_until(lambda: reasons() == ["application_max"], "one waits for its application")
    shop = hold(weir, "shop")
    other = ask(weir, "other")
    wait_until(lambda: reasons() == ["application_max", "pool_full"], "one waits for the pool")
    for holder, waiter in ((shop, other), (report, late)):
        holder.query("COMMIT")
        assert errors(waiter.receive_ready()) == []
    assert reasons() == []


def test_name_at_the_time_counts(start_weir: StartWeir) -> None:
    """SET changes it from the next transaction on."""
    weir = start_weir({"pool": {"max": 4, "application_max": 1, "acquire_timeout": "300ms"}})
    holder = hold(weir, "reports")
    with weir.logged_in(application_name="shop") as client:
        assert errors(client.query("SELECT 1")) == []
        client.query("SET application_name = 'reports'")
        wait_until(lambda: errors(client.query("SELECT 1")) == ["53300"], "it has given back what it had")
        holder.query("SET application_name = 'elsewhere'")
        assert errors(client.query("SELECT 1")) == ["53300"]  # what it holds is still of reports
        holder.query("COMMIT")
        wait_until(lambda: errors(client.query("BEGIN")) == [], "nobody of that name has one")
        assert errors(holder.query("SELECT 1")) == []


def test_clients_without_a_name_are_one_application(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 4, "application_max": 1, "acquire_timeout": "300ms"}})
    with weir.logged_in() as holder, weir.logged_in() as late:
        holder.query("BEGIN")
        assert errors(late.query("SELECT 1")) == ["53300"]


def test_added_host_is_no_part_of_the_name(start_weir: StartWeir) -> None:
    weir = start_weir(
        {
            "listen": {"application_name_add_host": True},
            "pool": {"max": 4, "application_max": 1, "acquire_timeout": "300ms"},
        }
    )
    hold(weir, "reports")
    with weir.logged_in(application_name="reports") as late:
        assert errors(late.query("SELECT 1")) == ["53300"]


def test_session_mode_and_pinned_clients_count_as_long_as_they_hold(start_weir: StartWeir) -> None:
    weir = start_weir({"pool": {"max": 4, "application_max": 1, "acquire_timeout": "20s"}})
    with weir.logged_in(application_name="reports") as pinned:
        assert errors(pinned.query("CREATE TEMP TABLE kept (i int)")) == []
        late = ask(weir, "reports")
        waits_for_application(weir, 1)
        assert errors(pinned.query("DISCARD ALL")) == []
        assert errors(late.receive_ready()) == []
        late.quit()
    session = start_weir({"pool": {"mode": "session", "max": 4, "application_max": 1, "acquire_timeout": "20s"}})
    first = log_in(session, application_name="reports")
    assert errors(first.query("SELECT 1")) == []
    connecting = threading.Thread(target=lambda: session.logged_in(application_name="reports").quit())
    connecting.start()
    waits_for_application(session, 1)
    with session.logged_in(application_name="shop") as shop:
        assert errors(shop.query("SELECT 1")) == []
    first.quit()
    connecting.join()


def test_disconnecting_while_holding_and_while_waiting(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"listen": {"threads": 2}, "pool": {"max": 4, "application_max": 1, "acquire_timeout": "30s"}})
    warm(weir)
    holder = hold(weir, "reports")
    gone, late = ask(weir, "reports"), ask(weir, "reports")
    waits_for_application(weir, 2)
    gone.close()
    waits_for_application(weir, 1)
    holder.send(wire.query("SELECT pg_sleep(60)"))
    holder.reset()
    assert errors(late.receive_ready()) == []
    pid = late.backend_pid()
    last = ask(weir, "reports")
    waits_for_application(weir, 1)
    postgres.execute("SELECT pg_terminate_backend(%s)", [pid])
    assert errors(last.receive_ready()) == []


@pytest.mark.parametrize("threads", [1, 2])
def test_reload_changes_the_limit(start_weir: StartWeir, threads: int) -> None:
    weir = start_weir({"listen": {"threads": threads}, "pool": {"max": 6, "acquire_timeout": "30s"}})
    warm(weir)
    held = [hold(weir, "reports") for _ in range(3)]
    weir.reload({"pool": {"application_max": 2}})
    late = ask(weir, "reports")
    waits_for_application(weir, 1)  # what was lent before counts
    held.pop().query("COMMIT")
    stays_true(lambda: weir.pool()["cl_application_waiting"] == 1, 0.3)
    weir.reload({"pool": {"application_max": 3}})
    assert errors(late.receive_ready()) == []
    last = ask(weir, "reports")
    waits_for_application(weir, 1)
    weir.reload({"pool": {"application_max": 0}})
    assert errors(last.receive_ready()) == []


def test_user_and_database_have_limits_of_their_own(start_weir: StartWeir) -> None:
    weir = start_weir(
        {
            "pool": {"max": 4, "acquire_timeout": "300ms"},
            "database": {"app": {"cluster": "main", "pool": {"application_max": 1}}},
        }
    )
    with weir.logged_in() as late, weir.logged_in(database="other") as elsewhere:
        one, two = log_in(weir), log_in(weir, database="other")
        one.query("BEGIN")
        two.query("BEGIN")
        assert errors(late.query("SELECT 1")) == ["53300"]
        assert errors(elsewhere.query("SELECT 1")) == []


@pytest.mark.timeout(90)
def test_counts_are_exact_through_a_storm(start_weir: StartWeir) -> None:
    """Clients of three applications that come, hold, and leave in any state: never too many, and none left over."""
    most = 2
    weir = start_weir({"listen": {"threads": 2}, "pool": {"max": 5, "application_max": most, "acquire_timeout": "30s"}})
    warm(weir)
    names = ["web", "batch", "report"]
    holding = dict.fromkeys(names, 0)  # at least so many, by what the clients have been told
    highest = dict.fromkeys(names, 0)
    lock = threading.Lock()

    def count(name: str, change: int) -> None:
        with lock:
            holding[name] += change
            highest[name] = max(highest[name], holding[name])

    def work(number: int) -> None:
        choice = random.Random(number)
        name = names[number % 3]
        for _ in range(reduced(20, 5)):
            with weir.logged_in(application_name=name) as client:
                if choice.random() < 0.2:
                    client.send(wire.query("SELECT pg_sleep(5)"))
                    client.reset()  # while it waits, or runs
                    continue
                assert errors(client.query("BEGIN")) == []
                count(name, 1)
                client.query(choice.choice(["SELECT 1", "SELECT pg_sleep(0.01)", "nonsense"]))
                count(name, -1)
                if choice.random() < 0.7:
                    client.query("COMMIT")

    workers = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()
    assert holding == dict.fromkeys(names, 0), "all came through"
    assert max(highest.values()) <= most
    # Nothing is left counted: each application may have as many as ever, and not one more.
    held = [hold(weir, name) for name in names[:2] for _ in range(most)]
    late = ask(weir, "web")
    waits_for_application(weir, 1)
    held[0].query("COMMIT")
    assert errors(late.receive_ready()) == []
