"""A row of a file, and the lines that rows are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from schemas.validation import Problem

#: Told how many bytes of the file have been read so far.
OnProgress = Callable[[int], None]

#: Longest line that is read, in bytes: twice the largest message that a topic takes.
MAX_LINE = 4 * 1024 * 1024
_PROGRESS_EVERY = 64 * 1024
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one record of a file.

    Attributes:
        line: line of the file where the record begins, from 1.
        data: the record's fields for `schemas.validation.validate`, or None if there is nothing to publish.
        problems: why there is nothing to publish; or, beside data None on line 1, what is wrong with the
            header.
        skipped: why a sound record was left out on purpose, such as a draft; empty otherwise.
    """

    line: int
    data: dict[str, Any] | None
    problems: tuple[Problem, ...] = ()
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One physical line with its end; where it can't be read as `problem` says, `text` is a stand-in."""

    number: int
    text: str
    problem: Problem | None = None


def numbered_lines(source: BinaryIO, on_progress: OnProgress | None = None) -> Iterator[Line]:
    """The file's lines from 1, without a byte order mark; at most `MAX_LINE` bytes are held at a time."""
    number = read = reported = 0
    while raw := source.readline(MAX_LINE + 1):
        number += 1
        read += len(raw)
        if number == 1 and raw.startswith(_UTF16):
            yield Line(1, "", Problem("file", "UTF-8", "UTF-16", "save the file as UTF-8"))
            break
        if len(raw) > MAX_LINE:
            read += _skip_line(source, raw)
            yield Line(number, "", _too_long())
        else:
            yield _decoded(number, raw.removeprefix(_BOM) if number == 1 else raw)
        if on_progress and read - reported >= _PROGRESS_EVERY:
            on_progress(read)
            reported = read
    if on_progress:
        on_progress(read)


def _skip_line(source: BinaryIO, raw: bytes) -> int:
    """Read up to the line's end and give the number of bytes."""
    skipped = 0
    while raw and not raw.endswith(b"\n"):
        raw = source.readline(MAX_LINE)
        skipped += len(raw)
    return skipped


def _too_long() -> Problem:
    return Problem("line", f"at most {MAX_LINE} bytes", "a longer one", "end each record with a line feed")


def _decoded(number: int, raw: bytes) -> Line:
    try:
        return Line(number, raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        found = f"byte 0x{raw[error.start]:02x} at byte {error.start + 1} of the line"
        return Line(
            number,
            raw.decode("utf-8", "replace"),
            Problem("line", "UTF-8 text", found, "save the file as UTF-8"),
        )
