"""Two years of a marketplace, made inside ClickHouse from one real year.

Each real order line comes back in every copy: under new event, order and buyer ids, a few minutes later, the copies in
turn in the year that ends now and in the year before. Shifts are whole weeks and those minutes, so hours and days of
the week stay. Of 100 lines 2 are cancelled and refunded, 4 are shipped, returned and refunded, 4 are paid and shipped.
One copy in 14 is in EUR and one in CAD. One event in 500 comes a second time, as from a producer that sends again. A
question was asked before one line in 100, and answered. Each row was stored 0.4 s after it happened: the partitions
are the months, as in a live system.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import islice

from clickhouse_connect.driver.client import Client

from tradewind.demo import journey

REAL_LINES = 1_469_307
_LOAD = 100_000
_YEAR = timedelta(weeks=52)
#: Rows that a line becomes: 90 * 1 + 2 * 3 + 4 * 4 + 4 * 3 of 100.
_ROWS_PER_LINE = 1.24
#: From a line to its last step, and the minutes of the last copy.
_LONGEST = timedelta(days=12)
#: The newest copies lose what would lie in the future: up to a week of their year, half of all copies.
_KEPT = 1 - 0.5 / 52

_REAL = """
CREATE TABLE real
(
    event_id UUID, occurred_at DateTime64(3, 'UTC'), merchant_id LowCardinality(String), order_id String, line Int32,
    listing_id String, kind LowCardinality(String), quantity Int32, amount Decimal(18, 2), discount Decimal(18, 2),
    currency LowCardinality(String), buyer_id String, store LowCardinality(String)
)
ENGINE = MergeTree ORDER BY occurred_at
"""

_COLUMNS = (
    "event_id, occurred_at, merchant_id, order_id, line, listing_id, kind, quantity, amount, discount, currency, "
    "buyer_id, store, _log, _partition, _offset, _inserted_at"
)

#: What happens to a line and how many seconds after it was placed, by a number below 100 that its id gives.
_STEPS = """multiIf(
    luck < 2, [('PLACED', 0), ('CANCELLED', 1200), ('REFUNDED', 3600)],
    luck < 6, [('PLACED', 0), ('SHIPPED', 86400), ('RETURNED', 777600), ('REFUNDED', 950400)],
    luck < 10, [('PLACED', 0), ('PAID', 60), ('SHIPPED', 86400)],
    [('PLACED', 0)])"""

_ORDERS = f"""
INSERT INTO orders ({_COLUMNS})
SELECT
    reinterpretAsUUID(sipHash128(id, copy, step.1)),
    placed + toIntervalSecond(step.2) AS at,
    merchant_id,
    concat(basket, '-', toString(copy)),
    line,
    listing_id,
    step.1,
    quantity,
    amount,
    discount,
    multiIf(intDiv(copy, 2) = 12, 'EUR', intDiv(copy, 2) = 13, 'CAD', real_currency),
    concat(buyer, '-', toString(intDiv(copy, 2))),
    store,
    'orders_v1_bench',
    cityHash64(basket, copy) % 12,
    toUnixTimestamp64Milli(at),
    at + toIntervalMillisecond(400)
FROM
(
    SELECT
        event_id AS id, merchant_id, order_id AS basket, line, listing_id, quantity, amount, discount,
        currency AS real_currency, buyer_id AS buyer, store, copy,
        occurred_at + toIntervalDay({{shift:Int32}}) + toIntervalMinute(copy * 7) AS placed,
        cityHash64(event_id, copy) % 100 AS luck,
        arrayJoin({_STEPS}) AS step
    FROM real
    ARRAY JOIN range({{year:UInt32}}, {{copies:UInt32}}, 2) AS copy
    WHERE occurred_at >= {{real_from:DateTime('UTC')}} AND occurred_at < {{real_to:DateTime('UTC')}}
)
WHERE at >= {{first:DateTime('UTC')}} AND at < {{end:DateTime('UTC')}}
"""

_AGAIN = f"""
INSERT INTO orders ({_COLUMNS})
SELECT * REPLACE (_inserted_at + INTERVAL 1 MINUTE AS _inserted_at)
FROM (SELECT {_COLUMNS} FROM orders)
WHERE occurred_at >= {{first:DateTime('UTC')}} AND occurred_at < {{end:DateTime('UTC')}} - INTERVAL 2 MINUTE
    AND _inserted_at >= {{first:DateTime('UTC')}} AND cityHash64(event_id) % 500 = 0
