-- Roll-ups of orders that equal a recount of the events at every moment.
--
-- An event may be stored twice, in two inserts (sent again, redelivered, a zombie's), and a materialized view adds up
-- both before anything can drop the copy. So a roll-up here is a definition, `_recount_...`, over the events without
-- copies. What it says of a merchant's minute (hour, day) is kept in `_settled_...` once nothing comes in for a while;
-- one that is touched afterwards is counted again until it is settled anew. `settle.py` does the settling.
--
-- A view reads orders twice, to learn what was touched and to count it. Both must see the same rows, which ClickHouse
-- does by default: enable_shared_storage_snapshot_in_query.

CREATE TABLE IF NOT EXISTS _settled_through
(
    chunk LowCardinality(String) COMMENT 'What is settled: minute, hour or day.',
    through DateTime64(3, 'UTC') COMMENT 'Every order that was stored until then is in what is settled. The latest counts.'
)
ENGINE = ReplacingMergeTree(through)
ORDER BY chunk
COMMENT 'How far the roll-ups are settled.';

CREATE TABLE IF NOT EXISTS _kept_days
(
    source LowCardinality(String) COMMENT 'Table of the events.',
    days UInt32 COMMENT 'Events were kept for so many days only. The least that there ever was counts.',
    since DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When that began.'
)
ENGINE = MergeTree
ORDER BY (source, since)
COMMENT 'How long events were kept; no row where it was always for ever.';

CREATE OR REPLACE VIEW _counted_orders
(
    merchant_id String COMMENT 'The seller.',
    occurred_at DateTime64(3, 'UTC') COMMENT 'When it happened, in UTC.',
    order_id String COMMENT 'The order.',
    listing_id String COMMENT 'The listing.',
    kind LowCardinality(String) COMMENT 'What happened to the line.',
    quantity Int32 COMMENT 'Units of this line.',
    amount Decimal(18, 2) COMMENT 'What the buyer pays or is paid back.',
    discount Nullable(Decimal(18, 2)) COMMENT 'What was taken off the line.',
    currency LowCardinality(String) COMMENT 'Currency of the amounts.'
)
AS WITH (SELECT min(days) FROM _kept_days WHERE source = 'orders') AS kept
SELECT merchant_id, occurred_at, order_id, listing_id, kind, quantity, amount, discount, currency
FROM orders FINAL
WHERE kept = 0 OR occurred_at BETWEEN _inserted_at - toIntervalDay(kept - 2) AND _inserted_at + toIntervalDay(1)
COMMENT 'Orders that roll-ups count, each once. Where events are not kept for ever, those are left out that came when others of their minute may be gone already: what is settled must not shrink.';

CREATE OR REPLACE VIEW _arrivals
(
    merchant_id String COMMENT 'The seller.',
    minute DateTime('UTC') COMMENT 'Minute in which the order happened.',
    hour DateTime('UTC') COMMENT 'Its hour.',
    day Date COMMENT 'Its day.',
    _inserted_at DateTime64(3, 'UTC') COMMENT 'When it was stored.'
)
AS WITH (SELECT min(days) FROM _kept_days WHERE source = 'orders') AS kept
SELECT
    merchant_id,
    toStartOfMinute(occurred_at) AS minute,
    toStartOfHour(occurred_at) AS hour,
    toDate(toStartOfHour(occurred_at)) AS day,
    _inserted_at
FROM orders
WHERE kept = 0 OR occurred_at BETWEEN _inserted_at - toIntervalDay(kept - 2) AND _inserted_at + toIntervalDay(1)
COMMENT 'Which minutes, hours and days an order changes, and since when; one row for each copy.';

CREATE OR REPLACE VIEW _touched_minutes
(
    merchant_id String COMMENT 'The seller.',
    minute DateTime('UTC') COMMENT 'Start of the minute.'
)
AS SELECT DISTINCT merchant_id, minute
FROM _arrivals
WHERE _inserted_at > (SELECT max(through) FROM _settled_through WHERE chunk = 'minute')
COMMENT 'Merchants and minutes of orders that were stored since the minutes were settled.';

CREATE OR REPLACE VIEW _touched_hours
(
    merchant_id String COMMENT 'The seller.',
    hour DateTime('UTC') COMMENT 'Start of the hour.'
)
AS SELECT DISTINCT merchant_id, hour
FROM _arrivals
WHERE _inserted_at > (SELECT max(through) FROM _settled_through WHERE chunk = 'hour')
COMMENT 'Merchants and hours of orders that were stored since the hours were settled.';

CREATE OR REPLACE VIEW _touched_days
(
    merchant_id String COMMENT 'The seller.',
    day Date COMMENT 'The day, in UTC.'
)
AS SELECT DISTINCT merchant_id, day
FROM _arrivals
WHERE _inserted_at > (SELECT max(through) FROM _settled_through WHERE chunk = 'day')
COMMENT 'Merchants and days of orders that were stored since the days were settled.';

CREATE OR REPLACE VIEW _recount_merchant_sales
(
    merchant_id String COMMENT 'The seller.',
    minute DateTime('UTC') COMMENT 'Start of the minute in which it happened. What is dated before 1970 is in the first minute that this type has, what is dated after 2106-02-07 in the last.',
    currency LowCardinality(String) COMMENT 'Currency of the amounts: amounts of different currencies do not add up.',
    orders UInt64 COMMENT 'Orders placed.',
    lines UInt64 COMMENT 'Order lines placed.',
    units Int64 COMMENT 'Units placed.',
    sales Decimal(38, 2) COMMENT 'What buyers pay for the lines placed.',
    discounts Decimal(38, 2) COMMENT 'What was taken off the lines placed.',
    cancelled_lines UInt64 COMMENT 'Lines cancelled in this minute, whenever they were placed.',
    returned_lines UInt64 COMMENT 'Lines returned in this minute, whenever they were placed.',
    refunded_lines UInt64 COMMENT 'Lines refunded in this minute, whenever they were placed.',
    refunds Decimal(38, 2) COMMENT 'What was paid back in this minute, whenever it was placed.'
)
AS SELECT
    merchant_id,
    toStartOfMinute(occurred_at) AS minute,
    currency,
    uniqExactIf(order_id, kind = 'PLACED') AS orders,
    countIf(kind = 'PLACED') AS lines,
    sumIf(toInt64(quantity), kind = 'PLACED') AS units,
    sumIf(amount, kind = 'PLACED') AS sales,
    sumIf(ifNull(discount, 0), kind = 'PLACED') AS discounts,
    countIf(kind = 'CANCELLED') AS cancelled_lines,
    countIf(kind = 'RETURNED') AS returned_lines,
    countIf(kind = 'REFUNDED') AS refunded_lines,
    sumIf(amount, kind = 'REFUNDED') AS refunds
FROM _counted_orders
GROUP BY merchant_id, minute, currency
COMMENT 'What merchant_sales is: counted from the events.';

CREATE TABLE IF NOT EXISTS _settled_merchant_sales
(
    merchant_id String COMMENT 'The seller.',
    minute DateTime('UTC') COMMENT 'Start of the minute in which it happened. What is dated before 1970 is in the first minute that this type has, what is dated after 2106-02-07 in the last.',
    currency LowCardinality(String) COMMENT 'Currency of the amounts: amounts of different currencies do not add up.',
    orders UInt64 COMMENT 'Orders placed.',
    lines UInt64 COMMENT 'Order lines placed.',
    units Int64 COMMENT 'Units placed.',
    sales Decimal(38, 2) COMMENT 'What buyers pay for the lines placed.',
    discounts Decimal(38, 2) COMMENT 'What was taken off the lines placed.',
    cancelled_lines UInt64 COMMENT 'Lines cancelled in this minute, whenever they were placed.',
    returned_lines UInt64 COMMENT 'Lines returned in this minute, whenever they were placed.',
    refunded_lines UInt64 COMMENT 'Lines refunded in this minute, whenever they were placed.',
    refunds Decimal(38, 2) COMMENT 'What was paid back in this minute, whenever it was placed.',
    _through DateTime64(3, 'UTC') COMMENT 'What was stored until then is counted. The row of a key with the latest counts.',
    _gone UInt8 COMMENT '1 where a later count of the minute found nothing under this key.'
)
ENGINE = ReplacingMergeTree(_through, _gone)
PARTITION BY toYYYYMM(minute)
ORDER BY (merchant_id, minute, currency)
SETTINGS min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1
COMMENT 'What _recount_merchant_sales said of each minute when nothing had come in for a while.';

CREATE OR REPLACE VIEW merchant_sales
(
    merchant_id String COMMENT 'The seller.',
    minute DateTime('UTC') COMMENT 'Start of the minute in which it happened. What is dated before 1970 is in the first minute that this type has, what is dated after 2106-02-07 in the last.',
    currency LowCardinality(String) COMMENT 'Currency of the amounts: amounts of different currencies do not add up.',
    orders UInt64 COMMENT 'Orders placed.',
    lines UInt64 COMMENT 'Order lines placed.',
    units Int64 COMMENT 'Units placed.',
    sales Decimal(38, 2) COMMENT 'What buyers pay for the lines placed.',
    discounts Decimal(38, 2) COMMENT 'What was taken off the lines placed.',
    cancelled_lines UInt64 COMMENT 'Lines cancelled in this minute, whenever they were placed.',
    returned_lines UInt64 COMMENT 'Lines returned in this minute, whenever they were placed.',
    refunded_lines UInt64 COMMENT 'Lines refunded in this minute, whenever they were placed.',
    refunds Decimal(38, 2) COMMENT 'What was paid back in this minute, whenever it was placed.'
)
AS SELECT merchant_id, minute, currency, orders, lines, units, sales, discounts, cancelled_lines, returned_lines, refunded_lines, refunds
FROM _recount_merchant_sales
WHERE (merchant_id, minute) IN (SELECT merchant_id, minute FROM _touched_minutes)
UNION ALL
SELECT merchant_id, minute, currency, orders, lines, units, sales, discounts, cancelled_lines, returned_lines, refunded_lines, refunds
FROM _settled_merchant_sales FINAL
WHERE (merchant_id, minute) NOT IN (SELECT merchant_id, minute FROM _touched_minutes)
COMMENT 'Orders, sales and refunds of each merchant, minute and currency, each event once.';

CREATE OR REPLACE VIEW _recount_merchant_days
(
    merchant_id String COMMENT 'The seller.',
    day Date COMMENT 'Day on which it happened, in UTC. What is dated before 1970 is in the first day that this type has, what is dated after 2106-02-07 in the last.',
    currency LowCardinality(String) COMMENT 'Currency of the amounts: amounts of different currencies do not add up.',
    orders UInt64 COMMENT 'Orders placed.',
    lines UInt64 COMMENT 'Order lines placed.',
    units Int64 COMMENT 'Units placed.',
    sales Decimal(38, 2) COMMENT 'What buyers pay for the lines placed.',
    discounts Decimal(38, 2) COMMENT 'What was taken off the lines placed.',
    cancelled_lines UInt64 COMMENT 'Lines cancelled in this day, whenever they were placed.',
    returned_lines UInt64 COMMENT 'Lines returned in this day, whenever they were placed.',
    refunded_lines UInt64 COMMENT 'Lines refunded in this day, whenever they were placed.',
    refunds Decimal(38, 2) COMMENT 'What was paid back in this day, whenever it was placed.'
)
AS SELECT
    merchant_id,
    toDate(minute) AS day,
    currency,
    sum(each.orders) AS orders,
    sum(each.lines) AS lines,
    sum(each.units) AS units,
    sum(each.sales) AS sales,
    sum(each.discounts) AS discounts,
    sum(each.cancelled_lines) AS cancelled_lines,
    sum(each.returned_lines) AS returned_lines,
    sum(each.refunded_lines) AS refunded_lines,
    sum(each.refunds) AS refunds
FROM merchant_sales AS each
GROUP BY merchant_id, day, currency
COMMENT 'What merchant_days is: merchant_sales added up.';

CREATE TABLE IF NOT EXISTS _settled_merchant_days
(
    merchant_id String COMMENT 'The seller.',
    day Date COMMENT 'Day on which it happened, in UTC. What is dated before 1970 is in the first day that this type has, what is dated after 2106-02-07 in the last.',
    currency LowCardinality(String) COMMENT 'Currency of the amounts: amounts of different currencies do not add up.',
    orders UInt64 COMMENT 'Orders placed.',
    lines UInt64 COMMENT 'Order lines placed.',
    units Int64 COMMENT 'Units placed.',
    sales Decimal(38, 2) COMMENT 'What buyers pay for the lines placed.',
    discounts Decimal(38, 2) COMMENT 'What was taken off the lines placed.',
    cancelled_lines UInt64 COMMENT 'Lines cancelled in this day, whenever they were placed.',
    returned_lines UInt64 COMMENT 'Lines returned in this day, whenever they were placed.',
    refunded_lines UInt64 COMMENT 'Lines refunded in this day, whenever they were placed.',
    refunds Decimal(38, 2) COMMENT 'What was paid back in this day, whenever it was placed.',
    _through DateTime64(3, 'UTC') COMMENT 'What was stored until then is counted. The row of a key with the latest counts.',
    _gone UInt8 COMMENT '1 where a later count of the day found nothing under this key.'
)
ENGINE = ReplacingMergeTree(_through, _gone)
PARTITION BY toYYYYMM(day)
ORDER BY (merchant_id, day, currency)
SETTINGS min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1
COMMENT 'What _recount_merchant_days said of each day when nothing had come in for a while.';

CREATE OR REPLACE VIEW merchant_days
(
    merchant_id String COMMENT 'The seller.',
    day Date COMMENT 'Day on which it happened, in UTC. What is dated before 1970 is in the first day that this type has, what is dated after 2106-02-07 in the last.',
    currency LowCardinality(String) COMMENT 'Currency of the amounts: amounts of different currencies do not add up.',
    orders UInt64 COMMENT 'Orders placed.',
    lines UInt64 COMMENT 'Order lines placed.',
    units Int64 COMMENT 'Units placed.',
    sales Decimal(38, 2) COMMENT 'What buyers pay for the lines placed.',
    discounts Decimal(38, 2) COMMENT 'What was taken off the lines placed.',
    cancelled_lines UInt64 COMMENT 'Lines cancelled in this day, whenever they were placed.',
    returned_lines UInt64 COMMENT 'Lines returned in this day, whenever they were placed.',
    refunded_lines UInt64 COMMENT 'Lines refunded in this day, whenever they were placed.',
    refunds Decimal(38, 2) COMMENT 'What was paid back in this day, whenever it was placed.'
)
AS SELECT merchant_id, day, currency, orders, lines, units, sales, discounts, cancelled_lines, returned_lines, refunded_lines, refunds
FROM _recount_merchant_days
WHERE (merchant_id, day) IN (SELECT merchant_id, day FROM _touched_days)
UNION ALL
SELECT merchant_id, day, currency, orders, lines, units, sales, discounts, cancelled_lines, returned_lines, refunded_lines, refunds
FROM _settled_merchant_days FINAL
WHERE (merchant_id, day) NOT IN (SELECT merchant_id, day FROM _touched_days)
COMMENT 'Orders, sales and refunds of each merchant, day and currency, each event once.';

CREATE OR REPLACE VIEW _recount_listing_hours
(
    merchant_id String COMMENT 'The seller.',
    hour DateTime('UTC') COMMENT 'Start of the hour in which it happened. What is dated before 1970 is in the first hour that this type has, what is dated after 2106-02-07 in the last.',
    listing_id String COMMENT 'The listing.',
    orders UInt64 COMMENT 'Orders placed with this listing.',
    units Int64 COMMENT 'Units placed.'
)
AS SELECT
    merchant_id,
    toStartOfHour(occurred_at) AS hour,
    listing_id,
    uniqExactIf(order_id, kind = 'PLACED') AS orders,
    sumIf(toInt64(quantity), kind = 'PLACED') AS units
FROM _counted_orders
GROUP BY merchant_id, hour, listing_id
COMMENT 'What listing_hours is: counted from the events.';

CREATE TABLE IF NOT EXISTS _settled_listing_hours
(
    merchant_id String COMMENT 'The seller.',
    hour DateTime('UTC') COMMENT 'Start of the hour in which it happened. What is dated before 1970 is in the first hour that this type has, what is dated after 2106-02-07 in the last.',
    listing_id String COMMENT 'The listing.',
    orders UInt64 COMMENT 'Orders placed with this listing.',
    units Int64 COMMENT 'Units placed.',
    _through DateTime64(3, 'UTC') COMMENT 'What was stored until then is counted. The row of a key with the latest counts.',
    _gone UInt8 COMMENT '1 where a later count of the hour found nothing under this key.'
)
ENGINE = ReplacingMergeTree(_through, _gone)
PARTITION BY toYYYYMM(hour)
ORDER BY (merchant_id, hour, listing_id)
SETTINGS min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1
COMMENT 'What _recount_listing_hours said of each hour when nothing had come in for a while.';

CREATE OR REPLACE VIEW listing_hours
(
    merchant_id String COMMENT 'The seller.',
    hour DateTime('UTC') COMMENT 'Start of the hour in which it happened. What is dated before 1970 is in the first hour that this type has, what is dated after 2106-02-07 in the last.',
    listing_id String COMMENT 'The listing.',
    orders UInt64 COMMENT 'Orders placed with this listing.',
    units Int64 COMMENT 'Units placed.'
)
AS SELECT merchant_id, hour, listing_id, orders, units
FROM _recount_listing_hours
WHERE (merchant_id, hour) IN (SELECT merchant_id, hour FROM _touched_hours)
UNION ALL
SELECT merchant_id, hour, listing_id, orders, units
FROM _settled_listing_hours FINAL
WHERE (merchant_id, hour) NOT IN (SELECT merchant_id, hour FROM _touched_hours)
COMMENT 'Orders and units of each listing and hour, each event once.';

CREATE OR REPLACE VIEW _recount_listing_days
(
    merchant_id String COMMENT 'The seller.',
    day Date COMMENT 'Day on which it happened, in UTC. What is dated before 1970 is in the first day that this type has, what is dated after 2106-02-07 in the last.',
    listing_id String COMMENT 'The listing.',
    orders UInt64 COMMENT 'Orders placed with this listing.',
    units Int64 COMMENT 'Units placed.'
)
AS SELECT
    merchant_id,
    toDate(hour) AS day,
    listing_id,
    sum(each.orders) AS orders,
    sum(each.units) AS units
FROM listing_hours AS each
GROUP BY merchant_id, day, listing_id
COMMENT 'What listing_days is: listing_hours added up.';

CREATE TABLE IF NOT EXISTS _settled_listing_days
(
    merchant_id String COMMENT 'The seller.',
    day Date COMMENT 'Day on which it happened, in UTC. What is dated before 1970 is in the first day that this type has, what is dated after 2106-02-07 in the last.',
    listing_id String COMMENT 'The listing.',
    orders UInt64 COMMENT 'Orders placed with this listing.',
    units Int64 COMMENT 'Units placed.',
    _through DateTime64(3, 'UTC') COMMENT 'What was stored until then is counted. The row of a key with the latest counts.',
    _gone UInt8 COMMENT '1 where a later count of the day found nothing under this key.'
)
ENGINE = ReplacingMergeTree(_through, _gone)
PARTITION BY toYYYYMM(day)
ORDER BY (merchant_id, day, listing_id)
SETTINGS min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1
COMMENT 'What _recount_listing_days said of each day when nothing had come in for a while.';

CREATE OR REPLACE VIEW listing_days
(
    merchant_id String COMMENT 'The seller.',
    day Date COMMENT 'Day on which it happened, in UTC. What is dated before 1970 is in the first day that this type has, what is dated after 2106-02-07 in the last.',
    listing_id String COMMENT 'The listing.',
    orders UInt64 COMMENT 'Orders placed with this listing.',
    units Int64 COMMENT 'Units placed.'
)
AS SELECT merchant_id, day, listing_id, orders, units
FROM _recount_listing_days
WHERE (merchant_id, day) IN (SELECT merchant_id, day FROM _touched_days)
UNION ALL
SELECT merchant_id, day, listing_id, orders, units
FROM _settled_listing_days FINAL
WHERE (merchant_id, day) NOT IN (SELECT merchant_id, day FROM _touched_days)
COMMENT 'Orders and units of each listing and day, each event once.';

CREATE OR REPLACE VIEW orders_by_merchant_minute
(
    merchant_id String COMMENT 'The seller.',
    minute DateTime('UTC') COMMENT 'Start of the minute in which it happened. What is dated before 1970 is in the first minute that this type has, what is dated after 2106-02-07 in the last.',
    currency LowCardinality(String) COMMENT 'Currency of the amounts: amounts of different currencies do not add up.',
    orders UInt64 COMMENT 'Orders placed.',
    lines UInt64 COMMENT 'Order lines placed.',
    units Int64 COMMENT 'Units placed.',
    sales Decimal(38, 2) COMMENT 'What buyers pay for the lines placed.',
    discounts Decimal(38, 2) COMMENT 'What was taken off the lines placed.',
    cancelled_lines UInt64 COMMENT 'Lines cancelled in this minute, whenever they were placed.',
    returned_lines UInt64 COMMENT 'Lines returned in this minute, whenever they were placed.',
    refunds Decimal(38, 2) COMMENT 'What was paid back in this minute, whenever it was placed.'
)
AS SELECT merchant_id, minute, currency, orders, lines, units, sales, discounts, cancelled_lines, returned_lines, refunds
FROM merchant_sales
COMMENT 'The older name of merchant_sales.';
