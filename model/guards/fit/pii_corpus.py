"""Texts to fit the tagger of personal data to: labelled ones, made ones, and product texts that have none.

Labelled: the templates of `presidio_generated_large.json` with their own values and with made ones. Made: questions of
buyers with a name, a town or an address put in by a frame. Without: questions, answers, listings and attribute values,
in which product words and brands must stay; being mostly lower case, they are also read with capitals.
"""

from __future__ import annotations

import csv
import json
import random
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from model.guards.fit.pii_made import SLOT_LABELS, Made

#: Entity types of the Presidio set and the label that a token of them is fitted to; others are 'other'.
LABELS = {
    "PERSON": "name",
    "ADDRESS": "address",
    "STREET_ADDRESS": "address",
    "LOCATION": "city",
    "GPE": "city",
    "ORGANIZATION": "organisation",
}

_SLOT = re.compile(r"\{\{?(\w+)\}\}?")


@dataclass(frozen=True, slots=True)
class Example:
    """A text and its labelled stretches (label, start, end); `group` is its template, or -1 where it has none."""

    text: str
    labels: tuple[tuple[str, int, int], ...]
    group: int = -1


def presidio(path: Path) -> tuple[list[Example], list[dict[str, Any]]]:
    """The labelled set as examples, and its rows as they stand, in the same order."""
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return [_presidio_example(row) for row in rows], rows


def refilled(rows: Sequence[Mapping[str, Any]], copies: int, rng: random.Random) -> list[Example]:
    """Each template that the rows have, `copies` times with made values."""
    made = Made(rng)
    templates = {int(row["template_id"]): str(row["masked"]) for row in rows}
    return [
        _cased(_filled(template, made, group), rng)
        for group, template in sorted(templates.items())
        for _ in range(copies if _SLOT.search(template) else 2)
    ]


def framed(questions: Sequence[str], count: int, rng: random.Random) -> list[Example]:
    """Buyers' questions with a name, a town or an address put in."""
    made = Made(rng)
    examples = []
    frames = _frames("pii_frames.txt")
    for i in range(count):
        question = rng.choice(questions)
        frame = frames[i % len(frames)].replace("\\n", "\n").replace("{{q}}", question.replace("{", "("))
        examples.append(_cased(_filled(frame, made, -1), rng))
    return examples


def inserted(texts: Sequence[str], count: int, rng: random.Random) -> list[Example]:
    """Names and towns put at random places of sentences, so that a name is known without the words that announce it."""
    made = Made(rng)
    sentences = [text for text in texts if re.match(r"\S+ [a-z]+ [a-z]+ \S", text)]
    examples = []
    for _ in range(count):
        words = rng.choice(sentences).split(" ")[:24]
        for _ in range(rng.choice((1, 1, 2))):
            at = rng.randrange(len(words) + 1)
            slot = rng.choice(("person", "first_name", "first_name", "last_name", "person", "city"))
            joint = rng.choice(("", "", "", "'s", ",", ".", ":", " and {{first_name}}", ", {{last_name}}"))
            words[at : at + rng.randrange(2)] = [
                f"{rng.choice(('in ', 'from ')) if slot == 'city' else ''}{{{{{slot}}}}}{joint}"
            ]
        examples.append(_cased(_filled(" ".join(words), made, -1), rng))
    return examples


def product_texts(data: Path, rng: random.Random) -> tuple[list[str], list[str]]:
    """Questions of buyers, and all product texts (those among them) that are taken to have no personal data."""
    names = _product_names(data)
    capitals = _capitals(names)
    questions = sorted({row["question"] for row in _table(data / "cpqa" / "hetPQA_answer_generation_train.csv")})
    questions += sorted({row["question"] for row in _table(data / "cpqa" / "semiPQA_attribute_ranking_extra.csv")})
    texts = list(questions)
    for row in _table(data / "cpqa" / "hetPQA_answer_generation_train.csv"):
        texts += [row["answer"], row["candidate"][:200]]
    texts += [row["text"] for row in _table(data / "cpqa" / "semiPQA_data-to-text_train.csv")]
    texts += [row["candidate"][:160] for row in _table(data / "cpqa" / "semiPQA_attribute_ranking_extra.csv")][::12]
    texts += _listing_texts(data)
    for row in _csv(data / "cpqa" / "ePQA_dev_half.csv"):
        if not held_out(row["ASIN"]):
            texts += [row["title"], row["question"], row["candidate"][:200]]
    texts = list(dict.fromkeys(texts))
    texts += [recased(text, capitals, rng) for text in texts if text.islower() and rng.random() < 0.7]
    texts += names
    texts += [_title(names, rng) for _ in range(4000)]
    frames = _frames("pii_product_frames.txt")
    for i in range(6000):
        texts.append(re.sub(r"\{\{p\}\}", lambda _: rng.choice(names), frames[i % len(frames)]))
    return [recased(question, capitals, rng) for question in questions] + questions, texts


