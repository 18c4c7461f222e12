"""Numbers, dates and texts as a reader is given them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Union
from unicodedata import east_asian_width

Number = Union[int, float, Decimal]

NONE = "–"
_MINUTE_S = 60.0
_HOUR_S = 3600.0
_DAY_S = 86400.0


def whole(value: Number | None) -> str:
    """A count, such as 12,345."""
    return NONE if value is None else f"{value:,}"


def money(amount: Decimal, currency: str) -> str:
    """An amount with its currency, such as 1,234.50 USD."""
    return f"{amount:,.2f} {plain(currency)}"


def percent(share: float | None) -> str:
    """A share of 0 to 1, such as 12.5%."""
    return NONE if share is None else f"{100 * share:.1f}%"


def duration(seconds: float | None) -> str:
    """A time in the unit that suits it, such as 350 ms, 2.4 s, 12 min or 3.5 h."""
    if seconds is None:
        return NONE
    if 0 < seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    for limit, unit, name in ((_MINUTE_S, 1.0, "s"), (_HOUR_S, _MINUTE_S, "min"), (2 * _DAY_S, _HOUR_S, "h")):
        if seconds < limit:
            return f"{seconds / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{seconds / _DAY_S:.1f}".removesuffix(".0") + " days"


def day(value: date) -> str:
    """A day, such as 3 November 2026."""
    return f"{value.day} {value:%B} {value.year}"


def moment(value: datetime) -> str:
    """A time in UTC, to the minute."""
    at = value.astimezone(timezone.utc)
    return f"{day(at.date())}, {at:%H:%M} UTC"


def compared(now: Number, before: Number) -> str:
    """How far apart two amounts are, in words, with the earlier one; never a percentage of nothing."""
    if now == before:
        return "the same as before"
    if not before:
        return "up from none before"
    apart = 100 * (float(now) - float(before)) / abs(float(before))
    return f"{'up' if now > before else 'down'} {abs(apart):,.1f}% from {before:,}"


def points(now: float | None, before: float | None) -> str:
    """How far apart two shares are, in percentage points; empty where one of them is missing."""
    if now is None or before is None:
        return ""
    apart = 100 * (now - before)
    if round(abs(apart), 1) == 0:
        return "the same as before"
    return f"{'up' if apart > 0 else 'down'} {abs(apart):.1f} points"


def plural(count: int, one: str, many: str = "") -> str:
    """A count and its noun, such as 1 order or 2 orders."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(parts: Sequence[str]) -> str:
    """Parts in a row, such as a, b and c."""
    return " and ".join(part for part in (", ".join(parts[:-1]), *parts[-1:]) if part)


def plain(text: str) -> str:
    """The text on one line; what isn't printable, such as control and direction marks, becomes a space."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split()) or NONE


def shortened(text: str, width: int) -> str:
    """At most as wide as so many Latin letters, the middle left out: ids tend to differ at their ends."""
    if _width(text) <= width:
        return text
    head, tail = text, ""
    while _width(head) > (width - 1) // 2:
        head = head[:-1]
    while _width(tail) < width - 3 - _width(head):
        tail = text[-len(tail) - 1 :]
    return f"{head}…{tail}"


def _width(text: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)
