"""One request against the engine: its connection, set up as the request wants it and given back as it was.

Everything here blocks, and so runs in the server's pool of threads; one call at a time for each exchange.
"""

from __future__ import annotations

from collections.abc import Generator

from tradewind.stack.clickhouse import sql
from tradewind.stack.clickhouse.engine import Connection, Engine, Inserter, Statistics
from tradewind.stack.clickhouse.errors import READONLY, SYNTAX_ERROR, ClickHouseError
from tradewind.stack.clickhouse.request import Query
from tradewind.stack.clickhouse.sessions import Session


class Exchange:
    """A statement under way: `open` it, run it in one of three ways, and `close` it whatever happened.

    Args:
        text: the statement; of an insert, what stands before FORMAT or VALUES.
        session: the one that the request named, held by it alone.
    """

    def __init__(self, query: Query, text: str, session: Session | None) -> None:
        self.query = query
        self.text = text
        self.kind = "UNKNOWN"
        """The engine's class of the statement: READ_ONLY, MUTATING, CONTROL (SET, USE, temporary tables ...)."""
        self._session = session
        self._connection: Connection | None = None
        self._inserter: Inserter | None = None
        self._blocks: Generator[tuple[bytes, Statistics], None, None] | None = None
        self._undo: dict[str, str | None] = {}
        self._database_before: str | None = None

    def open(self, engine: Engine, data_format: str | None = None) -> None:
        """Takes a connection and applies the request's database, settings and tables.

        Args:
            data_format: of an insert's data; None for any other statement.

        Raises:
            ClickHouseError: more than one statement, or none, or a setting or database that there isn't.
        """
        kept = self._session.connection if self._session is not None else None
        self._connection = kept or engine.connect()
        whole = self.text if data_format is None else f"{self.text} FORMAT {data_format}"
        self.kind, count = self._connection.classify(whole)
        if count > 1:
            raise ClickHouseError.of(SYNTAX_ERROR, "Syntax error (Multi-statements are not allowed)")
        if count == 0 and not sql.first_word(self.text.encode()):
            raise ClickHouseError.of(SYNTAX_ERROR, "Syntax error: failed at position 1 (end of query)")
        settings = dict(self.query.settings)
        if self._outlives():
            # `readonly` is a setting that can't be taken back from a connection which stays.
            readonly = settings.pop("readonly", "0") != "0"
            if readonly and self.kind not in ("READ_ONLY", "UNKNOWN", "CONTROL"):
                raise ClickHouseError.of(READONLY, "Cannot execute query in readonly mode.")
            self._undo = self._connection.snapshot(tuple(settings))
            self._database_before = self._connection.execute("SELECT currentDatabase()").rstrip("\n")
        if self.query.database is not None:
            self._connection.use(self.query.database)
        for table in self.query.external_tables:
            name = sql.quote_identifier(table.name)
            self._connection.execute(f"CREATE TEMPORARY TABLE {name} ({table.structure})")
            statement = f"INSERT INTO {name}"
            inserter = self._connection.insert(sql.Insert(statement, len(statement), table.format, 0))
            inserter.append(table.data)
            inserter.finish()
        self._connection.set(settings)

    def run(self) -> tuple[bytes, Statistics]:
        """Runs the statement; returns its whole answer."""
        answer, statistics = self._opened.query(self.text, self.query.default_format, self.query.parameters)
        if self.kind == "CONTROL" and self._session is not None:
            self._session.connection = self._connection  # from here on it needs this one
            if sql.first_word(self.text.encode()) == "USE":
                self._database_before = None
        return answer, statistics

    def next_block(self) -> tuple[bytes, Statistics] | None:
        """Runs a SELECT as far as the next block of its answer; None at its end."""
        if self._blocks is None:
            self._blocks = self._opened.stream(self.text, self.query.default_format, self.query.parameters)
        return next((block for block in self._blocks if block[0]), None)

    def begin_insert(self, insert: sql.Insert) -> None:
        """Begins an INSERT, whose data `append` takes."""
        self._opened.set_parameters(self.query.parameters)
        self._inserter = self._opened.insert(insert)

    def append(self, data: bytes) -> None:
        """Takes the next bytes of an INSERT."""
        assert self._inserter is not None
        self._inserter.append(data)

    def finish_insert(self) -> Statistics:
        """Runs an INSERT with the data that it was given."""
        assert self._inserter is not None
        inserter, self._inserter = self._inserter, None
        return inserter.finish()

    def close(self) -> None:
        """Ends what is still under way. Then the connection goes back to its session, as if this request's URL had
        set nothing; without a session that needs it, it is dropped."""
        if self._connection is None:
            return
        try:
            if self._blocks is not None:
                self._blocks.close()
            if self._inserter is not None:
                self._inserter.cancel()
            if self._session is not None and self._session.connection is self._connection:
                self._give_back(self._connection)
                self._connection = None
        finally:
            if self._connection is not None:
                if self._session is not None and self._session.connection is self._connection:
                    self._session.connection = None  # in what state it is nobody knows
                self._connection.close()
                self._connection = None

    def _give_back(self, connection: Connection) -> None:
        connection.restore(self._undo)
        if self._database_before is not None:
            connection.use(self._database_before)
        for table in self.query.external_tables:
            connection.execute(f"DROP TABLE IF EXISTS {sql.quote_identifier(table.name)}")

    def _outlives(self) -> bool:
        """Whether the connection may stay with the session when this request is over."""
        return self._session is not None and (self._session.connection is not None or self.kind == "CONTROL")

    @property
    def _opened(self) -> Connection:
        assert self._connection is not None, "open() comes first"
        return self._connection
