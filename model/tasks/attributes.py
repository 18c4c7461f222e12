"""A listing's attributes in one spelling: canonical names, trimmed values, unit symbols.

Only spellings change, never amounts: '350ML' and '350 millilitres' become '350 ml', inches stay inches.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from model.guards import concepts
from model.language import sentences

# An attribute that a reader wants early comes early; the others keep the seller's order behind these.
_ORDER: tuple[str, ...] = (
    "material",
    "color",
    "dimensions",
    "size",
    "length",
    "width",
    "height",
    "depth",
    "diameter",
    "capacity",
    "weight",
)
_ORDER += ("power", "battery", "compatibility", "quantity", "in_the_box", "care", "origin", "warranty")

_SYMBOLS = {
    "mm": "mm|millimet(?:er|re)s?|毫米",
    "cm": "cm|centimet(?:er|re)s?|厘米|公分",
    "km": "km|kilomet(?:er|re)s?|公里",
    "in": "inch(?:es)?|英寸",
    "ft": "ft|feet|foot|英尺",
    "mg": "mg|milligrams?|毫克",
    "kg": "kgs?|kilograms?|kilos?|千克|公斤",
    "g": "g|grams?|gr|克",
    "oz": "oz|ounces?|盎司",
    "lb": "lbs?|pounds?|磅",
    "ml": "ml|millilit(?:er|re)s?|毫升",
    "l": "lit(?:er|re)s?|升",
    "kW": "kw|kilowatts?|千瓦",
    "W": "w|watts?|瓦",
    "V": "v|volts?|伏",
    "mAh": "mah|毫安时?",
    "Hz": "hz|hertz|赫兹",
    "GB": "gb",
    "TB": "tb",
    "°C": "°\\s?c|℃|摄氏度",
    "°F": "°\\s?f|℉|华氏度",
}
_UNIT = re.compile(
    r"(?<![A-WYZa-wyz0-9.,])(\d+(?:[.,]\d+)?)\s*(?:"
    + "|".join(f"(?P<u{i}>{spellings})" for i, spellings in enumerate(_SYMBOLS.values()))
    + r")(?![A-Za-z0-9])",
    re.IGNORECASE,
)


def normalise(attributes: Mapping[str, str], brand: str | None = None) -> dict[str, str]:
    """Attributes under canonical names; where two names fall together, the second keeps its own spelling."""
    result: dict[str, str] = {}
    for name, value in {**attributes, **({"brand": brand} if brand else {})}.items():
        text = normalise_units(" ".join(value.split()))
        key = concepts.canonical_name(name)
        if not text or not key:
            continue
        if key in result:
            key = concepts.snake_case(name)
        result.setdefault(key, text)
    return result


#: Longer, in characters, a name or a value is no fact but prose.
_NAME_LENGTH, _VALUE_LENGTH = 60, 200


def is_fact(name: str, value: str) -> bool:
    """Whether an attribute reads as one: a name, and a value that is no text of several sentences or lines."""
    return (
        len(name) <= _NAME_LENGTH
        and not re.search(r"[.!?;:{}\n。！？；：，]|,\s", name)
        and len(value) <= _VALUE_LENGTH
        and len(sentences(value)) <= 1
    )


def normalise_units(value: str) -> str:
    """The value with unit symbols in their standard spelling, a space before them."""
    symbols = list(_SYMBOLS)

    def spelled(match: re.Match[str]) -> str:
        # 2.4G is a radio band, 5G a network
        return match[0] if re.search(r"\dG$", match[0]) else f"{match[1]} {symbols[int(str(match.lastgroup)[1:])]}"

    return _UNIT.sub(spelled, value)


def in_order(attributes: Mapping[str, str]) -> list[tuple[str, str]]:
    """The attributes (names as the seller wrote them), what a reader wants first at the front."""
    rank = {concept: i for i, concept in enumerate(_ORDER)}
    named = [(name, " ".join(value.split())) for name, value in attributes.items() if value.strip()]
    return sorted(named, key=lambda item: rank.get(concepts.of_name(item[0]), len(rank)))
