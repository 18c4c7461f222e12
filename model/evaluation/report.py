"""What an evaluation found: figures by system and metric, with notes: one value, for a table or for JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isnan
from typing import Any

from model.evaluation.bootstrap import Interval


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric of one system.

    `interval` is in `unit` already ('%' for shares). `over` says what it was measured on, such as '398 rows'.
    """

    metric: str
    system: str
    interval: Interval
    unit: str = ""
    over: str = ""
    digits: int = 1

    def text(self) -> str:
        """Such as '34.1 [32.6, 35.8]'; a dash where there was nothing to measure."""
        if isnan(self.interval.value):
            return "-"
        value, low, high = (
            f"{v:,.{self.digits}f}" for v in (self.interval.value, self.interval.low, self.interval.high)
        )
        bounds = f" [{low}, {high}]" if not isnan(self.interval.low) else ""
        return f"{value}{self.unit}{bounds}"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to look at one by one: an offending span with its place."""

    place: str
    category: str
    span: str
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """All figures of one run. `about` says what ran on what: file, rows, model, seed."""

    title: str
    about: dict[str, Any]
    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    samples: tuple[dict[str, Any], ...] = field(default=(), repr=False)

    def systems(self) -> tuple[str, ...]:
        """The systems, in the order of their first figure."""
        return tuple(dict.fromkeys(figure.system for figure in self.figures))

    def rows(self) -> Iterator[tuple[str, str, dict[str, Figure]]]:
        """(metric, over, {system: figure}) in order: one line of a table each."""
        lines: dict[tuple[str, str], dict[str, Figure]] = {}
        for figure in self.figures:
            lines.setdefault((figure.metric, figure.over), {})[figure.system] = figure
        for (metric, over), found in lines.items():
            yield metric, over, found

    def as_json(self) -> dict[str, Any]:
        """Plain values; a figure that is not defined is null."""
        return {
            "title": self.title,
            "about": self.about,
            "figures": [
                {
                    "metric": f.metric,
                    "system": f.system,
                    "over": f.over,
                    "unit": f.unit,
                    **{n: _defined(getattr(f.interval, n)) for n in ("value", "low", "high")},
                }
                for f in self.figures
            ],
            "findings": [
                {"place": f.place, "category": f.category, "span": f.span, "text": f.text} for f in self.findings
            ],
            "notes": list(self.notes),
            "warnings": list(self.warnings),
        }


def _defined(value: float) -> float | None:
    return None if isnan(value) else round(value, 6)


def percent(metric: str, system: str, interval: Interval, over: str = "") -> Figure:
    """A figure of a share in 0..1, in percent."""
    return Figure(metric, system, interval.scaled(100.0), "%", over)
