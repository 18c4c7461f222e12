"""Fits the ranker of `model/ranking.py`: writes `model/data/ranker.safetensors` and its card.

    python -m model.fit_ranker --data ../shared/data/cpqa

The sets have no train split of their own, so figures are out of fold: five folds by product (questions are of one
product where they share a long candidate or their own words), then one more fit to everything, which is what ships.
Seeded, and deterministic on one machine; about three minutes on one core.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from model.evaluation.cards import trained_on
from model.evaluation.libraries import library
from model.evaluation.sets import read_answers, read_rankings
from model.ranker_figures import calibration, figures, thresholds
from model.ranker_network import Asked, fit
from model.ranking import Ranker, blended
from model.ranking_features import FEATURES, see
from model.word_table import Array, word_table

_OUT = Path(__file__).parent / "data" / "ranker.safetensors"
_SEED = 0
_FOLDS = 5
_LONG = 40  # characters of a candidate that no other product has by chance
#: Sets with the weight of a question: products of semiPQA come back with many questions each.
_SETS = {
    "hetPQA_evidence_ranking_dev.csv": 1.0,
    "semiPQA_attribute_ranking_dev.csv": 0.5,
    "semiPQA_attribute_ranking_extra.csv": 0.5,
    "ePQA_dev_half.csv": 0.7,
}


def read(folder: Path) -> list[Asked]:
    """The questions of all sets."""
    found: list[Asked] = []
    for name, weight in _SETS.items():
        groups: dict[str, tuple[str, list[str], list[float]]] = {}
        if name.startswith("ePQA"):
            rows = [(row.group, row.question, row.evidence, row.label) for row in read_answers(folder / name)]
        else:
            ranked = read_rankings(folder / name)
            rows = [(row.qid, row.question, row.candidate, int(row.relevant)) for row in ranked]
        for key, question, text, label in rows:
            group = groups.setdefault(key, (question, [], []))
            group[1].append(text)
            group[2].append(label)
        full = 2 if name.startswith("ePQA") else 1
        for question, texts, labels in groups.values():
            seen = see(question, texts, word_table())
            found.append(Asked(name, weight, question, tuple(texts), np.array(labels, np.float32), full, seen))
    return found


def products(asked: Sequence[Asked]) -> list[int]:
    """A number for each question's product: the same where questions share a long candidate or their words."""
    parent = list(range(len(asked)))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    first: dict[str, int] = {}
    for number, item in enumerate(asked):
        for key in (item.question, *(text for text in item.texts if len(text) >= _LONG)):
            parent[root(number)] = root(first.setdefault(key, number))
    return [root(number) for number in range(len(asked))]


def folds(asked: Sequence[Asked]) -> list[int]:
    """Each question's fold, the same for one product."""
    groups = products(asked)
    names = sorted(set(groups))
    drawn = dict(zip(names, np.random.default_rng(_SEED).integers(0, _FOLDS, len(names)).tolist(), strict=True))
    return [drawn[group] for group in groups]


def out_of_fold(asked: Sequence[Asked]) -> list[Array]:
    """Blended logits of each question's candidates by a fit that has not seen its product."""
    fold_of = folds(asked)
    found: dict[int, Array] = {}
    for fold in range(_FOLDS):
        weights = fit([item for item, own in zip(asked, fold_of, strict=True) if own != fold], _SEED)
        fitted = Ranker.of(word_table(), weights)
        for number, item in enumerate(asked):
            if fold_of[number] == fold:
                found[number] = blended(fitted.logits(item.seen), item.question, item.texts)
        sys.stdout.write(f"fold {fold + 1} of {_FOLDS}\n")
    return [found[number] for number in range(len(asked))]


def write(
    asked: Sequence[Asked],
    logits: Sequence[Array],
    weights: Mapping[str, Array],
    sources: Sequence[Mapping[str, str]],
    out: Path,
) -> None:
    """Prints the figures of the out-of-fold logits; writes the calibrated weights and their card."""
    slope, offset = platt = calibration(asked, logits)
    probabilities = [1 / (1 + np.exp(-(slope * values + offset))) for values in logits]
    by_set: dict[str, Any] = {}
    for name in _SETS:
        own = [number for number, item in enumerate(asked) if item.of == name]
        items, scored = [asked[n] for n in own], [probabilities[n] for n in own]
        labels, flat = np.concatenate([item.labels for item in items]), np.concatenate(scored)
        clear = (labels == 0) | (labels == items[0].full)
        auroc = library("sklearn.metrics").roc_auc_score(labels[clear] > 0, flat[clear])
        by_set[name] = {**figures(items, scored), "auroc": round(float(auroc), 4)}
        sys.stdout.write(f"{name} {json.dumps(by_set[name])}\n")
        by_set[name]["thresholds"] = thresholds(items, scored)
        for row in by_set[name]["thresholds"]:
            sys.stdout.write("    " + " ".join(f"{key} {value}" for key, value in row.items()) + "\n")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(save({**weights, "calibration": platt}))
    card = {
        "what": "how probable it is that a passage answers a question: one hidden layer over features and word vectors",
        "made_by": "python -m model.fit_ranker",
        "data": "amazon-science/contextual-product-qa: " + ", ".join(_SETS),
        "licence": "CDLA-Sharing-1.0",
        "trained_on": sources,
        "seed": _SEED,
        "features": list(FEATURES),
        "folds": f"{_FOLDS}, by product",
        "out_of_fold": by_set,
        "word_table_sha256": hashlib.sha256((_OUT.parent / "word_table.safetensors").read_bytes()).hexdigest(),
        "sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
    }
    out.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"{out.stat().st_size / 1e3:.0f} kB: {out}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=_OUT)
    chosen = parser.parse_args()
    asked = read(chosen.data)
    sources = trained_on(chosen.data / name for name in _SETS)
    write(asked, out_of_fold(asked), fit(asked, _SEED), sources, chosen.out)


if __name__ == "__main__":
    main()