"""

_LAST_MINUTES = f"""
INSERT INTO orders ({_COLUMNS})
SELECT * REPLACE (
    generateUUIDv4() AS event_id,
    now64(3) - toIntervalSecond(rand() % 120) AS occurred_at,
    concat(order_id, '-now') AS order_id,
    now64(3) AS _inserted_at
)
FROM (SELECT {_COLUMNS} FROM orders)
WHERE kind = 'PLACED' AND cityHash64(event_id) % 20000 = 0
"""

_ASKED = """(
    SELECT
        event_id, occurred_at - INTERVAL 1 HOUR AS asked, merchant_id AS merchant, listing_id AS listing, buyer_id,
        concat('q-', toString(event_id)) AS question, cityHash64(event_id, 'route') % 100 AS luck, _partition, _offset,
        reinterpretAsUUID(sipHash128(event_id, 'draft')) AS draft_id
    FROM orders
    WHERE _inserted_at >= {first:DateTime('UTC')} AND occurred_at >= {first:DateTime('UTC')}
        AND occurred_at < {end:DateTime('UTC')} AND kind = 'PLACED' AND cityHash64(event_id, 'question') % 100 = 0
)"""

_QUESTIONS = (
    f"""
INSERT INTO questions (event_id, occurred_at, merchant_id, listing_id, question_id, buyer_id, language, channel, _log,
    _partition, _offset, _inserted_at)
SELECT event_id, asked, merchant, listing, question, buyer_id, 'en', 'CHAT', 'questions_v1_bench', _partition, _offset,
    asked + toIntervalMillisecond(400)
FROM {_ASKED}""",
    f"""
INSERT INTO answers_drafted (event_id, occurred_at, merchant_id, listing_id, question_id, source_event_id, asked_at,
    language, confidence, route, reason, _log, _partition, _offset, _inserted_at)
SELECT draft_id, asked + toIntervalMillisecond(500 + luck * 30) AS at, merchant, listing, question, event_id, asked,
    'en', 1 - luck / 100, multiIf(luck < 60, 'AUTO', luck < 90, 'REVIEW', 'HUMAN'), 'bench', 'answers_drafted_v1_bench',
    _partition, _offset, at + toIntervalMillisecond(400)
FROM {_ASKED}""",
    f"""
INSERT INTO answers_reviewed (event_id, occurred_at, merchant_id, listing_id, question_id, draft_event_id, decision,
    _log, _partition, _offset, _inserted_at)
SELECT reinterpretAsUUID(sipHash128(event_id, 'review')), asked + toIntervalMinute(luck) AS at, merchant, listing,
    question, draft_id, luck < 80 ? 'APPROVE' : 'REJECT', 'answers_reviewed_v1_bench', _partition, _offset,
    at + toIntervalMillisecond(400)
FROM {_ASKED}
WHERE luck >= 60 AND luck < 90""",
)


def copies_for(rows: int) -> int:
    """How often each real line is needed for that many rows."""
    return math.ceil(rows / (REAL_LINES * _ROWS_PER_LINE * _KEPT))


def load_real(client: Client, lines: int | None = None) -> int:
    """Put the real order lines (the first `lines` of them) into a table of their own; gives how many."""
    client.command(_REAL)
    rows = journey.orders(lines)
    loaded = 0
    while batch := list(islice(rows, _LOAD)):
        client.insert("real", [list(row.values()) for row in batch], column_names=list(batch[0]))
        loaded += len(batch)
    return loaded


def fill(client: Client, copies: int, now: datetime) -> Iterator[datetime]:
    """Fill the tables from the table `real`, month by month; gives each month that is done."""
    start, newest = client.query("SELECT min(occurred_at), max(occurred_at) FROM real").result_rows[0]
    # Whole weeks, and so many that the newest copies reach beyond now.
    weeks = math.ceil((now - newest.replace(tzinfo=timezone.utc)) / timedelta(weeks=1))
    first = month_of(start.replace(tzinfo=timezone.utc) + timedelta(weeks=weeks) - _YEAR)
    while first < now:
        end = min(month_of(first + timedelta(days=32)), now)
        bounds = {"first": first, "end": end}
        for year in (0, 1):
            shift = timedelta(weeks=weeks) - year * _YEAR
            real = {"real_from": first - shift - _LONGEST, "real_to": end - shift}
            of_year = {"year": year, "copies": copies, "shift": shift.days}
            client.command(_ORDERS, parameters={**bounds, **real, **of_year})
        for statement in (*_QUESTIONS, _AGAIN):
            client.command(statement, parameters=bounds)
        yield first
        first = end


def last_minutes(client: Client) -> None:
    """Some thousand orders of the last two minutes, which no roll-up has settled yet."""
    client.command(_LAST_MINUTES)


def month_of(at: datetime) -> datetime:
    """Start of its month."""
    return at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
