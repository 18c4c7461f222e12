-- What analysts ask about answers, listings, refunds and the pipeline itself.
--
-- Questions, drafts and reviews come as fast as people and the model write, so their views count the events
-- themselves. What counts orders rests on the roll-ups.

CREATE OR REPLACE VIEW refund_rates
(
    merchant_id String COMMENT 'The seller.',
    day Date COMMENT 'Day, in UTC.',
    currency LowCardinality(String) COMMENT 'Currency of the amounts: amounts of different currencies do not add up.',
    lines UInt64 COMMENT 'Order lines placed.',
    returned_lines UInt64 COMMENT 'Lines returned on this day, whenever they were placed.',
    refunded_lines UInt64 COMMENT 'Lines refunded on this day, whenever they were placed.',
    cancelled_lines UInt64 COMMENT 'Lines cancelled on this day, whenever they were placed.',
    sales Decimal(38, 2) COMMENT 'What buyers pay for the lines placed.',
    refunds Decimal(38, 2) COMMENT 'What was paid back on this day, whenever it was placed.',
    refund_rate Nullable(Float64) COMMENT 'Refunds by sales, 0 to 1 and more; NULL where nothing was sold.',
    line_refund_rate Nullable(Float64) COMMENT 'Lines refunded by lines placed, 0 to 1 and more; NULL where none was placed.'
)
AS SELECT
    merchant_id,
    day,
    currency,
    lines,
    returned_lines,
    refunded_lines,
    cancelled_lines,
    sales,
    refunds,
    toFloat64(refunds) / nullIf(toFloat64(sales), 0) AS refund_rate,
    refunded_lines / nullIf(lines, 0) AS line_refund_rate
FROM merchant_days
COMMENT 'What each merchant paid back, by day: returns, refunds and cancellations beside what was sold on the same day.';

CREATE OR REPLACE VIEW listing_funnel
(
    merchant_id String COMMENT 'The seller.',
    listing_id String COMMENT 'The listing.',
    day Date COMMENT 'Day on which each of these happened, in UTC.',
    questions UInt64 COMMENT 'Questions asked.',
    drafts UInt64 COMMENT 'Drafts written, those that are left to a person among them.',
    answers UInt64 COMMENT 'Answers that went out: drafts with the route AUTO, and drafts that a person approved or edited, on the day of the decision that counts, the last one.',
    orders UInt64 COMMENT 'Orders placed with this listing.',
    units Int64 COMMENT 'Units placed.'
)
AS SELECT
    merchant_id,
    listing_id,
    day,
    sum(each.questions) AS questions,
    sum(each.drafts) AS drafts,
    sum(each.answers) AS answers,
    sum(each.orders) AS orders,
    sum(each.units) AS units
FROM
(
    SELECT merchant_id, listing_id, day, 0 AS questions, 0 AS drafts, 0 AS answers, orders, units
    FROM listing_days
    UNION ALL
    SELECT merchant_id, listing_id, toDate(toStartOfHour(occurred_at)), 1, 0, 0, 0, 0
    FROM questions FINAL
    UNION ALL
    SELECT merchant_id, listing_id, toDate(toStartOfHour(occurred_at)), 0, 1, route = 'AUTO', 0, 0
    FROM answers_drafted FINAL
    UNION ALL
    SELECT merchant_id, listing_id, toDate(toStartOfHour(decided_at)), 0, 0, 1, 0, 0
    FROM
    (
        SELECT
            merchant_id,
            listing_id,
            max(occurred_at) AS decided_at,
            argMax(decision, (occurred_at, _offset)) AS decided
        FROM answers_reviewed FINAL
        GROUP BY merchant_id, listing_id, question_id, draft_event_id
    )
    WHERE decided IN ('APPROVE', 'EDIT')
) AS each
GROUP BY merchant_id, listing_id, day
COMMENT 'From question to order: what happened with each listing on each day.';

