"""Fits the abuse models: `python -m model.guards.fit.moderation [--data ../shared/data]`, some minutes on one core.

Chinese from COLD (its train split; the dev split is only reported on), English from Davidson (out of fold by text, then
from all of it). Both sets hold tweets and comments, no market talk, so ordinary questions, answers and listings are
added as clean texts; so that the model does not learn that market talk is always clean, some of each are joined with an
abusive text and count as abusive, and insults of a list are put into templates. A fifth of the clean texts is held out,
by product or by template, to count false alarms.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import random
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from model.evaluation.cards import trained_on
from model.guards import abuse, moderation
from model.guards.fit import market_texts

SEED = 4
FOLDS = 4
#: Inverse strength of the regularisation; between 4 and 16 the figures differ by less than 0.01.
STRENGTH = {"en": 4.0, "zh": 8.0}
CLEAN_TEXTS = 20_000
JOINED = 4_000
#: A foul word of the list is taken from this severity on (of 1 to 3): the milder ones have ordinary meanings.
SEVERE = 2.0
Figures = dict[str, float]
OUT = Path(__file__).parents[1] / "data"
SOURCES = {
    "en": "Davidson et al. 2017 (MIT); surge-ai/profanity (MIT); clean: contextual-product-qa (CDLA-Sharing-1.0), "
    "retail-demo-store (MIT-0), DummyJSON (MIT), AdventureWorks (MIT), Shopify product taxonomy (MIT), own templates",
    "zh": "COLD, train split (Apache-2.0); LDNOOBW (CC BY 4.0); clean texts: AdventureWorks (MIT), "
    "Shopify product taxonomy (MIT), own templates",
}


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts, and whether each is abusive, by head: [texts, heads]."""

    text: list[str]
    label: npt.NDArray[np.bool_]

    def __add__(self, other: Texts) -> Texts:
        return Texts(self.text + other.text, np.concatenate([self.label, other.label]))

    def at(self, rows: npt.NDArray[np.int64]) -> Texts:
        """Those at the places `rows`."""
        return Texts([self.text[row] for row in rows], self.label[rows])


