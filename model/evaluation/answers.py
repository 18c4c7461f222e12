"""Drafted answers against what people wrote: wording, yes and no, who sees them next, and whether that is deserved.

Three texts a row are told apart: what the model wrote (`raw`), what the system hands on after its guards (`text`), and
the baselines' texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.evaluation.bootstrap import Resampling, Statistic, mean_of, resampling, share_of
from model.evaluation.drawing import drawn
from model.evaluation.metrics import auroc, bleu, calibration_error, rouge_l
from model.evaluation.report import Figure, Report, percent
from model.evaluation.sets import AnswerRow
from schemas.events import AnswerRoute, Check, Method

Polarity = Callable[[str, str], object]  # question, text -> 'yes', 'no' or None

MODEL, ROUTED = "model", "as routed"
_ROUTES = (AnswerRoute.AUTO, AnswerRoute.REVIEW, AnswerRoute.HUMAN)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one row. `confidence` is the calibrated probability that the draft is right; 0 without a draft."""

    raw: str
    text: str
    method: Method
    route: AnswerRoute
    reason: str
    confidence: float
    checks: tuple[Check, ...] = ()


def without_twins(rows: Sequence[AnswerRow]) -> list[AnswerRow]:
    """The rows, each pair of question and evidence once."""
    first: dict[tuple[str, str], AnswerRow] = {}
    for row in rows:
        first.setdefault((row.question, row.evidence), row)
    return list(first.values())


def evaluate(
    rows: Sequence[AnswerRow],
    outcomes: Sequence[Outcome],
    baselines: Mapping[str, Sequence[str]],
    *,
    polarity: Polarity,
    seed: int,
    about: Mapping[str, Any],
) -> Report:
    """All figures. `baselines` maps a system's name to its texts, one a row.

    Rows without a person's answer (label 0) count for routing and confidence, and for nothing else.
    """
    figures = [*_wording(rows, outcomes, baselines, seed), *_yes_no(rows, outcomes, baselines, polarity, seed)]
    draws = resampling(len(rows), seed=seed, groups=[row.group for row in rows])
    figures += _routing(rows, outcomes, draws)
    if any(row.label < 2 for row in rows):
        figures += _confidence(rows, outcomes, draws)
    return Report(
        "Drafted answers",
        {**about, "rows": len(rows), "questions": len({row.question for row in rows})},
        tuple(figures),
        notes=(
            "model: its first text before any guard; as routed: what the system hands on, empty where a person answers",
            "a difference is paired, on the same draws of rows",
        ),
    )


def _wording(
    rows: Sequence[AnswerRow], outcomes: Sequence[Outcome], baselines: Mapping[str, Sequence[str]], seed: int
) -> list[Figure]:
    answered = [i for i, row in enumerate(rows) if row.answer and row.label == 2]
    if not answered:
        return []
    references = [rows[i].answer for i in answered]
    texts = {MODEL: [outcomes[i].raw for i in answered]}
    texts |= {name: [found[i] for i in answered] for name, found in baselines.items()}
    draws = resampling(len(answered), seed=seed, groups=[rows[i].group for i in answered])
    over = f"{len(answered)} answered"
    figures: list[Figure] = []
    for metric, measure, digits in (("BLEU", bleu, 1), ("ROUGE-L", rouge_l, 3)):
        measured = {name: measure(found, references) for name, found in texts.items()}
        for name, statistic in measured.items():
            figures.append(Figure(metric, name, draws.interval(statistic), over=over, digits=digits))
        figures += [
            Figure(
                f"{metric}, model over it", name, draws.difference(measured[MODEL], measured[name]), "", over, digits
            )
            for name in baselines
        ]
    drafted = [i for i in answered if outcomes[i].text]
    if drafted:
        draws = resampling(len(drafted), seed=seed, groups=[rows[i].group for i in drafted])
        handed_on, wanted = [outcomes[i].text for i in drafted], [rows[i].answer for i in drafted]
        over = f"{len(drafted)} with a draft"
        figures.append(Figure("BLEU", ROUTED, draws.interval(bleu(handed_on, wanted)), over=over))
        figures.append(Figure("ROUGE-L", ROUTED, draws.interval(rouge_l(handed_on, wanted)), over=over, digits=3))
    return figures


