"""CSV whose header names the fields of a topic's record.

A column is named as its field, in any case. A field of names and values takes columns such as
`attributes.material`, or one cell of JSON; a list takes a cell of JSON, or values parted by `|`. An empty
cell leaves the field out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from schemas.records import schema_json
from schemas.topics import Topic
from schemas.validation import Problem
from tradewind.publish.csv_records import Bad, Record, records, width_problem
from tradewind.publish.row import OnProgress, Row


@dataclass(frozen=True, slots=True)
class _Column:
    """Where a column's cells go: into a field, or under a name of a field that is a map."""

    field: str
    name: str | None = None


def rows_csv(source: BinaryIO, topic: Topic, *, on_progress: OnProgress | None = None) -> Iterator[Row]:
    """A row for each record below the header, and one on line 1 for what is wrong with the header, if
    anything.

    An unknown column is reported once and its cells are left out; of columns that repeat, the first one
    counts.
    """
    found = records(source, on_progress=on_progress)
    header = next(found, None)
    if header is None:
        yield Row(1, None, (Problem("header", "a line of field names", "an empty file", "write a header"),))
        return
    if isinstance(header, Bad):
        yield Row(header.line, None, (header.problem,))
        return
    kinds = _field_kinds(topic)
    columns, problems = _columns(header.cells, kinds)
    if problems:
        yield Row(header.line, None, tuple(problems))
    if not any(columns):
        return  # not a header at all, so nothing below it can be told apart
    for record in found:
        yield _row(record, columns, kinds)


def _field_kinds(topic: Topic) -> dict[str, str]:
    """Each field of the record with its kind: map, array or scalar."""
    kinds = {}
    for field in schema_json(topic.record)["fields"]:
        avro_type = field["type"]
        kind = avro_type.get("type") if isinstance(avro_type, Mapping) else ""
        kinds[field["name"]] = kind if kind in ("map", "array") else "scalar"
    return kinds


def _columns(header: list[str], kinds: Mapping[str, str]) -> tuple[list[_Column | None], list[Problem]]:
    columns: list[_Column | None] = []
    problems = []
    for title in header:
        column = _column(title, kinds)
        if column is None:
            problems.append(_unknown_column(title, kinds))
        elif column in columns:
            problems.append(Problem(title, "each column once", "a second one", "remove one; the first one counts"))
            column = None
        columns.append(column)
    return columns, problems


def _column(title: str, kinds: Mapping[str, str]) -> _Column | None:
    field, dot, name = title.partition(".")
    field = field.strip().lower()
    if field not in kinds:
        return None
    if not dot:
        return _Column(field)
    return _Column(field, name.strip()) if kinds[field] == "map" and name.strip() else None


def _unknown_column(title: str, kinds: Mapping[str, str]) -> Problem:
    known = [f"{field}.NAME" if kind == "map" else field for field, kind in kinds.items()]
    found = "a column of another name" if title else "a column without a name"
    return Problem(title[:60] or "header", f"one of {', '.join(known)}", found, "rename it; its cells are left out")


def _row(record: Record, columns: list[_Column | None], kinds: Mapping[str, str]) -> Row:
    if isinstance(record, Bad):
        return Row(record.line, None, (record.problem,))
    if problem := width_problem(record.cells, len(columns)):
        return Row(record.line, None, (problem,))
    filled = [(column, cell) for column, cell in zip(columns, record.cells, strict=False) if column and cell]
    data: dict[str, Any] = {}
    problems = []
    for column, cell in filled:
        if column.name is None:
            value = _value(column.field, cell, kinds[column.field])
            if isinstance(value, Problem):
                problems.append(value)
            else:
                data[column.field] = value
    if problems:
        return Row(record.line, None, tuple(problems))
    for column, cell in filled:  # last, so that a column of its own wins over the same name in a cell of JSON
        if column.name is not None:
            data.setdefault(column.field, {})[column.name] = cell
    return Row(record.line, data)


def _value(field: str, cell: str, kind: str) -> Any | Problem:
    """What the cell says."""
    if kind == "map":
        return _json(field, cell, dict, "a JSON object", 'write it like {"material": "cotton"}')
    if kind == "array" and cell.startswith("["):
        return _json(field, cell, list, "a JSON array", 'write it like ["red", "blue"], or red | blue')
    if kind == "array":
        return [part.strip() for part in cell.split("|") if part.strip()]
    return cell


def _json(field: str, cell: str, kind: type, expected: str, mend: str) -> Any | Problem:
    try:
        value = json.loads(cell)
    except (ValueError, RecursionError):
        return Problem(field, expected, "broken JSON", mend)
    return value if isinstance(value, kind) else Problem(field, expected, f"a {type(value).__name__}", mend)
