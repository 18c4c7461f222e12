"""A specification drawn as SVG for the middle of a page."""

from __future__ import annotations

import re
from html import escape

import vl_convert

from tradewind.report.charts import PHONE, WIDE, Chart

_VEGA_LITE = "6.1"
_OPENING = re.compile(r'\A<svg [^>]*?viewBox="([0-9. -]+)"[^>]*>')


def draw(chart: Chart) -> tuple[str, str]:
    """The chart for a phone and for a wide screen; styles of the page show one of them."""
    return _svg(chart, "phone"), _svg(chart, "wide")


def _svg(chart: Chart, screen: str) -> str:
    spec = chart.spec(PHONE if screen == "phone" else WIDE)
    # Data stand in the specification; no address that could slip into it may be asked.
    drawn = vl_convert.vegalite_to_svg(spec, vl_version=_VEGA_LITE, allowed_base_urls=[])
    opening = f'<svg class="{screen}" viewBox="{_view_box(drawn)}" role="img" aria-label="{escape(chart.alt)}">'
    return _OPENING.sub(lambda _: opening, drawn, count=1)


def _view_box(drawn: str) -> str:
    found = _OPENING.match(drawn)
    if found is None:
        raise ValueError(f"the drawing does not begin with an svg element and its viewBox: {drawn[:80]!r}")
    return found[1]
