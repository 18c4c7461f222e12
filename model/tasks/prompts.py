"""The prompts, and the version that goes into the provenance of what they produced.

A task's system text is the same for all its requests, so that an engine reads it once and keeps its state. Listing and
question come last, between fences, as data. Change a text, and its version with it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate

from model.protocol import ChatPrompt

DESCRIBE_VERSION = "describe/1"
ANSWER_VERSION = "answer/1"

#: Most that goes into a prompt, in characters: a seller's essay must not fill the context, nor the time.
MAX_LINE = 240
MAX_FACTS = 1400

_FENCE = "---"

# Worded for a checkpoint of 135 million parameters by trying: it repeats a long example's nouns, takes tags for text to
# write, and follows what stands last. Short 'fact -> sentence' pairs and a closing instruction work best.
_DESCRIBE = (
    "You write short product descriptions for an online shop. Use only the product facts. "
    "Write two plain sentences. Do not add anything that the facts do not say."
)

_ANSWER = """You rewrite a product fact as an answer to a question. Write one short sentence.
material: solid oak -> It is made of solid oak.
foldable: yes -> Yes, it is foldable.
dishwasher safe: no -> No, it is not dishwasher safe.
weight: 1.2 kg -> It weighs 1.2 kg."""


def describe_prompt(facts: Sequence[str]) -> ChatPrompt:
    """Asks for a description from lines such as 'material: linen'."""
    return ChatPrompt(
        _DESCRIBE,
        f"Product facts:\n{_fenced(facts)}\nRewrite these facts as two short sentences about the product.",
    )


def answer_prompt(question: str, facts: Sequence[str]) -> ChatPrompt:
    """Asks for an answer to a question whose personal data has been replaced."""
    return ChatPrompt(_ANSWER, f"{_fenced(facts)}\nWrite this as a short answer to the question: {_line(question)}")


def _fenced(facts: Sequence[str]) -> str:
    lines = [_line(fact) for fact in facts]
    ends = accumulate(len(line) + 1 for line in lines)
    return "\n".join([_FENCE, *(line for line, end in zip(lines, ends, strict=True) if end <= MAX_FACTS), _FENCE])


def _line(text: str) -> str:
    """One line of data: without line breaks, and without a fence that would end the data early."""
    flat = " ".join(re.sub(r"-{3,}", " ", text).split())
    return flat if len(flat) <= MAX_LINE else flat[:MAX_LINE].rsplit(" ", 1)[0] + " ..."
