"""The guards on judged texts: personal data by kind, abuse by language, and grounding on texts with a planted fault."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from model.evaluation.bootstrap import Statistic, ratio_of, resampling, share_of
from model.evaluation.metrics import auroc, macro_f1
from model.evaluation.report import Figure, Report, percent
from model.evaluation.sets import ModerationRow, PIIRow, PIISpan

#: Kinds of ours that fit an entity type of a set. A type that is not here is not looked for, and its spans neither
#: count as missed nor as wrongly found.
FITTING: Mapping[str, frozenset[str]] = {
    "PHONE_NUMBER": frozenset(("phone",)),
    "EMAIL_ADDRESS": frozenset(("email",)),
    "CREDIT_CARD": frozenset(("card",)),
    "IBAN_CODE": frozenset(("iban",)),
    "IP_ADDRESS": frozenset(("ip",)),
    "DOMAIN_NAME": frozenset(("url",)),
    "URL": frozenset(("url",)),
    "US_SSN": frozenset(("id_number",)),
    "PERSON": frozenset(("name",)),
    "ADDRESS": frozenset(("address",)),
    "STREET_ADDRESS": frozenset(("address",)),
    "CN_MOBILE": frozenset(("phone",)),
    "CN_ID": frozenset(("id_number",)),
}
_ENOUGH = 0.5  # of a span's characters, for it to count as found
OURS = "ours"


class Found(Protocol):
    """What a detector finds: its kind, and where."""

    @property
    def kind(self) -> str: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


Detector = Callable[[str], Sequence[Found]]


def evaluate_pii(
    rows: Sequence[PIIRow],
    detect: Detector,
    *,
    seed: int,
    about: Mapping[str, Any],
    timer: Callable[[], float] = time.process_time,
) -> Report:
    """Recall by entity type and precision by kind.

    A span is found where a kind that fits it covers at least half of it; it is hidden where any kinds together cover
    all of its letters and digits, which is what a replacement must do. What is found is right where a span that it
    fits, or one of a type that we don't look for, overlaps it. Texts a second are by CPU time, so of one core.
    """
    started = timer()
    found: list[Sequence[Found]] = []
    for row in rows:
        found.append(detect(row.text))
    rate = len(rows) / max(timer() - started, 1e-9)
    draws = resampling(len(rows), seed=seed)
    recalls: list[Figure] = []
    hides: list[Figure] = []
    precisions: list[Figure] = []
    for kind in sorted({s.kind for row in rows for s in row.spans if s.kind in FITTING}):
        gold = [[s for s in row.spans if s.kind == kind] for row in rows]
        hits = [sum(_is_found(s, f) for s in spans) for spans, f in zip(gold, found, strict=True)]
        hidden = [
            sum(_is_hidden(row.text, s, f) for s in spans) for row, spans, f in zip(rows, gold, found, strict=True)
        ]
        counts = [len(spans) for spans in gold]
        over = f"{sum(counts)} spans"
        recalls.append(percent("recall", kind, draws.interval(ratio_of(hits, counts)), over))
        hides.append(percent("hidden", kind, draws.interval(ratio_of(hidden, counts)), over))
    for kind in sorted({f.kind for spans in found for f in spans}):
        mine = [[f for f in spans if f.kind == kind] for spans in found]
        right = [sum(_is_right(f, row.spans) for f in spans) for spans, row in zip(mine, rows, strict=True)]
        counts = [len(spans) for spans in mine]
        precisions.append(percent("precision", kind, draws.interval(ratio_of(right, counts)), f"{sum(counts)} found"))
    return Report(
        "Personal data", {**about, "texts": len(rows), "texts_per_second": round(rate)}, (*recalls, *hides, *precisions)
    )


def _is_found(gold: PIISpan, found: Sequence[Found]) -> bool:
    covered = sum(_overlap(gold, f) for f in found if f.kind in FITTING[gold.kind])
    return covered >= _ENOUGH * (gold.end - gold.start)


def _is_hidden(text: str, gold: PIISpan, found: Sequence[Found]) -> bool:
    return all(
        any(f.start <= place < f.end for f in found) for place in range(gold.start, gold.end) if text[place].isalnum()
    )


def _is_right(found: Found, gold: Sequence[PIISpan]) -> bool:
    return any(
        _overlap(s, found) and (s.kind not in FITTING or found.kind in FITTING[s.kind] or _encloses(s, found))
        for s in gold
    )


def _encloses(gold: PIISpan, found: Found) -> bool:
    """A town within an address, or a domain within an email, is not wrong."""
    return gold.start <= found.start and found.end <= gold.end


def _overlap(gold: PIISpan, found: Found) -> int:
    return max(0, min(gold.end, found.end) - max(gold.start, found.start))


def evaluate_moderation(
    rows: Sequence[ModerationRow],
    probability: Callable[[str, str], float],
    threshold: float,
    baselines: Mapping[str, Callable[[str, str], bool]],
    *,
    seed: int,
    about: Mapping[str, Any],
    timer: Callable[[], float] = time.process_time,
) -> Report:
    """Abusive or not: macro F1, precision and recall by system, AUROC, texts a second. `baselines` judge yes or no."""
    true = [row.abusive for row in rows]
    if rows:
        probability(rows[0].text, rows[0].language)  # loads its weights outside of the measured time
    started = timer()
    scores: list[float] = []
    for row in rows:
        scores.append(probability(row.text, row.language))
    rate = len(rows) / max(timer() - started, 1e-9)
    judged = {OURS: [score >= threshold for score in scores]}
    judged |= {name: [judge(r.text, r.language) for r in rows] for name, judge in baselines.items()}
    judged["always the commoner class"] = [2 * sum(true) >= len(true)] * len(true)
    draws = resampling(len(rows), seed=seed)
    over = f"{len(rows)} texts, {sum(true)} abusive"
    figures: list[Figure] = []
    scored: dict[str, Statistic] = {name: macro_f1(found, true) for name, found in judged.items()}
    for name, statistic in scored.items():
        figures.append(percent("macro F1", name, draws.interval(statistic), over))
    for name in list(judged)[1:]:
        difference = draws.difference(scored[OURS], scored[name])
        figures.append(percent(f"macro F1, {OURS} over it", name, difference, over))
    for name, found in judged.items():
        figures.append(percent("recall of abuse", name, draws.interval(share_of(found, true)), over))
        figures.append(percent("precision of abuse", name, draws.interval(share_of(true, found)), over))
    figures.append(Figure("AUROC", OURS, draws.interval(auroc(scores, true)), over=over, digits=3))
    by_label = {label: [row.label == label for row in rows] for label in sorted({row.label for row in rows})}
    right = [j == t for j, t in zip(judged[OURS], true, strict=True)]
    for label, among in by_label.items():
        interval = draws.interval(share_of(right, among))
        figures.append(percent(f"right of label {label}", OURS, interval, f"{sum(among)} texts"))
    return Report("Moderation", {**about, "texts": len(rows), "texts_per_second": round(rate)}, tuple(figures))
