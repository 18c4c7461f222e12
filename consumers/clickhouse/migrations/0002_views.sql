-- Views for analysts. They read with FINAL, so that an event that was stored twice counts once.

CREATE OR REPLACE VIEW orders_by_merchant_minute
(
    merchant_id String COMMENT 'The seller.',
    minute DateTime('UTC') COMMENT 'Start of the minute in which it happened.',
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
AS SELECT
    merchant_id,
    toStartOfMinute(toDateTime(occurred_at, 'UTC')) AS minute,
    currency,
    uniqExactIf(order_id, kind = 'PLACED') AS orders,
    countIf(kind = 'PLACED') AS lines,
    sumIf(toInt64(quantity), kind = 'PLACED') AS units,
    sumIf(amount, kind = 'PLACED') AS sales,
    sumIf(ifNull(discount, 0), kind = 'PLACED') AS discounts,
    countIf(kind = 'CANCELLED') AS cancelled_lines,
    countIf(kind = 'RETURNED') AS returned_lines,
    sumIf(amount, kind = 'REFUNDED') AS refunds
FROM orders FINAL
GROUP BY merchant_id, minute, currency
COMMENT 'Orders, sales and refunds of each merchant and minute.';

CREATE OR REPLACE VIEW answer_routes
(
    merchant_id String COMMENT 'The seller.',
    day Date COMMENT 'Day on which the questions were asked, in UTC.',
    route LowCardinality(String) COMMENT 'AUTO: may be sent. REVIEW: a person looks first. HUMAN: a person answers.',
    reason LowCardinality(String) COMMENT 'Why this route, as a short code.',
    drafts UInt64 COMMENT 'Drafts with this route and reason.',
    share Float64 COMMENT 'Their share of the drafts of this merchant and day, 0 to 1.',
    avg_confidence Float64 COMMENT 'Mean confidence that the draft is right, 0 to 1.',
    p50_ms Float64 COMMENT 'From question to draft, median, in milliseconds.',
    p95_ms Float64 COMMENT 'From question to draft, 95th percentile, in milliseconds.'
)
AS SELECT
    merchant_id,
    toDate(asked_at, 'UTC') AS day,
    route,
    reason,
    count() AS drafts,
    drafts / sum(count()) OVER (PARTITION BY merchant_id, day) AS share,
    avg(confidence) AS avg_confidence,
    quantileExact(0.5)(dateDiff('millisecond', asked_at, occurred_at)) AS p50_ms,
    quantileExact(0.95)(dateDiff('millisecond', asked_at, occurred_at)) AS p95_ms
FROM answers_drafted FINAL
GROUP BY merchant_id, day, route, reason
COMMENT 'How many drafted answers went which way and why, by merchant and day, and how long they took.';

CREATE OR REPLACE VIEW enrichment_coverage
(
    merchant_id String COMMENT 'The seller.',
    route LowCardinality(String) COMMENT 'Route of the newest copy; empty for a merchant without any copy.',
    method LowCardinality(String) COMMENT 'How the newest copy came to be; empty for a merchant without any copy.',
    listings_seen UInt64 COMMENT 'Listings of this merchant, on all routes.',
    listings_enriched UInt64 COMMENT 'Listings whose newest copy has this route and method.',
    share Float64 COMMENT 'Share of the listings seen that these are, 0 to 1.'
)
AS SELECT
    seen.merchant_id AS merchant_id,
    copy.route AS route,
    copy.method AS method,
    any(seen.listings) AS listings_seen,
    countIf(copy.listing_id != '') AS listings_enriched,
    listings_enriched / listings_seen AS share
FROM
(
    SELECT merchant_id, uniqExact(listing_id) AS listings
    FROM listings
    GROUP BY merchant_id
) AS seen
LEFT JOIN
(
    SELECT
        merchant_id,
        listing_id,
        argMax(route, (occurred_at, event_id)) AS route,
        argMax(provenance.method, (occurred_at, event_id)) AS method
    FROM listings_enriched FINAL
    GROUP BY merchant_id, listing_id
) AS copy ON copy.merchant_id = seen.merchant_id
GROUP BY merchant_id, route, method
COMMENT 'How many of each merchant''s listings have copy, by its route and by how it was made.';

CREATE OR REPLACE VIEW pipeline_health
(
    topic String COMMENT 'The topic.',
    rows UInt64 COMMENT 'Events stored, each counted once.',
    last_event_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When the newest event happened; NULL where there is none.',
    last_inserted_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When the last row was stored; NULL where there is none.',
    seconds_since_insert Nullable(Float64) COMMENT 'How long ago that is, in seconds.',
    dead_letters UInt64 COMMENT 'Messages of this topic that could not be processed.'
)
AS SELECT
    stored.topic AS topic,
    stored.rows AS rows,
    stored.last_event_at AS last_event_at,
    stored.last_inserted_at AS last_inserted_at,
    dateDiff('millisecond', stored.last_inserted_at, now64(3)) / 1000 AS seconds_since_insert,
    dead.letters AS dead_letters
FROM
(
    SELECT 'listings.v1' AS topic, count() AS rows, maxOrNull(occurred_at) AS last_event_at, maxOrNull(_inserted_at) AS last_inserted_at FROM listings FINAL
    UNION ALL
    SELECT 'questions.v1', count(), maxOrNull(occurred_at), maxOrNull(_inserted_at) FROM questions FINAL
    UNION ALL
    SELECT 'orders.v1', count(), maxOrNull(occurred_at), maxOrNull(_inserted_at) FROM orders FINAL
    UNION ALL
    SELECT 'listings-enriched.v1', count(), maxOrNull(occurred_at), maxOrNull(_inserted_at) FROM listings_enriched FINAL
    UNION ALL
    SELECT 'answers-drafted.v1', count(), maxOrNull(occurred_at), maxOrNull(_inserted_at) FROM answers_drafted FINAL
    UNION ALL
    SELECT 'answers-reviewed.v1', count(), maxOrNull(occurred_at), maxOrNull(_inserted_at) FROM answers_reviewed FINAL
    UNION ALL
    SELECT 'insights.v1', count(), maxOrNull(occurred_at), maxOrNull(_inserted_at) FROM insights FINAL
    UNION ALL
    SELECT 'dead-letters.v1', count(), maxOrNull(occurred_at), maxOrNull(_inserted_at) FROM dead_letters FINAL
) AS stored
LEFT JOIN
(
    SELECT source_topic, count() AS letters
    FROM dead_letters FINAL
    GROUP BY source_topic
) AS dead ON dead.source_topic = stored.topic
COMMENT 'What has arrived of each topic, how fresh it is, and what could not be processed.';
