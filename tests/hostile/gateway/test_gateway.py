"""A sample of what `make hostile` throws at the gateway in full, and its OpenAPI document taken at its word."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.gateway.schema import PHASES, examine
from tests.hostile.gateway.shots import FAMILIES, shots
from tests.hostile.gateway.trial import Outcome, Target, fire, slow_bodies, target
from tradewind.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

SAMPLE = 1_500
#: What the process may grow by, bombs of 200 MB and all.
MEMORY_MB = 200


@pytest.fixture(scope="module")
def at(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with target(settings, tmp_path_factory.mktemp("gateway")) as found:
        yield found


@pytest.fixture(scope="module")
def outcome(at: Target) -> Outcome:
    return fire(at, shots(SAMPLE, 7, at.secrets))


def test_every_family_is_thrown(outcome: Outcome) -> None:
    assert len(outcome.answered) == len(FAMILIES)


def test_every_answer_is_right_for_its_request(outcome: Outcome) -> None:
    assert outcome.wrong == []
    assert outcome.silent == []


def test_there_is_no_500(outcome: Outcome) -> None:
    assert not [family for family, statuses in outcome.answered.items() if statuses[500] or statuses[502]]


def test_no_answer_tells_what_it_may_not(outcome: Outcome) -> None:
    assert outcome.told == []
    assert outcome.logged == []


def test_kafka_has_what_was_accepted_and_nothing_in_another_s_name(outcome: Outcome) -> None:
    assert outcome.foreign == set()
    assert max(outcome.accepted.values()) == 1
    assert set(outcome.accepted) == outcome.in_kafka


def test_it_lives_and_has_not_grown(at: Target, outcome: Outcome) -> None:
    assert at.works()
    assert outcome.after_mb - outcome.before_mb < MEMORY_MB


def test_slow_bodies_get_their_end_while_others_are_served(at: Target) -> None:
    assert set(slow_bodies(at, 100)) <= {0, 408}
    assert at.works()


def test_schemathesis_finds_nothing(at: Target, tmp_path: Path) -> None:
    found = examine(at, tmp_path, 5, PHASES[:-1])
    assert found.passed, found.said
    assert found.requests > 0
