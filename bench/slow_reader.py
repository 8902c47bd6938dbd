"""A result of a gigabyte to a client that reads slowly: the proxy's resident memory at its highest."""

import struct
import time

from contenders import DATABASE, USER, make, start_server
from processes import Failed, Stage
from usage import memory_kib
from wire import connect, query_message

CHUNK = 256 * 1024
MIB = 1 << 20


def add_options(parser):
    """The options of `scripts/bench slow-reader`."""
    parser.add_argument("--contenders", default="weir,pgbouncer")
    parser.add_argument("--mib", type=int, default=1024, help="size of the result")
    parser.add_argument("--shape", choices=["rows", "value"], default="rows",
                        help="rows of 1 MiB, or one value (at most 1023 MiB)")
    parser.add_argument("--stall", type=float, default=5.0, help="seconds before the first read")
    parser.add_argument("--rate", type=int, default=100, help="MiB a second after that")
    parser.add_argument("--pool-size", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1, help="event-loop threads of weir")
    parser.add_argument("--assert-mib", type=float, metavar="N",
                        help="fail when weir's resident memory passes N MiB")


def statement(options):
    """SQL whose result has the size asked for, from little memory on the server for rows."""
    if options.shape == "value":
        return f"SELECT repeat('x', {min(options.mib, 1023) * MIB})"
    return f"SELECT repeat('x', {MIB}) FROM generate_series(1, {options.mib})"


class Counter:
    """Counts messages in a stream of bytes without keeping them."""

    def __init__(self):
        self.head, self.skip, self.bytes_of_rows, self.ready, self.error = b"", 0, 0, False, None

    def feed(self, chunk):
        """Takes what was read."""
        at = 0
        while at < len(chunk):
            if self.skip:
                step = min(self.skip, len(chunk) - at)
                self.skip -= step
                at += step
                continue
            step = min(5 - len(self.head), len(chunk) - at)
            self.head += chunk[at:at + step]
            at += step
            if len(self.head) == 5:
                kind, length = struct.unpack("!cI", self.head)
                self.head, self.skip = b"", length - 4
                self.bytes_of_rows += length + 1 if kind == b"D" else 0
                self.ready = self.ready or kind == b"Z"
                if kind == b"E":
                    self.error = "the server sent an error"


def read_slowly(sock, options):
    """Reads the whole answer at the rate asked for; returns the bytes of its rows."""
    counter = Counter()
    time.sleep(options.stall)
    began, taken = time.monotonic(), 0
    while not counter.ready:
        chunk = sock.recv(CHUNK)
        if not chunk:
            raise Failed("the connection was closed in the middle of the result")
        counter.feed(chunk)
        if counter.error:
            raise Failed(counter.error)
        taken += len(chunk)
        ahead = taken / (options.rate * MIB) - (time.monotonic() - began)
        if ahead > 0.005:
            time.sleep(ahead)
    return counter.bytes_of_rows


def run(options):
    """Measures, prints, and returns what goes into the JSON file."""
    options.max_clients = 100
    results, failures = {}, []
    for name in options.contenders.split(","):
        stage = Stage("weir-bench")
        try:
            contender = make(name, stage, start_server(stage, 0), options)
            sock = connect(contender.port, USER, DATABASE, receive_buffer=64 * 1024)
            sock.sendall(query_message(statement(options)))
            got = read_slowly(sock, options)
            peak = memory_kib(contender.pid, "VmHWM") / 1024
            sock.close()
        finally:
            stage.end()
        results[name] = {"bytes": got, "peak_mib": peak}
        print(f"{name:10} {got / MIB:.0f} MiB read at {options.rate} MiB/s after a stall of"
              f" {options.stall:g} s: resident memory at most {peak:.1f} MiB", flush=True)
    if options.assert_mib is not None:
        peak = results["weir"]["peak_mib"]
        verdict = f"resident memory reached {peak:.1f} MiB, allowed {options.assert_mib:g}"
        print(f"{'ok' if peak <= options.assert_mib else 'FAILED'}: {verdict}")
        failures = [] if peak <= options.assert_mib else [verdict]
    return {"results": results, "failures": failures}
