"""Where the counts come from: ClickHouse, behind a Protocol, so that the agent and its tests need none.

Each count stands at the time at which it was settled, so that the past and the present are counted alike. A question
is counted when its patience ends and no answer went out by then: were the questions of the last minutes counted, there
would always be more unanswered ones now than there were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol

import clickhouse_connect.driver.exceptions as clickhouse
import urllib3.exceptions
from clickhouse_connect.driver.client import Client

from model.tasks.insight_facts import Driver
from streams.insights.detect import Anomaly
from streams.insights.queries import DRIVERS, ORDERS_BY_HOUR, UNANSWERED_BY_HOUR, USUAL_S, WEEK_S
from streams.insights.series import CANCELLATIONS, REFUNDS, SALES, UNANSWERED, Series, series_of

#: A listing drives an anomaly if it makes at least this share of the change.
SHARE = 0.1


class SourceAway(Exception):
    """The counts can't be read now. Says what kind of error it was, and none of its words: those may quote a row."""


class Source(Protocol):
    """Gives counts. Its calls block, and are made in a thread."""

    def counts(self, start: datetime, end: datetime) -> list[Series]:
        """The series of all metrics over [start, end), of all merchants.

        Raises:
            SourceAway: not now.
        """
        ...

    def drivers(self, anomaly: Anomaly, most: int) -> tuple[Driver, ...]:
        """The listings that moved most in the anomaly's direction, the strongest first.

        Raises:
            SourceAway: not now.
        """
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What a query may cost.

    Attributes:
        seconds: it is given up after so long.
        rows: it may give so many rows back.
    """

    seconds: int = 30
    rows: int = 20_000_000


class ClickHouseSource:
    """Reads the roll-ups.

    Args:
        connect: opens a client that threads may share. Called when one is needed first, so that a worker can start
            while ClickHouse is away.
        patience: how long a question waits before it counts as unanswered.
    """

    def __init__(
        self,
        connect: Callable[[], Client],
        *,
        patience: timedelta = timedelta(hours=1),
        limits: Limits = Limits(),
    ) -> None:
        self._connect = connect
        self._patience_s = round(patience.total_seconds())
        self._settings = {"max_execution_time": limits.seconds, "max_result_rows": limits.rows}
        self._client: Client | None = None

    def counts(self, start: datetime, end: datetime) -> list[Series]:
        """As `Source.counts`. The minute that `end` lies in is counted as far as it has come."""
        span = {"start": _seconds(start), "end": _seconds(end)}
        orders = self._rows(ORDERS_BY_HOUR, span)
        waiting = self._rows(UNANSWERED_BY_HOUR, {**span, "patience": self._patience_s})
        merchants = sorted({row[0] for row in orders})

        def one(metric: str, rows: Iterable[Sequence[Any]], column: int, named: Sequence[str]) -> Series:
            counted = ((row[0], _time(row[1]), row[column]) for row in rows if row[column])
            return series_of(metric, counted, start, end, named)

        return [
            one(SALES, orders, 2, merchants),
            one(REFUNDS, orders, 3, merchants),
            one(CANCELLATIONS, orders, 4, merchants),
            one(UNANSWERED, waiting, 2, ()),
        ]

    def drivers(self, anomaly: Anomaly, most: int) -> tuple[Driver, ...]:
        """As `Source.drivers`. A listing's usual count is its mean over the same hours of the last weeks."""
        start, end = _seconds(anomaly.window_start), _seconds(anomaly.window_end)
        weeks = -(-(end - start) // WEEK_S)  # of the period that the window is a part of
        change = abs(anomaly.observed - anomaly.expected)
        parameters = {
            "merchant": anomaly.merchant_id,
            "start": start,
            "end": end,
            "period": weeks * WEEK_S,
            "periods": max(1, USUAL_S // (weeks * WEEK_S)),
            "sign": 1 if anomaly.observed > anomaly.expected else -1,
            "least": max(1.0, SHARE * change),
            "most": most,
            "patience": self._patience_s,
        }
        rows = self._rows(DRIVERS[anomaly.metric], parameters)
        return tuple(Driver(str(listing), int(observed), float(usual)) for listing, observed, usual in rows)

    def _rows(self, sql: str, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        try:
            if self._client is None:
                self._client = self._connect()
            # Without retries of its own: the next minute comes soon.
            result = self._client.query(sql, parameters=dict(parameters), settings=self._settings)
        except (clickhouse.Error, urllib3.exceptions.HTTPError, OSError) as error:
            raise SourceAway(type(error).__name__) from error
        return result.result_rows


def _seconds(at: datetime) -> int:
    return int(at.timestamp())


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
