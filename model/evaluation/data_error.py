"""What goes wrong with a file of rows, and how it is opened."""

from __future__ import annotations

from pathlib import Path


class DataError(ValueError):
    """A file is missing, or not in the form that it must have; the message is one line and says how to mend it."""


def read_text(path: Path) -> str:
    """The file's text, without a byte order mark.

    Raises:
        DataError: it is missing, can't be read, or is not UTF-8.
    """
    try:
        # newline="": a line break inside of quotes is the row's own.
        with path.open(encoding="utf-8-sig", newline="") as file:
            return file.read()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; name one with --data") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: can't be read ({error}); expected UTF-8 text") from None
