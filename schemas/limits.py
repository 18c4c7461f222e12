"""How much an event may hold. Who publishes is told so, and who reads takes no more from anybody.

The longest texts stand in the schemas (`maxLength`); how many entries a map or a list may have stands here, for Avro
has no word for it and a schema must not change for a limit of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.records import schema_json

#: Entries of a map or a list: a catalogue's longest products have some hundreds of attributes.
MAX_ENTRIES = 1_000
#: Characters of a text inside a map or a list.
MAX_ENTRY_LENGTH = 20_000
#: Bytes of a message's value. A topic's own limit is about what was sent, which may inflate to a multiple.
MAX_VALUE_BYTES = 4 * 1024 * 1024


def excess(record: str, datum: Mapping[str, Any]) -> str | None:
    """What is larger than it may be, in words without any of its text; None where nothing is."""
    for field in schema_json(record)["fields"]:
        name, value = field["name"], datum.get(field["name"])
        longest = field.get("maxLength")
        if isinstance(value, str) and longest and len(value) > longest:
            return f"{name} has {len(value)} characters, at most {longest} are taken"
        if isinstance(value, (Mapping, list, tuple)) and (why := excess_of_entries(value)):
            return f"{name} {why}"
    return None


def excess_of_entries(value: Mapping[str, Any] | list[Any] | tuple[Any, ...]) -> str | None:
    """Likewise, of a map or a list."""
    if len(value) > MAX_ENTRIES:
        return f"has {len(value)} entries, at most {MAX_ENTRIES} are taken"
    texts = [*value, *value.values()] if isinstance(value, Mapping) else list(value)
    if any(isinstance(text, str) and len(text) > MAX_ENTRY_LENGTH for text in texts):
        return f"has an entry of more than {MAX_ENTRY_LENGTH} characters"
    return None
