"""What attributes are called and how buyers ask for them, in English and Chinese.

A concept is one kind of product fact, such as material. It has a canonical name (lower snake case), the attribute names
that mean it, and cues: the words of a question that ask for it. They stand in `data/concepts.txt`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from model.language import fold, terms


@dataclass(frozen=True, slots=True)
class Concept:
    """`label` and `zh` are its names for people.

    `names` are attribute names that mean just this, `also` such as say something about it ('dishwasher safe' about
    care); `cues` is the regular expression of what asks for it; `related` concepts may answer it too.
    """

    label: str
    zh: str
    names: tuple[str, ...]
    also: tuple[str, ...]
    cues: str
    related: tuple[str, ...]


def _read() -> dict[str, Concept]:
    text = (files("model.guards") / "data" / "concepts.txt").read_text(encoding="utf-8")
    found: dict[str, Concept] = {}
    for block in text.split("\n[")[1:]:
        head, *lines = block.strip().splitlines()
        key, _, labels = head.partition("] ")
        label, _, zh = labels.partition(" / ")
        rows = dict(line.split(": ", 1) for line in lines)
        names, also, related = (tuple(filter(None, rows.get(r, "").split(", "))) for r in ("names", "also", "related"))
        found[key] = Concept(label, zh, names, also, rows["cues"], related)
    return found


CONCEPTS = _read()

#: What a merchant's policies are about, and no fact of a product.
OF_ORDERS = frozenset(["returns", "shipping", "payment"])

# Last words that say what a longer name is about: 'frame material', 'item package weight', but not 'lid included'.
_HEADS = frozenset(
    [
        "material",
        "fabric",
        "color",
        "colour",
        "size",
        "dimensions",
        "length",
        "width",
        "height",
        "depth",
        "diameter",
        "thickness",
        "weight",
        "capacity",
        "volume",
        "power",
        "voltage",
        "wattage",
        "model",
        "style",
        "shape",
        "pattern",
    ]
)


def canonical_name(name: str) -> str:
    """An attribute name in lower snake case, under its concept where it has one: 'Colour' and 颜色 are 'color'."""
    return named(name) or snake_case(name)


def snake_case(name: str) -> str:
    """'Outer Material (main)' as 'outer_material_main'."""
    return re.sub(r"[^\w]+", "_", fold(name)).strip("_")


def _plain(name: str) -> str:
    return re.sub(r"[\s_\-]+", " ", re.sub(r"[(（].*?[)）]", "", fold(name))).strip()


def named(name: str) -> str:
    """The concept that an attribute name means exactly, '' if none."""
    return _names()[0].get(_plain(name), "")


@lru_cache(maxsize=4096)
def of_name(name: str) -> str:
    """The concept that an attribute is about, '' if none. A longer name goes by its last word: 'frame material'."""
    exact, about = _names()
    words = _plain(name)
    last = words.rsplit(" ", 1)[-1]
    return exact.get(words) or about.get(words) or (exact.get(last, "") if last in _HEADS else "")


@lru_cache(maxsize=1)
def _names() -> tuple[dict[str, str], dict[str, str]]:
    exact = {name: key for key, concept in CONCEPTS.items() for name in concept.names}
    about = {name: key for key, concept in CONCEPTS.items() for name in concept.also}
    return exact, about


@lru_cache(maxsize=1)
def _cues() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((key, re.compile(rf"(?<![a-z])(?:{concept.cues})")) for key, concept in CONCEPTS.items())


@lru_cache(maxsize=1024)
def of_question(question: str) -> frozenset[str]:
    """The concepts that a question asks for."""
    folded = fold(question)
    return frozenset(key for key, pattern in _cues() if pattern.search(folded))


@lru_cache(maxsize=1024)
def cue_terms(question: str) -> frozenset[str]:
    """Index terms of the words that only say which concept is asked for ('heavy' in 'how heavy is it')."""
    folded = fold(question)
    found: set[str] = set()
    for _, pattern in _cues():
        for match in pattern.finditer(folded):
            end = match.end()
            while end < len(folded) and folded[end].isascii() and folded[end].isalpha():
                end += 1  # the whole word: 'wattage', where 'watt' was enough to know
            found.update(terms(folded[match.start() : end]))
    return frozenset(found)
