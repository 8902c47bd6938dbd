"""Who is told that something is wrong, and that it is over."""

import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Iterator

import pytest

from conftest import StartWeir
from support.deadlines import stays_true, wait_until
from support.orders import ask
from support.raw_client import RawClient

pytestmark = pytest.mark.needs_weir

WHEN = "pool_usage > 0.8 for 1s"
SMALL = {"pool": {"min": 0, "max": 2, "acquire_timeout": "60s"}, "database": {"app": {"cluster": "main"}}}
LEDGER = {"ledger": {"path": "weir-ledger.db"}}
SECRET = "/T0/s3cret?token=s3cret"


class Hook:
    """An HTTP server that remembers what it is sent."""

    def __init__(self, status: int = 200) -> None:
        self.messages: list[dict[str, Any]] = []
        self.paths: list[str] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.paths.append(self.path)
                hook.messages.append(json.loads(body))
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@contextmanager
def opened(status: int = 200) -> Iterator[Hook]:
    hook = Hook(status)
    try:
        yield hook
    finally:
        hook.close()


def alert(weir: Any, name: str = WHEN) -> dict[str, Any]:
    """Alerts are there once they have been looked at: within a second."""
    rows = [row for row in weir.show("ALERTS") if row["name"] == name]
    assert len(rows) == 1
    return rows[0]


def names(weir: Any) -> list[str]:
    return [row["name"] for row in weir.show("ALERTS")]


def is_now(weir: Any, state: str, name: str = WHEN) -> Any:
    return lambda: alert(weir, name)["state"] == state


def full(weir: Any) -> list[RawClient]:
    clients = [weir.logged_in() for _ in range(2)]
    for client in clients:
        client.query("BEGIN")
    return clients


def leave(clients: list[RawClient]) -> None:
    for client in clients:
        client.query("COMMIT")
        client.quit()


def test_full_pool_is_told_everywhere_and_that_it_is_over(start_weir: StartWeir) -> None:
    with opened() as hook:
        alerts = [{"when": WHEN, "webhook": hook.origin.replace("//", "//u:s3cret@") + SECRET}]
        weir: Any = start_weir({**SMALL, **LEDGER, "alert": alerts}, http=True)
        wait_until(is_now(weir, "quiet"))
        clients = full(weir)
        wait_until(lambda: len(hook.messages) == 1, "the webhook is told")
        fired = hook.messages[0]
        assert hook.paths == [SECRET]
        assert (fired["alert"], fired["when"], fired["state"]) == (WHEN, WHEN, "firing")
        assert (fired["object"], fired["value"], fired["threshold"]) == ("app/postgres", 1.0, 0.8)
        assert fired["since"].endswith("Z") and set(fired["weir"]) == {"version", "host"}
        wait_until(lambda: alert(weir)["webhook_outcome"] == "delivered")
        row = alert(weir)
        assert (row["state"], row["value"], row["fired"]) == ("firing", 1.0, 1)
        assert (row["object"], row["webhook"]) == ("app/postgres", hook.origin)
        assert weir.metrics().sum("weir_alert_firing", alert=WHEN) == 1
        assert weir.metrics().sum("weir_alerts_total", alert=WHEN) == 1
        leave(clients)
        wait_until(lambda: len(hook.messages) == 2, "and that it is over", 20)
        resolved = hook.messages[1]
        assert (resolved["state"], resolved["since"]) == ("resolved", fired["since"])
        wait_until(is_now(weir, "quiet"))
        assert weir.metrics().sum("weir_alert_firing", alert=WHEN) == 0
        assert weir.metrics().sum("weir_alerts_total", alert=WHEN) == 1
        wait_until(lambda: weir.metrics().sum("weir_alert_webhooks_total", outcome="delivered") == 2)

        def events() -> list[dict[str, Any]]:
            return [row for row in weir.show("EVENTS") if row["kind"] == "alert"]

        wait_until(lambda: len(events()) == 2, "the ledger has both")
        newest, oldest = events()
        assert (newest["severity"], oldest["severity"]) == ("info", "warning")
        assert oldest["what"].startswith(f"{WHEN} fires: pool_usage is 100 %, > 80 % since ")
        wait_until(lambda: weir.log.count("alert_resolved") == 1)
        assert weir.log.count("alert_fired") == 1
        assert "s3cret" not in weir.log
        assert all("s3cret" not in str(row) for row in weir.show("CONFIG") + weir.show("ALERTS"))


