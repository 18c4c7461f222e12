"""The commands that move and read data; each has a file of its own."""

from __future__ import annotations

import typer

from tradewind.cli.publish import publish
from tradewind.cli.query import query
from tradewind.cli.report import report
from tradewind.cli.tail import tail


def add_to(app: typer.Typer) -> None:
    """Add these commands to the root."""
    for command in (publish, tail, query, report):
        app.command()(command)
