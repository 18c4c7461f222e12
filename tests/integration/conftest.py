"""A stack of its own for each module, with topics, tables and a small random model: nothing is shared but the code."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumers.clickhouse.migrate import migrate
from streams import topics
from tests.support.tiny_model import write_folder
from tradewind.assembly import settings_for
from tradewind.settings import Settings
from tradewind.stack.local import LocalStack, StackConfig


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that the real engine loads in a moment; what it writes is nonsense, which the guards refuse."""
    folder = tmp_path_factory.mktemp("tiny-model")
    write_folder(folder, "llama", max_position_embeddings=8192)
    return folder


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, module_kafka: str | None) -> Iterator[LocalStack]:
    """A started stack; its children that die stay dead, and stop while there is still a broker."""
    config = StackConfig(tmp_path_factory.mktemp("stack"), clickhouse_password=uuid.uuid4().hex)
    with LocalStack(config) as started:
        yield started


@pytest.fixture(scope="module")
def settings(stack: LocalStack, module_kafka: str | None, tiny_model: Path) -> Settings:
    """Settings of whoever works on that stack; topics and tables are there."""
    given = Settings(
        data_dir=stack.config.data_dir, model=str(tiny_model), model_positions=4096, model_threads=1, listing_wait_s=1.0
    )
    ready = settings_for(given, stack.endpoints)
    if module_kafka is not None:
        ready = ready.model_copy(update={"bootstrap_servers": module_kafka})
    topics.create(ready)
    migrate(ready)
    return ready
