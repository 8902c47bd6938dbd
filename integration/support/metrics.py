"""Reading Prometheus' text format."""

import base64
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Optional

from support.deadlines import scaled

HTTP_TIMEOUT_S = 5

SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


def http_get(host: str, port: int, path: str, login: Optional[str] = None) -> tuple[int, str]:
    """Status and body, also of answers that are not 200. ``login`` is "user:password"."""
    request = urllib.request.Request(f"http://{host}:{port}{path}")
    if login is not None:
        request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=scaled(HTTP_TIMEOUT_S)) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@dataclass(frozen=True)
class Sample:
    name: str
    labels: dict[str, str]
    value: float


class Metrics:
    """One scrape."""

    def __init__(self, samples: list[Sample], types: dict[str, str]) -> None:
        self.samples = samples
        self.types = types

    @classmethod
    def parse(cls, text: str) -> "Metrics":
        samples, types = [], {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split()
                types[name] = kind
            elif line and not line.startswith("#"):
                found = SAMPLE.match(line)
                assert found is not None, f"not a sample: {line!r}"
                name, labels, value = found.groups()
                samples.append(Sample(name, dict(LABEL.findall(labels or "")), float(value)))
        return cls(samples, types)

    def sum(self, name: str, **labels: str) -> float:
        """The sum over the samples of this name that carry these labels; there must be at least one."""
        found = [
            sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert found, f"no sample {name} {labels}"
        return sum(found)

    def names(self) -> set[str]:
        return {sample.name for sample in self.samples}
