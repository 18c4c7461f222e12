"""The three parts of a listing's copy in one completion: a description, highlights, a short line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_HIGHLIGHT, _SHORT = "- ", "= "


@dataclass(frozen=True, slots=True)
class CopyText:
    """What was written; a part that is missing is empty."""

    description: str = ""
    highlights: tuple[str, ...] = ()
    short_line: str = ""


def parse(text: str) -> CopyText:
    """Reads a completion line by line; lines before the first mark are the description."""
    description: list[str] = []
    highlights: list[str] = []
    short = ""
    for line in filter(None, (line.strip() for line in text.splitlines())):
        if line.startswith(_HIGHLIGHT):
            highlights.append(line.removeprefix(_HIGHLIGHT).strip())
        elif line.startswith(_SHORT):
            short = short or line.removeprefix(_SHORT).strip()
        elif not highlights and not short:
            description.append(line)
    return CopyText(" ".join(description), tuple(filter(None, highlights)), short)


def write(description: str, highlights: Sequence[str], short_line: str) -> str:
    """What the model is trained to write."""
    return "\n".join([description, *(f"{_HIGHLIGHT}{text}" for text in highlights), f"{_SHORT}{short_line}"])
