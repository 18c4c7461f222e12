"""The essential path on the oldest and the newest Apache Kafka that we say works; all: bench/compatibility.py."""

from __future__ import annotations

import pytest

from bench.compatibility import tried, works
from tests.kafka.jars import KafkaMissing, kafka_jars, pinned_version
from tests.support.stack import NoKafka

pytestmark = [pytest.mark.slow_kafka, pytest.mark.timeout(400)]

OLDEST = "3.9.2"


@pytest.mark.parametrize("version", [OLDEST, pinned_version()])
def test_the_essential_path_works(version: str) -> None:
    try:
        kafka_jars(version)
    except KafkaMissing as why:
        raise NoKafka(str(why)) from None
    found = tried(version)
    assert works(found), found
