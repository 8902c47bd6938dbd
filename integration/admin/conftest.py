"""Weir with two threads."""

from typing import Any

import pytest

from conftest import StartWeir
from support.orders import TWO_THREADS


@pytest.fixture(params=["transaction", "session"])
def held(request: pytest.FixtureRequest, start_weir: StartWeir) -> Any:
    """Weir with two threads, in either mode."""
    return start_weir({**TWO_THREADS, "pool": {**TWO_THREADS["pool"], "mode": request.param}})


@pytest.fixture
def two(start_weir: StartWeir) -> Any:
    """Weir with two threads in transaction mode."""
    return start_weir(TWO_THREADS)
