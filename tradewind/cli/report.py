"""`tradewind report`: one merchant's figures as a page that opens anywhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timezone
from pathlib import Path
from typing import IO, TYPE_CHECKING, NoReturn, Optional

import typer

from tradewind.cli.guard import one_line_errors
from tradewind.cli.shared import Exit, err, fail, load_settings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from tradewind.report.facts import Facts
    from tradewind.report.period import Period

#: Periods that ClickHouse's dates have room for, with the longest one before them.
_EARLIEST, _LATEST = date(1973, 1, 1), date(2105, 12, 31)
#: ClickHouse's codes for a table and a database that are not there.
_NOT_THERE = (60, 81)


def report(
    merchant: str = typer.Option(..., "--merchant", help="Whose figures."),
    out: Path = typer.Option(
        ..., "--out", metavar="FILE", help="The HTML file to write; one that is there is replaced."
    ),
    days: int = typer.Option(30, "--days", min=1, max=366, help="So many days, compared with as many before."),
    until: Optional[datetime] = typer.Option(
        None, "--until", formats=["%Y-%m-%d"], metavar="DATE", help="The last day, in UTC. Default: today."
    ),
) -> None:
    """Draw a merchant's sales, refunds, answers and insights as one HTML file, without scripts or network.

    Try it: tradewind report --merchant mfr-69 --out report.html --days 90
    """
    from tradewind.report.page import page
    from tradewind.report.period import Period

    settings = load_settings()
    last = (until or datetime.now(timezone.utc)).date()
    if not _EARLIEST <= last <= _LATEST:
        fail(f"--until {last}: expected a day from {_EARLIEST} to {_LATEST}", Exit.USAGE)
    # The file comes first: a path that can't be written should not cost anyone a wait.
    with _replacing(out) as file, one_line_errors():
        from consumers.clickhouse.client import open_client

        with open_client(settings) as client:
            facts = _ask(client, merchant, Period(last, days))
        file.write(page(facts))
    if facts.nothing_in_period:
        newest = facts.fresh.happened.date()
        err.print(f"nothing in this period; the newest event is of {newest}: try --until {newest}", soft_wrap=True)
    err.print(f"written: {out}", markup=False, soft_wrap=True)


def _ask(client: Client, merchant: str, period: Period) -> Facts:
    from clickhouse_connect.driver.exceptions import DatabaseError

    from tradewind.report.ask import ask, near_names

    try:
        facts = ask(client, merchant, period)
        return facts if facts is not None else _fail_unknown(merchant, near_names(client, merchant))
    except DatabaseError as error:
        if getattr(error, "code", None) not in _NOT_THERE:
            raise
        fail("ClickHouse has not all tables and views yet; the sink makes them when it starts: tradewind sink")


def _fail_unknown(merchant: str, near: list[str]) -> NoReturn:
    from tradewind.cli.text import printable

    known = f"; did you mean {' or '.join(map(printable, near))}?" if near else "; no merchant's name is near it"
    fail(f"no event of a merchant {printable(merchant)} is stored{known}", Exit.USAGE)


@contextmanager
def _replacing(path: Path) -> Iterator[IO[str]]:
    """A text file that takes the path's place once it is whole; after an error the path is as it was before."""
    try:
        if path.exists() and not path.is_file():
            fail(f"{path}: not a file that could be replaced; name another one with --out", Exit.USAGE)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        file = part.open("x", encoding="utf-8")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        fail(f"{path}: can't be written ({why}); name another file with --out", Exit.USAGE)
    try:
        with file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
