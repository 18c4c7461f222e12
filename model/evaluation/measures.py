"""Numbers with units, read a second time and another way than the guards do, so that one can check the other.

A deliberately plain reader: digits, number words to twelve, and the units that shops use. A chain such as
'15 x 13 x 22 cm' gives its unit to each number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import isclose

_UNITS: dict[str, tuple[tuple[str, float], ...]] = {
    "length": (
        ("mm millimeter millimeters millimetre millimetres 毫米", 1.0),
        ("cm centimeter centimeters centimetre centimetres 厘米 公分", 10.0),
        ("m meter meters metre metres 米", 1000.0),
        ('in inch inches 英寸 " ″ ”', 25.4),
        ("ft foot feet 英尺 ′", 304.8),
        ("yd yard yards", 914.4),
    ),
    "mass": (
        ("mg milligram milligrams 毫克", 0.001),
        ("g gram grams gr 克", 1.0),
        ("kg kilogram kilograms kgs kilo kilos 千克 公斤", 1000.0),
        ("oz ounce ounces 盎司", 28.3495),
        ("lb lbs pound pounds 磅", 453.592),
    ),
    "volume": (
        ("ml milliliter milliliters millilitre millilitres 毫升", 1.0),
        ("cl", 10.0),
        ("l liter liters litre litres 升", 1000.0),
        ("floz", 29.5735),
        ("cup cups", 236.588),
        ("pint pints pt", 473.176),
        ("quart quarts qt", 946.353),
        ("gal gallon gallons", 3785.41),
    ),
    "data": (("mb", 1.0), ("gb", 1e3), ("tb", 1e6)),
    "time": (
        ("second seconds sec 秒", 1.0),
        ("minute minutes min 分钟", 60.0),
        ("hour hours hr hrs h 小时", 3600.0),
        ("day days 天", 86_400.0),
        ("week weeks 周", 604_800.0),
        ("month months 个月", 2_629_800.0),
        ("year years 年", 31_557_600.0),
    ),
    "power": (("w watt watts 瓦", 1.0), ("kw", 1000.0)),
    "voltage": (("v volt volts 伏", 1.0),),
    "charge": (("mah 毫安时", 1.0), ("ah", 1000.0)),
    "frequency": (("hz", 1.0), ("khz", 1e3), ("mhz", 1e6), ("ghz", 1e9)),
    "share": (("% percent", 1.0),),
    "angle": (("° degree degrees", 1.0),),
}
_BY_SPELLING = {
    spelling: (dimension, factor)
    for dimension, units in _UNITS.items()
    for spellings, factor in units
    for spelling in spellings.split()
}
_WORDS = {
    word: float(number)
    for number, word in enumerate(
        "two three four five six seven eight nine ten eleven twelve".split(),  # noqa: SIM905
        2,
    )
}
_NUMBER = r"\d+/\d+|\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+"
_SPELLINGS = "|".join(re.escape(s) for s in sorted(_BY_SPELLING, key=len, reverse=True))
_MEASURE = re.compile(
    rf"(?<![\d.,/])(?P<number>{_NUMBER}|(?<![\w])(?:{'|'.join(_WORDS)})(?![\w]))"
    rf"(?:[\s\-]{{0,2}}(?P<unit>fl\.?\s?oz|{_SPELLINGS})(?![a-zA-Z]|-\d))?",
    re.IGNORECASE,
)
_CHAIN = re.compile(r"\s*(?:[x×*]|by|to|or|and|,|-|–|~|至|到)\s*", re.IGNORECASE)
_SAME = 1e-6  # in the unit that it was stated in
_TOLERANCE = 0.02  # in another: a shop calls 30.5 cm a foot and 12.7 oz 360 g


@dataclass(frozen=True, slots=True)
class Measure:
    """A number at `text[start:end]`; times `factor`, it is in the base unit of its dimension. No unit: '' and 1."""

    number: float
    dimension: str
    factor: float
    start: int
    end: int

    @property
    def size(self) -> float:
        """In the base unit of the dimension."""
        return self.number * self.factor


def read(text: str) -> list[Measure]:
    """All numbers of the text, in order."""
    found = list(_read(text))
    for i in range(len(found) - 2, -1, -1):  # the unit of a chain stands at its end
        here, following = found[i], found[i + 1]
        if not here.dimension and following.dimension and _CHAIN.fullmatch(text, here.end, following.start):
            found[i] = Measure(here.number, following.dimension, following.factor, here.start, here.end)
    return found


def _read(text: str) -> Iterator[Measure]:
    for match in _MEASURE.finditer(text):
        number = _value(match["number"].lower())
        unit = re.sub(r"[.\s]", "", (match["unit"] or "").lower())
        dimension, factor = _BY_SPELLING.get(unit, ("", 1.0))
        yield Measure(number, dimension, factor, match.start(), match.end())


def _value(written: str) -> float:
    if written in _WORDS:
        return _WORDS[written]
    if "/" in written:
        top, bottom = written.split("/")
        return float(top) / float(bottom) if float(bottom) else float(top)
    return float(written.replace(",", ""))


def stands_in(claim: Measure, stated: list[Measure]) -> bool:
    """Whether the sources state the number with this unit, or with one that converts to it."""
    if not claim.dimension:
        return any(isclose(claim.number, s.number, rel_tol=_SAME) for s in stated)
    return any(
        s.dimension == claim.dimension
        and isclose(claim.size, s.size, rel_tol=_SAME if claim.factor == s.factor else _TOLERANCE)
        for s in stated
    )
