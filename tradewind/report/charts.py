"""Charts as Vega-Lite specifications, for a phone and for a wide screen. Nothing is drawn here.

Colours are CSS variables of the page, so that one drawing serves light and dark. Text is 15 px on a canvas that a phone
of 320 px shows at 0.94 of its size or more, so nobody reads anything below 14 px.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil
from typing import Any

from tradewind.report.words import duration

Spec = dict[str, Any]

_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_TEXT_PX = 15
_ROW_PX = 21
_HEIGHT_PX = 190
#: Counts are written out up to here, and as 12k from here on.
_WRITTEN_OUT = 10_000
#: A scale over more than this factor is logarithmic, or the small end could not be read.
_LINEAR_UP_TO = 50
_DECADES = (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 36_000.0, 345_600.0, 3_456_000.0, 34_560_000.0)
_STEPS = (
    *(unit * many for unit in (0.001, 0.01, 0.1, 1.0) for many in (1, 2, 5)),
    *(10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 18_000.0, 43_200.0),
    *(86_400.0 * many for many in (1, 2, 5, 10, 20, 50, 100)),
)


@dataclass(frozen=True, slots=True)
class Screen:
    """Where a chart is shown: width of its canvas in pixels, and how many days and numbers an axis has room for."""

    width: int
    ticks: int


PHONE = Screen(316, 4)
WIDE = Screen(700, 8)


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, told in words for those who can't see it."""

    title: str
    alt: str
    spec: Callable[[Screen], Spec]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar with what is written on it; a `head` above it begins a group."""

    label: str
    value: float
    colour: int = 0
    head: str = ""


def daily_bars(
    title: str,
    alt: str,
    series: Mapping[str, Mapping[date, float]],
    days: Sequence[date],
    *,
    share: bool = False,
    marks: Mapping[date, str] | None = None,
) -> Chart:
    """A bar for each day, one part of it for each series, the first at the bottom.

    Args:
        share: values are shares of 1.
        marks: what is written above a day that wants a look.
    """
    values = _values(series, days, nothing=0.0)
    top = max((sum(line.get(day, 0.0) for line in series.values()) for day in days), default=0.0)
    amounts: Spec = {"field": "v", "type": "quantitative", "title": None, "axis": _amounts(top, share=share)}
    if share and len(series) > 1:
        amounts["scale"] = {"domain": [0, 1]}

    def spec(screen: Screen) -> Spec:
        bars: Spec = {
            "mark": {"type": "bar"},
            "encoding": {
                "x": _day_axis(days, screen),
                "y": amounts,
                "color": _colours(list(series)),
                "order": {"field": "rank", "type": "quantitative"},
            },
        }
        return _whole({"data": {"values": values}, "layer": [bars, *_marked(marks or {})]}, screen)

    return Chart(title, alt, spec)


def daily_lines(title: str, alt: str, series: Mapping[str, Mapping[date, float]], days: Sequence[date]) -> Chart:
    """A line for each series, in seconds; a day without a value leaves a gap."""
    values = _values(series, days, nothing=None)
    ticks, logarithmic = time_ticks([value for line in series.values() for value in line.values()])
    labels = json.dumps({f"{tick:.12g}": duration(tick) for tick in ticks})
    names = list(series)
    times: Spec = {
        "field": "v",
        "type": "quantitative",
        "title": None,
        "scale": {"type": "log" if logarithmic else "linear", "domain": [ticks[0], ticks[-1]]},
        "axis": {"values": ticks, "labelExpr": f"{labels}[format(datum.value, '.12~g')]"},
    }

    def spec(screen: Screen) -> Spec:
        line: Spec = {
            "mark": {"type": "line", "point": {"size": 40, "filled": True}, "invalid": "break-paths-filter-domains"},
            "encoding": {
                "x": _day_axis(days, screen),
                "y": times,
                "color": _colours(names),
                "strokeDash": {"field": "name", "sort": names, "legend": None},
            },
        }
        return _whole({"data": {"values": values}, **line}, screen)

    return Chart(title, alt, spec)


def time_ticks(seconds: Sequence[float]) -> tuple[list[float], bool]:
    """Where a time axis has its labels, and whether it is logarithmic; the first and the last are its ends."""
    known = [value for value in seconds if value > 0]
    # What is shorter than the shortest label counts as that.
    low, high = (max(min(known), _DECADES[0]), max(*known, _DECADES[0])) if known else (0.0, 1.0)
    if known and len(known) == len(seconds) and high / low > _LINEAR_UP_TO:
        first = max((i for i, tick in enumerate(_DECADES) if tick <= low), default=0)
        last = min((i for i, tick in enumerate(_DECADES) if tick >= high), default=len(_DECADES) - 1)
        return list(_DECADES[first : last + 1]), True
    step = next((step for step in _STEPS if 4 * step >= high), high / 4)
    return [step * n for n in range(max(1, ceil(high / step)) + 1)], False


def labelled_bars(title: str, alt: str, bars: Sequence[Bar]) -> Chart:
    """Bars one below the other, each with its words beside it; groups have a line of their own above them."""
    rows: list[Spec] = []
    for bar in bars:
        if bar.head:
            rows.append({"row": len(rows), "v": 0, "head": bar.head, "label": "", "colour": ""})
        rows.append({"row": len(rows), "v": bar.value, "head": "", "label": bar.label, "colour": str(bar.colour)})
    longest = max((bar.value for bar in bars), default=0) or 1

    def spec(screen: Screen) -> Spec:
        # Words stand to the right of their bar, so bars end where the longest of them still has room.
        room = max((len(bar.label) for bar in bars), default=0) * _TEXT_PX * 0.56 + 8
        domain = longest * screen.width / max(screen.width - room, screen.width / 4)
        y: Spec = {"field": "row", "type": "ordinal", "axis": None}
        x: Spec = {"field": "v", "type": "quantitative", "axis": None, "scale": {"domain": [0, domain]}}
        heading: Spec = {"type": "text", "align": "left", "fontWeight": "bold", "fill": "var(--ink)", "dy": 2}
        beside: Spec = {"type": "text", "align": "left", "dx": 5, "fill": "var(--ink)"}
        colours = sorted({row["colour"] for row in rows} - {""})
        return _whole(
            {
                "data": {"values": rows},
                "height": {"step": _ROW_PX},
                "encoding": {"y": y, "x": x},
                "layer": [
                    {
                        "transform": [{"filter": "datum.colour != ''"}],
                        "mark": {"type": "bar", "height": _ROW_PX - 5},
                        "encoding": {
                            "color": {
                                "field": "colour",
                                "type": "nominal",
                                "legend": None,
                                "scale": {"domain": colours, "range": [_colour(int(one)) for one in colours]},
                            }
                        },
                    },
                    {"mark": beside, "encoding": {"text": {"field": "label"}}},
                    {
                        "mark": heading,
                        "encoding": {"text": {"field": "head"}, "x": {"datum": 0, "type": "quantitative"}},
                    },
                ],
            },
            screen,
        )

    return Chart(title, alt, spec)


def _whole(part: Spec, screen: Screen) -> Spec:
    return {
        "$schema": _SCHEMA,
        "width": screen.width,
        "height": _HEIGHT_PX,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "padding": {"left": 8, "right": 4, "top": 2, "bottom": 2},  # a reader's font may be wider than the one measured
        "background": "transparent",
        **part,
        "config": {
            "aria": False,  # the picture is told in words as a whole, and its numbers stand in a table
            "font": "Arial, Helvetica, sans-serif",
            "view": {"stroke": None},
            "text": {"fontSize": _TEXT_PX},
            "axis": {
                "labelFontSize": _TEXT_PX,
                "labelColor": "var(--quiet)",
                "gridColor": "var(--line)",
                "domainColor": "var(--line)",
                "tickColor": "var(--line)",
            },
            "legend": {
                "orient": "top",
                "direction": "horizontal",
                "columns": 0 if screen is WIDE else 2,
                "labelFontSize": _TEXT_PX,
                "labelColor": "var(--ink)",
                "labelLimit": screen.width // 2,
                "symbolType": "square",
                "columnPadding": 24,
                "title": None,
            },
        },
    }


def _values(series: Mapping[str, Mapping[date, float]], days: Sequence[date], *, nothing: float | None) -> list[Spec]:
    return [
        {"day": str(day), "name": name, "rank": rank, "v": line.get(day, nothing)}
        for day in days
        for rank, (name, line) in enumerate(series.items())
    ]


def _day_axis(days: Sequence[date], screen: Screen) -> Spec:
    return {
        "field": "day",
        "type": "ordinal",  # days as they are: a time scale would label the night after a single one
        "title": None,
        "scale": {"domain": [str(day) for day in days]},
        "axis": {
            "values": [str(day) for day in days[:: -(-len(days) // screen.ticks)]],
            "labelExpr": "utcFormat(utcParse(datum.value, '%Y-%m-%d'), '%-d %b')",
            "labelAngle": 0,
            "labelOverlap": True,
            "labelSeparation": 6,
        },
    }


def _amounts(top: float, *, share: bool) -> Spec:
    if share:
        return {"tickCount": 4, "format": ".0%"}
    if top < _WRITTEN_OUT:
        return {"tickCount": 4, "format": ",~r"}
    return {"tickCount": 4, "format": "~s", "labelExpr": "datum.value ? datum.label : '0'"}


def _colour(index: int) -> str:
    return f"var(--series-{index % 4})"


def _colours(names: Sequence[str]) -> Spec:
    return {
        "field": "name",
        "type": "nominal",
        "sort": list(names),
        "scale": {"domain": list(names), "range": [_colour(index) for index in range(len(names))]},
        "legend": {} if len(names) > 1 else None,
    }


def _marked(marks: Mapping[date, str]) -> list[Spec]:
    if not marks:
        return []
    x: Spec = {"field": "day", "type": "ordinal", "bandPosition": 0.5}
    data: Spec = {"values": [{"day": str(day), "mark": mark} for day, mark in marks.items()]}
    return [
        {
            "data": data,
            "mark": {"type": "rule", "stroke": "var(--mark)", "strokeDash": [4, 3], "strokeWidth": 1.5},
            "encoding": {"x": x},
        },
        {
            "data": data,
            "mark": {"type": "text", "fill": "var(--mark)", "fontWeight": "bold", "baseline": "bottom", "dy": -4},
            "encoding": {"x": x, "y": {"value": 0}, "text": {"field": "mark"}},
        },
    ]
