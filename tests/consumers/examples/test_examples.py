"""The examples, run as a user runs them, against the registry of the local stack."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from schemas.codec import Codec
from schemas.publisher import Publisher
from schemas.registry import CommittedRegistry
from schemas.topics import ANSWERS_DRAFTED, LISTINGS_ENRICHED
from tests.consumers.events import FULL
from tests.consumers.harness import DEADLINE_S, create_topics
from tradewind.settings import Settings
from tradewind.stack.local import LocalStack

pytestmark = pytest.mark.integration

BY_TYPE = {type(event).__name__: event for event in FULL}


@pytest.mark.parametrize(
    ("example", "record", "lines"),
    [
        ("storefront", "ListingEnriched", ["PUBLISH  l-1: 羊毛围巾 | 暖"]),
        (
            "help_desk",
            "AnswerDrafted",
            ["HUMAN  0.62 Kann man mich unter [PHONE] erreichen?", "no_evidence", "TITLE : 100 % Merino"],
        ),
    ],
)
def test_an_example_shows_what_comes(
    broker: str,
    local_stack: LocalStack,
    unique_name: Callable[[str], str],
    example: str,
    record: str,
    lines: list[str],
) -> None:
    settings = Settings(bootstrap_servers=broker)
    create_topics(settings, [LISTINGS_ENRICHED.name, ANSWERS_DRAFTED.name])
    with Publisher(settings.kafka_client(), Codec(CommittedRegistry())) as publisher:
        publisher.publish(BY_TYPE[record])
    options = ["--bootstrap", broker, "--registry", local_stack.endpoints.schema_registry_url]
    shown = subprocess.run(
        [sys.executable, "-m", f"consumers.examples.{example}", *options, "--group", unique_name("group"), "-n", "1"],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    ).stdout
    for line in lines:
        assert line in shown
