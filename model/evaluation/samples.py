"""Drafts drawn at random, as a page that a reader can judge by eye."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_LABELS = {0: "does not answer", 1: "answers in part", 2: "answers"}


def as_markdown(samples: Sequence[Mapping[str, Any]], about: Iterable[str]) -> str:
    """The page: how it was made, then question, evidence, person's answer, draft and verdicts of each sample."""
    lines = ["# Samples", "", *about, ""]
    for number, sample in enumerate(samples, 1):
        draft = sample["draft"] or "(none: a person answers)"
        verdicts = "; ".join(sample["verdicts"]) or "nothing found"
        lines += [
            f"## {number}. {_plain(sample['question'])}",
            "",
            f"- **Evidence** ({_LABELS.get(sample['label'], '?')}): {_plain(sample['evidence'])}",
            f"- **A person**: {_plain(sample['person']) or '(none)'}",
            f"- **Our draft**: {_plain(draft)}",
        ]
        if sample["model"] and sample["model"] != sample["draft"]:
            lines.append(f"- **The model's first text**: {_plain(sample['model'])}")
        lines += [
            f"- **Route**: {sample['route']} ({sample['reason']}), confidence {sample['confidence']:.2f}",
            f"- **Verdicts**: {_plain(verdicts)}",
            "",
        ]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """On one line, and nothing in it is taken for Markdown."""
    flat = " ".join(text.split())
    return "".join(f"\\{c}" if c in "\\`*_[]<>#|" else c for c in flat)
