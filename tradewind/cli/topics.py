"""`tradewind topics`: the topics in Kafka."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Optional

import typer

from tradewind.cli.guard import one_line_errors
from tradewind.cli.shared import Exit, fail, load_settings, out, print_json

if TYPE_CHECKING:
    from streams.access import Grant
    from tradewind.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Create the topics in Kafka, compare them, and say who may do what there.")

_DAY_MS = 24 * 60 * 60 * 1000


@app.command()
def create(as_json: bool = typer.Option(False, "--json", help="Names of the created topics, as JSON.")) -> None:
    """Create the topics that Kafka lacks; those that are there stay as they are.

    Try it: tradewind topics create
    """
    from streams.topics import create as create_topics

    settings = load_settings()
    with one_line_errors():
        created = create_topics(settings)
    if as_json:
        print_json(created)
    else:
        out.print(f"created {', '.join(created)}" if created else "all topics are there already", soft_wrap=True)


@app.command("list")
def list_topics(as_json: bool = typer.Option(False, "--json", help="One JSON array.")) -> None:
    """Show the catalogue of topics, and how many partitions Kafka has of each.

    Try it: tradewind topics list
    """
    from streams.reach import KafkaUnreachable, topics_in_kafka

    settings = load_settings()
    there: dict[str, int] | None = None
    trouble = ""
    try:
        there = topics_in_kafka(settings)
    except KafkaUnreachable as error:
        trouble = str(error)  # the catalogue is worth showing without Kafka
    rows = _rows(settings.partitions, there)
    if as_json:
        print_json(rows)
    else:
        _show(rows, asked=there is not None)
    if trouble:
        fail(trouble, Exit.UNREACHABLE)


@app.command()
def access(
    roles: Optional[list[str]] = typer.Argument(None, help="Roles, such as sink; all without any."),
    principal: Optional[str] = typer.Option(
        None, "--principal", help="Who gets the roles, such as User:sink; without it each an account of its own name."
    ),
    apply: bool = typer.Option(False, "--apply", help="Put the rules into Kafka, instead of printing them."),
    as_json: bool = typer.Option(False, "--json", help="The roles with their rules, as JSON."),
) -> None:
    """Print what each role needs in Kafka, as commands of kafka-acls.sh for an administrator to run; or put it there.

    Try it: tradewind topics access sink --principal User:sink
    """
    from streams import access as kafka_access

    settings = load_settings()
    try:
        chosen = kafka_access.roles_named(roles or ())
    except kafka_access.UnknownRole as error:
        fail(str(error), Exit.USAGE)
    if principal is not None and not principal.startswith("User:"):
        fail(f"--principal {principal}: expected User: and a name, such as User:sink", Exit.USAGE)
    granted = kafka_access.grants(settings, chosen, principal)
    if apply:
        _apply_access(settings, granted)
    elif as_json:
        print_json(
            [
                {
                    "role": grant.role.name,
                    "doc": grant.role.doc,
                    "principal": grant.principal,
                    "rules": [asdict(rule) for rule in grant.rules],
                }
                for grant in granted
            ]
        )
    else:
        for grant in granted:
            typer.echo(f"# {grant.role.name}: {grant.role.doc}")
            for command in kafka_access.commands(grant, settings.bootstrap_servers):
                typer.echo(command)


def _apply_access(settings: Settings, granted: list[Grant]) -> None:
    from streams.access_in_kafka import NoAuthorizer, beyond
    from streams.access_in_kafka import apply as put

    with one_line_errors():
        try:
            created = put(settings, granted)
            more = beyond(settings, granted)
        except NoAuthorizer as error:
            fail(str(error))
    out.print(f"{created} rules were put into Kafka" if created else "all rules are there already")
    for line in more:
        out.print(f"may do more: {line}", markup=False, highlight=False, soft_wrap=True)


def _rows(partitions: int, there: dict[str, int] | None) -> list[dict[str, Any]]:
    from schemas.topics import CATALOGUE

    return [
        {
            "name": topic.name,
            "partitions": partitions,
            "partitions_in_kafka": None if there is None else there.get(topic.name, 0),
            "retention_ms": topic.retention_ms,
            "cleanup": topic.cleanup,
            "record": topic.record,
            "key": topic.key,
            "written_by": topic.written_by,
            "doc": topic.doc,
        }
        for topic in CATALOGUE
    ]


def _show(rows: list[dict[str, Any]], *, asked: bool) -> None:
    from tradewind.cli.text import cell, new_table, print_table

    table = new_table("topic", "in Kafka", "retention", "cleanup", "record", "key", "written by")
    for row in rows:
        retention = "for ever" if row["cleanup"] == "compact" else f"{row['retention_ms'] // _DAY_MS} days"
        names = ("cleanup", "record", "key", "written_by")
        table.add_row(row["name"], _in_kafka(row, asked), retention, *(cell(row[name]) for name in names))
    print_table(table)


def _in_kafka(row: dict[str, Any], asked: bool) -> str:
    if not asked:
        return "[dim]no answer[/]"
    wanted, found = row["partitions"], row["partitions_in_kafka"]
    if not found:
        return f"[red]missing[/], wants {wanted} partitions"
    return f"{found} partitions" if found == wanted else f"[red]{found} partitions[/], wants {wanted}"
