"""Yes or no by comparison: an age against a range of ages, an amount against a limit or another amount. English."""

from __future__ import annotations

import re
from typing import Literal

from model.guards import quantities
from model.guards.asked import Asked
from model.guards.facts import NEGATOR, role_of
from model.language import stem

_N = r"(\d+(?:\.\d+)?)"
_UNIT = r"\s*-?\s*(?:years?|yrs?|yo|y\.o\.)?"
_AGE = re.compile(
    rf"(?:\b{_N}\s*-?\s*(?:years?|yrs?|yo\b|y/o)|\bage[ds]?\s*(?:of\s*)?{_N}|\b{_N}\s*-?\s*(?:months?|mos?\b|mo\.))"
)
_AGES = re.compile(
    rf"{_N}{_UNIT}\s*(?:-|–|to|and|through|thru)\s*{_N}"
    rf"|{_N}\s*(?:\+|plus\b|{_UNIT}(?:[- ]olds?)?\s*(?:and|or|&)\s*(?:up|older|over|above))"
    rf"|(?:at least|over|above|older than|minimum(?: age)?(?: of| is)?|starting at)\s*{_N}"
    rf"|(?:under|below|younger than|up to|maximum(?: age)?(?: of| is)?)\s*{_N}"
    rf"|{_N}{_UNIT}(?:[- ]olds?)?\s*(?:and|or|&)\s*(?:under|younger|below)"
)
_ABOUT_AGE = re.compile(r"\b(?:ages?|aged|years?|yrs?|yo|olds?|kids|children|child|toddlers?|months?)\b")
_TOO_MUCH = re.compile(
    r"\btoo (?:hard|difficult|advanced|complicated|complex|big|large|old|mature|scary|heavy|tall|much)\b"
)
_NOT = re.compile(r"\bnot\b|n['’]t\b")
_LIMIT = re.compile(r"\b(?:up to|max(?:imum)?|at most|no more than|holds?|supports?|limit|capacity|accommodates?)\b")


def by_age(one: Asked, text: str) -> Literal["yes", "no"] | None:
    """'For a 6 year old?' held against 'ages 3 to 8' or '8 and up'. To 'is it too hard?' a fitting age says no."""
    ages, stated = _AGE.findall(one.text), list(_AGES.finditer(text))
    if len(ages) != 1 or len(stated) != 1 or not _ABOUT_AGE.search(text) or _NOT.search(text):
        return None
    years, aged, months = ages[0]
    age = float(years or aged or 0) or float(months) / 12
    scale = 12 if "month" in text else 1
    low, high, least, above, under, below = (float(g) / scale if g else None for g in stated[0].groups())
    floor = low or least or above or 0.0
    # an eight-year-old is eight until the ninth birthday
    ceiling = under or (high or below or _OLDEST) + 1
    inside = floor <= age < ceiling
    if not one.excess:
        return "yes" if inside else "no"
    if inside:
        return "no"
    return "yes" if (age < floor) == bool(_TOO_MUCH.search(one.text)) else None


_OLDEST = 120.0


def by_amount(one: Asked, text: str) -> Literal["yes", "no"] | None:
    """'Does it hold 130 lb?' held against 'up to 500 lb'; 'is it 12 in?' against '18 inches'."""
    wanted = [q for q in quantities.find(one.text) if q.dimension != "months"]
    stated = quantities.find(text)
    if len(wanted) != 1:
        return None
    (amount,) = wanted
    alike = [
        q
        for q in stated
        if q.dimension == amount.dimension
        and (q.dimension != "count" or (q.noun and stem(q.noun) == stem(amount.noun)))
    ]
    if len(alike) != 1 or NEGATOR.search(text) or quantities.same(alike[0], amount):
        return None
    (said,) = alike
    if _LIMIT.search(text):
        return "yes" if amount.value <= said.value else "no"
    if len(stated) > 1 or role_of(one.text, amount) != role_of(text, said):
        return None
    return "no"
