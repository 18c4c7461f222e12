"""Errors that a user can mend end a command in one line; the others are ours, and keep their traceback."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from tradewind.cli.shared import fail

#: What these log about a service that is away, the command's one line says as well.
_TALKATIVE = ("urllib3.connectionpool", "clickhouse_connect", "httpx")


def quiet_libraries() -> None:
    """Keep libraries from logging warnings about what a command tells by itself."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End with the line and the exit code that `tradewind.trouble` has for an error."""
    quiet_libraries()
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        from tradewind.trouble import explain

        told = explain(error)
        if told is None:
            raise
        fail(told.message, told.code)
