"""How long the machine itself stood still: what nobody on it can be blamed for."""

import os
import threading
import time
from typing import Any

NAP_S = 0.005


class Standstill:
    """While it is entered, a thread on each processor naps again and again, and sees by how much it woke too late."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._longest = {cpu: 0.0 for cpu in os.sched_getaffinity(0)}
        self._threads = [threading.Thread(target=self._nap, args=(cpu,)) for cpu in self._longest]

    def _nap(self, cpu: int) -> None:
        os.sched_setaffinity(0, {cpu})  # of this thread alone
        while not self._over.is_set():
            began = time.monotonic()
            time.sleep(NAP_S)
            self._longest[cpu] = max(self._longest[cpu], time.monotonic() - began - NAP_S)

    @property
    def longest(self) -> float:
        """Seconds. What has its turn on several processors, one after the other, may meet the standstill of each."""
        return sum(self._longest.values())

    def __enter__(self) -> "Standstill":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
