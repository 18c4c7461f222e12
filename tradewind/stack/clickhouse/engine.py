"""The embedded engine: chDB on one data folder, one connection for each request or session.

A connection is cheap (0.1 ms) and has its own settings, database and temporary tables, so nothing leaks from one
request into the next. Connections run at the same time, each outside of Python's global lock.

This uses chDB's C interface (`chdb._chdb`) rather than its Python wrapper, because the wrapper's stream drops the
totals of WITH TOTALS, which come with the last, empty block.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import chdb

from tradewind.stack.clickhouse.errors import UNKNOWN_SETTING, ClickHouseError
from tradewind.stack.clickhouse.sql import Insert, quote, quote_identifier

_native: Any = chdb._chdb  # a C extension without stubs

# Where clickhouse-local, which chDB is, differs from clickhouse-server by default.
_SERVER_DEFAULTS = "SET implicit_select = 0, allow_introspection_functions = 0"


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a query read and wrote, as far as the engine tells."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0
    result_bytes: int = 0
    elapsed_s: float = 0.0

    @classmethod
    def of(cls, result: Any) -> Statistics:
        """The statistics in a result of chDB."""
        return cls(
            result.storage_rows_read(),
            result.storage_bytes_read(),
            result.rows_written(),
            result.bytes_written(),
            result.rows_read(),
            result.size(),
            result.elapsed(),
        )

    def summary(self) -> dict[str, str]:
        """The fields of X-ClickHouse-Summary."""
        return {
            "read_rows": str(self.read_rows),
            "read_bytes": str(self.read_bytes),
            "written_rows": str(self.written_rows),
            "written_bytes": str(self.written_bytes),
            "total_rows_to_read": "0",
            "result_rows": str(self.result_rows),
            "result_bytes": str(self.result_bytes),
            "elapsed_ns": str(int(self.elapsed_s * 1e9)),
        }


class Inserter:
    """An INSERT that is under way: raw bytes in the statement's format, then `finish` or `cancel`.

    The data go through a file. chDB has calls that take them piece by piece, but where a column's expression, a
    constraint or a view refuses the rows, those say that all is well and store nothing; and data that stand behind
    the statement end at the first empty line, and what follows is run as a statement of its own.
    """

    def __init__(self, raw: Any, insert: Insert, folder: Path) -> None:
        self._raw = raw
        self._insert = insert
        self._file = tempfile.NamedTemporaryFile(dir=folder)  # noqa: SIM115 (`finish` and `cancel` close it)

    def append(self, data: bytes) -> None:
        """Takes the next bytes."""
        self._file.write(data)

    def finish(self) -> Statistics:
        """Stores the rows.

        Raises:
            ClickHouseError: the engine refused; the block that it refused is not in the table.
        """
        with self._file:
            self._file.flush()
            return Statistics.of(_engine_call(self._raw.query, self._insert.from_file(self._file.name), "TabSeparated"))

    def cancel(self) -> None:
        """Drops the data."""
        self._file.close()


class Connection:
    """One connection, for one thread at a time. Every method raises ClickHouseError where the engine does."""

    def __init__(self, raw: Any, folder: Path) -> None:
        self._raw = raw
        self._folder = folder
        self.execute(_SERVER_DEFAULTS)

    def close(self) -> None:
        """Drops the connection with its temporary tables."""
        self._raw.close()

    def execute(self, statement: str) -> str:
        """Runs a statement of this server's own; returns the answer as tab separated text."""
        answer: bytes = _engine_call(self._raw.query, statement, "TabSeparated").bytes()
        return answer.decode()

    def use(self, database: str) -> None:
        """Makes `database` the one that unqualified names are looked up in."""
        self.execute(f"USE {quote_identifier(database)}")

    def set(self, settings: Mapping[str, str]) -> None:
        """Sets settings by name; `readonly` takes effect last, since it locks the others."""
        for name in settings:
            if not (name.isascii() and name.isidentifier()):
                raise ClickHouseError.of(UNKNOWN_SETTING, f"Unknown setting {name!r}.")
        ordered = sorted(settings.items(), key=lambda item: item[0] == "readonly")
        if ordered:
            self.execute("SET " + ", ".join(f"{name} = {quote(value)}" for name, value in ordered))

    def set_parameters(self, parameters: Mapping[str, str]) -> None:
        """Sets query parameters for statements that can't be given any: inserts."""
        for name, value in parameters.items():
            self.execute(f"SET {quote_identifier('param_' + name)} = {quote(value)}")

    def snapshot(self, names: tuple[str, ...]) -> dict[str, str | None]:
        """The settings' values now; None for one that has its default."""
        if not names:
            return {}
        listed = ", ".join(quote(name) for name in names)
        lines = self.execute(f"SELECT name, if(changed, hex(value), '-') FROM system.settings WHERE name IN ({listed})")
        pairs = (line.split("\t") for line in lines.splitlines())
        return {name: None if value == "-" else bytes.fromhex(value).decode() for name, value in pairs}

    def restore(self, snapshot: Mapping[str, str | None]) -> None:
        """Sets the settings back to a snapshot's values."""
        values = ((name, "DEFAULT" if value is None else quote(value)) for name, value in snapshot.items())
        if snapshot:
            self.execute("SET " + ", ".join(f"{name} = {value}" for name, value in values))

    def classify(self, text: str) -> tuple[str, int]:
        """What kind of statement it is (READ_ONLY, MUTATING, CONTROL, UNKNOWN ...), and how many there are."""
        found = _engine_call(self._raw.classify_query, text)
        return found["query_class"].name, found["statement_count"]

    def query(self, text: str, default_format: str, parameters: Mapping[str, str]) -> tuple[bytes, Statistics]:
        """Runs a statement; returns its whole answer."""
        result = _engine_call(self._raw.query, text, default_format, params=dict(parameters))
        return result.bytes(), Statistics.of(result)

    def stream(
        self, text: str, default_format: str, parameters: Mapping[str, str]
    ) -> Generator[tuple[bytes, Statistics], None, None]:
        """Runs a SELECT, and yields its answer block by block. Close the iterator to stop the query.

        Each block is formatted by itself, so the parts make a valid whole only in formats without a head and a
        foot of their own.
        """
        handle = _engine_call(self._raw.send_query, text, default_format, params=dict(parameters))
        finished = False
        try:
            while not finished:
                result = _engine_call(self._raw.streaming_fetch_result, handle)
                finished = result is None or result.rows_read() == 0
                if result is not None:
                    yield result.bytes(), Statistics.of(result)
        except ClickHouseError:
            finished = True
            raise
        finally:
            if not finished:
                _engine_call(self._raw.streaming_cancel_query, handle)

    def insert(self, insert: Insert) -> Inserter:
        """Begins an INSERT."""
        return Inserter(self._raw, insert, self._folder)


