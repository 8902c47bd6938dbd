"""What clients have written and read through several Weirs, and whether all of it can be true.

Rows hold counters that only grow, so a value says which commit it is of. Times are one clock's, taken before something
is sent and after it has been answered: what was told before another thing was asked came first, whoever did it.
"""

import bisect
import math
from dataclasses import dataclass, field
from typing import Callable, Iterable, Iterator, Optional

Row = tuple[str, int]  # table, id

NEVER = math.inf
BUCKETS_S = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, math.inf)


@dataclass(frozen=True)
class Write:
    """A transaction: the versions it has given to rows. ``told`` is NEVER where its client has not heard of its end."""

    weir: int
    begun: float
    told: float
    rows: dict[Row, int]


@dataclass(frozen=True)
class Read:
    """A statement, and the versions it has seen."""

    weir: int
    session: int
    asked: float
    answered: float
    rows: dict[Row, int]
    how: str
    least: dict[Row, int] = field(default_factory=dict)  # what it must see whatever else there is


@dataclass(frozen=True)
class Finding:
    """A row that was read older than it could have been, and for how long the newer version had been known."""

    lag: float
    read: Read
    row: Row
    version: int
    same_weir: bool  # as the newer version was written through

    def __str__(self) -> str:
        whose = "the same Weir" if self.same_weir else "the other Weir"
        return (
            f"{self.row} at version {self.version}, {self.lag * 1000:.1f} ms after a newer one of {whose} was known:"
            f" {self.read}"
        )


class Growth:
    """The greatest version of a row that was known at each time."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.versions: list[int] = []

    def add(self, time: float, version: int) -> None:
        """In the order of time."""
        if not self.versions or version > self.versions[-1]:
            self.times.append(time)
            self.versions.append(version)

    def newer_since(self, version: int) -> float:
        """Since when a newer one than this has been known."""
        at = bisect.bisect_right(self.versions, version)
        return self.times[at] if at < len(self.times) else NEVER


class History:
    """Written to by many threads, judged when they are done."""

    def __init__(self) -> None:
        self.writes: list[Write] = []
        self.reads: list[Read] = []

    def judged(self) -> "Judgement":
        return Judgement(self)


class Judgement:
    """``late`` are reads that were older than what had been told before they were asked; ``backwards`` those older than
    what their own session had seen; ``wrong`` what can never be right."""

    def __init__(self, history: History) -> None:
        self.reads = history.reads
        self.wrong: list[str] = []
        self.told: dict[tuple[int, Row], Growth] = {}
        self.begun: dict[Row, dict[int, float]] = {}
        self.by: dict[tuple[Row, int], set[int]] = {}
        for write in sorted(history.writes, key=lambda write: write.told):
            for row, version in write.rows.items():
                if write.told < NEVER:
                    self.told.setdefault((write.weir, row), Growth()).add(write.told, version)
                begun = self.begun.setdefault(row, {0: 0.0})
                begun[version] = min(begun.get(version, NEVER), write.begun)
                self.by.setdefault((row, version), set()).add(write.weir)
        self.weirs = sorted({write.weir for write in history.writes})
        self.late = list(self._late())
        self.backwards = list(self._backwards(lambda read: read.session))
        self._look_for_wrong()

    def _late(self) -> Iterator[Finding]:
        for read in self.reads:
            for row, version in read.rows.items():
                for weir in self.weirs:
                    growth = self.told.get((weir, row))
                    since = growth.newer_since(version) if growth else NEVER
                    if since < read.asked:
                        yield Finding(read.asked - since, read, row, version, weir == read.weir)

    def _backwards(self, of: Callable[[Read], int]) -> Iterator[Finding]:
        seen: dict[tuple[int, Row], Growth] = {}
        for read in sorted(self.reads, key=lambda read: read.answered):
            for row, version in read.rows.items():
                growth = seen.setdefault((of(read), row), Growth())
                since = growth.newer_since(version)
                if since < read.asked:
                    between = range(version + 1, growth.versions[-1] + 1)
                    is_same = any(read.weir in self.by.get((row, one), ()) for one in between)
                    yield Finding(read.asked - since, read, row, version, is_same)
                growth.add(read.answered, version)

    def _look_for_wrong(self) -> None:
        for read in self.reads:
            for row, version in read.rows.items():
                if self.begun.get(row, {0: 0.0}).get(version, NEVER) > read.answered:
                    self.wrong.append(f"{row}: nobody had written version {version} yet: {read}")
            for row, version in read.least.items():
                if read.rows[row] < version:
                    self.wrong.append(f"{row}: not its own write of version {version}: {read}")

    def seen_by_others(self) -> list[Finding]:
        """As ``backwards``, for all sessions at the same Weir together: told to nobody, but seen by somebody."""
        return list(self._backwards(lambda read: read.weir))


def inexcusable(findings: Iterable[Finding], allowance_s: float) -> list[str]:
    """Those through the Weir that was written through, and those that are later than is allowed between two."""
    return [str(finding) for finding in findings if finding.same_weir or finding.lag > allowance_s]


def histogram(findings: Iterable[Finding], of: Optional[int] = None) -> str:
    """How many were how late, in one line; ``of`` is how many there are altogether."""
    lags = [finding.lag for finding in findings]
    counts = [0] * len(BUCKETS_S)
    for lag in lags:
        counts[bisect.bisect_left(BUCKETS_S, lag)] += 1
    words = [f"<{limit * 1000:g}ms:{count}" for limit, count in zip(BUCKETS_S, counts)]
    longest = f", at most {max(lags) * 1000:.1f} ms" if lags else ""
    return f"{len(lags)}{f' of {of}' if of is not None else ''} ({' '.join(words)}{longest})"
