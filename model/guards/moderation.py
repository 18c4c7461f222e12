"""What must not be published, and what a person must handle, in English and Chinese.

By word lists (`data/moderation.txt`), and for abuse and hate by a learned model as well (`abuse`): the lists catch what
is always foul, the model what is foul together. Light disguises are seen through (full-width letters, '$h1t', 'f**k').
`classify` says what is there, the caller's policy says what follows from it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from model.guards import abuse, machine_text, pii
from model.language import fold

#: May appear in nothing that comes in or goes out.
HARMFUL = frozenset(("abuse", "hate", "sexual", "threat"))
#: A person answers a question with one of these, however well it could be answered.
HAND_OVER = frozenset(("legal", "medical", "safety", "anger"))
#: Text for a machine instead of a reader: 'injection' speaks to the model, the others are told by their form.
FOR_MACHINES = frozenset(("injection", machine_text.MARKUP, machine_text.DISGUISE))
#: Banned in listing copy. Superlatives are left to the merchant's policy.
COPY_BANS = frozenset(("medical_claim", "contact", "refusal")) | FOR_MACHINES
SUPERLATIVE = "superlative"
#: What the learned models speak of, beside the lists.
LEARNED = frozenset(("abuse", "hate"))
CATEGORIES = HARMFUL | HAND_OVER | COPY_BANS | {SUPERLATIVE}

_CONTACT_KINDS = frozenset(("phone", "email", "url", "handle"))
_SCRIPT = {"en": re.compile(r"[A-Za-z]{2}"), "zh": re.compile(r"[\u3400-\u9fff]")}


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
    found = by_list(text, categories)
    if "contact" in categories:
        found |= {Finding("contact", s.start, s.end) for s in pii.find_forms(text) if s.kind in _CONTACT_KINDS}
    if not FOR_MACHINES.isdisjoint(categories):
        found |= {Finding(*place) for place in machine_text.find(text) if place[0] in categories}
    if not LEARNED.isdisjoint(categories):
        found |= {finding for finding in by_model(text) if finding.category in categories}
    return tuple(sorted(found, key=lambda finding: (finding.start, finding.end, finding.category)))


def by_list(text: str, categories: Collection[str]) -> set[Finding]:
    """What the word lists find.

    Raises:
        ValueError: a category is unknown.
    """
    if unknown := set(categories) - CATEGORIES:
        raise ValueError(f"unknown categories {sorted(unknown)}; expected some of {sorted(CATEGORIES)}")
    folded = fold(text)
    versions, patterns = {folded, abuse.unleet(folded)}, _patterns()
    return {
        Finding(category, *match.span())
        for category in categories
        if category in patterns
        for version in versions
        for match in patterns[category].finditer(version)
    }


def by_model(text: str) -> set[Finding]:
    """What the learned models find, each at the words that speak most for it; each script is read by its own model."""
    found: set[Finding] = set()
    for language, script in _SCRIPT.items():
        if script.search(text):
            odds = abuse.probabilities(text, language)
            if odds["abuse"] >= abuse.THRESHOLD:
                category = "hate" if odds.get("hate", 0.0) >= abuse.HATE_THRESHOLD else "abuse"
                found.add(Finding(category, *abuse.guiltiest(text, language)))
    return found


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
    chinese = [_expression(line) for line in lines if not line.isascii()]
    return re.compile("|".join([rf"(?<![a-z0-9])(?:{'|'.join(latin)})"] * bool(latin) + chinese))


def _expression(line: str) -> str:
    """The regular expression of an entry, 'not after|... < words > not before|...'."""
    line, _, before = line.partition(" > ")
    after, _, words = line.rpartition(" < ")
    # English is compared by whole words, and the neighbour is one too.
    gap, end = (r"\s", "(?![a-z0-9])") if line.isascii() else ("", "")
    escaped = (
        re.escape(words).replace("'", "['’]").replace(r"\ \.\.\.\ ", r"(?: +[\w']+){0,5} +").replace(r"\ ", r"\s+")
    )
    escaped = re.sub(r"\\\*$", r"\\w{0,12}", escaped).replace(r"\*", r"[*#%@$!_.\-]")
    guards = "".join(rf"(?<!{re.escape(word)}{'' if word.endswith('-') else gap})" for word in after.split("|") if word)
    follow = "|".join(re.escape(word) for word in before.split("|") if word)
    return guards + escaped + end + (rf"(?!{gap and gap + '*'}(?:{follow}){end})" if follow else "")
