"""Fits the tagger of names and addresses, and measures all of `model.guards.pii`: `python -m model.guards.fit.pii`.

Prints the recall and precision of every kind on `presidio_generated_large.json`: by the patterns alone, and with the
tagger out of fold, the folds being made once by text and once by template (wordings that the fit has not seen); then
the false alarms on product texts that the fit has not seen. Writes `model/guards/data/pii_tagger.safetensors`, fitted
to everything but those texts, and its card. About fifteen minutes on one core; `--folds 0` only fits and writes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import save

from model.evaluation.cards import trained_on
from model.guards import pii, pii_tagger
from model.guards.fit import pii_corpus
from model.guards.fit.pii_corpus import Example
from model.guards.pii_tagger import CLASSES, ROWS_LOG2, Tagger, Thresholds

#: Entity types of the Presidio set and our kind; types that are left out (organisations, dates, titles) are no kind of
#: ours. LOCATION is a town or a country: towns are addresses, countries are let stand (see `model.guards.pii`).
PRESIDIO_KINDS = {
    "PERSON": "name",
    "ADDRESS": "address",
    "STREET_ADDRESS": "address",
    "LOCATION": "address",
    "GPE": "address",
    "PHONE_NUMBER": "phone",
    "EMAIL_ADDRESS": "email",
    "CREDIT_CARD": "card",
    "IBAN_CODE": "iban",
    "IP_ADDRESS": "ip",
    "DOMAIN_NAME": "url",
    "URL": "url",
    "US_SSN": "id_number",
    "US_DRIVER_LICENSE": "id_number",
}
ARTEFACT = Path(__file__).parents[1] / "data" / "pii_tagger.safetensors"
#: Chosen by the folds by template and the product texts together.
THRESHOLDS = {"name": Thresholds(0.7, 0.35), "address": Thresholds(0.65, 0.35), "city": Thresholds(0.8, 0.4)}
SEED = 20
_EPOCHS = 3
_BATCH = 1024
_STEP = 0.02
_DROPPED = 0.2
_SOURCES = (
    "presidio-research generated_large (MIT); contextual-product-qa, train splits and half of ePQA (CDLA-Sharing-1.0); "
    "DummyJSON (MIT); retail-demo-store (MIT-0); Adventure Works (MIT); Shopify product taxonomy (MIT); made names, "
    "towns and addresses by Faker (MIT); own frames"
)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Feature rows and classes of the tokens of many texts; `texts[i]` is the text of token i."""

    rows: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    classes: npt.NDArray[np.int64]
    texts: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts by entity type (gold, those found under their kind, those under any) and by kind (found, wrong)."""

    gold: Counter[str]
    hit: Counter[str]
    covered: Counter[str]
    found: Counter[str]
    wrong: Counter[str]

    def recall(self, entity: str) -> float:
        """Share of an entity type that is found under its kind."""
        return self.hit[entity] / max(1, self.gold[entity])

    def precision(self, kind: str) -> float:
        """Share of what is found as a kind that touches an entity of this kind."""
        return 1 - self.wrong[kind] / max(1, self.found[kind])


def covers(found: Sequence[pii.Span], start: int, end: int, kind: str | None = None) -> bool:
    """Whether one found span covers at least half of the characters of a gold span; `kind` None takes any kind."""
    return any(
        2 * (min(end, span.end) - max(start, span.start)) >= end - start and kind in (None, span.kind) for span in found
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the figures, fits to everything and writes the artefact and its card."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the public sets")
    parser.add_argument("--folds", type=int, default=5, help="0: no figures out of fold")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows, examples = corpus(options.data)
    tokens = read_tokens(examples)
    print(f"{len(examples)} texts, {len(tokens.classes)} tokens")
    card: dict[str, Any] = {}
    if options.folds:
        _show("patterns alone", [pii.find_forms(row["full_text"]) for row in rows], rows)
        for name, fold in _folds(examples, len(rows), options.folds).items():
            found: list[tuple[pii.Span, ...]] = [()] * len(rows)
            for k in range(options.folds):
                with _using(fit(tokens, lambda i, fold=fold, k=k: fold[i] != k)):  # type: ignore[misc]
                    for i in np.flatnonzero(fold[: len(rows)] == k):
                        found[i] = pii.find(rows[i]["full_text"])
            card[f"presidio_out_of_fold_by_{name}"] = _show(f"with the tagger, out of fold by {name}", found, rows)
    weights = fit(tokens, lambda _: True)
    with _using(weights):
        card["unseen_product_texts"] = _false_alarms(options.data)
    _write(weights, card, trained_on([options.data / "guard" / "presidio_generated_large.json"]))


def corpus(data: Path) -> tuple[list[dict[str, Any]], list[Example]]:
    """The rows of the labelled set, and all texts to fit to, of which the first are those rows."""
    examples, rows = pii_corpus.presidio(data / "guard" / "presidio_generated_large.json")
    questions, texts = pii_corpus.product_texts(data, random.Random(SEED))
    examples += pii_corpus.refilled(rows, 50, random.Random(SEED + 1))
    examples += pii_corpus.framed(questions, 8000, random.Random(SEED + 2))
    examples += pii_corpus.inserted(texts, 8000, random.Random(SEED + 3))
    kept = random.Random(SEED + 4).sample(texts, len(texts) // 2)
    return rows, examples + [Example(text, ()) for text in kept]


def read_tokens(examples: Sequence[Example]) -> Tokens:
    """The tokens that the patterns leave to the tagger, with their classes."""
    rows: list[npt.NDArray[np.int32]] = []
    classes: list[int] = []
    texts: list[int] = []
    for number, example in enumerate(examples):
        masked = pii.Masked.of(example.text, pii.find_forms(example.text))
        tokens = pii_tagger.tokenise(masked.text)
        words = pii_tagger.words_of(masked.text, tokens)
        rows += pii_tagger.feature_rows(words)
        texts += [number] * len(words)
        for start, end in tokens:
            place = masked.before(pii.Span("", start, end))
            label = next(
                (name for name, a, b in example.labels if place and a < place.end and place.start < b), "other"
            )
            classes.append(CLASSES.index(label))
    lengths = np.array([len(row) for row in rows], np.int64)
    return Tokens(np.concatenate(rows), np.cumsum(lengths) - lengths, np.array(classes), np.array(texts))


def fit(tokens: Tokens, keep: Callable[[int], bool], seed: int = SEED) -> npt.NDArray[np.float32]:
    """Weights, shape (2 ** ROWS_LOG2, classes), by Adam on the cross-entropy of the tokens of the texts to `keep`.

    A fifth of a token's features are left out at random at each step, so that a known wording never does all the work.
    """
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    chosen = np.array([keep(i) for i in range(int(tokens.texts.max()) + 1)])[tokens.texts]
    order = np.flatnonzero(chosen)
    ends = np.append(tokens.offsets[1:], len(tokens.rows))
    model = torch.nn.EmbeddingBag(1 << ROWS_LOG2, len(CLASSES), mode="sum")
    torch.nn.init.zeros_(model.weight)
    optimizer = torch.optim.Adam(model.parameters(), lr=_STEP, betas=(0.9, 0.99))
    steps = _EPOCHS * -(-len(order) // _BATCH)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, steps)
    for _ in range(_EPOCHS):
        generator.shuffle(order)
        for first in range(0, len(order), _BATCH):
            batch = order[first : first + _BATCH]
            lengths = ends[batch] - tokens.offsets[batch]
            starts = np.cumsum(lengths) - lengths
            flat = np.arange(int(lengths.sum())) + np.repeat(tokens.offsets[batch] - starts, lengths)
            weights = (generator.random(len(flat), np.float32) >= _DROPPED).astype(np.float32) / (1 - _DROPPED)
            scores = model(
                torch.from_numpy(tokens.rows[flat].astype(np.int64)),
                torch.from_numpy(starts),
                per_sample_weights=torch.from_numpy(weights),
            )
            loss = torch.nn.functional.cross_entropy(scores, torch.from_numpy(tokens.classes[batch]))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return model.weight.detach().numpy()


def compare(found: Sequence[Sequence[pii.Span]], rows: Sequence[Mapping[str, Any]]) -> Figures:
    """Found spans against the gold spans of the rows; a span is wrong that touches no entity of its kind."""
    figures = Figures(Counter(), Counter(), Counter(), Counter(), Counter())
    for spans, row in zip(found, rows, strict=True):
        gold = [
            (span["entity_type"], PRESIDIO_KINDS[span["entity_type"]], span["start_position"], span["end_position"])
            for span in row["spans"]
            if span["entity_type"] in PRESIDIO_KINDS
        ]
        for entity, kind, start, end in gold:
            figures.gold[entity] += 1
            figures.hit[entity] += covers(spans, start, end, kind)
            figures.covered[entity] += covers(spans, start, end)
        for span in spans:
            figures.found[span.kind] += 1
            figures.wrong[span.kind] += not any(
                kind == span.kind and start < span.end and span.start < end for _, kind, start, end in gold
            )
    return figures


def _folds(examples: Sequence[Example], labelled: int, count: int) -> dict[str, npt.NDArray[np.int64]]:
    """The fold of each text, -1 for what is in every fit: by text, and by template together with what is made of it."""
    generator = np.random.default_rng(SEED)
    by_text = np.full(len(examples), -1)
    by_text[:labelled] = generator.integers(0, count, labelled)
    groups = sorted({example.group for example in examples if example.group >= 0})
    place = dict(zip(groups, generator.permutation(len(groups)) % count, strict=True))
    return {"text": by_text, "template": np.array([place.get(example.group, -1) for example in examples])}


@contextmanager
def _using(weights: npt.NDArray[np.float32]) -> Iterator[None]:
    """Lets `pii.find` read by these weights, rounded as they are shipped."""
    tagger = Tagger(weights.astype(np.float16), THRESHOLDS)
    default, pii_tagger.default = pii_tagger.default, lambda: tagger  # type: ignore[assignment]
    try:
        yield
    finally:
        pii_tagger.default = default


def _show(title: str, found: Sequence[Sequence[pii.Span]], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    figures = compare(found, rows)
    print(f"\n{title}\n  {'entity':20} gold  recall  under any kind")
    for entity, count in sorted(figures.gold.items()):
        print(f"  {entity:20} {count:4}  {figures.recall(entity):.3f}   {figures.covered[entity] / count:.3f}")
    print(f"  {'kind':20} found precision")
    for kind, count in sorted(figures.found.items()):
        print(f"  {kind:20} {count:4}  {figures.precision(kind):.3f}")
    return {
        "recall": {entity: round(figures.recall(entity), 3) for entity in sorted(figures.gold)},
        "precision": {kind: round(figures.precision(kind), 3) for kind in sorted(figures.found)},
    }


def _false_alarms(data: Path) -> dict[str, Any]:
    card: dict[str, Any] = {}
    print(f"\n{'product texts that the fit has not seen':40}    n  alarms in 1,000 (patterns alone)  texts/s")
    for name, texts in pii_corpus.unseen_product_texts(data, random.Random(SEED + 5)).items():
        forms = sum(len(pii.find_forms(text)) for text in texts)
        begin = time.process_time()
        kinds = Counter(span.kind for text in texts for span in pii.find(text))
        rate = len(texts) / (time.process_time() - begin)
        alarms = 1000 * sum(kinds.values()) / len(texts)
        print(f"{name:40} {len(texts):4}  {alarms:.1f} ({1000 * forms / len(texts):.1f})  {rate:.0f}  {dict(kinds)}")
        card[name] = {"texts": len(texts), "alarms_per_1000": round(alarms, 1)}
    return card


def _write(weights: npt.NDArray[np.float32], figures: Mapping[str, Any], sources: Sequence[Mapping[str, str]]) -> None:
    tensors = {"weights": weights.astype(np.float16)}
    for label, threshold in THRESHOLDS.items():
        tensors[f"thresholds.{label}"] = np.array([threshold.seed, threshold.grow], np.float16)
    content = save(tensors)
    ARTEFACT.write_bytes(content)
    card = {
        "file": ARTEFACT.name,
        "what": "hashed features of words in context, softmax regression, float16; read by model/guards/pii_tagger.py",
        "classes": CLASSES,
        "fitted_by": "python -m model.guards.fit.pii",
        "data": _SOURCES,
        "trained_on": sources,
        "seed": SEED,
        "figures": figures,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    ARTEFACT.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
