"""`tradewind query`: SQL against ClickHouse."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, NoReturn, Optional

import typer

from tradewind.cli.guard import quiet_libraries
from tradewind.cli.shared import Exit, fail, load_settings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from tradewind.settings import Settings

#: Reads only, but unlike 1 lets a query have a SETTINGS clause of its own.
_READ_ONLY = 2
#: By ClickHouse's code, what to do where a setting is at fault.
_MENDS = {
    81: "; check TRADEWIND_CLICKHOUSE_DATABASE; the sink makes its tables: tradewind sink",
}
_MESSAGE = re.compile(r"DB::Exception:\s*(.*?)\s*(?:\([A-Z_0-9]+\)\s*)?\(version [^()]*(?:\([^()]*\))?\).*", re.DOTALL)
_LONGEST = 500


class Format(str, Enum):
    """What `--format` takes."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    TSV = "tsv"


#: ClickHouse's own names of the formats, and the settings that go with them.
_RAW: dict[Format, tuple[str, dict[str, Any]]] = {
    Format.JSON: ("JSONEachRow", {"output_format_json_array_of_rows": 1}),
    Format.CSV: ("CSVWithNames", {}),
    Format.TSV: ("TabSeparatedWithNames", {}),
}


def query(
    sql: str = typer.Argument(help="A statement; - reads it from standard input."),
    output: Format = typer.Option(Format.TABLE, "--format", help="Form of the result; json is an array of objects."),
    param: Optional[list[str]] = typer.Option(None, "--param", metavar="NAME=VALUE", help="Fills in {NAME:Type}."),
    write: bool = typer.Option(False, "--write", help="Let the statement change data or tables."),
) -> None:
    """Ask ClickHouse, and print the result. Without --write nothing can be changed.

    Try it: tradewind query "SELECT route, count() AS n FROM answers_drafted GROUP BY route"
    """
    from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

    from consumers.clickhouse.client import open_client
    from consumers.clickhouse.refused import refusal

    statement = (sys.stdin.read() if sql == "-" else sql).strip().rstrip(";")
    if not statement:
        fail("no statement; give one, or - and one on standard input", Exit.USAGE)
    parameters = _parameters(param or [])
    settings = load_settings()
    quiet_libraries()
    try:
        with open_client(settings) as client:
            _answer(client, statement, parameters, output, write=write)
    except ClickHouseError as error:
        if why := refusal(error):
            fail(why, Exit.USAGE if getattr(error, "code", None) else Exit.UNREACHABLE)
        code = getattr(error, "code", None)
        if code is None and isinstance(error, OperationalError):
            _fail_unreachable(settings, error)
        mend = _MENDS.get(code or 0, "")
        fail(one_line(error) + mend, Exit.USAGE if mend else Exit.FAILED)


def _parameters(given: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            fail(f"--param {text}: expected NAME=VALUE, such as --param merchant=m-1", Exit.USAGE)
        found[name] = value
    return found


def _answer(client: Client, sql: str, parameters: dict[str, str], output: Format, *, write: bool) -> None:
    from clickhouse_connect.driver.query import QueryContext

    limits: dict[str, Any] = {} if write else {"readonly": _READ_ONLY}
    # Only --write lets a command through, so that without it everything has a result.
    if write and QueryContext(sql).is_command:
        client.command(sql, parameters=parameters or None, settings=limits)
    elif output is Format.TABLE:
        result = client.query(sql, parameters=parameters or None, settings=limits)
        _print_table(result.column_names, result.result_rows)
    else:
        name, more = _RAW[output]
        with client.raw_stream(sql, parameters=parameters or None, settings={**limits, **more}, fmt=name) as stream:
            while block := stream.read(1 << 16):
                sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    from decimal import Decimal

    from tradewind.cli.text import cell, new_table, print_table

    kinds = rows[0] if rows else ()
    numbers = tuple(
        name for name, value in zip(columns, kinds, strict=False) if isinstance(value, (int, float, Decimal))
    )
    table = new_table(*columns, right=numbers)
    for row in rows:
        table.add_row(*map(cell, row))
    print_table(table)


def one_line(error: ClickHouseError) -> str:
    """ClickHouse's code, name and message, on one line and without what else it would have understood."""
    from tradewind.cli.text import cut, printable

    text = str(error)
    said = (match[1] if (match := _MESSAGE.search(text)) else text).partition(" Expected one of: ")[0]
    name = getattr(error, "name", None)
    return f"ClickHouse {getattr(error, 'code', '')}{f' {name}' if name else ''}: {cut(printable(said), _LONGEST)}"


def _fail_unreachable(settings: Settings, error: Exception) -> NoReturn:
    from tradewind.cli.text import without_password

    refused = "Connection refused" in str(error)
    fail(
        f"no answer from ClickHouse at {without_password(settings.clickhouse_url)} "
        f"({'connection refused' if refused else type(error).__name__}); "
        "check TRADEWIND_CLICKHOUSE_URL, or start a local stack: tradewind up",
        Exit.UNREACHABLE,
    )
