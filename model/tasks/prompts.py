"""The prompts, and the version that goes into the provenance of what they produced.

A task's system text is the same for all its requests, so that an engine reads it once and keeps its state. Listing and
question come last, between fences, as data. Change a text, and its version with it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate

from model.protocol import ChatPrompt

DESCRIBE_VERSION = "describe/2"
ANSWER_VERSION = "answer/2"

#: Most that goes into a prompt, in characters: a seller's essay must not fill the context, nor the time.
MAX_LINE = 240
MAX_FACTS = 1400

_FENCE = "---"

# Short, because every request reads them, and the same for tuned and untuned models: the adapter was trained on exactly
# these texts, and a large model does as they say.
_DESCRIBE = (
    "Write about a product, and nothing that the facts do not say: a description of a few sentences on one line, "
    "then up to three highlights, each on a line that begins with '- ', then one short line that begins with '= '."
)

_ANSWER = (
    "Answer a buyer from the facts, in one sentence. Begin with yes:, no: or info: and say what the facts say. "
    "If they do not answer the question, write none."
)


def describe_prompt(facts: Sequence[str]) -> ChatPrompt:
    """Asks for the copy of a product from lines such as 'material: linen'; `copy_format` reads what comes."""
    return ChatPrompt(_DESCRIBE, f"Facts:\n{_fenced(facts)}")


def answer_prompt(question: str, facts: Sequence[str]) -> ChatPrompt:
    """Asks for an answer to a question whose personal data has been replaced; `verdict` reads what comes."""
    return ChatPrompt(_ANSWER, f"Facts:\n{_fenced(facts)}\nQuestion: {_line(question)}")


def _fenced(facts: Sequence[str]) -> str:
    lines = [_line(fact) for fact in facts]
    ends = accumulate(len(line) + 1 for line in lines)
    return "\n".join([_FENCE, *(line for line, end in zip(lines, ends, strict=True) if end <= MAX_FACTS), _FENCE])


def _line(text: str) -> str:
    """One line of data: without line breaks, and without a fence that would end the data early."""
    flat = " ".join(re.sub(r"-{3,}", " ", text).split())
    return flat if len(flat) <= MAX_LINE else flat[:MAX_LINE].rsplit(" ", 1)[0] + " ..."
