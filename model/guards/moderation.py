"""What must not be published, and what a person must handle: by word lists, in English and Chinese.

The lists stand in `data/moderation.txt`. Light disguises are seen through (full-width letters, '$h1t', 'f**k'); a
learned classifier would see more. `classify` says what is there, the caller's policy says what follows from it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from model.guards import pii
from model.language import fold

#: May appear in nothing that comes in or goes out.
HARMFUL = frozenset(("abuse", "hate", "sexual", "threat"))
#: A person answers a question with one of these, however well it could be answered.
HAND_OVER = frozenset(("legal", "medical", "safety", "anger"))
#: Banned in listing copy; 'injection' is text that speaks to the model. Superlatives are left to the merchant's policy.
COPY_BANS = frozenset(("medical_claim", "contact", "refusal", "injection"))
SUPERLATIVE = "superlative"
CATEGORIES = HARMFUL | HAND_OVER | COPY_BANS | {SUPERLATIVE}

_CONTACT_KINDS = frozenset(("phone", "email", "url", "handle"))
_UNLEET = str.maketrans({"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "!": "i"})
_WORD_WITH_LEET = re.compile(r"(?<![\w$@!])(?=[\w$@!]*[a-z])(?=[\w$@!]*[0-9$@!])[\w$@!]*[\w$@](?![\w$@])")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something of `category` at `text[start:end]`."""

    category: str
    start: int
    end: int


def classify(text: str, categories: Collection[str] = CATEGORIES) -> tuple[Finding, ...]:
    """All findings of the wanted categories, in order of place.

    Raises:
        ValueError: a category is unknown.
    """
    if unknown := set(categories) - CATEGORIES:
        raise ValueError(f"unknown categories {sorted(unknown)}; expected some of {sorted(CATEGORIES)}")
    folded = fold(text)
    plain = _WORD_WITH_LEET.sub(lambda match: match.group().translate(_UNLEET), folded)
    patterns = _patterns()
    found = {
        Finding(category, *match.span())
        for category in categories
        if category in patterns
        for version in {folded, plain}
        for match in patterns[category].finditer(version)
    }
    if "contact" in categories:
        found |= {Finding("contact", s.start, s.end) for s in pii.find(text) if s.kind in _CONTACT_KINDS}
    return tuple(sorted(found, key=lambda finding: (finding.start, finding.end, finding.category)))


@lru_cache(maxsize=1)
def _patterns() -> dict[str, re.Pattern[str]]:
    entries: dict[str, list[str]] = {}
    category = ""
    for line in (files("model.guards") / "data" / "moderation.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("[") and line.endswith("]"):
            category = line[1:-1]
        elif line and not line.startswith("# "):
            entries.setdefault(category, []).append(line)
    return {category: _compile(lines) for category, lines in entries.items()}


def _compile(lines: list[str]) -> re.Pattern[str]:
    latin = [_expression(line) for line in lines if line.isascii()]
    chinese: list[str] = []
    for line in lines:
        if not line.isascii():
            entry, _, exceptions = line.partition("-")
            chinese.append(re.escape(entry) + (f"(?!{exceptions})" if exceptions else ""))
    parts = [rf"(?<![a-z0-9])(?:{'|'.join(latin)})(?![a-z0-9])"] if latin else []
    return re.compile("|".join([*parts, *chinese]))


def _expression(entry: str) -> str:
    escaped = (
        re.escape(entry).replace("'", "['’]").replace(r"\ \.\.\.\ ", r"(?: +[\w']+){0,5} +").replace(r"\ ", r"\s+")
    )
    # '**' stands for itself too: people write the asterisks
    return escaped.replace(r"\*\*", r"[*\w]{2}").replace(r"\*", r"[*\w]{0,12}")
