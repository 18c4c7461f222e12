"""Files of rows as commands take them: a path or standard input, with a bar while they are read."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Optional

from tradewind.cli.shared import Exit, err, fail


@contextmanager
def opened(file: str) -> Iterator[tuple[BinaryIO, Optional[int]]]:
    """The file's bytes, and how many there are where that is known."""
    if file == "-":
        yield sys.stdin.buffer, None
        return
    path = Path(file)
    try:
        source = path.open("rb")
    except OSError as error:
        fail(f"{file}: {error.strerror}; give a file, or - for standard input", Exit.USAGE)
    with source:
        yield source, path.stat().st_size if path.is_file() else None


@contextmanager
def progress(size: Optional[int], *, hidden: bool) -> Iterator[tuple[Callable[[int], None], Callable[[], None]]]:
    """A bar on a terminal; gives what to call with the bytes read so far, and for each row."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

    rows = 0
    columns = (BarColumn(), DownloadColumn(), TextColumn("{task.fields[rows]:,} rows"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=hidden or not err.is_terminal) as bar:
        task = bar.add_task("", total=size, rows=0)

        def on_bytes(read: int) -> None:
            bar.update(task, completed=read, rows=rows)

        def on_row() -> None:
            nonlocal rows
            rows += 1

        yield on_bytes, on_row
