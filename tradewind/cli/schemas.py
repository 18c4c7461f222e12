"""`tradewind schemas`: the Avro records and their registered versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

import typer

from tradewind.cli.guard import one_line_errors
from tradewind.cli.shared import Exit, err, fail, load_settings, out, print_json

if TYPE_CHECKING:
    from schemas.topics import Topic
    from tradewind.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Show the Avro records, check that they stay readable, register them.")


@app.command()
def show(
    name: Optional[str] = typer.Argument(None, metavar="[RECORD|TOPIC]", help="One record, with its fields."),
    as_json: bool = typer.Option(False, "--json", help="The .avsc of the record; without one, a JSON array of all."),
) -> None:
    """Show all records with their ids and versions, or the fields of one.

    Try it: tradewind schemas show orders
    """
    if name is None:
        _show_all(as_json=as_json)
        return
    from schemas.records import schema_text

    topic = _topic(name)
    if as_json:
        typer.echo(schema_text(topic.record), nl=False)
    else:
        _show_fields(topic)


@app.command()
def check(as_json: bool = typer.Option(False, "--json", help="One JSON array of what is incompatible.")) -> None:
    """Check that each record can read all its earlier versions.

    They are the committed ones, or those of the registry that is set.

    Ends with 1 and names each field that can't be read any more. Try it: tradewind schemas check
    """
    from schemas.topics import CATALOGUE
    from tradewind.schema_versions import findings, open_versions

    settings = load_settings()
    with one_line_errors():
        found = findings(open_versions(settings))
    if as_json:
        print_json([_json(each) for each in found])
    else:
        for each in found:
            err.print(str(each), markup=False, soft_wrap=True)
        if not found:
            out.print(f"all {len(CATALOGUE)} records can read every {_versions_of(settings)} version")
    if found:
        raise typer.Exit(int(Exit.FAILED))


@app.command()
def push(as_json: bool = typer.Option(False, "--json", help="One JSON object.")) -> None:
    """Register new versions with the schema registry that is set, or where none is, commit them to the id file.

    Checks first, and registers nothing when a record could not read an earlier version any more.

    A registry that only reads, such as the local stack's, serves the committed ids: for it, too, they are committed.

    Try it: tradewind schemas push
    """
    from tradewind.schema_versions import findings, open_writable, register_all

    settings = load_settings()
    with one_line_errors():
        target = open_writable(settings)
        found = findings(target.versions)
        if found:
            for each in found:
                err.print(str(each), markup=False, soft_wrap=True)
            fail("nothing was registered; make the change one that earlier versions can be read with")
        registered = register_all(target)
    new = [each for each in registered if each.new]
    if as_json:
        entries = [
            {"subject": each.subject, "record": each.record, "id": each.id, "new": each.new} for each in registered
        ]
        print_json({"where": target.where, "schemas": entries})
        return
    for entry in new:
        told = f"{entry.record} is registered under {entry.subject} with id {entry.id}"
        out.print(told, highlight=False, soft_wrap=True)
    known = f"all {len(registered)} records were there already" if not new else f"{len(new)} new"
    out.print(f"{known}; {target.where}", highlight=False, soft_wrap=True)


def _topic(name: str) -> Topic:
    from schemas.topics import CATALOGUE, UnknownTopic, topic_named

    for topic in CATALOGUE:
        if name.lower() == topic.record.lower():
            return topic
    try:
        return topic_named(name)
    except UnknownTopic:
        names = ", ".join(f"{topic.record} ({topic.name})" for topic in CATALOGUE)
        fail(f"no record or topic named {name!r}; there are {names}", Exit.USAGE)


def _versions_of(settings: Settings) -> str:
    return "registered" if settings.schema_registry_url else "committed"


def _json(found: Any) -> dict[str, Any]:
    return {"subject": found.subject, "version": found.version, "field": found.field, "why": found.why}


def _show_all(*, as_json: bool) -> None:
    from schemas.topics import CATALOGUE
    from tradewind.schema_versions import open_versions, present_in

    settings = load_settings()
    rows: list[dict[str, Any]] = []
    with one_line_errors():
        registry = open_versions(settings)
        for topic in CATALOGUE:
            versions = registry.versions(topic.subject)
            present = present_in(versions, topic)
            rows.append(
                {
                    "record": topic.record,
                    "topic": topic.name,
                    "subject": topic.subject,
                    "id": present.id if present else None,
                    "version": present.version if present else None,
                    "versions": [{"version": each.version, "id": each.id} for each in versions],
                }
            )
    if as_json:
        print_json(rows)
        return
    from tradewind.cli.text import cell, new_table, print_table

    table = new_table("record", "topic", "id", "version", "all versions", right=("id", "version"))
    for row in rows:
        known = ", ".join(f"{each['version']} (id {each['id']})" for each in row["versions"])
        number, version = ("not registered", None) if row["id"] is None else (row["id"], row["version"])
        table.add_row(cell(row["record"]), cell(row["topic"]), cell(number), cell(version), cell(known or None))
    print_table(table)


def _show_fields(topic: Topic) -> None:
    from schemas.records import schema_json
    from tradewind.cli.text import cell, new_table, print_table

    schema = schema_json(topic.record)
    out.print(f"{topic.record} on {topic.name}: {schema['doc']}\n", markup=False, highlight=False, soft_wrap=True)
    table = new_table("field", "type", "default", "what it is")
    for field in schema["fields"]:
        default = f"{field['default']!r}" if field.get("default") is not None else None
        private = " Private." if field.get("private") else ""
        shown = (field["name"], type_words(field["type"]), default, field["doc"] + private)
        table.add_row(*map(cell, shown))
    print_table(table)


def type_words(avro: Any) -> str:
    """An Avro type in a few words; a question mark behind it where null will do."""
    if isinstance(avro, list):
        inner = " or ".join(type_words(each) for each in avro if each != "null")
        return f"{inner}?" if "null" in avro else inner
    if not isinstance(avro, dict):
        return str(avro)
    kind = avro["type"]
    if kind == "array":
        return f"array of {type_words(avro['items'])}"
    if kind == "map":
        return f"map of {type_words(avro['values'])}"
    if kind == "enum":
        return " | ".join(avro["symbols"])
    if kind == "record":
        return str(avro["name"])
    if avro.get("logicalType") == "decimal":
        return f"decimal({avro['precision']},{avro['scale']})"
    return str(avro.get("logicalType", kind))
