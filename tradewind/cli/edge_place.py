"""How far a file was read, in words that tell whether it is still the same file up to there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, final

_PIECE = 1024 * 1024


@final
class Place:
    """Walks along a file beside whoever reads its rows.

    Args:
        path: of a regular file.
    """

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("rb")
        self._hash = hashlib.sha256()
        self._line = 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def at(self, line: int) -> str:
        """The place after that line: its number, and a hash of all up to there."""
        while self._line < line and self._one_line():
            self._line += 1
        return f"{self._line} {self._hash.hexdigest()}"

    def _one_line(self) -> bool:
        piece = self._file.readline(_PIECE)
        found = bool(piece)
        while piece:
            self._hash.update(piece)
            if piece.endswith(b"\n"):
                break
            piece = self._file.readline(_PIECE)
        return found


@dataclass(frozen=True)
class Before:
    """What an earlier run has read of a file: so many lines, and how many rows of them were bad."""

    lines: int = 0
    bad: int = 0


def read_before(path: Path, noted: str) -> Before:
    """What was read before, by a place and a number of bad rows; nothing where the file has changed up to there."""
    number, _, rest = noted.partition(" ")
    _, _, bad = rest.partition(" ")
    if not (number.isdigit() and bad.isdigit()):
        return Before()
    place = Place(path)
    try:
        return Before(int(number), int(bad)) if f"{place.at(int(number))} {bad}" == noted else Before()
    finally:
        place.close()
