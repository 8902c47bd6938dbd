"""Drivers of other languages: each program in programs/ does all it can, directly and through Weir in company."""

from typing import Callable, Sequence

import pytest

pytestmark = pytest.mark.also_cached


@pytest.mark.timeout(120)
def test_driver_does_the_same_both_ways(same_both_ways: Callable[[Sequence[str]], None], program: list[str]) -> None:
    same_both_ways(program)
