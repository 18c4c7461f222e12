"""What all commands share: consoles, exit codes, settings, and errors that end in one line."""

from __future__ import annotations

import json
from enum import IntEnum
from typing import Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console

from tradewind import logs
from tradewind.misspelt import misspelt, told, variables
from tradewind.settings import Settings

#: Results go to standard output, everything about them to standard error, so that a pipe gets results only.
out = Console()
err = Console(stderr=True, highlight=False)


class Exit(IntEnum):
    """Exit codes, the same for every command."""

    OK = 0
    FAILED = 1  # it ran, and something is wrong: bad rows, a failed check, a refused message
    USAGE = 2  # the command line or a setting is wrong
    UNREACHABLE = 3  # Kafka, ClickHouse, the registry or the model can't be had
    UNFINISHED = 4  # it was told to stop and could not finish in time; what was in hand comes again
    INTERRUPTED = 130


def fail(message: str, code: Exit = Exit.FAILED) -> NoReturn:
    """End with one line on standard error."""
    err.print(f"[bold red]error:[/] {_escaped(message)}", soft_wrap=True)
    raise typer.Exit(int(code))


def load_settings(**given: Any) -> Settings:
    """The settings, with logs set up; what is wrong with them is told by variable."""
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"]).upper()
        fail(f"TRADEWIND_{name}: {first['msg']}; see tradewind config", Exit.USAGE)
    logs.configure(settings)
    for name, nearest in misspelt(variables()).items():
        err.print(f"[bold yellow]warning:[/] {_escaped(told(name, nearest))}", soft_wrap=True)
    return settings


def print_json(value: Any) -> None:
    """One JSON value on standard output, unstyled."""
    typer.echo(json.dumps(value, ensure_ascii=False, default=str))


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