def main(arguments: Sequence[str] | None = None) -> None:
    """Fits both languages, prints the figures, writes weights and cards to `model/guards/data`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the public sets")
    parser.add_argument("--language", choices=abuse.LANGUAGES, action="append", help="only this one")
    options = parser.parse_args(arguments)
    for language in options.language or abuse.LANGUAGES:
        weights, figures = (_english if language == "en" else _chinese)(options.data)
        fitted = ["davidson_train.csv"] if language == "en" else ["cold_train.csv"]
        _write(language, weights, figures, trained_on(options.data / "guard" / name for name in fitted))


def _chinese(data: Path) -> tuple[abuse.Weights, Figures]:
    clean, held_out = _clean("zh", data)
    train, dev = (_cold(data / "guard" / f"cold_{split}.csv") for split in ("train", "dev"))
    words = _foul("zh", data, (data / "guard" / "ldnoobw_zh.txt").read_text("utf-8").splitlines(), clean, heads=1)
    weights = fit(train, _surroundings(train, clean) + words, "zh")
    truth, scores = dev.label[:, 0], score(dev.text, weights, "zh")[:, 0]
    lists = [bool(moderation.by_list(text, moderation.HARMFUL)) for text in dev.text]
    return weights, {
        "cold_dev_macro_f1": _macro_f1(truth, scores >= abuse.THRESHOLD),
        "cold_dev_macro_f1_at_half": _macro_f1(truth, scores >= 0.5),
        "cold_dev_macro_f1_of_the_word_lists": _macro_f1(truth, lists),
        "cold_dev_calibration_error": _calibration_error(truth, scores),
        **_false_alarms(held_out, weights, "zh"),
    }


def _english(data: Path) -> tuple[abuse.Weights, Figures]:
    from sklearn.model_selection import StratifiedKFold

    clean, held_out = _clean("en", data)
    tweets = _davidson(data / "guard" / "davidson_train.csv")
    severe = [row for row in _rows(data / "guard" / "profanity_en.csv") if float(row["severity_rating"]) >= SEVERE]
    words = _foul("en", data, [row["text"] for row in severe], clean, heads=2)
    classes = np.where(tweets.label[:, 1], 0, np.where(tweets.label[:, 0], 1, 2))
    scores, fold = np.zeros((len(classes), 2)), np.zeros(len(classes), np.int64)
    split = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED).split(classes, classes)
    for number, (train, test) in enumerate(split):
        part = tweets.at(train)
        weights = fit(part, _surroundings(part, clean) + words, "en")
        scores[test], fold[test] = score([tweets.text[row] for row in test], weights, "en"), number
    # The best threshold of the second head, for each fold by the others: what a choice by the data is worth.
    nested = np.zeros_like(classes)
    for number in range(FOLDS):
        others, own = fold != number, fold == number
        best = max(np.linspace(0.1, 0.6, 21), key=lambda hate: _macro_f1(classes[others], three(scores[others], hate)))
        sys.stdout.write(f"fold {number}: best threshold of hate {best:.3f}\n")
        nested[own] = three(scores[own], best)
    lists = [bool(moderation.by_list(text, moderation.HARMFUL)) for text in tweets.text]
    figures = {
        "davidson_2_class_macro_f1": _macro_f1(classes != 2, scores[:, 0] >= abuse.THRESHOLD),
        "davidson_2_class_macro_f1_at_half": _macro_f1(classes != 2, scores[:, 0] >= 0.5),
        "davidson_2_class_macro_f1_of_the_word_lists": _macro_f1(classes != 2, lists),
        "davidson_2_class_calibration_error": _calibration_error(classes != 2, scores[:, 0]),
        "davidson_3_class_macro_f1": _macro_f1(classes, three(scores, abuse.HATE_THRESHOLD)),
        "davidson_3_class_macro_f1_nested": _macro_f1(classes, nested),
        "davidson_3_class_macro_f1_of_the_largest_class": _macro_f1(classes, np.ones_like(classes)),
    }
    weights = fit(tweets, _surroundings(tweets, clean) + words, "en")
    return weights, figures | _false_alarms(held_out, weights, "en")


def three(scores: npt.NDArray[np.float64], hate: float) -> npt.NDArray[np.int64]:
    """Davidson's classes (0 hate, 1 offensive, 2 neither) of probabilities [texts, heads]."""
    return np.where(scores[:, 0] < abuse.THRESHOLD, 2, np.where(scores[:, 1] < hate, 1, 0))


def fit(texts: Texts, around: Texts, language: str) -> abuse.Weights:
    """Logistic regression for each head, its weights rounded to eight bits.

    The first head is fitted on `texts` and on `around`; the second, which is only asked about what the first calls
    abusive, on `texts` alone.
    """
    from sklearn.linear_model import LogisticRegression

    both = texts + around
    rows, heads = _matrix(both.text, language), both.label.shape[1]
    weight, scale, bias = np.zeros((heads, 1 << abuse.BITS), np.int8), np.zeros(heads), np.zeros(heads)
    for head in range(heads):
        size = len(texts.text) if head else len(both.text)
        line = LogisticRegression(C=STRENGTH[language], solver="liblinear", tol=1e-3, random_state=SEED)
        line.fit(rows[:size], both.label[:size, head])
        scale[head] = np.abs(line.coef_[0]).max() / 127
        weight[head] = np.rint(line.coef_[0] / scale[head])
        bias[head] = line.intercept_[0]
    return abuse.Weights(("abuse", "hate")[:heads], weight, scale.astype(np.float32), bias.astype(np.float32))


def score(texts: Sequence[str], weights: abuse.Weights, language: str) -> npt.NDArray[np.float64]:
    """Probabilities, [texts, heads]."""
    odds = _matrix(texts, language) @ weights.weight.T.astype(np.float32) * weights.scale + weights.bias
    return np.asarray(1 / (1 + np.exp(-odds)), np.float64)


def _matrix(texts: Sequence[str], language: str) -> Any:
    from scipy import sparse  # type: ignore[import-untyped, unused-ignore]

    grams = [_grams(text, language) for text in texts]
    places = np.concatenate([bucket for bucket, _ in grams]).astype(np.int32)
    values = np.concatenate([value for _, value in grams])
    ends = np.cumsum([0, *(len(bucket) for bucket, _ in grams)])
    rows = sparse.csr_matrix((values, places, ends), shape=(len(texts), 1 << abuse.BITS))
    rows.sum_duplicates()
    return rows