CREATE OR REPLACE VIEW answer_service_level
(
    merchant_id String COMMENT 'The seller.',
    day Date COMMENT 'Day on which the questions were asked, in UTC.',
    drafts UInt64 COMMENT 'Drafts written, those that are left to a person among them.',
    auto_share Float64 COMMENT 'Share of the drafts that may be sent by themselves, 0 to 1.',
    review_share Float64 COMMENT 'Share of the drafts that a person looks at first, 0 to 1.',
    human_share Float64 COMMENT 'Share of the drafts where a person answers, 0 to 1.',
    reviewed UInt64 COMMENT 'Drafts that a person decided about.',
    accepted UInt64 COMMENT 'Drafts that a person approved as they were; the last decision about a draft counts.',
    acceptance Nullable(Float64) COMMENT 'Share of the reviewed drafts that were accepted, 0 to 1; NULL where none was reviewed.',
    draft_p50_ms Float64 COMMENT 'From question to draft, median, in milliseconds.',
    draft_p95_ms Float64 COMMENT 'From question to draft, 95th percentile, in milliseconds.',
    review_p50_s Nullable(Float64) COMMENT 'From draft to decision, median, in seconds; NULL where none was reviewed.',
    review_p95_s Nullable(Float64) COMMENT 'From draft to decision, 95th percentile, in seconds; NULL where none was reviewed.'
)
AS SELECT
    drafted.merchant_id AS merchant_id,
    toDate(toStartOfHour(drafted.asked_at)) AS day,
    count() AS drafts,
    countIf(drafted.route = 'AUTO') / drafts AS auto_share,
    countIf(drafted.route = 'REVIEW') / drafts AS review_share,
    countIf(drafted.route = 'HUMAN') / drafts AS human_share,
    countIf(reviewed.decided != '') AS reviewed,
    countIf(reviewed.decided = 'APPROVE') AS accepted,
    accepted / nullIf(reviewed, 0) AS acceptance,
    quantileExact(0.5)(dateDiff('millisecond', drafted.asked_at, drafted.occurred_at)) AS draft_p50_ms,
    quantileExact(0.95)(dateDiff('millisecond', drafted.asked_at, drafted.occurred_at)) AS draft_p95_ms,
    quantileExactOrNullIf(0.5)(dateDiff('millisecond', drafted.occurred_at, reviewed.decided_at), reviewed.decided != '') / 1000 AS review_p50_s,
    quantileExactOrNullIf(0.95)(dateDiff('millisecond', drafted.occurred_at, reviewed.decided_at), reviewed.decided != '') / 1000 AS review_p95_s
FROM
(
    SELECT merchant_id, event_id, asked_at, occurred_at, route
    FROM answers_drafted FINAL
) AS drafted
LEFT JOIN
(
    SELECT
        merchant_id,
        draft_event_id,
        max(occurred_at) AS decided_at,
        argMax(decision, (occurred_at, _offset)) AS decided
    FROM answers_reviewed FINAL
    GROUP BY merchant_id, draft_event_id
) AS reviewed ON reviewed.merchant_id = drafted.merchant_id AND reviewed.draft_event_id = drafted.event_id
GROUP BY merchant_id, day
COMMENT 'How questions are answered, by merchant and day: by whom, how fast, and how often a draft was right as it was.';

CREATE TABLE IF NOT EXISTS sink_progress
(
    topic LowCardinality(String) COMMENT 'The topic.',
    partition UInt32 COMMENT 'Its partition.',
    next_offset Int64 COMMENT 'Offset that the sink reads next: everything before it is stored.',
    end_offset Int64 COMMENT 'Offset that Kafka gives to the next message.',
    lag Int64 COMMENT 'Messages in Kafka that are not yet stored.',
    at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When the sink told.'
)
ENGINE = MergeTree
PARTITION BY toDate(at)
ORDER BY (topic, partition, at)
TTL at + toIntervalDay(7)
SETTINGS ttl_only_drop_parts = 1
COMMENT 'How far the sink is, told by itself every few seconds; kept for a week.';

CREATE OR REPLACE VIEW pipeline_health
(
    topic String COMMENT 'The topic.',
    rows UInt64 COMMENT 'Rows stored. An event that was stored twice counts twice until ClickHouse has merged the copies.',
    last_event_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When the newest event of the last day of inserts happened; NULL where there is none.',
    last_inserted_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When the last row was stored; NULL where there is none.',
    seconds_since_insert Nullable(Float64) COMMENT 'How long ago that is, in seconds.',
    freshness_s Nullable(Float64) COMMENT 'From the time that an event bears to its being stored, median over the last day of inserts, in seconds.',
    ahead UInt64 COMMENT 'Rows of the last day of inserts whose time was more than five minutes ahead (_ahead).',
    lag Nullable(Int64) COMMENT 'Messages in Kafka that are not yet stored, as the sink told last; NULL where it has told nothing for a week.',
    lag_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When the sink told that.',
    dead_letters UInt64 COMMENT 'Messages of this topic that could not be processed.',
    prompt_tokens UInt64 COMMENT 'Tokens that the model read for the events of this topic.',
    completion_tokens UInt64 COMMENT 'Tokens that the model wrote for them.'
)
AS SELECT
    stored.topic AS topic,
    stored.rows AS rows,
    stored.last_event_at AS last_event_at,
    stored.last_inserted_at AS last_inserted_at,
    dateDiff('millisecond', stored.last_inserted_at, now64(3)) / 1000 AS seconds_since_insert,
    stored.freshness_s AS freshness_s,
    stored.ahead AS ahead,
    progress.lag AS lag,
    progress.at AS lag_at,
    dead.letters AS dead_letters,
    spent.prompt AS prompt_tokens,
    spent.completion AS completion_tokens
