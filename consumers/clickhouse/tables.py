"""Which topic goes to which table, and which columns the sink writes."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.records import schema_json
from schemas.topics import CATALOGUE, Topic

#: Columns that the sink puts before each record: where it was read from.
POSITION = ("_log", "_partition", "_offset")
#: Column that the sink puts behind each record; the table refuses another value than `END_MARK`.
END = "_end"
#: Any number does that a stray byte or two won't make; in Avro it takes five bytes.
END_MARK = 1415006542

#: Fields that are not stored. A buyer's question may hold personal data; its redacted form is in `answers_drafted`.
_LEFT_OUT = {"QuestionAsked": frozenset({"text"})}


@dataclass(frozen=True, slots=True)
class Table:
    """The table of a topic.

    Attributes:
        topic: where its rows come from.
        name: its name, without the database.
        columns: what an insert names, in the order of the Avro fields.
    """

    topic: Topic
    name: str
    columns: tuple[str, ...]


def table_of(topic: Topic) -> Table:
    """The topic's table; `listings-enriched.v1` goes to `listings_enriched`."""
    left_out = _LEFT_OUT.get(topic.record, frozenset())
    fields = (field["name"] for field in schema_json(topic.record)["fields"])
    return Table(
        topic=topic,
        name=topic.name.rpartition(".")[0].replace("-", "_"),
        columns=(*POSITION, *(name for name in fields if name not in left_out), END),
    )


TABLES: tuple[Table, ...] = tuple(table_of(topic) for topic in CATALOGUE)
