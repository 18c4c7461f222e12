"""What the commands share that ask the model: the engine of the settings, and signs of life while it works."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tradewind.cli.guard import one_line_errors
from tradewind.cli.shared import err

if TYPE_CHECKING:
    from model.protocol import Engine
    from tradewind.settings import Settings


@contextmanager
def open_engine(settings: Settings) -> Iterator[Engine]:
    """The engine of the settings, closed at the end."""
    from tradewind.assembly import make_engine

    if settings.log_level == "info":
        logging.getLogger("model").setLevel(logging.WARNING)  # the last line of the command says the same
    with one_line_errors(), waiting("loading the model"):
        engine = make_engine(settings)
    try:
        yield engine
    finally:
        engine.close()


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """A sign of life on a terminal."""
    if not err.is_terminal:
        yield
        return
    with err.status(what):
        yield


@contextmanager
def progress(what: str, steps: int) -> Iterator[Callable[[], None]]:
    """A bar on a terminal; call what it gives after each step."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:>12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(what, total=steps)
        yield lambda: bar.advance(task)
