"""Attributes as the contextual product QA sets hold them, in the words of a seller.

`item_weight:  { unit:pounds, normalized_value:{ unit:pounds, value:1.83 }, value:1.83 }` becomes
`item weight: 1.83 pounds`. Where a value stands in two units, the normalised one (the market's own unit, which people
quote first when they answer) comes first and the seller's follows in parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Union

Value = Union[str, "Quoted", list["Value"], dict[str, "Value"]]

_ATTRIBUTE = re.compile(r"\s*([A-Za-z_][\w .\-]*?)\s*:\s*(?=[{\[])")
# A quote inside of quotes stands as |" in the product QA sets, for inches.
_TOKEN = re.compile(r"""\s*("(?:[^"\\|]|\|"|\||\\.)*"|'(?:[^'\\]|\\.)*'|[{}\[\],;]|[^{}\[\],;"']+)""")
_ESCAPED = re.compile(r"""[\\|](["'])""")
_ASKED = re.compile(r"(.+\S)\s+Question:\s+(\S.*)", re.DOTALL)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)")
_SIDES = ("length", "width", "depth", "height")
_WHOLE = ("value", "decimal_value", "quantity", "content", "string_value")
_EMPTY = frozenset(("", "null", "null.int", "null.string", "null.decimal"))
_UNTOLD = frozenset(("unknown", "product_specific", "unspecified"))
_DEEPEST = 32


class Quoted(str):
    """A string that stood in quotes: its underscores and digits are the seller's own."""

    __slots__ = ()


class _NotAnAttribute(ValueError):
    """The text only looks like an attribute."""


def flatten(text: str) -> str:
    """The text as a seller would write it; a text that is no attribute comes back with its white space collapsed.

    The community's form `answer Question: what was asked` becomes `answer (asked: what was asked)`. Never raises.
    """
    if found := _ATTRIBUTE.match(text):
        try:
            return _collapse(_attribute(_plain(found[1]), _parse(text[found.end() :])))
        except _NotAnAttribute:
            pass
    if asked := _ASKED.fullmatch(text.strip()):
        return _collapse(f"{asked[1]} (asked: {asked[2]})")
    return _collapse(text)


# --- reading ---------------------------------------------------------------------------------------------------------


def _parse(text: str) -> list[Value]:
    tokens = _tokens(text)
    position = 0

    def value(depth: int) -> Value:
        nonlocal position
        mark = _at(tokens, position)
        position += 1
        if depth > _DEEPEST or mark in ("}", "]", ",", ";"):
            raise _NotAnAttribute
        if mark == "{":
            return fields(depth)
        if mark == "[":
            return items(depth)
        return mark

    def fields(depth: int) -> Value:
        nonlocal position
        found: dict[str, Value] = {}
        while (mark := _at(tokens, position)) != "}":
            position += 1
            if mark == ",":
                continue
            name, colon, rest = mark.partition(":")
            if not colon or not re.fullmatch(r"\w+", name.strip()):
                raise _NotAnAttribute
            if rest.strip():
                found[name.strip()] = rest.strip()
            elif _at(tokens, position) not in ("}", ","):
                found[name.strip()] = value(depth + 1)
        position += 1
        return found

    def items(depth: int) -> Value:
        nonlocal position
        found: list[Value] = []
        while _at(tokens, position) != "]":
            if tokens[position] == ",":
                position += 1
            else:
                found.append(value(depth + 1))
        position += 1
        return found

    values = [value(0)]
    while position < len(tokens):
        if tokens[position] != ";":
            raise _NotAnAttribute
        position += 1
        values.append(value(0))
    return values


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    position = 0
    text = text.rstrip()
    while position < len(text):
        mark = _TOKEN.match(text, position)
        if mark is None:
            raise _NotAnAttribute
        word = mark[1].strip()
        if word[:1] in ("'", '"') and len(word) > 1:
            found.append(Quoted(_ESCAPED.sub(r"\1", word[1:-1])))
        elif word:
            found.append(word)
        position = mark.end()
    return found


def _at(tokens: Sequence[str], position: int) -> str:
    if position >= len(tokens):
        raise _NotAnAttribute
    return tokens[position]


# --- writing ---------------------------------------------------------------------------------------------------------


def _attribute(name: str, values: Sequence[Value]) -> str:
    only = values[0] if len(values) == 1 else None
    if isinstance(only, dict) and len(only) == 1:
        # `band: { material:[ ... ] }` is a band's material
        (part, inner), *_ = only.items()
        if isinstance(inner, list) and part not in _WHOLE:
            part = _plain(part)
            name, values = part if part.startswith(f"{name} ") else f"{name} {part}", inner
    texts = list(dict.fromkeys(text for value in values if (text := _said(value))))
    return f"{name}: {_joined(texts) if texts else 'not stated'}"


def _said(value: Value) -> str:
    if isinstance(value, dict):
        return _object(value)
    if isinstance(value, list):
        return _joined([text for item in value if (text := _said(item))])
    return _scalar(value)


