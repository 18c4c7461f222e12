"""JSON Lines: one object a line (https://jsonlines.org)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, BinaryIO, NoReturn

from schemas.validation import Problem
from tradewind.publish.row import OnProgress, Row, numbered_lines


def rows_jsonl(source: BinaryIO, *, on_progress: OnProgress | None = None) -> Iterator[Row]:
    """A row for each line that is not blank.

    Numbers with a fraction come as Decimal, so that an amount of money is what was written.
    """
    for line in numbered_lines(source, on_progress):
        if line.problem is not None:
            yield Row(line.number, None, (line.problem,))
        elif line.text.strip():
            yield _row(line.number, line.text)


def _row(number: int, text: str) -> Row:
    try:
        value = json.loads(
            text, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_object_without_repeats
        )
    except (ValueError, RecursionError) as error:
        return Row(number, None, (Problem("line", "one JSON object", _found(error), "write one object a line"),))
    if not isinstance(value, dict):
        problem = Problem(
            "line", "a JSON object", f"a JSON {_KINDS[type(value)]}", 'write it like {"listing_id": "..."}'
        )
        return Row(number, None, (problem,))
    return Row(number, value)


_KINDS = {
    list: "array",
    str: "string",
    int: "number",
    Decimal: "number",
    bool: "true or false",
    type(None): "null",
}


def _found(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"broken JSON at character {error.pos + 1} ({error.msg})"
    if isinstance(error, RecursionError):
        return "JSON nested too deeply"
    return str(error)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name}, which JSON does not have")


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("an object that names a field twice")
    return made
