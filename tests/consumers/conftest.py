"""Fixtures of this room's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.consumers.harness import World, world_on
from tests.support.stack import ClickHouseEndpoint


@pytest.fixture
def world(broker: str, database: ClickHouseEndpoint, unique_name: Callable[[str], str]) -> Iterator[World]:
    """Fresh topics and tables on the shared local stack."""
    with world_on(broker, database, unique_name) as fresh:
        yield fresh
