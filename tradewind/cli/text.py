"""What a terminal and a pipe are given: one line where one is wanted, nothing that steers a terminal, whole tables."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tradewind.cli.shared import out

_PIPE_WIDTH = 10_000
_PASSWORD_IN_URL = re.compile(r"(?<=://)([^/@\s:]*):[^/@\s]*@")
HIDDEN = "********"


def printable(text: str) -> str:
    """The text on one line, with a space in place of whatever could steer a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def cut(text: str, width: int) -> str:
    """At most `width` characters of the text, the last one an ellipsis where some are left out."""
    return text if len(text) <= width else text[: width - 1] + "…"


def utc(at: datetime) -> str:
    """The time in ISO 8601, in UTC, to the millisecond."""
    return at.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def plain(value: Any) -> Any:
    """The value as JSON can say it, so that `schemas.validation` reads it back; bytes in base64."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return utc(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def without_password(url: str) -> str:
    """The URL with the password in it, if any, made unreadable."""
    return _PASSWORD_IN_URL.sub(rf"\1:{HIDDEN}@", url)


def new_table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """An empty table; the columns in `right` are aligned to the right."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(Text(column), justify="right" if column in right else "left", overflow="fold")
    return table


def cell(value: Any) -> Text:
    """The value as a table's cell; nothing in it is taken for markup."""
    if value is None:
        return Text("-", style="dim")
    return Text("\n".join(printable(line) for line in str(value).splitlines()))


def print_table(table: Table) -> None:
    """The table on standard output: as wide as the terminal, or into a pipe as wide as it wants to be."""
    (out if out.is_terminal else Console(width=_PIPE_WIDTH)).print(table)
