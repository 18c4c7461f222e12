"""How probable it is that a draft is right: a logistic regression over what is known when it is written.

The model's own first word is the best witness: how likely it finds it that the facts answer at all, and how far apart
yes and no are. The weights were fitted on questions that the model had not been trained on (`model.fit_confidence`),
and belong to one adapter; they lie beside it. Without weights there is no probability.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, astuple, dataclass, fields
from functools import lru_cache
from pathlib import Path

from model.adapters import shipped_by_name
from model.tasks.verdict import VERDICTS, Verdict

FILE = "calibration.json"
_FLOOR = 1e-6  # probabilities are kept this far from 0 and 1
_MOST = 8.0  # log odds beyond this say nothing more


@dataclass(frozen=True, slots=True)
class Signals:
    """What speaks for a draft. All rise with its being right, as far as they matter."""

    answers: float  # log odds that the facts answer the question, by the verdict
    said: float  # log probability of the verdict, given that they do
    polar: float  # log odds of the yes or no said against the other; 0 where neither is said
    is_polar: float  # 1 where yes or no is said
    wording: float  # mean log probability of the tokens behind the verdict
    weakest: float  # that of the least likely of them
    support: float  # share of the draft's content words that the evidence or the question has
    length: float  # log of the evidence's length in characters
    fits: float  # log odds of the ranker's score of the best passage


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights of the signals, their bias, and the confidence from which a draft may go out by itself."""

    weights: Signals
    bias: float
    auto: float

    def probability(self, signals: Signals) -> float:
        """That the draft is right, in 0..1."""
        score = self.bias + sum(w * x for w, x in zip(astuple(self.weights), astuple(signals), strict=True))
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, score))))

    def to_json(self) -> str:
        return json.dumps({"weights": asdict(self.weights), "bias": self.bias, "auto": self.auto}, indent=2) + "\n"


def signals_of(
    verdict: Verdict,
    opening_logprobs: tuple[float, ...],
    token_logprobs: tuple[float, ...],
    support: float,
    evidence_length: int,
    evidence_score: float,
) -> Signals:
    """The signals of a completion whose request asked for the verdicts as its openings."""
    p = {word: math.exp(logprob) for word, logprob in zip(VERDICTS, opening_logprobs, strict=True)}
    known = max(sum(p.values()), _FLOOR)
    answering = max(known - p["none"], _FLOOR)
    polar = 0.0
    if verdict in ("yes", "no"):
        other = p["no" if verdict == "yes" else "yes"]
        polar = _capped(math.log((p[verdict] + _FLOOR) / (other + _FLOOR)))
    words = token_logprobs[2:] or token_logprobs  # without the verdict and its colon
    return Signals(
        answers=_capped(math.log(answering / max(p["none"], _FLOOR))),
        said=math.log(max(p[verdict], _FLOOR) / answering) if verdict != "none" else -_MOST,
        polar=polar,
        is_polar=float(verdict in ("yes", "no")),
        wording=sum(words) / len(words) if words else 0.0,
        weakest=max(-_MOST, min(words, default=0.0)),
        support=support,
        length=math.log(max(evidence_length, 1)),
        fits=_capped(math.log(max(evidence_score, _FLOOR) / max(1.0 - evidence_score, _FLOOR))),
    )


@lru_cache(maxsize=8)
def calibration_of(adapter: str) -> Calibration | None:
    """The calibration that came with a shipped adapter, by the engine's name for it; None for any other model."""
    folder = shipped_by_name(adapter)
    file = folder / FILE if folder else None
    return read(file) if file is not None and file.is_file() else None


def read(file: Path) -> Calibration:
    """Raises ValueError for a file that is not as `to_json` writes it."""
    content = json.loads(file.read_text(encoding="utf-8"))
    names = {field.name for field in fields(Signals)}
    if set(content["weights"]) != names:
        raise ValueError(f"{file}: has weights for {sorted(content['weights'])}, expected {sorted(names)}")
    return Calibration(Signals(**content["weights"]), content["bias"], content["auto"])


def _capped(log_odds: float) -> float:
    return max(-_MOST, min(_MOST, log_odds))
