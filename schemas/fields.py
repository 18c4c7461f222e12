"""A field's value out of whatever stands there, within the field's own limits: our properties on the Avro schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from schemas.converters import Converter, Wrong, converter
from schemas.kinds import describe, kind_of, optional
from schemas.limits import excess_of_entries


def field_converter(field: Mapping[str, Any]) -> Converter:
    """What makes a field's value out of whatever stands there, within the field's own limits.

    The function raises Wrong.
    """
    convert = converter(field["type"])
    checks = _checks(field)
    required = not optional(field["type"])
    described = describe(field)

    def convert_field(value: Any) -> Any:
        if value is None:
            if required:
                raise Wrong(described, "fill it in")
            return None
        value = convert(value)
        for check in checks:
            check(value)
        return value

    return convert_field


def _checks(field: Mapping[str, Any]) -> list[Callable[[Any], None]]:
    """A field's own limits."""
    checks: list[Callable[[Any], None]] = []
    if "minimum" in field:
        checks.append(_at_least(field["minimum"]))
    if field.get("minLength"):
        checks.append(_not_blank(field["minLength"]))
    if kind_of(field["type"]) in ("map", "array"):
        checks.append(_few_entries(describe(field)))
    if field.get("maxLength"):
        checks.append(_at_most(field["maxLength"]))
    if "pattern" in field:
        checks.append(_like(field["pattern"], field.get("expect", f"text like {field['pattern']}")))
    return checks


def _at_least(minimum: Any) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if value < minimum:
            raise Wrong(f"at least {minimum}", "check the sign")

    return check


def _not_blank(length: int) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if len(value.strip()) < length:
            raise Wrong("text that is not empty", "fill it in")

    return check


def _few_entries(described: str) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if value and (why := excess_of_entries(value)):
            raise Wrong(f"{described}: it {why}", "leave out what no buyer looks for")

    return check


def _at_most(length: int) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if len(value) > length:
            raise Wrong(f"at most {length} characters", "shorten it")

    return check


def _like(pattern: str, expected: str) -> Callable[[Any], None]:
    fits = re.compile(pattern).fullmatch

    def check(value: Any) -> None:
        if not fits(value):
            raise Wrong(expected, "check its spelling")

    return check
