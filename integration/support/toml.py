"""Writes nested dictionaries as TOML, as much of it as weir.toml needs."""

import json
from typing import Any


def to_toml(settings: dict[str, Any]) -> str:
    """Dictionaries become tables, everything else a key; booleans, numbers, strings and lists of them."""
    return "\n".join(_table(settings, [])) + "\n"


def _table(table: dict[str, Any], path: list[str]) -> list[str]:
    values = {key: value for key, value in table.items() if not isinstance(value, dict)}
    tables = {key: value for key, value in table.items() if isinstance(value, dict)}
    lines = [f"[{'.'.join(_key(part) for part in path)}]"] if path and (values or not tables) else []
    lines += [f"{_key(key)} = {_value(value)}" for key, value in values.items()]
    for key, value in tables.items():
        lines += _table(value, [*path, key])
    return lines


def _key(key: str) -> str:
    plain = key.replace("_", "").replace("-", "").isalnum()
    return key if plain else json.dumps(key)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, dict):  # in a list
        return "{ " + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``base`` with ``changes`` on top, table by table; None takes a key away."""
    result = dict(base)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result
