"""What tests of operators' orders have in common: consoles, clients on two threads, how Weir stands."""

import select
from typing import Any

from support.raw_client import RawClient, errors, types

TWO_THREADS = {
    "listen": {"threads": 2},
    "database": {"app": {"cluster": "main"}},
    "pool": {"max": 4, "acquire_timeout": "60s"},
}


def console(weir: Any, **parameters: str) -> RawClient:
    return weir.logged_in(database="weir", **parameters)


def ask(weir: Any, sql: str) -> list[str]:
    """What one statement on a console of its own is answered with: its message types, or SQLSTATEs."""
    with console(weir) as client:
        messages = client.query(sql)
        return errors(messages) or [types(messages)]


def said(client: RawClient, sql: str) -> tuple[str, str]:
    """SQLSTATE and text of the error that a statement gets."""
    message = next(message for message in client.query(sql) if message.type == "E")
    return message.sqlstate, message.text


def state(weir: Any) -> str:
    return next(row["key"] for row in weir.show("STATE") if row["value"] == "yes")


def database(weir: Any, name: str = "app") -> dict[str, Any]:
    return next(row for row in weir.show("DATABASES") if row["name"] == name)


def several(weir: Any, count: int = 4) -> list[RawClient]:
    """Clients on both threads."""
    clients = [weir.logged_in() for _ in range(count)]
    for client in clients:
        client.query("SELECT 1")
    return clients


def is_waiting(client: RawClient) -> bool:
    """Whether nothing has come yet."""
    return not select.select([client.socket], [], [], 0)[0]
