import cache.test_cache as t
from cache.test_cache import *
import time
def started(start_weir, cache=None, **more):
    weir = start_weir({"cache": {**EVERYTHING, **(cache or {})}, **more})
    with weir.logged_in() as client:
        for i in range(6): client.query("SELECT count(*) FROM thing"); time.sleep(0.02)
    return weir
t.started = started
t.counts = lambda weir: {"hits":0,"misses":0,"entries":0}
