"""Market talk to fit the abuse models on: civil, from the public sets and from templates, and foul, from templates.

No set of Chinese questions to shops is at hand, so templates ask for things named in Shopify's taxonomy. They hold
complaints too: dissatisfied is not abusive. The foul templates put insults of a list where a shop would meet them.
"""

from __future__ import annotations

import csv
import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

#: Share of the insults that are of our templates, the others are of the list that is given.
OWN_SHARE = 0.7

#: A text and the group (product, question or template) that is held out or trained on as one.
MarketText = tuple[str, str]


def english(data: Path, draw: random.Random) -> Iterator[MarketText]:
    """Questions, answers, evidence, descriptions, reviews, the taxonomy's phrases; `data` is the folder of the sets."""
    for name, delimiter, columns in (
        ("hetPQA_answer_generation_train.csv", "\t", ("question", "candidate", "answer")),
        ("hetPQA_evidence_ranking_dev.csv", "\t", ("question", "candidate")),
        ("ePQA_dev_half.csv", ",", ("question", "candidate", "answer", "title")),
    ):
        for row in _rows(data / "cpqa" / name, delimiter):
            for column in columns:
                yield row[column], row["ASIN"]
    for row in _rows(data / "cpqa" / "semiPQA_data-to-text_train.csv", "\t"):
        yield row["text"], row["text"]
    for match in re.finditer(
        r"^ {2}description: (.+(?:\n {4}.+)*)",
        (data / "listings" / "aws_retail_products.yaml").read_text("utf-8"),
        re.M,
    ):
        text = re.sub(r"\s+", " ", match[1])
        yield text, text
    for product in json.loads((data / "listings" / "dummyjson_products.json").read_text("utf-8")):
        for text in (product["title"], product["description"], *(review["comment"] for review in product["reviews"])):
            yield text, product["title"]
    for text in _adventureworks(data, "en"):
        yield text, text
    phrases = _taxonomy(data, "en")
    for phrase in draw.sample(phrases, 3_000):
        yield phrase, phrase
    yield from _filled("civil-en", phrases, draw, 60)


def chinese(data: Path, draw: random.Random) -> Iterator[MarketText]:
    """The taxonomy's phrases, the bilingual listings, and the templates filled with the phrases."""
    for text in _adventureworks(data, "zh-Hant"):
        yield text, text
    phrases = _taxonomy(data, "zh")
    for phrase in draw.sample(phrases, 3_000):
        yield phrase, phrase
    yield from _filled("civil-zh", [phrase for phrase in phrases if len(phrase) <= 8], draw, 50)


def foul(language: str, data: Path, draw: random.Random, insults: Sequence[str]) -> list[str]:
    """Abusive messages to a shop: the foul templates with an insult, of ours or of `insults`, and a phrase."""
    own, adjectives = _section(f"insult-{language}"), _section(f"insulting-{language}")
    made: list[str] = []
    for text, _ in _filled(f"foul-{language}", _taxonomy(data, language), draw, 60):
        insult = draw.choice(own if draw.random() < OWN_SHARE else insults)
        made.append(text.replace("{i}", insult).replace("{d}", draw.choice(adjectives)))
    return made


def _section(name: str) -> list[str]:
    text = (Path(__file__).parent / "market_templates.txt").read_text("utf-8")
    return text.partition(f"[{name}]\n")[2].partition("\n[")[0].split("\n")[:-1]


def _rows(path: Path, delimiter: str) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file, delimiter=delimiter)


def _adventureworks(data: Path, key: str) -> list[str]:
    lines = (data / "listings" / "adventureworks_bilingual.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line)[key] for line in lines if line]


def _taxonomy(data: Path, language: str) -> list[str]:
    """Names of categories and values, without those of the adults' department."""
    found: set[str] = set()
    tag = {"en": "en", "zh": "zh-CN"}[language]
    for line in (data / "taxonomy" / f"{tag}.categories.txt").read_text("utf-8").splitlines():
        if line.startswith("gid://") and "/ma" not in line:
            found.add(line.split(" : ", 1)[1].rsplit(" > ", 1)[-1].strip())
    for line in (data / "taxonomy" / f"{tag}.attribute_values.txt").read_text("utf-8").splitlines():
        if line.startswith("gid://"):
            found.add(line.split(" : ", 1)[1].rsplit(" [", 1)[0].strip())
    return sorted(found)


def _filled(section: str, phrases: Sequence[str], draw: random.Random, times: int) -> Iterator[MarketText]:
    for template in _section(section):
        for _ in range(times):
            yield template.replace("{}", draw.choice(phrases)), template
