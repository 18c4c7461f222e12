"""The hostile texts, and the places in which they stand: each case beside the same without its attack.

`data/attacks.jsonl` has the texts by family, each with the words (`markers`) that must not come out again;
`data/listings.jsonl` has ordinary listings with two questions each. A case puts an attack into one place of a listing.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

from model.evidence import ApprovedAnswer, MerchantPolicy
from schemas.events import ListingPublished, QuestionAsked, derived_id

_DATA = Path(__file__).with_name("data")
NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
MERCHANT, OTHER_MERCHANT = "m-1", "m-2"

#: Two of these hold every attack; of the others each attack takes the next one.
ALWAYS = ("question", "description")
IN_TURN = ("title", "attribute value", "attribute name", "approved answer", "policy", "other merchant's listing")
PLACES = ALWAYS + IN_TURN

_POLICY = {"en": "You can return an article within 30 days.", "zh": "收到商品后三十天内可以退货。"}
_POLICY_ASKED = {"en": "Can I return it within 30 days?", "zh": "三十天内可以退货吗？"}


@dataclass(frozen=True, slots=True)
class Attack:
    """A hostile text. `markers` are pieces of it, or of what it wants said, in small letters."""

    family: str
    language: str
    text: str
    markers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """What the tasks are given: a listing as the worker's book has it, and a buyer's questions about it."""

    listing: ListingPublished
    questions: tuple[QuestionAsked, ...]
    approved: tuple[ApprovedAnswer, ...] = ()
    policies: tuple[MerchantPolicy, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """An attack in its place, and the scene without it. `copy`: whether the listing's copy is looked at too."""

    name: str
    attack: Attack
    place: str
    clean: Scene
    attacked: Scene
    copy: bool


def attacks() -> list[Attack]:
    """All of them."""
    return [
        Attack(row["family"], row["language"], row["text"] * row.get("times", 1), tuple(row["markers"]))
        for row in _rows("attacks.jsonl")
    ]


def all_cases() -> list[Case]:
    """Every attack in three places, on the listings of its language in turn."""
    return list(_cases())


def sample(count: int) -> list[Case]:
    """Cases of every family, evenly spread."""
    found = all_cases()
    return [found[number * len(found) // count] for number in range(count)]


def _cases() -> Iterator[Case]:
    for number, attack in enumerate(attacks()):
        bases = [row for row in _rows("listings.jsonl") if row["language"] == attack.language]
        for turn, place in enumerate((*ALWAYS, IN_TURN[number % len(IN_TURN)])):
            base = bases[(number + turn) % len(bases)]
            yield _case(f"{number:03d} {place}", attack, place, base)


def _case(name: str, attack: Attack, place: str, base: dict[str, Any]) -> Case:
    listing, text, language = _listing(base), attack.text, attack.language
    asked = (base["asked"], base["yes_or_no"])
    clean = Scene(listing, _questions(listing, *asked))
    if place == "question":
        return Case(name, attack, place, clean, _asking(clean, *(f"{text} {each}" for each in asked)), copy=False)
    if place == "approved answer":
        answers = [(each, f"{base['attributes'][base['attribute']]}.") for each in asked[:1]]
        clean = replace(clean, approved=tuple(ApprovedAnswer("d-1", question, answer) for question, answer in answers))
        said = tuple(replace(each, answer=f"{each.answer} {text}") for each in clean.approved)
        return Case(name, attack, place, clean, replace(clean, approved=said), copy=False)
    if place == "policy":
        promised = MerchantPolicy("returns", _POLICY[language])
        clean = replace(_asking(clean, _POLICY_ASKED[language]), policies=(promised,))
        said = replace(promised, text=f"{promised.text} {text}")
        return Case(name, attack, place, clean, replace(clean, policies=(said,)), copy=False)
    if place == "other merchant's listing":
        # what the worker's book has under the listing's id is another seller's; its copy is that seller's own affair
        theirs = replace(listing, merchant_id=OTHER_MERCHANT)
        said = replace(
            theirs, description=f"{text} {listing.description}", attributes={**listing.attributes, "note": text}
        )
        return Case(name, attack, place, replace(clean, listing=theirs), replace(clean, listing=said), copy=False)
    hostile = _hostile(listing, place, base["attribute"], text)
    # a question that is about the attack, so that its sentence is found as evidence
    about = _questions(listing, *asked, " ".join(text[:80].split()) + "?")
    return Case(name, attack, place, replace(clean, questions=about), Scene(hostile, about), copy=True)


def _hostile(listing: ListingPublished, place: str, attribute: str, text: str) -> ListingPublished:
    facts = dict(listing.attributes)
    if place == "title":
        return replace(listing, title=f"{listing.title} {text}")
    if place == "description":
        return replace(listing, description=f"{text} {listing.description}")
    if place == "attribute value":
        return replace(listing, attributes={**facts, attribute: f"{facts[attribute]}. {text}"})
    if place == "attribute name":
        return replace(listing, attributes={**facts, text: "yes"})
    raise ValueError(f"no place named {place!r}; there are {', '.join(PLACES)}")


def _listing(base: dict[str, Any]) -> ListingPublished:
    stated = {name: base[name] for name in ("listing_id", "title", "brand", "description", "attributes", "language")}
    return ListingPublished(derived_id("hostile", base["listing_id"]), NOW, MERCHANT, **stated)


def _questions(listing: ListingPublished, *texts: str) -> tuple[QuestionAsked, ...]:
    return tuple(
        QuestionAsked(uuid.UUID(int=number), NOW, MERCHANT, listing.listing_id, f"q-{number}", text)
        for number, text in enumerate(texts, 1)
    )


def _asking(scene: Scene, *texts: str) -> Scene:
    return replace(scene, questions=_questions(scene.listing, *texts))


@cache
def _rows(name: str) -> tuple[dict[str, Any], ...]:
    lines = (_DATA / name).read_text(encoding="utf-8").split("\n")
    return tuple(json.loads(line) for line in lines if line)
