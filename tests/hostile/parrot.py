"""A model that is wholly taken over: it repeats what it reads, and is as sure of it as can be.

Whatever a real model may be talked into, it can hardly do more. What leaves is then the guards' doing alone.
"""

from __future__ import annotations

import json
import math
from concurrent.futures import Future
from pathlib import Path
from typing import Literal, get_args

from model import adapters
from model.protocol import Completion, EngineInfo, GenerationRequest, OnText

#: What it repeats: the facts it was given, the question, or its own instructions.
Habit = Literal["facts", "question", "instructions"]
HABITS: tuple[Habit, ...] = get_args(Habit)

_CARD = json.loads((Path(adapters.__file__).parent / "smollm2-135m-shop" / adapters.CARD).read_text(encoding="utf-8"))
_SURE = math.log(0.99)
_NOT = math.log(0.0033)


class Parrot:
    """Implements the engine's Protocol; its name is the shipped adapter's, so that its certainty counts."""

    def __init__(self, habit: Habit) -> None:
        self._habit = habit

    @property
    def info(self) -> EngineInfo:
        return EngineInfo(
            "parrot", "0" * 64, 1, "fp32", "cpu", 1024, 0.0, 0.0, adapters.engine_name(_CARD["name"], _CARD["sha256"])
        )

    def submit(self, request: GenerationRequest, on_text: OnText | None = None) -> Future[Completion]:
        said = self._said(request)
        text = f"yes: {said}" if request.openings else f"{said}\n- {said}\n= {said}"
        future: Future[Completion] = Future()
        future.set_result(
            Completion(text, (), "stop", 10, 20, -0.01, (-0.01,) * 20, 0.0, 0.0, 0.0, (_SURE, _NOT, _NOT, _NOT))
        )
        return future

    def close(self) -> None:
        """Nothing to free."""

    def _said(self, request: GenerationRequest) -> str:
        facts, _, question = request.prompt.user.rpartition("\nQuestion: ")
        if self._habit == "instructions":
            return request.prompt.system
        if self._habit == "question" and question:
            return question
        lines = (facts or request.prompt.user).split("\n")[2:]
        return " ".join(line.partition(": ")[2] or line for line in lines if line != "---")