def test_short_peak_is_nobodys_business(start_weir: StartWeir) -> None:
    weir: Any = start_weir({**SMALL, "alert": [{"name": "full", "when": "pool_usage > 0.8 for 1h"}]})
    clients = full(weir)
    wait_until(is_now(weir, "pending", "full"))
    leave(clients)
    wait_until(is_now(weir, "quiet", "full"))
    assert alert(weir, "full")["fired"] == 0 and "alert_fired" not in weir.log


@pytest.mark.parametrize("status", [302, 404, 500])
def test_webhook_that_fails_is_given_up(start_weir: StartWeir, status: int) -> None:
    with opened(status) as hook:
        alerts = [{"name": "any", "when": "pool_usage >= 0", "webhook": hook.origin + SECRET}]
        weir: Any = start_weir({**SMALL, "alert": alerts})
        with weir.logged_in() as client:
            assert client.value("SELECT 1") == "1"
            wait_until(lambda: alert(weir, "any")["webhook_outcome"] == f"failed: HTTP status {status}", deadline_s=15)
        assert len(hook.messages) == 3 and set(hook.paths) == {SECRET}
        wait_until(lambda: weir.log.count("webhook_failed") == 1)
        assert "s3cret" not in weir.log


def test_webhook_that_hangs_or_refuses_does_no_harm(start_weir: StartWeir) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hanging = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        alerts = [
            {"name": "hangs", "when": "pool_usage >= 0", "webhook": hanging},
            {"name": "refused", "when": "pool_usage >= 0", "webhook": "http://127.0.0.1:1/"},
        ]
        weir: Any = start_weir({**SMALL, "alert": alerts}, http=True)
        with weir.logged_in() as client:
            client.query("SELECT 1")
            wait_until(is_now(weir, "firing", "hangs"))
            for _ in range(100):
                assert client.value("SELECT 1") == "1"
            assert weir.http("/healthz")[0] == 200
            assert alert(weir, "refused")["webhook_outcome"] == "waits"
        # It ends while the webhook hangs; the fixture sees to it that it does so in time.


def test_reload_keeps_what_is_pending_and_ends_what_is_gone(start_weir: StartWeir) -> None:
    with opened() as hook:
        one = {"name": "one", "when": "pool_usage > 0.8", "webhook": hook.origin}
        two = {"name": "two", "when": "waiting_clients >= 1"}
        weir: Any = start_weir({**SMALL, "alert": [one]})
        clients = full(weir)
        wait_until(is_now(weir, "firing", "one"))
        weir.reload({"alert": [two, one]})
        wait_until(lambda: names(weir) == ["two", "one"])
        stays_true(lambda: alert(weir, "one")["fired"] == 1, 1.5)
        weir.reload({"alert": [two]})
        wait_until(lambda: [message["state"] for message in hook.messages] == ["firing", "resolved"])
        assert names(weir) == ["two"]
        weir.reload({"alert": [{"name": "two", "when": "waiting_clients >= many"}]})
        stays_true(lambda: alert(weir, "two")["when"] == "waiting_clients >= 1", 1.5)
        assert "compares with no count; accepted: a whole number" in weir.log
        leave(clients)


def test_alerts_are_changed_by_set_and_asked_with_select(start_weir: StartWeir) -> None:
    weir: Any = start_weir({**SMALL, "alert": [{"name": "full", "when": "pool_usage > 0.8"}]})
    clients = full(weir)
    wait_until(is_now(weir, "firing", "full"))
    assert ask(weir, "SET alert.1.when = 'pool_usage > 0.9 for 1h'") == ["CZ"]
    wait_until(is_now(weir, "pending", "full"))
    with weir.psycopg(dbname="weir", autocommit=True) as admin:
        assert admin.execute("SELECT name, state, \"when\" FROM alerts").fetchall() == [
            ("full", "pending", "pool_usage > 0.9 for 1h")
        ]
    leave(clients)
