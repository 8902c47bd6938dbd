"""A replica that is slow: it gets fewer reads, or none, until it is well again."""

from collections import Counter
from typing import Any, Callable, Iterator

import pytest

from cluster.conftest import MakeCluster, StartSplit
from support.deadlines import wait_until
from support.fault_gate import FaultGate
from support.raw_client import RawClient

pytestmark = [pytest.mark.needs_weir, pytest.mark.timeout(60)]

OpenGate = Callable[[int], FaultGate]

# Each piece that passes waits so long, in both directions.
DELAY_S = 0.05
READS = 100


@pytest.fixture
def start_gated(make_cluster: MakeCluster, start_split: StartSplit, open_gate: OpenGate) -> Iterator[Any]:
    """Weir before a primary and two replicas, each replica behind a gate: ``primary, replicas, gates, weir``."""

    def start(cluster: dict[str, Any], **config: Any) -> tuple[Any, list[Any], list[FaultGate], Any]:
        primary, *replicas = make_cluster(2)
        gates = [open_gate(replica.port) for replica in replicas]
        servers = [f"127.0.0.1:{port}" for port in (primary.port, *(gate.port for gate in gates))]
        weir = start_split(primary, *replicas, cluster={"servers": servers, **cluster}, **config)
        return primary, replicas, gates, weir

    yield start


def reads(client: RawClient, count: int = READS) -> Counter[str]:
    """Who served so many reads, by port; any error fails."""
    return Counter(str(client.value("SELECT at()")) for _ in range(count))


def breaker(weir: Any, gate: FaultGate) -> dict[str, Any]:
    return next(row for row in weir.show("BREAKERS") if row["member"] == f"127.0.0.1:{gate.port}")


@pytest.mark.parametrize("slow", [0, 1])
def test_balance_by_latency_prefers_whoever_answers_sooner(start_gated: Any, slow: int) -> None:
    _, replicas, gates, weir = start_gated({"balance": "latency"})
    gates[slow].faults.delay_s = DELAY_S
    with weir.logged_in() as client:
        reads(client, 20)  # it is seen to be slow
        seen = reads(client)
        assert seen[str(replicas[1 - slow].port)] >= 0.8 * READS, seen
        gates[slow].faults.delay_s = 0
        gates[1 - slow].faults.delay_s = DELAY_S
        fast = str(replicas[slow].port)
        wait_until(lambda: reads(client, 10)[fast] >= 8, "and it recovers: what was slow is the faster one now")


def test_slow_calls_open_a_breaker_and_reads_go_elsewhere(start_gated: Any) -> None:
    quick = {"min_calls": 5, "window": "5s", "open_for": "1s", "half_open_calls": 2,
             "slow_call": f"{int(DELAY_S * 1000)}ms", "slow_rate": 0.5}
    primary, replicas, gates, weir = start_gated({"balance": "round-robin"}, policy={"breaker": quick})
    first, second = (str(replica.port) for replica in replicas)
    with weir.logged_in() as client:
        assert set(reads(client, 20)) == {first, second}
        gates[0].faults.delay_s = 2 * DELAY_S
        wait_until(lambda: reads(client, 4) and breaker(weir, gates[0])["state"] == "open", "it is too slow")
        assert breaker(weir, gates[0])["slow"] >= 3 and breaker(weir, gates[0])["trips"] >= 1
        assert breaker(weir, gates[1])["state"] == "closed"
        # Now and then a few are let through to see, and find it slow.
        seen = reads(client)
        assert seen[second] >= 0.8 * READS and str(primary.port) not in seen, seen
        assert breaker(weir, gates[0])["failures"] == 0  # to be slow is not to fail
        gates[0].faults.delay_s = 0
        wait_until(lambda: reads(client, 4)[first] > 0 and breaker(weir, gates[0])["state"] == "closed",
                   "and it recovers")
        assert set(reads(client, 20)) == {first, second}


def test_all_replicas_are_slow_and_the_primary_reads(start_gated: Any) -> None:
    quick = {"min_calls": 5, "window": "5s", "open_for": "1s", "half_open_calls": 2,
             "slow_call": f"{int(DELAY_S * 1000)}ms", "slow_rate": 0.5}
    primary, replicas, gates, weir = start_gated({}, policy={"breaker": quick})
    at_replicas = {str(replica.port) for replica in replicas}
    with weir.logged_in() as client:
        for gate in gates:
            gate.faults.delay_s = 2 * DELAY_S
        wait_until(lambda: {breaker(weir, gate)["state"] for gate in gates if reads(client, 2)} == {"open"})
        assert reads(client)[str(primary.port)] >= 0.5 * READS
        for gate in gates:
            gate.faults.delay_s = 0
        wait_until(lambda: set(reads(client, 20)) == at_replicas, "and it recovers")
