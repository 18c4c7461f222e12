"""What is asked of ClickHouse. All times are seconds from 1970, so that no driver's idea of a time zone matters.

Copies of an event that came twice are dropped by grouping and by exact distinct counts, so FINAL is not needed.
"""

from __future__ import annotations

from streams.insights.series import CANCELLATIONS, REFUNDS, SALES, UNANSWERED

WEEK_S = 7 * 86_400
#: How far before a window a listing's usual count is taken: a number of weeks.
USUAL_S = 4 * WEEK_S

#: Parameters: start, end. Gives merchant, hour, orders, refunded lines, cancelled lines.
ORDERS_BY_HOUR = """
SELECT merchant_id, toUnixTimestamp(toStartOfHour(minute)) AS hour,
    sum(orders), sum(refunded_lines), sum(cancelled_lines)
FROM merchant_sales
WHERE minute >= toDateTime({start:Int64}, 'UTC') AND minute < toDateTime({end:Int64}, 'UTC')
GROUP BY merchant_id, hour
"""


def _waited(since: str, only: str = "1") -> str:
    """A subquery of the questions whose patience ended since a time and before `end`, with no answer by then.

    Args:
        since: an expression in seconds.
        only: a condition on the rows of all three tables.
    """
    asked_since = f"toDateTime({since} - {{patience:Int64}}, 'UTC')"
    return f"""
(
    SELECT merchant_id, listing_id, toInt64(toUnixTimestamp(asked_at)) + {{patience:Int64}} AS due
    FROM
    (
        SELECT merchant_id, question_id, any(questions.listing_id) AS listing_id, min(occurred_at) AS asked_at
        FROM questions
        WHERE {only} AND occurred_at >= {asked_since} AND occurred_at < toDateTime({{end:Int64}}, 'UTC')
        GROUP BY merchant_id, question_id
    ) AS asked
    LEFT JOIN
    (
        SELECT merchant_id, question_id, min(at) AS answered_at
        FROM
        (
            SELECT merchant_id, question_id, occurred_at AS at
            FROM answers_drafted
            WHERE {only} AND route = 'AUTO' AND asked_at >= {asked_since}
            UNION ALL
            SELECT merchant_id, question_id, occurred_at AS at
            FROM answers_reviewed
            WHERE {only} AND decision IN ('APPROVE', 'EDIT') AND occurred_at >= {asked_since}
        )
        GROUP BY merchant_id, question_id
    ) AS answered USING (merchant_id, question_id)
    -- where nothing matches, a join gives 1970
    WHERE (toUnixTimestamp(answered_at) = 0 OR toUnixTimestamp(answered_at) > due)
        AND due >= {since} AND due < {{end:Int64}}
)"""


#: Parameters: start, end, patience. Gives merchant, hour, questions that were not answered in time.
UNANSWERED_BY_HOUR = f"""
SELECT merchant_id, intDiv(due, 3600) * 3600 AS hour, count()
FROM {_waited("{start:Int64}")}
GROUP BY merchant_id, hour
"""


def _drivers(table: str, at: str, count: str, where: str = "1") -> str:
    """Listings by their change against the same part of the periods before. A period is whole weeks.

    Args:
        at: an expression in seconds.
        count: an aggregate function up to its condition.
    """
    return f"""
WITH {{end:Int64}} - 1 - {at} AS age, intDiv(age, {{period:Int64}}) AS periods_ago
SELECT
    listing_id,
    {count}periods_ago = 0) AS observed,
    {count}periods_ago > 0) / {{periods:Int64}} AS usual
FROM {table}
WHERE {where} AND age >= 0 AND periods_ago <= {{periods:Int64}}
    AND age % {{period:Int64}} < {{end:Int64}} - {{start:Int64}}
GROUP BY listing_id
HAVING (observed - usual) * {{sign:Int8}} >= {{least:Float64}}
ORDER BY (observed - usual) * {{sign:Int8}} DESC, listing_id
LIMIT {{most:UInt8}}
"""


def _order_drivers(kind: str, counted: str) -> str:
    return _drivers(
        "orders",
        "toInt64(toUnixTimestamp(occurred_at))",
        f"uniqExactIf({counted}, ",
        f"merchant_id = {{merchant:String}} AND kind = '{kind}'"
        f" AND occurred_at >= toDateTime({{start:Int64}} - {2 * USUAL_S}, 'UTC')",
    )


#: Parameters: merchant, start, end, period, periods, sign, least, most, patience.
#: Gives listing, observed, usual, the strongest first.
DRIVERS = {
    SALES: _order_drivers("PLACED", "order_id"),
    REFUNDS: _order_drivers("REFUNDED", "event_id"),
    CANCELLATIONS: _order_drivers("CANCELLED", "event_id"),
    UNANSWERED: _drivers(
        _waited(f"({{start:Int64}} - {2 * USUAL_S})", "merchant_id = {merchant:String}"), "due", "countIf("
    ),
}