FROM
(
    SELECT
        'listings.v1' AS topic,
        assumeNotNull((SELECT count() FROM listings)) AS rows,
        maxOrNull(occurred_at) AS last_event_at,
        maxOrNull(_inserted_at) AS last_inserted_at,
        quantileOrNull(0.5)(dateDiff('millisecond', occurred_at, _inserted_at)) / 1000 AS freshness_s,
        countIf(_ahead) AS ahead
    FROM listings
    WHERE _inserted_at > (SELECT max(_inserted_at) FROM listings) - toIntervalDay(1)
    UNION ALL
    SELECT
        'questions.v1',
        assumeNotNull((SELECT count() FROM questions)),
        maxOrNull(occurred_at),
        maxOrNull(_inserted_at),
        quantileOrNull(0.5)(dateDiff('millisecond', occurred_at, _inserted_at)) / 1000,
        countIf(_ahead)
    FROM questions
    WHERE _inserted_at > (SELECT max(_inserted_at) FROM questions) - toIntervalDay(1)
    UNION ALL
    SELECT
        'orders.v1',
        assumeNotNull((SELECT count() FROM orders)),
        maxOrNull(occurred_at),
        maxOrNull(_inserted_at),
        quantileOrNull(0.5)(dateDiff('millisecond', occurred_at, _inserted_at)) / 1000,
        countIf(_ahead)
    FROM orders
    WHERE _inserted_at > (SELECT max(_inserted_at) FROM orders) - toIntervalDay(1)
    UNION ALL
    SELECT
        'listings-enriched.v1',
        assumeNotNull((SELECT count() FROM listings_enriched)),
        maxOrNull(occurred_at),
        maxOrNull(_inserted_at),
        quantileOrNull(0.5)(dateDiff('millisecond', occurred_at, _inserted_at)) / 1000,
        countIf(_ahead)
    FROM listings_enriched
    WHERE _inserted_at > (SELECT max(_inserted_at) FROM listings_enriched) - toIntervalDay(1)
    UNION ALL
    SELECT
        'answers-drafted.v1',
        assumeNotNull((SELECT count() FROM answers_drafted)),
        maxOrNull(occurred_at),
        maxOrNull(_inserted_at),
        quantileOrNull(0.5)(dateDiff('millisecond', occurred_at, _inserted_at)) / 1000,
        countIf(_ahead)
    FROM answers_drafted
    WHERE _inserted_at > (SELECT max(_inserted_at) FROM answers_drafted) - toIntervalDay(1)
    UNION ALL
    SELECT
        'answers-reviewed.v1',
        assumeNotNull((SELECT count() FROM answers_reviewed)),
        maxOrNull(occurred_at),
        maxOrNull(_inserted_at),
        quantileOrNull(0.5)(dateDiff('millisecond', occurred_at, _inserted_at)) / 1000,
        countIf(_ahead)
    FROM answers_reviewed
    WHERE _inserted_at > (SELECT max(_inserted_at) FROM answers_reviewed) - toIntervalDay(1)
    UNION ALL
    SELECT
        'insights.v1',
        assumeNotNull((SELECT count() FROM insights)),
        maxOrNull(occurred_at),
        maxOrNull(_inserted_at),
        quantileOrNull(0.5)(dateDiff('millisecond', occurred_at, _inserted_at)) / 1000,
        countIf(_ahead)
    FROM insights
    WHERE _inserted_at > (SELECT max(_inserted_at) FROM insights) - toIntervalDay(1)
    UNION ALL
    SELECT
        'dead-letters.v1',
        assumeNotNull((SELECT count() FROM dead_letters)),
        maxOrNull(occurred_at),
        maxOrNull(_inserted_at),
        quantileOrNull(0.5)(dateDiff('millisecond', occurred_at, _inserted_at)) / 1000,
        countIf(_ahead)
    FROM dead_letters
    WHERE _inserted_at > (SELECT max(_inserted_at) FROM dead_letters) - toIntervalDay(1)
) AS stored
LEFT JOIN
(
    SELECT source_topic, count() AS letters
    FROM dead_letters FINAL
    GROUP BY source_topic
) AS dead ON dead.source_topic = stored.topic
LEFT JOIN
(
    SELECT topic, toNullable(sum(newest.1)) AS lag, toNullable(max(newest.2)) AS at
    FROM
    (
        SELECT topic, argMax((sink_progress.lag, sink_progress.at), sink_progress.at) AS newest
        FROM sink_progress
        GROUP BY topic, partition
    )
    GROUP BY topic
) AS progress ON progress.topic = stored.topic
LEFT JOIN
(
    SELECT 'listings-enriched.v1' AS topic, sum(provenance.prompt_tokens) AS prompt, sum(provenance.completion_tokens) AS completion
    FROM listings_enriched FINAL
    UNION ALL
    SELECT 'answers-drafted.v1', sum(provenance.prompt_tokens), sum(provenance.completion_tokens)
    FROM answers_drafted FINAL
    UNION ALL
    SELECT 'insights.v1', sum(provenance.prompt_tokens), sum(provenance.completion_tokens)
    FROM insights FINAL
) AS spent ON spent.topic = stored.topic
COMMENT 'What has arrived of each topic, how fresh it is, how far the sink is behind, what could not be processed, and what the model used.';
