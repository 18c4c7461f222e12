"""CSV records with the line where each begins, and recovery from a record that is malformed (RFC 4180)."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from schemas.validation import Problem
from tradewind.publish.row import Line, OnProgress, numbered_lines

#: What spreadsheets put between cells: some save "CSV" with semicolons.
DELIMITERS = ",;\t"


@dataclass(frozen=True, slots=True)
class Good:
    """A record's cells, without the white space around them, and the line where it begins."""

    line: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Bad:
    """A line that no record could be read from."""

    line: int
    problem: Problem


Record = Good | Bad


def delimiter_of(header: str) -> str:
    """The delimiter that the header line has most of; a comma when it has none."""
    return max(DELIMITERS, key=header.count)


def records(source: BinaryIO, *, on_progress: OnProgress | None = None) -> Iterator[Record]:
    """Every record that is not blank, the header first.

    A quote that is never closed would swallow the rows behind it. So when a record is malformed, only its
    first line is given up, and reading goes on with the next line.
    """
    feed = _Feed(numbered_lines(source, on_progress))
    delimiter = ""
    while (first := feed.peek()) is not None:
        delimiter = delimiter or delimiter_of(first.text)
        feed.taken.clear()
        try:
            # A reader for each record: what state an error leaves one in is nowhere promised.
            cells = next(csv.reader(feed, delimiter=delimiter, strict=True))
        except csv.Error as error:
            feed.put_back(feed.taken[1:])
            yield Bad(first.number, first.problem or _malformed(error))
            continue
        problem = next((line.problem for line in feed.taken if line.problem), None)
        if problem is not None:
            yield Bad(first.number, problem)
        elif any(cell.strip() for cell in cells):
            yield Good(first.number, [cell.strip() for cell in cells])


def width_problem(cells: list[str], width: int) -> Problem | None:
    """What is wrong if the record has not as many cells as the header; empty ones at its end do no harm."""
    if len(cells) >= width and not any(cells[width:]):
        return None
    return Problem(
        "line",
        f"{width} cells, as in the header",
        f"{len(cells)} cells",
        "quote each cell that holds the delimiter",
    )


class _Feed:
    """Lines for csv.reader, which remembers those that it gave out and takes them back."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._back: deque[Line] = deque()
        self.taken: list[Line] = []

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else next(self._lines)
        self.taken.append(line)
        return line.text

    def peek(self) -> Line | None:
        if not self._back:
            line = next(self._lines, None)
            if line is None:
                return None
            self._back.append(line)
        return self._back[0]

    def put_back(self, lines: list[Line]) -> None:
        self._back.extendleft(reversed(lines))


def _malformed(error: csv.Error) -> Problem:
    return Problem(
        "line",
        "a CSV record",
        f"a malformed one ({error})",
        'close each quoted cell and write a quote inside it twice, like "9/16"" wrench"',
    )