def unseen_product_texts(data: Path, rng: random.Random) -> dict[str, list[str]]:
    """Product texts that no fit has seen, none of which is about a person, by what they are."""
    answers = _table(data / "cpqa" / "hetPQA_answer_generation_dev.csv")
    evidence = [row for row in _csv(data / "cpqa" / "ePQA_dev_half.csv") if held_out(row["ASIN"])]
    rankings = [
        row
        for name in ("semiPQA_attribute_ranking_dev.csv", "hetPQA_evidence_ranking_dev.csv")
        for row in _table(data / "cpqa" / name)
    ]
    seen = {row["question"] for row in _table(data / "cpqa" / "hetPQA_answer_generation_train.csv")}
    seen |= {row["question"] for row in _table(data / "cpqa" / "semiPQA_attribute_ranking_extra.csv")}
    seen |= {row["question"] for row in _csv(data / "cpqa" / "ePQA_dev_half.csv")} - {r["question"] for r in evidence}
    questions = sorted({row["question"] for row in answers + evidence + rankings} - seen)
    titles = sorted({row["title"] for row in evidence})
    capitals = _capitals(_product_names(data) + titles)
    return {
        "questions": questions,
        "questions, product words capitalised": [recased(question, capitals, rng) for question in questions],
        "questions, In Title Case": [question.title() for question in questions],
        "titles": titles,
        "answers": sorted({row["answer"] for row in answers + evidence}),
        "evidence": sorted({row["candidate"] for row in answers + evidence}),
    }


def held_out(asin: str) -> bool:
    """Whether the rows of this product in `ePQA_dev_half.csv` are kept from the fit, to count false alarms on."""
    return zlib.crc32(asin.encode()) % 2 == 1


def recased(text: str, capitals: Mapping[str, str], rng: random.Random) -> str:
    """A lower-case text with the capitals that people write: at sentences, in product names, at times anywhere."""
    words = re.split(r"(\W+)", text)
    style = rng.random()
    for i, word in enumerate(words):
        if style < 0.1 or word in ("i", "im", "ive") or rng.random() < 0.02:
            words[i] = word[:1].upper() + word[1:]
        elif word in capitals and rng.random() < 0.8:
            words[i] = capitals[word]
    joined = "".join(words)
    return re.sub(r"(?:^|(?<=[.?!] ))[a-z]", lambda match: match.group().upper(), joined)


def _filled(template: str, made: Made, group: int) -> Example:
    pieces: list[str] = []
    labels: list[tuple[str, int, int]] = []
    end = length = 0
    for match in _SLOT.finditer(template):
        value = made.value(match.group(1))
        pieces += [template[end : match.start()], value]
        start = length + match.start() - end
        length = start + len(value)
        end = match.end()
        if label := SLOT_LABELS.get(match.group(1)):
            labels.append((label, start, length))
    text = "".join([*pieces, template[end:]])
    return Example(text, _joined(text, labels), group)


def _cased(example: Example, rng: random.Random) -> Example:
    """One in eight is written without capitals, one in forty with nothing else."""
    style = rng.random()
    text = example.text.lower() if style < 0.125 else example.text.upper() if style > 0.975 else example.text
    return Example(text, example.labels, example.group) if len(text) == len(example.text) else example


def _presidio_example(row: Mapping[str, Any]) -> Example:
    text = str(row["full_text"])
    places = [slot for slot in _SLOT.findall(str(row["masked"])) if slot in ("city", "country")]
    spans = sorted(row["spans"], key=lambda span: int(span["start_position"]))
    located = [span for span in spans if span["entity_type"] == "LOCATION"]
    labels: list[tuple[str, int, int]] = []
    for span in spans:
        label = LABELS.get(span["entity_type"])
        if label == "city" and len(places) == len(located):
            label = places[located.index(span)]
        if label:
            labels.append((label, int(span["start_position"]), int(span["end_position"])))
    return Example(text, _joined(text, labels), int(row["template_id"]))


