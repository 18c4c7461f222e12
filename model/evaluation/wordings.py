"""A true text and its sources, and what the changes of such texts share."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pair:
    """A text that is true to its sources, and the question that it answers, if any."""

    sources: tuple[str, ...]
    text: str
    question: str = ""
    language: str = "en"


#: A text changed in one place; None where there is nothing to change.
Change = Callable[[Pair, random.Random], "str | None"]

NUMBER = r"(?<![\w./,\-:])\d+(?:\.\d+)?(?![\w/:]|[.,\-]\d)"
SMALL = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def swap(text: str, start: int, end: int, new: str) -> str:
    return text[:start] + new + text[end:]


def pick(rng: random.Random, matches: Iterable[re.Match[str]]) -> re.Match[str] | None:
    found = list(matches)
    return rng.choice(found) if found else None
