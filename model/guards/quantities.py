"""Numbers with their units: read out of a text, made comparable.

'750 ml', '0.75 l' and '750毫升' are the same volume; '9/16 in' and '1-9/16 in' are not the same length. A quantity
keeps its value in the base unit of its dimension and whether it was written in metric or in US customary units, because
a conversion between the two is rounded and one within a system is not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from math import isclose

from model.language import fold

#: Relative error that a conversion between metric and US customary units may have; 12 in = 30 cm is off by 1.6%.
CONVERSION_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number in a text. `value` is in the base unit of `dimension`; a bare number has the dimension 'count'.

    `system` is 'metric', 'us' or '' (units that have only one system). `noun` is the word that a bare number counts,
    `number` what was written, before any conversion.
    """

    value: float
    dimension: str
    system: str
    start: int
    end: int
    noun: str = ""
    number: float = 0.0


# dimension, system, {spellings: factor to the base unit}; Chinese spellings need no word boundary.
_UNITS: tuple[tuple[str, str, dict[str, float]], ...] = (
    ("length", "metric", {"mm millimeter millimeters millimetre millimetres milimeter milimeters 毫米": 1,
        "km kilometers kilometres 公里": 1e6,
        "cm centimeter centimeters centimetre centimetres 厘米 公分": 10,
        "m meter meters metre metres 米": 1000}),
    ("length", "us", {"inch inches 英寸 英吋 吋 寸": 25.4, "ft foot feet 英尺": 304.8, "yd yard yards 码": 914.4}),
    ("mass", "metric", {"mg milligram milligrams 毫克": 0.001, "g gr gram grams gramme grammes 克": 1,
        "kg kgs kilo kilos kilogram kilograms 千克 公斤": 1000, "斤": 500, "吨": 1e6}),
    ("mass", "us", {"oz ounce ounces 盎司": 28.349523125, "lb lbs pound pounds 磅": 453.59237}),
    ("volume", "metric", {"ml milliliter milliliters millilitre millilitres 毫升": 1, "cl": 10, "dl": 100,
        "l liter liters litre litres 升": 1000}),
    ("volume", "us", {"floz": 29.5735295625, "cup cups": 236.5882365, "pint pints pt": 473.176473,
        "quart quarts qt": 946.352946, "gal gallon gallons 加仑": 3785.411784}),
    ("power", "", {"mw milliwatt milliwatts 毫瓦": 0.001, "w watt watts 瓦": 1, "kw kilowatt kilowatts 千瓦": 1000,
        "hp horsepower 马力": 745.7}),
    ("energy", "", {"wh": 1, "kwh": 1000}),
    ("energy food", "", {"kcal calorie calories cal 大卡 千卡": 1}),
    ("charge", "", {"mah 毫安": 1, "ah": 1000}),
    ("voltage", "", {"v volt volts 伏": 1, "kv": 1000}),
    ("current", "", {"ma": 1, "a amp amps 安": 1000}),
    ("frequency", "", {"hz hertz 赫兹": 1, "khz": 1e3, "mhz": 1e6, "ghz": 1e9}),
    ("data", "", {"mb": 1, "gb": 1000, "tb": 1e6}),
    ("pixels", "", {"mp megapixel megapixels 万像素": 1}),
    ("rotation", "", {"rpm 转": 1}),
    ("pressure", "", {"bar": 1, "psi": 0.0689476}),
    ("sound", "", {"db decibel decibels 分贝": 1}),
    ("light", "", {"lm lumen lumens 流明": 1}),
    ("colour temperature", "", {"kelvin": 1}),
    ("time", "", {"sec secs second seconds 秒": 1, "min mins minute minutes 分钟": 60, "h hr hrs hour hours 小时": 3600,
        "day days 天": 86400, "week weeks 周 星期": 604800}),
    ("months", "", {"month months mo mos 个月": 1, "year years yr yrs yo 年": 12}),
    ("months", "", {"岁 周岁": 12}),
    ("percent", "", {"% percent 百分": 1}),
    ("celsius", "metric", {"°c ℃ 摄氏度 celsius celcius": 1, "degc": 1}),
    ("fahrenheit", "us", {"°f ℉ 华氏度 fahrenheit": 1, "degf": 1}),
    ("angle", "", {"° degree degrees 度": 1}),
    ("threads", "", {"tc threads": 1}),
    ("money", "", {"$ usd dollar dollars 美元": 1}), ("money eur", "", {"€ eur euro euros 欧元": 1}),
    ("money gbp", "", {"£ gbp": 1}), ("money cny", "", {"¥ cny rmb yuan 元 块": 1}),
)  # fmt: skip
_TABLE = {s: (dim, system, f) for dim, system, units in _UNITS for names, f in units.items() for s in names.split()}