class Engine:
    """The engine on one data folder; one to a process.

    Args:
        path: where the data lie; made if missing.
        memory_ratio: the share of the machine's memory that all queries together may take.

    Raises:
        ClickHouseError: the engine can't open the folder.
    """

    def __init__(self, path: Path, memory_ratio: float) -> None:
        self._inserts = path / "inserts"
        shutil.rmtree(self._inserts, ignore_errors=True)  # what an engine that was killed had in hand
        self._inserts.mkdir(parents=True)
        # Never the bare path: a "?" in it would be read as the start of the options.
        options = urlencode({"max_server_memory_usage_to_ram_ratio": memory_ratio})
        self._address = f"{path.resolve()}?{options}"
        # The engine closes with its last connection: this one keeps it open between requests.
        self._main = self.connect()
        self.version, self.timezone = self._main.execute("SELECT version(), timezone()").rstrip("\n").split("\t")
        formats = self._main.execute("SELECT name, content_type FROM system.formats WHERE is_output")
        self._content_types = dict(line.split("\t") for line in formats.splitlines())

    def connect(self) -> Connection:
        """A new connection, with the settings of a fresh server session."""
        return Connection(_engine_call(_native.connect, self._address), self._inserts)

    def content_type(self, output_format: str) -> str:
        """The media type of a format."""
        return self._content_types.get(output_format, "text/plain; charset=UTF-8")

    def kill(self, query_id: str) -> None:
        """Stops the query that runs with this id in `log_comment`, if any; does not wait for its end."""
        connection = self.connect()
        try:
            connection.execute(f"KILL QUERY WHERE Settings['log_comment'] = {quote(query_id)} ASYNC")
        finally:
            connection.close()

    def kill_all(self) -> None:
        """Stops every query that runs for a request; does not wait for their ends."""
        self._main.execute("KILL QUERY WHERE Settings['log_comment'] != '' ASYNC")

    def close(self) -> None:
        """Closes the engine, once every other connection is closed."""
        self._main.close()


def _engine_call(function: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        return function(*args, **kwargs)
    except RuntimeError as error:  # chDB raises nothing finer
        raise ClickHouseError.from_engine(str(error)) from None
    except UnicodeDecodeError as error:  # the message quotes bytes that are no UTF-8
        raise ClickHouseError.from_engine(error.object.decode(errors="replace")) from None
