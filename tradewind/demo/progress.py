"""The demo's progress: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

_LINE_EVERY_S = 10.0


class Board:
    """Shows how far each count has come."""

    def __init__(self, out: Console) -> None:
        self._out = out
        self._progress = Progress(
            TextColumn("{task.description:>20}"),
            BarColumn(bar_width=36),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=out,
        )
        self._tasks: dict[str, TaskID] = {}
        self._next_line_s = 0.0

    def __enter__(self) -> Board:
        if self._out.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._out.is_terminal:
            self._progress.stop()

    def update(self, done: Mapping[str, tuple[int, int]], elapsed_s: float) -> None:
        """Show what is there of what was sent.

        Args:
            done: for each count, how many are there and how many were sent so far.
            elapsed_s: since the start, in seconds.
        """
        if self._out.is_terminal:
            for name, (there, wanted) in done.items():
                if name not in self._tasks:
                    self._tasks[name] = self._progress.add_task(name)
                self._progress.update(self._tasks[name], completed=min(there, wanted), total=max(wanted, 1))
        elif elapsed_s >= self._next_line_s:
            self._next_line_s = elapsed_s + _LINE_EVERY_S
            counts = ", ".join(f"{name} {there}/{wanted}" for name, (there, wanted) in done.items())
            self._out.print(f"{elapsed_s:5.0f} s  {counts}", soft_wrap=True)
