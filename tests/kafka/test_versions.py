"""The essential path on the last Apache Kafka 3 and on the pinned one; bench/compatibility.py tries many more."""

from __future__ import annotations

import pytest

from bench.compatibility import tried, works
from tests.kafka.jars import KafkaMissing, kafka_jars, pinned_version
from tests.support.stack import NoKafka

pytestmark = [pytest.mark.slow_kafka, pytest.mark.timeout(400)]

LAST_OF_3 = "3.9.2"


@pytest.mark.parametrize("version", [LAST_OF_3, pinned_version()])
def test_the_essential_path_works(version: str) -> None:
    try:
        kafka_jars(version)
    except KafkaMissing as why:
        raise NoKafka(str(why)) from None
    found = tried(version)
    assert works(found), found
