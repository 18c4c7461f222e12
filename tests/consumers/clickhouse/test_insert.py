"""The token of an insert, and what errors mean."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from consumers.clickhouse.insert import Trouble, name_of, token_of, trouble_of
from consumers.clickhouse.positions import Log

LOG = Log("orders.v1", "topic_1")
PLACES = [(0, 5), (1, 90), (0, 6), (1, 91)]


def token(log: Log, places: list[tuple[int, int]]) -> str:
    """The token of rows at these places, each a partition and an offset."""
    return token_of(log, [partition for partition, _ in places], [offset for _, offset in places])


def test_a_token_names_the_log_and_the_span_of_each_partition() -> None:
    assert token(LOG, PLACES) == "orders.v1:topic_1:0:5-6,1:90-91:4"


def test_the_same_rows_in_another_interleaving_have_the_same_token() -> None:
    assert token(LOG, sorted(PLACES)) == token(LOG, PLACES)


@pytest.mark.parametrize(
    ("log", "places"),
    [
        (Log("orders.v1", "topic_2"), PLACES),
        (Log("listings.v1", "topic_1"), PLACES),
        (LOG, [*PLACES, (1, 92)]),
        (LOG, [(0, 5), (1, 90), (1, 91)]),
        (LOG, [(0, 5), (0, 6), (1, 91), (1, 90)]),
    ],
)
def test_other_rows_have_another_token(log: Log, places: list[tuple[int, int]]) -> None:
    assert token(log, places) != token(LOG, PLACES)


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (OperationalError("connection refused"), Trouble.PASSING),
        (DatabaseError("too many parts", code=252), Trouble.PASSING),
        (DatabaseError("memory limit", code=241), Trouble.PASSING),
        (DatabaseError("keeper", code=999), Trouble.PASSING),
        (DatabaseError("table is in readonly mode", code=242), Trouble.PASSING),
        (DatabaseError("a code of tomorrow", code=4242), Trouble.PASSING),
        (DatabaseError("a proxy's page"), Trouble.PASSING),
        (DatabaseError("Code: 1001. DB::Exception: type: avro::Exception, EOF reached", code=1001), Trouble.DATA),
        (DatabaseError("Code: 1001. filesystem error: no space left on device", code=1001), Trouble.PASSING),
        (DatabaseError("bytes are left over", code=395), Trouble.DATA),
        (DatabaseError("cannot parse uuid", code=376), Trouble.DATA),
        (DatabaseError("Avro enum index 63 is out of range: (at row 1)", code=117), Trouble.DATA),
        (DatabaseError("column prov: (while reading header)", code=117), Trouble.SETUP),
        (DatabaseError("unknown table", code=60), Trouble.SETUP),
        (DatabaseError("not enough privileges", code=497), Trouble.SETUP),
    ],
)
def test_what_an_error_means(error: Exception, trouble: Trouble) -> None:
    assert trouble_of(error) is trouble


def test_the_name_of_an_error_quotes_no_row() -> None:
    error = DatabaseError("Cannot parse 'a buyer's words'", code=376, name="CANNOT_PARSE_UUID")
    assert name_of(error) == "CANNOT_PARSE_UUID (376)"
    assert name_of(OperationalError("a buyer's words")) == "OperationalError"