_VULGAR = {
    "½": 1 / 2,
    "¼": 1 / 4,
    "¾": 3 / 4,
    "⅓": 1 / 3,
    "⅔": 2 / 3,
    "⅛": 1 / 8,
    "⅜": 3 / 8,
    "⅝": 5 / 8,
    "⅞": 7 / 8,
}
_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBER_WORDS = {word: n for n, word in enumerate(_WORDS, 1)}
_HAN_DIGITS = {c: n for n, c in enumerate("零一二三四五六七八九")} | {"两": 2, "半": 0.5}
# Measure words that make a bare Chinese numeral a count; 一 with 个, 款, 种 is only an article.
_MEASURE = "个只件片支根包袋盒瓶罐张把套双对条块粒枚层档人位口本台组款种颗"

_NUMBER = (
    r"\d+[ \-]\d+[/⁄]\d+|\d+[/⁄]\d+|\d+(?:,\d{3})+(?:\.\d+)?|\d*\.\d+|\d+[½¼¾⅓⅔⅛⅜⅝⅞]?|[½¼¾⅓⅔⅛⅜⅝⅞]"
)  # fmt: skip


@lru_cache(maxsize=1)
def _pattern() -> re.Pattern[str]:
    latin = sorted((u for u in _TABLE if u.isascii() and u.isalpha() and u != "a"), key=len, reverse=True)
    other = sorted((u for u in _TABLE if not (u.isascii() and u.isalpha())), key=len, reverse=True)
    unit = (
        rf"(?P<unit>(?:fl\.?\s?oz|fluid\s?(?:ounce|oz)s?|(?:sq(?:uare)?|cubic)\s(?:{'|'.join(latin)})"
        rf"|(?:degrees?|°)\s(?:c|f|celsius|celcius|fahrenheit)|{'|'.join(latin)})(?![a-z0-9])"
        # 'in' is a unit only where it can't be the preposition: 12 in., 12-in, 12 in x 8 in, 12 in wide
        r"|in(?=\.|,|;|\s*[()]|$|\s*[x×*]|\s+(?:by\s+\d|wide|long|tall|high|deep|thick|diameter|width|length|height))"
        rf"|(?<=[\d\-])in(?![a-z0-9\-])|(?<=\d)a(?![a-z0-9])|''|\\?[\"″”](?:(?![a-wyz])|(?=[lwhd](?![a-z])))"
        rf"|′|'(?=\s*\d+\s*[\"″”])|{'|'.join(map(re.escape, other))})"
    )
    chinese = "|".join(re.escape(unit) for unit in other if not unit.isascii())
    words = "|".join(sorted(_NUMBER_WORDS, key=len, reverse=True))
    return re.compile(
        rf"(?P<code>(?<![a-z0-9\"″”'′])(?![whdl]\d|(?:ages?|width|height|length|depth)-)[a-z]+-?\d[a-z0-9\-]*(?:\.\d+)?|(?<![a-z0-9])\d+(?:-in-\d+|d|k|th|st|nd|rd)(?![a-z0-9°]))"
        rf"|(?P<money>[$€£¥]\s?)?(?P<minus>(?<![\w)\]])[\-−])?(?<!\d)(?<!\d[.,/⁄])(?P<number>{_NUMBER})(?![/⁄]\d)(?:\+?\s?-?{unit}|\s?(?P<measure>[{_MEASURE}]))?"
        rf"|(?<![a-z])(?P<word>{words})(?![a-z])(?:[\s\-]{unit.replace('<unit>', '<wordunit>')})?"
        rf"|(?P<han>[一二三四五六七八九十两半]+)(?P<hanunit>{chinese}|[{_MEASURE}])"
    )


_SIZE_CHAIN = re.compile(r"\s*(?:[x×*]|by)\s*$")
_RANGE = re.compile(r"\s*(?:-|–|—|~|to|and|or|through|thru|至|到)\s*$")
# the plural among the next two words: the mugs of "6 ceramic mugs" and of "6 mugs with lids"
_NOUN = re.compile(
    r"[\s\-]+(?:[a-z]+[\s\-]+)??(?!(?:is|was|has|does|its|this|comes|includes|fits|works|needs|takes|uses|as|plus)\b)([a-z]{2,}(?<!s)s)(?![a-z])"
)


def _number(text: str) -> float:
    text = text.replace(",", "")
    if text[-1] in _VULGAR:
        return (float(text[:-1]) if text[:-1] else 0.0) + _VULGAR[text[-1]]
    whole, fraction = 0.0, text.replace("⁄", "/")
    if "/" in fraction:
        head = re.split(r"[ \-]", fraction)
        whole = float(head[0]) if len(head) == 2 else 0.0
        top, bottom = head[-1].split("/")
        return whole + (float(top) / float(bottom) if float(bottom) else float("inf"))
    return float(text)


