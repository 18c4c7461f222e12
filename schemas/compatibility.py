"""May a changed schema go out? Every committed version must stay readable by the new one (BACKWARD_TRANSITIVE).

The rules are Avro's own schema resolution, as the Apache Avro library checks them
(https://avro.apache.org/docs/1.12.0/specification/#schema-resolution). That library passes over the scale and precision
of decimals and over other logical types, so those are compared here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import parse

from schemas.registry import RegisteredSchema


@dataclass(frozen=True, slots=True)
class Incompatibility:
    """Why messages of an older version could not be read any more."""

    subject: str
    version: int
    field: str
    why: str

    def __str__(self) -> str:
        return f"{self.subject} version {self.version}, {self.field}: {self.why}"


def incompatibilities(present: str, committed: Iterable[RegisteredSchema]) -> list[Incompatibility]:
    """What keeps the present schema from reading each committed version; empty when nothing does.

    Raises:
        avro.errors.SchemaParseException: the present schema is no schema.
    """
    reader = parse(present)
    found: list[Incompatibility] = []
    for version in committed:
        checker: Any = ReaderWriterCompatibilityChecker
        result = checker().get_compatibility(reader, parse(version.schema))
        if result.compatibility is not SchemaCompatibilityType.compatible:
            kinds = ", ".join(sorted(kind.name.replace("_", " ") for kind in result.incompatibilities))
            why = f"{kinds}: {'; '.join(sorted(result.messages))}"
            found.append(Incompatibility(version.subject, version.version, " ".join(sorted(result.locations)), why))
        before, after = (dict(_logical(json.loads(text))) for text in (version.schema, present))
        found += [
            Incompatibility(version.subject, version.version, path, f"was {before[path]}, is {after[path]}")
            for path in before
            if path in after and before[path] != after[path]
        ]
    return found


def _logical(schema: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Each place in the schema with the logical type that stands there, if only an empty one."""
    if isinstance(schema, list):
        for member in schema:
            if member != "null":
                yield from _logical(member, path)
    elif isinstance(schema, dict) and schema["type"] == "record":
        for field in schema["fields"]:
            yield from _logical(field["type"], f"{path}/{field['name']}")
    elif isinstance(schema, dict) and schema["type"] in ("array", "map"):
        yield from _logical(schema.get("items", schema.get("values")), f"{path}/*")
    else:
        terms = (
            [str(schema[k]) for k in ("logicalType", "precision", "scale") if k in schema]
            if isinstance(schema, dict)
            else []
        )
        yield path, " ".join(terms) or "a plain value"
