"""One insert into ClickHouse: its settings, its token, and what an error means."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from consumers.clickhouse.positions import Log
from consumers.clickhouse.tables import Table

_LARGER_THAN_ANY_BATCH = 1 << 24

#: One insert, one block, one part: so that it is stored as a whole or not at all.
INSERT_SETTINGS: dict[str, str | int] = {
    # On by default since 26.x. It would gather several inserts into one and drop the token.
    "async_insert": 0,
    "max_insert_block_size": _LARGER_THAN_ANY_BATCH,
    "min_insert_block_size_rows": _LARGER_THAN_ANY_BATCH,
    "min_insert_block_size_bytes": 0,
    "max_insert_threads": 1,
    # Settling the roll-ups relies on it (settle.py): what was dated two minutes ago is visible, or never will be.
    "max_execution_time": 60,
    # The token reaches through materialized views to their tables: that of a backfill, or a user's own.
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    # Rows sent twice are told apart by FINAL and by merges, which look at them anyway.
    "optimize_on_insert": 0,
    # A writer that does not know a field leaves the column's default.
    "input_format_avro_allow_missing_fields": 1,
}


class Trouble(Enum):
    """What an error of an insert means.

    Attributes:
        PASSING: the same insert may succeed later.
        DATA: ClickHouse read the rows and refused some of them.
        SETUP: tables, rights or settings are not as they should be; a person must mend that.
    """

    PASSING = "passing"
    DATA = "data"
    SETUP = "setup"


#: Codes of ClickHouse's src/Common/ErrorCodes.cpp.
_DATA_CODES = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        33,  # CANNOT_READ_ALL_DATA
        38,  # CANNOT_PARSE_DATE
        41,  # CANNOT_PARSE_DATETIME
        69,  # ARGUMENT_OUT_OF_BOUND
        72,  # CANNOT_PARSE_NUMBER
        117,  # INCORRECT_DATA
        128,  # TOO_LARGE_ARRAY_SIZE
        131,  # TOO_LARGE_STRING_SIZE
        321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        376,  # CANNOT_PARSE_UUID
        395,  # FUNCTION_THROW_IF_VALUE_IS_NON_ZERO: the tables' own check, `_intact`
        407,  # DECIMAL_OVERFLOW
        469,  # VIOLATED_CONSTRAINT
        748,  # AVRO_EXCEPTION; before it had a code of its own it came as STD_EXCEPTION
    }
)
_SETUP_CODES = frozenset(
    {
        16,  # NO_SUCH_COLUMN_IN_TABLE
        46,  # UNKNOWN_FUNCTION
        47,  # UNKNOWN_IDENTIFIER
        48,  # NOT_IMPLEMENTED
        60,  # UNKNOWN_TABLE
        62,  # SYNTAX_ERROR
        73,  # UNKNOWN_FORMAT
        81,  # UNKNOWN_DATABASE
        115,  # UNKNOWN_SETTING
        164,  # READONLY: the user may not write
        192,  # UNKNOWN_USER
        193,  # WRONG_PASSWORD
        194,  # REQUIRED_PASSWORD
        452,  # SETTING_CONSTRAINT_VIOLATION
        497,  # ACCESS_DENIED
        516,  # AUTHENTICATION_FAILED
    }
)
_STD_EXCEPTION = 1001


def trouble_of(error: BaseException) -> Trouble:
    """What the error means. An error that is not known is taken for a passing one: waiting loses nothing."""
    if isinstance(error, OperationalError) or not isinstance(error, DatabaseError):
        return Trouble.PASSING
    if error.code in _SETUP_CODES:
        return Trouble.SETUP
    text = str(error)
    if error.code == _STD_EXCEPTION:
        return Trouble.DATA if "avro::Exception" in text else Trouble.PASSING
    if error.code in _DATA_CODES:
        # The file's schema does not fit the table, which is no row's fault.
        return Trouble.SETUP if "while reading header" in text else Trouble.DATA
    return Trouble.PASSING


def name_of(error: BaseException) -> str:
    """The error without its text, which may quote a row: its code and name, or its class."""
    code, name = getattr(error, "code", None), getattr(error, "name", None)
    return f"{name or 'ClickHouse error'} ({code})" if code else type(error).__name__


def token_of(log: Log, partitions: Sequence[int], offsets: Sequence[int]) -> str:
    """Deduplication token of an insert: the log, and the first and last offset of each partition.

    Args:
        partitions: of every row; [rows].
        offsets: of every row, each partition's rising; [rows].
    """
    # The first one of a partition is the last one to be written into the dictionary when it is filled backwards.
    first = dict(zip(reversed(partitions), reversed(offsets), strict=True))
    last = dict(zip(partitions, offsets, strict=True))
    ranges = ",".join(f"{partition}:{first[partition]}-{last[partition]}" for partition in sorted(last))
    # The count tells the whole span from what was left of it once broken records were taken out.
    return f"{log.topic}:{log.identity}:{ranges}:{len(offsets)}"


def insert(client: Client, table: Table, file: bytes, token: str) -> None:
    """Insert an Avro file in one block.

    Raises:
        clickhouse_connect.driver.exceptions.Error: see `trouble_of`.
    """
    client.raw_insert(
        table.name,
        column_names=table.columns,
        insert_block=file,
        settings={**INSERT_SETTINGS, "insert_deduplication_token": token},
        fmt="Avro",
    )
