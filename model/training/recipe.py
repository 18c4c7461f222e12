"""From files to examples: what each of the known sets teaches, and which of its rows are left out."""

from __future__ import annotations

import hashlib
import random
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.evaluation.data_error import DataError
from model.evaluation.listings import read_listings
from model.evaluation.sets import kind_of, read_answers, read_rankings, read_sentences
from model.training import answers, copy
from model.training.examples import Example

_HELD_LISTINGS = 5  # each fifth listing is never trained on
_REFUSALS = 4  # for so many answered questions, one is asked of facts that do not answer it
_AGAINST = 2  # at most so many passages that do not answer for each that does
_IRRELEVANT = 600  # passages taken of a ranking set
_PRODUCTS = 900  # products put together from attributes
_LISTINGS = 900

#: Licences of the public sets, by what their files' names begin with; any other file is the user's own.
_LICENCES = {
    "hetPQA": "CDLA-Sharing-1.0 (amazon-science/contextual-product-qa)",
    "ePQA": "CDLA-Sharing-1.0 (amazon-science/contextual-product-qa)",
    "semiPQA": "CDLA-Sharing-1.0 (amazon-science/contextual-product-qa)",
    "aws_retail": "MIT-0 (aws-samples/retail-demo-store)",
    "dummyjson": "MIT (Ovi/DummyJSON)",
}


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was trained on, for the model card."""

    file: str
    sha256: str
    licence: str
    examples: int


def collect(
    files: Mapping[Path, float],
    seed: int,
    *,
    held_questions: Collection[str] = (),
    fold: tuple[int, int] | None = None,
    limit: int | None = None,
) -> tuple[list[Example], list[Source]]:
    """The examples of all files, and where they are from.

    Args:
        files: with the share of each one's examples that is taken.
        held_questions: rows that ask one of these are left out.
        fold: (k, n) leaves out the k-th of n parts, counted from 1, of the questions that have no split of their own.
        limit: most examples of one file.

    Raises:
        DataError: a file can't be read, is of no known kind, or gives no example.
    """
    held = frozenset(held_questions)
    kinds = {path: "reviewed" if path.suffix == ".jsonl" and _is_reviewed(path) else kind_of(path) for path in files}
    facts = [fact for path, kind in kinds.items() if kind == "sentences" for fact in read_sentences(path)]
    titles = [item.title for path, kind in kinds.items() if kind == "listings" for item in read_listings(path)]
    examples: list[Example] = []
    sources: list[Source] = []
    for path, kind in kinds.items():
        found = _examples(path, kind, seed, held, fold, facts, titles)
        if files[path] < 1:
            found = random.Random(seed).sample(found, round(files[path] * len(found)))
        found = found[:limit]
        if not found:
            raise DataError(f"{path}: gives nothing to train on; leave it out, or give the files that go with it")
        examples += found
        sources.append(Source(path.name, _sha256(path), _licence(path.name), len(found)))
    return examples, sources


def in_fold(question: str, fold: tuple[int, int]) -> bool:
    """Whether a question is in the k-th of n parts."""
    return zlib.crc32(question.encode()) % fold[1] == fold[0] - 1


def is_held(listing_id: str) -> bool:
    """Whether a listing is kept for evaluation."""
    return zlib.crc32(listing_id.encode()) % _HELD_LISTINGS == 0


def _examples(
    path: Path,
    kind: str,
    seed: int,
    held: Collection[str],
    fold: tuple[int, int] | None,
    facts: Sequence[copy.Fact],
    titles: Sequence[str],
) -> list[Example]:
    name = path.name
    if kind == "hetpqa":
        rows = [row for row in read_answers(path) if row.question not in held]
        return [
            *answers.written(rows, seed, name),
            *answers.unanswered(rows, len(rows) // _REFUSALS, seed, name),
        ]
    if kind == "epqa":
        rows = [row for row in read_answers(path) if row.question not in held]
        if fold is not None:
            rows = [row for row in rows if not in_fold(row.question, fold)]
        return answers.judged(rows, _AGAINST, seed, name)
    if kind == "ranking":
        ranked = [row for row in read_rankings(path) if row.question not in held]
        return answers.irrelevant(ranked, _IRRELEVANT, seed, name)
    if kind == "sentences":
        if not titles:
            raise DataError(f"{path}: needs listings for titles; name a listings file too")
        return copy.from_facts(facts, titles, _PRODUCTS, seed)
    if kind == "listings":
        listings = [item for item in read_listings(path) if not is_held(item.listing_id)]
        return copy.from_listings(listings, facts, _LISTINGS, seed, name)
    if kind == "reviewed":
        return answers.reviewed(path, name)
    raise DataError(f"{path}: is a {kind} set, which teaches no writing; leave it out")


def _licence(name: str) -> str:
    return next((licence for start, licence in _LICENCES.items() if name.startswith(start)), "your own data")


def _is_reviewed(path: Path) -> bool:
    with path.open(encoding="utf-8") as lines:
        return '"decision"' in lines.readline()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
