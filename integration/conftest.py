"""Fixtures: a shared PostgreSQL, private ones, Weir in front of them, and the rules every test runs under.

WEIR_BINARY        the binary under test; default build/dev/weir, then build/release/weir
WEIR_TEST_DIRECT   1 = no Weir at all: the tests that say the same about PostgreSQL itself run against it
WEIR_TEST_SLOW     factor by which deadlines grow and repetitions shrink
WEIR_TEST_ALL      1 = also the tests marked slow
WEIR_TEST_CACHE    1 = every Weir keeps all results that may be kept
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from support.deadlines import SLOWNESS, wait_until
from support.endpoint import Endpoint
from support.fault_gate import FaultGate
from support.postgres import Postgres, Template
from support.redis import Redis
from support.tls import Certificates, postgres_with
from support.weir import Weir, find_binary, has_sanitizer

DIRECT = os.environ.get("WEIR_TEST_DIRECT") == "1"
ALL = os.environ.get("WEIR_TEST_ALL") == "1"

StartWeir = Callable[..., Weir]
StartTlsWeir = Callable[..., Any]


def pytest_configure(config: pytest.Config) -> None:
    if not DIRECT and find_binary() is None:
        pytest.exit("no weir binary: build it, name it in WEIR_BINARY, or set WEIR_TEST_DIRECT=1", 4)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Query styles once more with every result kept that may be: whoever asks must not see a difference."""
    if metafunc.definition.get_closest_marker("also_cached") and not DIRECT:
        metafunc.parametrize("kept_results", [False, True], ids=["plain", "cached"], indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    binary = find_binary()
    sanitized = not DIRECT and binary is not None and has_sanitizer(binary)
    default_timeout_s = float(config.getini("timeout"))
    for item in items:
        own = item.get_closest_marker("timeout")
        timeout_s = float(own.args[0]) if own else default_timeout_s
        item.add_marker(pytest.mark.timeout(timeout_s * SLOWNESS), append=False)
        if DIRECT and item.get_closest_marker("needs_weir"):
            item.add_marker(pytest.mark.skip(reason="asks something only Weir does"))
        if item.get_closest_marker("slow") and not ALL:
            item.add_marker(pytest.mark.skip(reason="slow: runs with WEIR_TEST_ALL=1"))
        if item.get_closest_marker("memory") and sanitized:
            item.add_marker(pytest.mark.skip(reason="sanitizers have memory of their own"))


@pytest.fixture(autouse=True)
def kept_results(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Switches the cache on in all that the test starts, where it is asked to."""
    if getattr(request, "param", False):
        monkeypatch.setenv("WEIR_TEST_CACHE", "1")


@pytest.fixture(scope="session")
def postgres_template() -> Iterator[Template]:
    template = Template()
    yield template
    template.remove()


@pytest.fixture(scope="session")
def shared_postgres(postgres_template: Template) -> Iterator[Postgres]:
    postgres = Postgres(postgres_template)
    yield postgres
    postgres.remove()


@pytest.fixture
def postgres(shared_postgres: Postgres) -> Iterator[Postgres]:
    """The PostgreSQL most tests share; nobody stops it, and every test leaves it without backends."""
    yield shared_postgres
    try:
        wait_until(lambda: shared_postgres.backends() == 0, "no backend is left behind")
    finally:
        # So that one test's failure stays its own.
        shared_postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS pid", [shared_postgres.backend_pids()]
        )


@pytest.fixture
def own_postgres(postgres_template: Template) -> Iterator[Callable[..., Postgres]]:
    """Starts PostgreSQL instances that a test may kill or configure as it likes."""
    started: list[Postgres] = []

    def start(**options: Any) -> Postgres:
        started.append(Postgres(postgres_template, **options))
        return started[-1]

    yield start
    for instance in started:
        instance.remove()


@pytest.fixture
def start_redis() -> Iterator[Callable[..., Redis]]:
    """Starts Redis servers: ``start_redis(requirepass="secret")``."""
    started: list[Redis] = []

    def start(**settings: str) -> Redis:
        started.append(Redis(**settings))
        return started[-1]

    yield start
    for instance in started:
        instance.remove()


@pytest.fixture
def start_weir_at() -> Iterator[StartWeir]:
    """Starts Weir in front of any port; stops it at the end and checks how it ended."""
    started: list[Weir] = []

    def start(port: int, changes: dict[str, Any] | None = None, **options: Any) -> Weir:
        started.append(Weir(port, changes, **options))
        return started[-1]

    yield start
    failures = []
    for weir in started:
        try:
            weir.stop()
        except AssertionError as error:
            failures.append(str(error))
    assert not failures, "\n".join(failures)


@pytest.fixture
def start_weir(postgres: Postgres, start_weir_at: StartWeir) -> StartWeir:
    """Starts Weir in front of the shared PostgreSQL: ``start_weir({"pool": {"max": 2}})``."""

    def start(changes: dict[str, Any] | None = None, **options: Any) -> Any:
        if DIRECT:
            return postgres.endpoint
        return start_weir_at(postgres.port, changes, **options)

    return start


@pytest.fixture
def weir(start_weir: StartWeir) -> Endpoint:
    """Weir in transaction mode with a pool of eight."""
    return start_weir()


@pytest.fixture
def session_weir(start_weir: StartWeir) -> Endpoint:
    """Weir in session mode with a pool of eight."""
    return start_weir({"pool": {"mode": "session"}})


@pytest.fixture(params=["transaction", "session"])
def any_weir(request: pytest.FixtureRequest, start_weir: StartWeir) -> Endpoint:
    """Weir in both modes, for what must be the same in either."""
    return start_weir({"pool": {"mode": request.param}})


@pytest.fixture
def open_gate() -> Iterator[Callable[[int], FaultGate]]:
    """Opens fault gates to ports."""
    gates: list[FaultGate] = []

    def open_to(port: int) -> FaultGate:
        gates.append(FaultGate(port))
        return gates[-1]

    yield open_to
    for gate in gates:
        gate.close()


@pytest.fixture(scope="session")
def certificates() -> Iterator[Certificates]:
    folder = Path(tempfile.mkdtemp(prefix="weir-tls-"))
    folder.chmod(0o755)
    yield Certificates(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def tls_postgres(postgres_template: Template, certificates: Certificates) -> Iterator[Postgres]:
    """A PostgreSQL with TLS and roles that may log in with it, or without it, only."""
    postgres = postgres_with(postgres_template, certificates.authority, certificates.server)
    yield postgres
    postgres.remove()


@pytest.fixture(scope="session")
def misnamed_postgres(postgres_template: Template, certificates: Certificates) -> Iterator[Postgres]:
    """A PostgreSQL whose certificate is for another host."""
    postgres = postgres_with(postgres_template, certificates.authority, certificates.misnamed)
    yield postgres
    postgres.remove()


@pytest.fixture
def tls_weir(start_weir: StartWeir, certificates: Certificates) -> StartTlsWeir:
    """Starts Weir with TLS for clients, in front of a PostgreSQL without: ``tls_weir("require")``."""

    def start(mode: str = "require", changes: dict[str, Any] | None = None, **options: Any) -> Any:
        return start_weir({"tls": certificates.weir(mode), **(changes or {})}, **options)

    return start
