"""Real prompts of both tasks, from the listings and questions of the demo.

See `tradewind.demo.requests` for how they are taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from model.chat import ChatTemplate
from model.protocol import ChatPrompt, GenerationRequest, Priority
from model.tasks.prompts import describe_prompt
from tradewind.demo.inputs import demo_listings
from tradewind.demo.requests import task_requests as requests_of_the_demo


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """A prompt as every engine sees it: `ids` with the chat template, of which the first `shared` are the task's."""

    prompt: ChatPrompt
    is_answer: bool
    ids: tuple[int, ...]
    shared: int

    def as_json(self) -> dict[str, Any]:
        return {
            "system": self.prompt.system,
            "user": self.prompt.user,
            "is_answer": self.is_answer,
            "ids": list(self.ids),
        }


def task_requests() -> tuple[list[GenerationRequest], list[GenerationRequest]]:
    """All distinct requests that the demo's input makes: answers, then descriptions, in the order of the files."""
    requests = requests_of_the_demo()
    answers = [request for request in requests if request.priority is Priority.ANSWER]
    return answers, [request for request in requests if request.priority is not Priority.ANSWER]


def encode_all(requests: Sequence[GenerationRequest], chat: ChatTemplate) -> list[EncodedPrompt]:
    """The requests' prompts with their token ids."""
    bare = {r.prompt.system: chat.encode(ChatPrompt(r.prompt.system, "")) for r in requests}
    encoded = []
    for request in requests:
        ids = chat.encode(request.prompt)
        same = [a == b for a, b in zip(bare[request.prompt.system], ids, strict=False)]
        shared = same.index(False) if False in same else len(same)
        encoded.append(EncodedPrompt(request.prompt, request.priority is Priority.ANSWER, tuple(ids), shared))
    return encoded


def prompt_of_length(tokens: int, chat: ChatTemplate) -> EncodedPrompt:
    """A description's prompt of about `tokens` tokens: of a listing's facts, as many as come nearest to it."""
    listing = demo_listings()[0]
    facts = [f"{name}: {value}" for name, value in {"title": listing["title"], **listing["attributes"]}.items()]
    requests = [GenerationRequest(describe_prompt(facts[:end]), 1) for end in range(1, len(facts) + 1)]
    return min(encode_all(requests, chat), key=lambda encoded: abs(len(encoded.ids) - tokens))


def choose_prompts(
    answers: Sequence[EncodedPrompt], descriptions: Sequence[EncodedPrompt], count: int, warm_up: int
) -> tuple[list[EncodedPrompt], list[EncodedPrompt]]:
    """`count` prompts to measure and `warm_up` others; answers and descriptions take turns in both.

    Raises ValueError where there are fewer.
    """
    pairs = list(chain.from_iterable(zip(answers, descriptions, strict=False)))
    if len(pairs) < count + warm_up:
        raise ValueError(f"the demo's input makes {len(pairs)} prompts in pairs, expected {count + warm_up}")
    return pairs[:count], pairs[count : count + warm_up]
