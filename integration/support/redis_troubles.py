"""A Redis to which bad things happen, one after the other."""

import random
import threading
import time
from typing import Callable, Sequence

from support.deadlines import scaled
from support.redis import Redis
from support.shared_cache import figures, wait_until_up
from support.weir import Weir

# Below the lease of what has been cached (300 ms), around it, and long enough for everybody to have noticed.
PAUSES_S = (0.2, 0.12, 0.3, 0.4, 1.0, 3.0)
AWAY_S = (0.0, 0.05, 0.5)


class Troubles:
    """Runs ``rounds`` of them in a thread of its own; ``on_end`` is called when Redis is well again."""

    def __init__(
        self, redis: Redis, weirs: Sequence[Weir], *, rounds: int, seed: int, on_end: Callable[[], None]
    ) -> None:
        self.redis, self.weirs, self.rounds, self.on_end = redis, weirs, rounds, on_end
        self.chance = random.Random(seed)
        self.failures: list[str] = []
        self.seen: list[str] = []
        # Of the reads while all was well: how many were asked for, and how many answered from the cache.
        self.asked = self.answered = 0
        self.thread = threading.Thread(target=self.work)
        kinds = [self.pause_short, self.kill, self.flush, self.restart_with_old, self.pause_long, self.twice]
        self.kinds = [kinds[number % len(kinds)] for number in range(rounds)]
        self.chance.shuffle(self.kinds)

    def work(self) -> None:
        try:
            for kind in self.kinds:
                wait_until_up(self.weirs)
                self.be_well()
                self.seen.append(kind.__name__)
                kind()
            wait_until_up(self.weirs)
        except Exception as error:  # pylint: disable=broad-except
            self.failures.append(repr(error))
        finally:
            self.redis.resume()
            self.on_end()

    def be_well(self) -> None:
        """For a while, so that there is something that can be wrong afterwards."""
        before = self.used()
        time.sleep(self.chance.uniform(0.3, 1.2))
        asked, answered = self.used()
        self.asked += asked - before[0]
        self.answered += answered - before[1]

    def used(self) -> tuple[int, int]:
        rows = [figures(weir) for weir in self.weirs]
        answered = sum(int(row[name]) for row in rows for name in ("hits", "coalesced"))
        return answered + sum(int(row[name]) for row in rows for name in ("misses", "bypassed")), answered

    def pause_short(self) -> None:
        """Several, each about as long as what has been cached is trusted without news."""
        for _ in range(4):
            self.pause(self.chance.choice(PAUSES_S[:4]))
            time.sleep(self.chance.uniform(0.05, 0.3))

    def pause_long(self) -> None:
        self.pause(self.chance.choice(PAUSES_S[4:]))

    def pause(self, duration_s: float) -> None:
        with self.redis.is_paused():
            time.sleep(scaled(duration_s))

    def flush(self) -> None:
        self.redis.flushall()

    def kill(self) -> None:
        self.redis.kill()
        self.redis.forget_saved()
        time.sleep(self.chance.choice(AWAY_S))
        self.redis.start()

    def restart_with_old(self) -> None:
        """It comes back with what it had a while before: results and versions of then."""
        self.redis.save()
        time.sleep(self.chance.uniform(0.1, 0.5))
        self.redis.kill()
        time.sleep(self.chance.choice(AWAY_S))
        self.redis.start()

    def twice(self) -> None:
        """Again before everybody has come back from the first time."""
        self.kill()
        time.sleep(self.chance.uniform(0.1, 1.9))
        self.pause(self.chance.choice(PAUSES_S))
        time.sleep(self.chance.uniform(0.1, 1.9))
        self.restart_with_old()
