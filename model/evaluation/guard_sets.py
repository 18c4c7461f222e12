"""The guards as they ship, on the sets that judge them: one function a kind of set, each a file in, a report out."""

from __future__ import annotations

from pathlib import Path

from model.evaluation import chinese_pii, guard_trial, guards, sets
from model.evaluation.bootstrap import mean_of, resampling
from model.evaluation.drawing import drawn
from model.evaluation.report import Figure, Finding, Report, percent
from model.evaluation.wordings import Pair
from model.guards import abuse, pii
from model.guards import moderation as rules

_MADE_UP = 1000  # texts of each kind of Chinese number


def personal_data(path: Path, limit: int | None, seed: int) -> Report:
    """Presidio's texts, and Chinese mobile and identity numbers made up from the seed beside numbers that are none."""
    rows = drawn(sets.read_pii(path), limit, seed)
    english = guards.evaluate_pii(rows, pii.find, seed=seed, about={})
    made = chinese_pii.positives(_MADE_UP, seed)
    chinese = guards.evaluate_pii(made, pii.find, seed=seed, about={})
    false = [bool(pii.find(row.text)) for row in chinese_pii.negatives(_MADE_UP, seed)]
    taken = resampling(len(false), seed=seed).interval(mean_of(false))
    return Report(
        english.title,
        {**english.about, "made_up": len(made)},
        (
            *english.figures,
            *(figure for figure in chinese.figures if figure.metric != "precision"),
            percent("taken for personal data", "numbers that are none", taken, f"{len(false)} texts"),
        ),
        notes=(
            "recall: half of the span or more under a kind that fits; hidden: all of it under any kind",
            "CN_MOBILE, CN_ID and numbers that are none are made up from the seed",
        ),
    )


def moderation(path: Path, limit: int | None, seed: int) -> Report:
    """COLD or Davidson: the classifier beside the word lists alone, and the two together."""

    def by_lists(text: str, language: str) -> bool:
        return bool(rules.by_list(text, rules.HARMFUL))

    def as_shipped(text: str, language: str) -> bool:
        return bool(rules.classify(text, rules.HARMFUL))

    return guards.evaluate_moderation(
        drawn(sets.read_moderation(path), limit, seed),
        abuse.probability,
        abuse.THRESHOLD,
        {"word lists": by_lists, "both, as shipped": as_shipped},
        seed=seed,
        about={},
    )


def grounding(path: Path, limit: int | None, seed: int) -> Report:
    """A person's answers, true to their evidence: how many are refused, and how many of those with a planted fault."""
    if sets.kind_of(path) == "sentences":
        pairs = [Pair((fact,), sentence) for fact, sentence in sets.read_sentences(path)]
    else:
        rows = [row for row in sets.read_answers(path) if row.label == 2 and row.answer]
        pairs = [Pair((row.evidence,), row.answer, row.question) for row in rows]
    pairs = drawn(pairs, limit, seed)
    found = guard_trial.evaluate(pairs, seed)
    figures = [_rate("true texts refused", "as written", found.refused, seed)]
    figures += [_rate("planted faults refused", kind, rate, seed) for kind, rate in found.detected.items()]
    figures += [_rate("true rewritings passed", kind, rate, seed) for kind, rate in found.passed.items()]
    return Report(
        "Grounding",
        {"texts": len(pairs)},
        tuple(figures),
        notes=("people add what they know: not every answer that is refused as written is true to its evidence",),
        findings=tuple(Finding(kind, kind, before, after) for kind, before, after in found.missed),
    )


def _rate(metric: str, system: str, rate: guard_trial.Rate, seed: int) -> Figure:
    hits = [True] * rate.hits + [False] * (rate.total - rate.hits)
    return percent(metric, system, resampling(rate.total, seed=seed).interval(mean_of(hits)), f"{rate.total} texts")
