"""Real texts and prompts that no weight of ours was fitted to, from the public sets beside the repository.

The folder is `../shared/data` as seen from the repository; its README names each set's source and licence. Only
development splits and listings are read, always in the same order.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from model.language import sentences
from model.protocol import ChatPrompt
from model.tasks.prompts import answer_prompt, describe_prompt

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
_SHORTEST = 24  # characters; a shorter text has hardly a token to predict
_SEED = 20240607


class DataMissing(Exception):
    """A file that the texts come from is not there."""


def english_texts(count: int) -> list[str]:
    """Questions, answers and evidence from the development splits, and sellers' descriptions, in equal shares."""
    questions = _rows("cpqa/ePQA_dev_half.csv")
    answers = _rows("cpqa/hetPQA_answer_generation_dev.csv", "\t")
    listings = _json("listings/dummyjson_products.json")
    models = _json_lines("listings/adventureworks_bilingual.jsonl")
    return _mixed(
        count,
        (row["candidate"] for row in questions if row["label"] == "2"),
        (row["question"] for row in questions),
        (row["answer"] for row in questions if row["label"] == "2"),
        (row["candidate"] for row in answers),
        (row["answer"] for row in answers),
        (row["text"] for row in _rows("cpqa/semiPQA_data-to-text_dev.csv", "\t")),
        (listing["description"] for listing in listings),
        (model["en"] for model in models),
    )


def chinese_texts(count: int) -> list[str]:
    """Sellers' descriptions in Simplified Chinese (the set's key says zh-Hant)."""
    return _mixed(count, (row["zh-Hant"] for row in _json_lines("listings/adventureworks_bilingual.jsonl")))


def task_texts(count: int) -> list[tuple[ChatPrompt, str]]:
    """What the model reads and should write in the two tasks, in turn while both have some.

    Questions with evidence that answers them and a person's answer; products with their facts and the seller's
    description.
    """
    evidence: dict[str, list[str]] = {}
    written: dict[str, str] = {}
    for row in _rows("cpqa/ePQA_dev_half.csv"):
        if row["label"] == "2":
            evidence.setdefault(row["question"], []).append(row["candidate"])
            written.setdefault(row["question"], row["answer"])
    answers = [(answer_prompt(question, facts[:2]), written[question]) for question, facts in evidence.items()]
    descriptions = [
        (describe_prompt(_facts(listing)), str(listing["description"]))
        for listing in _json("listings/dummyjson_products.json")
    ]
    order = random.Random(_SEED)
    order.shuffle(answers)
    order.shuffle(descriptions)
    pairs = [text for pair in zip(answers, descriptions, strict=False) for text in pair]
    return (pairs + answers[len(descriptions) :])[:count]


def _facts(listing: dict[str, Any]) -> list[str]:
    size = " x ".join(f"{listing['dimensions'][side]:g}" for side in ("width", "height", "depth"))
    named = {
        "title": listing["title"],
        "brand": listing.get("brand"),
        "category": listing["category"],
        "dimensions": f"{size} cm",
        "warranty": listing["warrantyInformation"],
    }
    text = listing["description"]
    return [f"{name}: {value}" for name, value in named.items() if value] + [text[a:b] for a, b in sentences(text)]


def _mixed(count: int, *sources: Iterable[str]) -> list[str]:
    """`count` texts, one from each source in turn while it has any; none twice."""
    waiting: list[Iterator[str]] = []
    for number, source in enumerate(sources):
        texts = list(dict.fromkeys(" ".join(text.split()) for text in source))
        random.Random(_SEED + number).shuffle(texts)
        waiting.append(iter([text for text in texts if len(text.encode()) >= _SHORTEST]))
    found: dict[str, None] = {}
    while waiting and len(found) < count:
        for source_left in list(waiting):
            text = next(source_left, None)
            if text is None:
                waiting.remove(source_left)
            else:
                found[text] = None
    return list(islice(found, count))


def _rows(name: str, separator: str = ",") -> list[dict[str, str]]:
    with _file(name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter=separator))


def _json(name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(_file(name).read_text(encoding="utf-8"))
    return rows


def _json_lines(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in _file(name).read_text(encoding="utf-8").splitlines()]


def _file(name: str) -> Path:
    path = DATA / name
    if not path.is_file():
        raise DataMissing(f"{path}: missing; put the public data sets beside the repository, in ../shared/data")
    return path
