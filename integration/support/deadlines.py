"""Waiting with a deadline. Tests never sleep: they wait until something is true.

``WEIR_TEST_SLOW=3`` stretches every deadline and shortens every repetition threefold, for sanitizer builds.
"""

import os
import time
from typing import Callable, TypeVar

T = TypeVar("T")

SLOWNESS = float(os.environ.get("WEIR_TEST_SLOW", "1"))
DEFAULT_DEADLINE_S = 10.0
POLL_INTERVAL_S = 0.01


def scaled(seconds: float) -> float:
    """A deadline of the suite, stretched for slow builds."""
    return seconds * SLOWNESS


def reduced(count: int, at_least: int = 1) -> int:
    """A number of repetitions, shortened for slow builds."""
    return max(at_least, int(count / SLOWNESS))


def wait_until(
    predicate: Callable[[], T], what: str = "", deadline_s: float = DEFAULT_DEADLINE_S
) -> T:
    """Calls ``predicate`` until it returns something true, and returns that.

    An AssertionError raised by the predicate counts as "not yet" and is shown when time is up.
    """
    end = time.monotonic() + scaled(deadline_s)
    last: object = None
    while True:
        try:
            last = predicate()
            if last:
                return last  # type: ignore[return-value]
        except AssertionError as error:
            last = error
        if time.monotonic() > end:
            name = what or getattr(predicate, "__name__", "condition")
            raise AssertionError(f"not true within {scaled(deadline_s):.1f} s: {name} (last: {last!r})")
        time.sleep(POLL_INTERVAL_S)


def stays_true(predicate: Callable[[], bool], for_s: float) -> None:
    """Fails as soon as ``predicate`` is false; for things that must not happen within a while."""
    end = time.monotonic() + for_s
    while time.monotonic() < end:
        assert predicate(), getattr(predicate, "__name__", "condition")
        time.sleep(POLL_INTERVAL_S)
