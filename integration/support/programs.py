"""Programs in other languages that use a driver, and what they print.

A program takes where to connect from its environment (WEIR_HOST, WEIR_PORT, WEIR_USER, WEIR_DATABASE) and is called with
``work`` (does all it can and prints it), ``ask SQL`` (runs one prepared statement for each line it reads, and prints its
row or ``!`` and the SQLSTATE) or ``admin`` (looks at the admin database). Lines that begin with ``#`` tell of the
circumstances and are not compared.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

from support.deadlines import scaled
from support.endpoint import Endpoint

FOLDER = Path(__file__).resolve().parents[1] / "drivers" / "programs"
DEADLINE_S = 60.0


def environment_for(endpoint: Endpoint, database: str = "") -> dict[str, str]:
    """Where to connect, and nothing of ours but the PATH."""
    return {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "WEIR_HOST": endpoint.host,
        "WEIR_PORT": str(endpoint.port),
        "WEIR_USER": endpoint.user,
        "WEIR_DATABASE": database or endpoint.dbname,
    }


@dataclass
class Transcript:
    lines: list[str]
    backends: int  # how many the program says it has met


def run_program(command: Sequence[str], endpoint: Endpoint, database: str = "") -> Transcript:
    """Runs it to its end, which must be a good one."""
    done = subprocess.run(
        command,
        env=environment_for(endpoint, database),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=scaled(DEADLINE_S),
        cwd=FOLDER,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    found = re.search(r"^# backends (\d+)$", done.stdout, re.MULTILINE)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    return Transcript(lines, int(found.group(1)) if found else 0)


class Asked:
    """A program in its ``ask`` mode."""

    def __init__(self, command: Sequence[str], endpoint: Endpoint, sql: str) -> None:
        self.process = subprocess.Popen(
            [*command, "ask", sql],
            env=environment_for(endpoint),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            cwd=FOLDER,
        )

    def ask(self) -> str:
        """One run of its statement: ``a=1,b=x``, or ``!0A000``."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"{self.process.args} ended with {self.process.wait(scaled(10))}"
        return answer.rstrip("\n")

    def close(self) -> None:
        """Ends it by ending its input."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        try:
            assert self.process.wait(scaled(10)) == 0
        finally:
            self.process.kill()
            self.process.stdout.close()
