"""The same scripts directly and through Weir give the same messages, but for what differences.md lists."""

import pytest

from conftest import StartWeir
from support.endpoint import Endpoint
from support.postgres import Postgres
from support.raw_client import RawClient
from support.scripts import SCRIPTS, Script
from support.wire import Message

Conversation = tuple[list[Message], dict[str, str], list[list[Message]]]


def hold(endpoint: Endpoint, script: Script, slice_bytes: int = 0) -> Conversation:
    """Runs a script; the login's messages, the reported parameters at the end, and the answers step by step."""
    client: RawClient = endpoint.raw()
    with client:
        login = client.log_in(**{"user": "postgres", "database": "app", **script.parameters})
        answers = []
        for step in script.steps:
            if slice_bytes:
                client.send_sliced(step.say, slice_bytes)
            else:
                client.send(step.say)
            answers.append([m for _ in range(step.repeat) for m in client.receive_until(step.until)])
        client.quit()
        return login, client.parameters, answers


def without_reports(messages: list[Message]) -> list[Message]:
    return [message for message in messages if message.type != "S"]


def assert_same(through: Conversation, directly: Conversation, *, reports_may_move: bool) -> None:
    login, parameters, answers = through
    direct_login, direct_parameters, direct_answers = directly
    assert parameters == direct_parameters
    assert [m for m in login if m.type not in "SK"] == [m for m in direct_login if m.type not in "SK"]
    assert sorted(m.body for m in login if m.type == "S") == sorted(m.body for m in direct_login if m.type == "S")
    assert len([m for m in login if m.type == "K"]) == 1
    for number, (answer, direct_answer) in enumerate(zip(answers, direct_answers)):
        if reports_may_move:
            answer, direct_answer = without_reports(answer), without_reports(direct_answer)
        assert answer == direct_answer, f"step {number}"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_script_gives_the_same_messages_in_session_mode(
    session_weir: Endpoint, postgres: Postgres, script: Script
) -> None:
    assert_same(hold(session_weir, script), hold(postgres.endpoint, script), reports_may_move=False)


@pytest.mark.parametrize("script", [s for s in SCRIPTS if not s.session_only], ids=lambda script: script.name)
def test_script_gives_the_same_messages_in_transaction_mode(
    weir: Endpoint, postgres: Postgres, script: Script
) -> None:
    assert_same(hold(weir, script), hold(postgres.endpoint, script), reports_may_move=True)


def test_every_script_gives_the_same_messages_in_small_pieces(start_weir: StartWeir, postgres: Postgres) -> None:
    weir = start_weir({"pool": {"max": 1}})
    for script in SCRIPTS:
        if not script.session_only:
            assert_same(hold(weir, script, 3), hold(postgres.endpoint, script), reports_may_move=True)


@pytest.mark.needs_weir
def test_every_script_gives_the_same_messages_with_results_kept(start_weir: StartWeir, postgres: Postgres) -> None:
    """Each over and over, because many write something that may touch everything."""
    weir = start_weir({"cache": {"enabled": True, "default_ttl": "60s"}})
    scripts = [script for script in SCRIPTS if not script.session_only]
    for script in scripts:
        directly = hold(postgres.endpoint, script)
        for slice_bytes in (0, 0, 0, 3):
            assert_same(hold(weir, script, slice_bytes), directly, reports_may_move=True)
    figures = weir.show("CACHE")[0]
    assert figures["hits"] > 10, figures