def _yes_no(
    rows: Sequence[AnswerRow],
    outcomes: Sequence[Outcome],
    baselines: Mapping[str, Sequence[str]],
    polarity: Polarity,
    seed: int,
) -> list[Figure]:
    """The share of drafts that say the opposite, of the rows where the person said yes or no."""
    told = [polarity(row.question, row.answer) if row.answer and row.label == 2 else None for row in rows]
    draws = resampling(len(rows), seed=seed, groups=[row.group for row in rows])
    texts: dict[str, Sequence[str]] = {MODEL: [o.raw for o in outcomes], ROUTED: [o.text for o in outcomes]}
    texts |= baselines
    said = {name: [polarity(r.question, t) if t else None for r, t in zip(rows, t_s, strict=True)]
            for name, t_s in texts.items()}  # fmt: skip
    auto = [outcome.route is AnswerRoute.AUTO for outcome in outcomes]
    begins = [row.answer.lower().split(maxsplit=1)[:1] in _BARE for row in rows]
    figures: list[Figure] = []
    for metric, among in (
        ("opposite yes/no", [t is not None for t in told]),
        (
            "opposite yes/no, person begins with yes or no",
            [t is not None and b for t, b in zip(told, begins, strict=True)],
        ),
    ):
        for name, found in said.items():
            opposite = [f is not None and f != t for f, t in zip(found, told, strict=True)]
            figures.append(percent(metric, name, draws.interval(share_of(opposite, among)), f"{sum(among)} told"))
        counted = [a and c for a, c in zip(auto, among, strict=True)]
        opposite = [f is not None and f != t for f, t in zip(said[ROUTED], told, strict=True)]
        over = f"{sum(counted)} told, {sum(o and c for o, c in zip(opposite, counted, strict=True))} opposite"
        figures.append(percent(f"{metric}, routed auto", ROUTED, draws.interval(share_of(opposite, counted)), over))
    return figures


_BARE = [[word + mark] for word in ("yes", "no") for mark in ("", ",", ".", "!", ";")]


def _routing(rows: Sequence[AnswerRow], outcomes: Sequence[Outcome], draws: Resampling) -> list[Figure]:
    figures = [
        percent(
            f"routed {route.value.lower()}",
            ROUTED,
            draws.interval(mean_of([o.route is route for o in outcomes])),
            f"{len(rows)} rows",
        )
        for route in _ROUTES
    ]
    quoted = mean_of([o.method is Method.TEMPLATE for o in outcomes])
    return [*figures, percent("evidence quoted", ROUTED, draws.interval(quoted), f"{len(rows)} rows")]


def _confidence(rows: Sequence[AnswerRow], outcomes: Sequence[Outcome], draws: Resampling) -> list[Figure]:
    sure = [outcome.confidence for outcome in outcomes]
    full, plain = [row.label == 2 for row in rows], [row.label != 1 for row in rows]
    partly = [row.label >= 1 for row in rows]
    auto = [outcome.route is AnswerRoute.AUTO for outcome in outcomes]
    auto_plain = [a and p for a, p in zip(auto, plain, strict=True)]

    def figure(metric: str, statistic: Statistic, over: str, digits: int = 3) -> Figure:
        return Figure(metric, ROUTED, draws.interval(statistic), over=over, digits=digits)

    def supported(metric: str, hits: Sequence[bool], among: Sequence[bool]) -> Figure:
        over = f"{sum(among)} auto, {sum(h and a for h, a in zip(hits, among, strict=True))} supported"
        return percent(metric, ROUTED, draws.interval(share_of(hits, among)), over)

    labels = f"{sum(plain)} of label 0 or 2"
    return [
        figure("AUROC of confidence, 0 against 2", auroc(sure, full, plain), labels),
        figure("calibration error, 0 against 2", calibration_error(sure, full, plain), labels),
        figure("calibration error, label 2 is right", calibration_error(sure, full), f"{len(rows)} rows"),
        supported("supported of auto, 0 against 2", full, auto_plain),
        supported("supported of auto, label 2", full, auto),
        supported("supported of auto, label 1 or 2", partly, auto),
        percent("label 2 that is routed auto", ROUTED, draws.interval(share_of(auto, full)), f"{sum(full)} of label 2"),
    ]


def sample(
    rows: Sequence[AnswerRow], outcomes: Sequence[Outcome], count: int, *, polarity: Polarity, seed: int
) -> tuple[dict[str, Any], ...]:
    """Rows drawn at random with everything that a reader needs to judge them, in the file's order."""
    chosen = drawn(range(len(rows)), count, seed)
    return tuple(
        {
            "question": rows[i].question,
            "evidence": rows[i].evidence,
            "person": rows[i].answer,
            "draft": outcomes[i].text,
            "model": outcomes[i].raw,
            "confidence": round(outcomes[i].confidence, 3),
            "route": outcomes[i].route.value.lower(),
            "reason": outcomes[i].reason,
            "label": rows[i].label,
            "verdicts": _verdicts(rows[i], outcomes[i], polarity),
        }
        for i in chosen
    )


def _verdicts(row: AnswerRow, outcome: Outcome, polarity: Polarity) -> list[str]:
    found = [f"{c.guard}: {c.category}" + (f" “{c.span}”" if c.span else "") for c in outcome.checks]
    asked, said = polarity(row.question, row.answer), polarity(row.question, outcome.text)
    if row.answer and asked and said:
        found.append(f"person says {asked}, draft says {said}")
    return found