@lru_cache(maxsize=100_000)  # the folds share most of their texts
def _grams(text: str, language: str) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32]]:
    found = abuse.grams(text, language)
    return found.bucket, found.value


def _clean(language: str, data: Path) -> tuple[list[str], list[str]]:
    """Clean texts to train on and to hold out, without repetitions."""
    draw = random.Random(SEED)
    source = market_texts.english if language == "en" else market_texts.chinese
    groups = dict(source(data, draw))
    sides: tuple[list[str], list[str]] = ([], [])
    for text, group in groups.items():
        sides[zlib.crc32(group.encode()) % 5 == 0].append(text)
    return draw.sample(sides[0], min(CLEAN_TEXTS, len(sides[0]))), sides[1]


def _surroundings(texts: Texts, clean: list[str]) -> Texts:
    """The clean texts, and clean texts joined with abusive and with inoffensive ones, which keep their labels."""
    draw = random.Random(SEED)
    abusive, other = np.flatnonzero(texts.label[:, 0]), np.flatnonzero(~texts.label[:, 0])
    rows = np.array([draw.choice(abusive) for _ in range(JOINED)] + [draw.choice(other) for _ in range(JOINED // 2)])
    joined = [" ".join(draw.sample((texts.text[row], draw.choice(clean)), 2)) for row in rows]
    none = np.zeros((len(clean), texts.label.shape[1]), np.bool_)
    return Texts(clean, none) + Texts(joined, texts.label[rows])


def _foul(language: str, data: Path, words: Sequence[str], clean: list[str], heads: int) -> Texts:
    """Foul words as texts of one word, save those that clean texts have too, and the foul templates."""
    together = "\n".join(clean).lower()
    kept = [word for word in words if word and word.lower() not in together]
    made = kept + market_texts.foul(language, data, random.Random(SEED), kept)
    return Texts(made, np.array([[True, False][:heads]] * len(made)))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _cold(path: Path) -> Texts:
    rows = _rows(path)
    return Texts([row["TEXT"] for row in rows], np.array([[row["label"] == "1"] for row in rows]))


def _davidson(path: Path) -> Texts:
    rows = _rows(path)
    return Texts([row["tweet"] for row in rows], np.array([[row["class"] != "2", row["class"] == "0"] for row in rows]))


def _macro_f1(truth: npt.ArrayLike, guess: npt.ArrayLike) -> float:
    from sklearn.metrics import f1_score

    return round(float(f1_score(truth, guess, average="macro")), 4)


def _calibration_error(truth: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64]) -> float:
    """Expected calibration error in ten bins of equal width (Naeini et al. 2015)."""
    place = np.minimum(9, (scores * 10).astype(np.int64))
    size = np.bincount(place, minlength=10)
    gap = np.abs(np.bincount(place, truth, 10) - np.bincount(place, scores, 10))
    return round(float(gap[size > 0].sum() / len(scores)), 4)


def _false_alarms(held_out: list[str], weights: abuse.Weights, language: str) -> Figures:
    alarms = score(held_out, weights, language)[:, 0] >= abuse.THRESHOLD
    return {"clean_texts_held_out": len(held_out), "false_alarms_in_1000": round(1000 * float(alarms.mean()), 2)}


def _write(language: str, weights: abuse.Weights, figures: Figures, sources: Sequence[Mapping[str, str]]) -> None:
    content = save({"weight": weights.weight, "scale": weights.scale, "bias": weights.bias})
    card = {
        "file": f"abuse_{language}.safetensors",
        "what": "hashed n-grams, logistic regression, int8; read by model/guards/abuse.py",
        "heads": weights.heads,
        "fitted_by": "python -m model.guards.fit.moderation",
        "data": SOURCES[language],
        "trained_on": sources,
        "seed": SEED,
        "threshold": abuse.THRESHOLD,
        "hate_threshold": abuse.HATE_THRESHOLD if language == "en" else None,
        "figures": figures,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    (OUT / f"abuse_{language}.safetensors").write_bytes(content)
    (OUT / f"abuse_{language}.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(card, indent=2) + "\n")


if __name__ == "__main__":
    main()