def _han_number(text: str) -> float:
    if "十" in text:
        tens, _, ones = text.partition("十")
        return _HAN_DIGITS.get(tens, 1) * 10 + _HAN_DIGITS.get(ones, 0)
    return float(_HAN_DIGITS.get(text, -1))


def _unit(spelling: str) -> tuple[str, str, float]:
    spelling = re.sub(r"[.\s]", "", spelling)
    if spelling in _TABLE:
        return _TABLE[spelling]
    spelling = spelling.removeprefix("\\")
    if spelling in ("in", '"', "″", "”", "''"):
        return _TABLE["inch"]
    if spelling in ("'", "′"):
        return _TABLE["ft"]
    if spelling.startswith("fl"):
        return _TABLE["floz"]
    if spelling.startswith(("degree", "°")):
        return _TABLE["°c" if spelling.removeprefix("degrees").removeprefix("degree").lstrip("°")[0] == "c" else "°f"]
    for prefix, power in (("square", 2), ("sq", 2), ("cubic", 3)):
        if spelling.startswith(prefix):
            dimension, system, factor = _TABLE[spelling.removeprefix(prefix)]
            return f"{dimension}^{power}", system, factor**power
    raise KeyError(spelling)


def codes(text: str) -> list[tuple[str, int, int]]:
    """Tokens that mix letters and digits (model numbers, 4K, 2-in-1), in lower case without hyphens, with place."""
    matches = _pattern().finditer(fold(text))
    return [(m["code"].replace("-", ""), *m.span()) for m in matches if m["code"]]


@lru_cache(maxsize=512)
def find(text: str) -> tuple[Quantity, ...]:
    """All quantities of the text in order. Units of a size chain or a range count for all its numbers: 120x80 cm."""
    folded = fold(text)
    found: list[Quantity] = []
    for match in _pattern().finditer(folded):
        if match["code"]:
            continue
        if match["han"]:
            value, spelling = _han_number(match["han"]), match["hanunit"]
            if value < 0 or (match["han"] == "一" and spelling in _MEASURE):
                continue
        elif match["word"]:
            value, spelling = float(_NUMBER_WORDS[match["word"]]), match["wordunit"]
            if value == 1 and not spelling:  # "this one"
                continue
        else:
            value, spelling = (_number(match["number"]), match["unit"] or (match["money"] or "").strip())
        start, end = match.span()
        if spelling and spelling not in _MEASURE:
            dimension, system, factor = _unit(spelling)
            sign = -1 if match["minus"] and dimension in ("celsius", "fahrenheit") else 1
            found.append(Quantity(sign * value * factor, dimension, system, start, end, number=value))
            _spread(found, folded, factor)
        elif not spelling and (_AGED.search(folded, max(0, start - _NEAR), start) or _AND_UP.match(folded, end)):
            found.append(Quantity(12 * value, "months", "", start, end, number=value))
            _spread(found, folded, 12)
        else:
            noun = _NOUN.match(folded, end)
            found.append(Quantity(value, "count", "", start, end, noun.group(1) if noun else "", value))
    return tuple(found)


# 'ages 3 to 8', '8 and up': years without saying so
_AGED = re.compile(
    rf"\bage[sd]?\b(?:[ :(]|of|over|from|between|range|description|rating|limit|recommended|is|are|was|\d+|-|to|and"
    rf"|{'|'.join(_WORDS)})*$"
)
_AND_UP = re.compile(r"\s*(?:and|or|&)\s*(?:up|older|over|above)\b")
_NEAR = 32


def _spread(found: list[Quantity], text: str, factor: float) -> None:
    """Gives the unit of the last quantity to the bare numbers that it belongs to: the 120 of '120 x 80 cm'."""
    last = found[-1]
    for i in range(len(found) - 2, -1, -1):
        gap = text[found[i].end : found[i + 1].start]
        if found[i].dimension != "count" or not (_SIZE_CHAIN.match(gap) or _RANGE.match(gap)):
            return
        bare = found[i]
        found[i] = Quantity(bare.value * factor, last.dimension, last.system, bare.start, bare.end, number=bare.number)


def same(claim: Quantity, source: Quantity) -> bool:
    """Whether the source states the claimed amount."""
    if {claim.dimension, source.dimension} == {"celsius", "fahrenheit"}:
        a, b = (q.value if q.dimension == "celsius" else (q.value - 32) / 1.8 for q in (claim, source))
        return abs(a - b) <= 1.0
    if claim.dimension != source.dimension:
        # a number alone says less than one with its unit; a thread count counts
        alone = claim.dimension == "count" and not claim.noun
        return (alone or {claim.dimension, source.dimension} == {"count", "threads"}) and claim.number == source.number
    tolerance = 1e-9 if claim.system == source.system else CONVERSION_TOLERANCE
    return isclose(claim.value, source.value, rel_tol=tolerance)
