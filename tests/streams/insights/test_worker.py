"""A worker that says insights."""

from __future__ import annotations

import pytest

from schemas.codec import Codec
from schemas.registry import CommittedRegistry
from streams.stages import INSIGHTS
from streams.worker import Worker
from tests.support.scripted_engine import ScriptedEngine
from tradewind.settings import Settings


def test_a_worker_without_numbers_to_look_at_does_not_start() -> None:
    with pytest.raises(ValueError, match="give the worker a source"):
        Worker(Settings(), [INSIGHTS], ScriptedEngine(), Codec(CommittedRegistry()))