def _joined(text: str, labels: Sequence[tuple[str, int, int]]) -> tuple[tuple[str, int, int], ...]:
    """Towns and countries that stand next to a part of an address are parts of it, and so is what lies between."""
    joined: list[tuple[str, int, int]] = []
    parts = ("address", "city", "country")
    for label, start, end in sorted(labels, key=lambda item: item[1]):
        if (
            joined
            and label in parts
            and joined[-1][0] in parts
            and re.fullmatch(r"[\s,>?]{0,8}", text[joined[-1][2] : start])
        ):
            before = joined.pop()
            both = "address" if "address" in (label, before[0]) else "city"
            joined.append((both, before[1], end))
        else:
            joined.append((label, start, end))
    return tuple(joined)


def _frames(name: str) -> list[str]:
    lines = (files("model.guards.fit") / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def _csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _title(names: Sequence[str], rng: random.Random) -> str:
    """A product title as sellers write them: names, a model number, sizes, packs and lists of what it fits."""
    letters = "".join(rng.choices("ABCDEFGHKLMNPRSTVWXZ", k=rng.randrange(1, 5)))
    model = rng.choice(("{}{}", "{}-{}", "{} {}", "({1})", "#{1}", "{}{}-" + letters[:1])).format(
        letters, rng.randrange(2, 9999)
    )
    unit = rng.choice(("Inch", "Ounce", "Pack", "Count", "Piece", "Watt", "ml", "oz", "lb", "BTU", "Foot", "cm"))
    size = rng.choice(("{n}-{u}", "{n} {u}", "Pack of {n}", "{n} x {m} {u}", "Size {n}", "{n},000 {u}", "{m} {n} {k}"))
    size = size.format(n=rng.randrange(1, 120), m=rng.randrange(1, 60), k=rng.randrange(1, 999), u=unit)
    parts = [
        rng.choice(names),
        model,
        rng.choice(names),
        rng.choice(("", "for", "with", "and")),
        rng.choice(names),
        size,
    ]
    if rng.random() < 0.4:
        rng.shuffle(parts)
    return re.sub(r"\s+", " ", rng.choice((" ", " ", ", ", " - ")).join(parts)).strip()


def _product_names(data: Path) -> list[str]:
    """Brands, characters, titles and attribute values with their capitals."""
    names = re.findall(
        r'value:"([^"]{2,60})"',
        "\n".join(row["data"] for row in _table(data / "cpqa" / "semiPQA_data-to-text_train.csv")),
    )
    products = json.loads((data / "listings" / "dummyjson_products.json").read_text(encoding="utf-8"))
    for product in products:
        names += [product["title"], product.get("brand") or product["category"]]
    names += re.findall(r"(?m)^  name: (.{2,70})$", (data / "listings" / "aws_retail_products.yaml").read_text("utf-8"))
    values = (data / "taxonomy" / "en.attribute_values.txt").read_text(encoding="utf-8")
    names += re.findall(r"(?m)^gid\S+\s+: (.{3,40}?) \[", values)[::3]
    categories = (data / "taxonomy" / "en.categories.txt").read_text(encoding="utf-8")
    names += [line.rsplit("> ", 1)[-1] for line in categories.splitlines() if " > " in line][::2]
    return sorted(set(names))


def _capitals(names: Sequence[str]) -> dict[str, str]:
    counts: dict[str, str] = {}
    for name in names:
        for word in re.findall(r"\w+", name):
            if word != word.lower():
                counts[word.lower()] = word
    return counts


def _listing_texts(data: Path) -> Iterator[str]:
    products = json.loads((data / "listings" / "dummyjson_products.json").read_text(encoding="utf-8"))
    for product in products:
        yield product["description"]
        yield from (review["comment"] for review in product["reviews"])
    yaml = (data / "listings" / "aws_retail_products.yaml").read_text(encoding="utf-8")
    for i, match in enumerate(re.finditer(r"(?m)^  description: (.+(?:\n    .+)*)", yaml)):
        if i % 3 == 0:
            yield re.sub(r"\s+", " ", match.group(1))[:240]
    for line in (data / "listings" / "adventureworks_bilingual.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield from (row["en"], row["model"])
