"""The command line of scripts/bench."""

import argparse
import json
import os
import platform
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "scripts", "lib"))

# The path above must be set before the folder's own modules look for the shared helpers.
import cache  # noqa: E402
import failover  # noqa: E402
import idle  # noqa: E402
import maintenance  # noqa: E402
import own_writes  # noqa: E402
import remembered  # noqa: E402
import slow_reader  # noqa: E402
import split  # noqa: E402
import throughput  # noqa: E402
from processes import Failed  # noqa: E402

BENCHES = {"throughput": throughput, "idle": idle, "slow-reader": slow_reader, "split": split,
           "own-writes": own_writes, "failover": failover, "remembered": remembered, "cache": cache,
           "maintenance": maintenance}


def machine():
    """Where figures come from: they mean nothing without it."""
    model = platform.processor() or platform.machine()
    with open("/proc/cpuinfo", encoding="utf-8") as cpus:
        for line in cpus:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    versions = {}
    for name in ("pgbouncer", "haproxy", "postgresql-15"):
        asked = subprocess.run(["dpkg-query", "-W", "-f=${Version}", name], capture_output=True,
                               text=True, check=False)
        versions[name] = asked.stdout or None
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "kernel": platform.release(),
            "packages": versions}


def main():
    """Runs one benchmark; exit status 1 when a goal was missed, 2 when it could not run."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    kinds = parser.add_subparsers(dest="bench", required=True)
    for name, module in BENCHES.items():
        kind = kinds.add_parser(name, help=module.__doc__.splitlines()[0],
                                description=module.__doc__)
        module.add_options(kind)
        kind.add_argument("--json", metavar="FILE", help="write every figure there")
        kind.add_argument("--weir", default=os.path.join(ROOT, "build", "release", "weir"),
                          help="the binary to measure (default: the release build)")
    words = sys.argv[1:]
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        words.insert(0, "throughput")
    options = parser.parse_args(words)
    try:
        outcome = BENCHES[options.bench].run(options)
    except Failed as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump({"bench": options.bench, "machine": machine(), "options": vars(options),
                       **outcome}, out, indent=1)
            out.write("\n")
    return 1 if outcome["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