def _object(fields: Mapping[str, Value]) -> str:
    if sides := _sides(fields):
        return sides
    main = next((name for name in _WHOLE if name in fields and _said(fields[name])), None)
    if main is None and isinstance(fields.get("name"), str):
        main = "name"
    if main is None:
        unit = fields.get("unit")
        parts = [
            f"{_plain(name)} {_measured(text, unit)}"
            for name, value in fields.items()
            if not _left_out(name) and name != "unit" and (text := _said(value))
        ]
        return _joined(parts)
    text = _with_unit(fields, main)
    if main == "quantity" and (kind := _said(fields.get("type", ""))):
        return f"{text} {kind}" if fields["type"] not in _UNTOLD else f"{text} of {kind} type"
    if nutrient := _said(fields.get("nutrient", "")):
        return f"{nutrient} {text}"
    asides = [_aside(name, value, text) for name, value in fields.items() if name not in (*_WHOLE, main)]
    stated = [aside for aside in asides if aside]
    return f"{text} ({', '.join(stated)})" if stated else text


def _with_unit(fields: Mapping[str, Value], main: str) -> str:
    kind = fields.get("type")
    unit = fields.get("unit") or fields.get("currency") or (kind if isinstance(kind, dict) else "")
    text = _measured(_said(fields[main]), unit)
    normal = fields.get("normalized_value")
    if not isinstance(normal, dict):
        return text
    normalised = _object(normal)
    if not normalised or normalised == text:
        return text
    return f"{normalised} ({text})"


def _measured(text: str, unit: Value | None) -> str:
    spoken = _said(unit) if unit else ""
    if not spoken or not _NUMBER.match(text) or text.lower().endswith(spoken.lower()):
        return text
    return f"{text} {spoken}"


def _aside(name: str, value: Value, text: str) -> str:
    """What stands beside a value: its kind, role or platform, or the plain name of a fancy colour."""
    if name in ("unit", "currency", "normalized_value", "nutrient") or isinstance(value, dict) or name.endswith("_id"):
        return ""
    if name == "standardized_values":
        words = [_said(word) for word in (value if isinstance(value, list) else [value])]
        return ", ".join(word for word in dict.fromkeys(words) if word and word.lower() not in text.lower())
    if isinstance(value, str) and value in _UNTOLD:
        return ""
    return _said(value)


def _left_out(name: str) -> bool:
    return name == "id" or name.endswith(("_id", "_string")) or name == "standardized_values"


def _sides(fields: Mapping[str, Value]) -> str:
    """`length 9.2 inches, width 6.7 inches (length 23.37 centimeters, width 17.02 centimeters)`.

    The normaliser of these sets sorts the sides, so that its length can be the seller's height. Then the seller's
    numbers follow without their sides' names, for one of the two must be wrong.
    """
    names = [name for name in fields if name in _SIDES]
    measures = [fields[name] for name in names]
    if len(names) < 2 or len(names) < len(fields) or not all(isinstance(m, dict) for m in measures):
        return ""
    own = [m for m in measures if isinstance(m, dict)]
    normal = [m["normalized_value"] for m in own if isinstance(m.get("normalized_value"), dict)]
    stated = [_object({k: v for k, v in m.items() if k != "normalized_value"}) for m in own]
    normalised = [_object(n) for n in normal if isinstance(n, dict)]
    if len(normalised) != len(own) or normalised == stated:
        return _named(names, stated)
    if _proportional(stated, normalised):
        return f"{_named(names, normalised)} ({_named(names, stated)})"
    return f"{_named(names, normalised)} ({' x '.join(stated)})"


def _proportional(stated: Sequence[str], normalised: Sequence[str]) -> bool:
    """Whether each side was multiplied by the same number, as a change of unit does, rounding aside."""
    ratios: list[float] = []
    for a, b in zip(stated, normalised, strict=True):
        one, other = _NUMBER.match(a), _NUMBER.match(b)
        if one and other and float(other[0]):
            ratios.append(float(one[0]) / float(other[0]))
    return bool(ratios) and max(ratios) <= 1.1 * min(ratios)


def _named(names: Sequence[str], texts: Sequence[str]) -> str:
    return ", ".join(f"{name} {text}" for name, text in zip(names, texts, strict=True) if text)


def _scalar(text: str) -> str:
    if isinstance(text, Quoted):
        return "" if text.strip().lower() in _EMPTY else str(text).strip()
    plain = text.strip()
    if plain.lower() in _EMPTY:
        return ""
    if plain.lower() in ("true", "false"):
        return "yes" if plain.lower() == "true" else "no"
    if _NUMBER.fullmatch(plain):
        return _number(plain)
    return _plain(plain)


def _number(text: str) -> str:
    """`21.` is 21 and `0.50` is 0.5; no digit that says something is lost."""
    try:
        return format(Decimal(text).normalize(), "f")
    except InvalidOperation:
        return text


def _plain(name: str) -> str:
    return name.replace("_", " ").strip()


def _joined(texts: Sequence[str]) -> str:
    return ("; " if any(", " in text for text in texts) else ", ").join(texts)


def _collapse(text: str) -> str:
    return " ".join(text.split())
