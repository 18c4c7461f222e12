CREATE TABLE IF NOT EXISTS listings
(
    event_id UUID COMMENT 'Unique id of this event. Sent again unchanged when the same event is sent again, so that readers can drop the copy.',
    occurred_at DateTime64(3, 'UTC') COMMENT 'When it happened, in UTC.',
    merchant_id String COMMENT 'The seller whose event this is.',
    listing_id String COMMENT 'The listing on the marketplace.',
    title String COMMENT 'The seller''s title.',
    description Nullable(String) COMMENT 'The seller''s own text.',
    category LowCardinality(Nullable(String)) COMMENT 'Category path, levels parted by '' > ''.',
    brand LowCardinality(Nullable(String)) COMMENT 'Brand as it stands on the product.',
    attributes Map(String, String) COMMENT 'Facts of the product by name, such as material: cotton.',
    price Nullable(Decimal(18, 2)) COMMENT 'Price of one unit.',
    currency LowCardinality(Nullable(String)) COMMENT 'Currency of the price, ISO 4217.',
    language LowCardinality(Nullable(String)) COMMENT 'Language of the texts, BCP 47. Detected when absent.',
    tags Array(String) COMMENT 'The seller''s search words.',
    image_urls Array(String) COMMENT 'Pictures, the first one leads.',
    _log LowCardinality(String) COMMENT 'The Kafka log that this row was read from: topic_ and the id of the topic, which a topic made anew does not share.',
    _partition UInt32 COMMENT 'Partition that this row was read from.',
    _offset UInt64 COMMENT 'Offset that this row was read from. The highest one of a log and partition is where the sink goes on.',
    _inserted_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was stored.',
    _end Int32 EPHEMERAL 1415006542 COMMENT 'End mark that the sink writes after each record. Not stored.',
    _intact UInt8 MATERIALIZED throwIf(_end != 1415006542, 'bytes are left over after the record')
        + throwIf(NOT (isValidUTF8(merchant_id)
            AND isValidUTF8(listing_id)
            AND isValidUTF8(title)
            AND isValidUTF8(ifNull(description, ''))
            AND isValidUTF8(ifNull(category, ''))
            AND isValidUTF8(ifNull(brand, ''))
            AND isValidUTF8(ifNull(currency, ''))
            AND isValidUTF8(ifNull(language, ''))), 'text is not UTF-8')
        COMMENT 'Zero. Computing it refuses a record with bytes left over, or with text that is not UTF-8.'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(_inserted_at)
ORDER BY (merchant_id, listing_id, occurred_at, event_id)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Listings as sellers wrote them, one row for each publication. Topic listings.v1.';

CREATE TABLE IF NOT EXISTS questions
(
    event_id UUID COMMENT 'Unique id of this event. Sent again unchanged when the same event is sent again, so that readers can drop the copy.',
    occurred_at DateTime64(3, 'UTC') COMMENT 'When it happened, in UTC.',
    merchant_id String COMMENT 'The seller whose event this is.',
    listing_id String COMMENT 'The listing on the marketplace.',
    question_id String COMMENT 'The question on the marketplace.',
    buyer_id Nullable(String) COMMENT 'Pseudonym of the buyer.',
    language LowCardinality(Nullable(String)) COMMENT 'Language of the question, BCP 47. Detected when absent.',
    channel LowCardinality(String) DEFAULT 'OTHER' COMMENT 'Where it was asked.',
    _log LowCardinality(String) COMMENT 'The Kafka log that this row was read from: topic_ and the id of the topic, which a topic made anew does not share.',
    _partition UInt32 COMMENT 'Partition that this row was read from.',
    _offset UInt64 COMMENT 'Offset that this row was read from. The highest one of a log and partition is where the sink goes on.',
    _inserted_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was stored.',
    _end Int32 EPHEMERAL 1415006542 COMMENT 'End mark that the sink writes after each record. Not stored.',
    _intact UInt8 MATERIALIZED throwIf(_end != 1415006542, 'bytes are left over after the record')
        + throwIf(NOT (isValidUTF8(merchant_id)
            AND isValidUTF8(listing_id)
            AND isValidUTF8(question_id)
            AND isValidUTF8(ifNull(buyer_id, ''))
            AND isValidUTF8(ifNull(language, ''))), 'text is not UTF-8')
        COMMENT 'Zero. Computing it refuses a record with bytes left over, or with text that is not UTF-8.'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(_inserted_at)
ORDER BY (merchant_id, occurred_at, event_id)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Questions that buyers asked, without their text: the raw question may hold personal data, so it is not kept here. The text with personal data replaced is answers_drafted.question. Topic questions.v1.';

CREATE TABLE IF NOT EXISTS orders
(
    event_id UUID COMMENT 'Unique id of this event. Sent again unchanged when the same event is sent again, so that readers can drop the copy.',
    occurred_at DateTime64(3, 'UTC') COMMENT 'When it happened, in UTC.',
    merchant_id String COMMENT 'The seller whose event this is.',
    order_id String COMMENT 'The order on the marketplace.',
    line Int32 DEFAULT 1 COMMENT 'Line of the order, from 1.',
    listing_id String COMMENT 'The listing on the marketplace.',
    kind LowCardinality(String) COMMENT 'What happened to the line.',
    quantity Int32 DEFAULT 1 COMMENT 'Units of this line.',
    amount Decimal(18, 2) COMMENT 'What the buyer pays for the line, discounts taken off; for REFUNDED what is paid back.',
    discount Nullable(Decimal(18, 2)) COMMENT 'What was taken off the line.',
    currency LowCardinality(String) COMMENT 'Currency of the amounts, ISO 4217.',
    buyer_id Nullable(String) COMMENT 'Pseudonym of the buyer.',
    store LowCardinality(Nullable(String)) COMMENT 'Shop or channel that took the order.',
    _log LowCardinality(String) COMMENT 'The Kafka log that this row was read from: topic_ and the id of the topic, which a topic made anew does not share.',
    _partition UInt32 COMMENT 'Partition that this row was read from.',
    _offset UInt64 COMMENT 'Offset that this row was read from. The highest one of a log and partition is where the sink goes on.',
    _inserted_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was stored.',
    _end Int32 EPHEMERAL 1415006542 COMMENT 'End mark that the sink writes after each record. Not stored.',
    _intact UInt8 MATERIALIZED throwIf(_end != 1415006542, 'bytes are left over after the record')
        + throwIf(NOT (isValidUTF8(merchant_id)
            AND isValidUTF8(order_id)
            AND isValidUTF8(listing_id)
            AND isValidUTF8(currency)
            AND isValidUTF8(ifNull(buyer_id, ''))
            AND isValidUTF8(ifNull(store, ''))), 'text is not UTF-8')
        COMMENT 'Zero. Computing it refuses a record with bytes left over, or with text that is not UTF-8.'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(_inserted_at)
ORDER BY (merchant_id, occurred_at, event_id)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Order lines as they were placed and as they moved on, one row for each step. Topic orders.v1.';

CREATE TABLE IF NOT EXISTS listings_enriched
(
    event_id UUID COMMENT 'uuid5 of the task and the source event, so a redelivered source makes the same id.',
    occurred_at DateTime64(3, 'UTC') COMMENT 'When the copy was written.',
    merchant_id String COMMENT 'The seller whose event this is.',
    listing_id String COMMENT 'The listing on the marketplace.',
    source_event_id UUID COMMENT 'The ListingPublished that this was written from.',
    language LowCardinality(String) COMMENT 'Language of the copy, BCP 47.',
    titles Array(String) COMMENT 'Title candidates, the best first.',
    description String COMMENT 'Description for the product page.',
    highlights Array(String) COMMENT 'Facts worth a bullet each.',
    marketing_line String COMMENT 'One short line for a banner or a push message.',
    keywords Array(String) COMMENT 'Search words.',
    attributes Map(String, String) COMMENT 'Attributes under normalised names and units.',
    route LowCardinality(String) DEFAULT 'REVIEW' COMMENT 'PUBLISH: may go to the page. REVIEW: a person looks first.',
    reason LowCardinality(String) COMMENT 'Why this route, as a short code.',
    checks Array(Tuple(guard LowCardinality(String), field LowCardinality(String), category LowCardinality(String), start Int32, end Int32, span String)) COMMENT 'What the guards refused on the way.',
    provenance Tuple(method LowCardinality(String), model LowCardinality(String), checkpoint_sha256 LowCardinality(String), adapter Nullable(String), engine LowCardinality(String), prompt_version LowCardinality(String), prompt_tokens Int32, completion_tokens Int32) COMMENT 'What wrote the copy.',
    timings Tuple(waited_ms Float64, queued_ms Float64, prefill_ms Float64, decode_ms Float64, total_ms Float64) COMMENT 'Where the time went.',
    _log LowCardinality(String) COMMENT 'The Kafka log that this row was read from: topic_ and the id of the topic, which a topic made anew does not share.',
    _partition UInt32 COMMENT 'Partition that this row was read from.',
    _offset UInt64 COMMENT 'Offset that this row was read from. The highest one of a log and partition is where the sink goes on.',
    _inserted_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was stored.',
    _end Int32 EPHEMERAL 1415006542 COMMENT 'End mark that the sink writes after each record. Not stored.',
    _intact UInt8 MATERIALIZED throwIf(_end != 1415006542, 'bytes are left over after the record')
        + throwIf(NOT (isValidUTF8(merchant_id)
            AND isValidUTF8(listing_id)
            AND isValidUTF8(language)
            AND isValidUTF8(description)
            AND isValidUTF8(marketing_line)
            AND isValidUTF8(reason)), 'text is not UTF-8')
        COMMENT 'Zero. Computing it refuses a record with bytes left over, or with text that is not UTF-8.'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(_inserted_at)
ORDER BY (merchant_id, listing_id, source_event_id, event_id)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Copy that was written for listings. Topic listings-enriched.v1.';

CREATE TABLE IF NOT EXISTS answers_drafted
(
    event_id UUID COMMENT 'uuid5 of the task and the source event, so a redelivered source makes the same id.',
    occurred_at DateTime64(3, 'UTC') COMMENT 'When the draft was written.',
    merchant_id String COMMENT 'The seller whose event this is.',
    listing_id String COMMENT 'The listing on the marketplace.',
    question_id String COMMENT 'The question that this answers.',
    source_event_id UUID COMMENT 'The QuestionAsked that this was written from.',
    asked_at DateTime64(3, 'UTC') COMMENT 'When the question was asked, so that the service level needs no join.',
    language LowCardinality(String) COMMENT 'Language of the draft, BCP 47.',
    question String COMMENT 'The question with personal data replaced.',
    draft String COMMENT 'The answer; empty when a person must write it.',
    evidence Array(Tuple(source LowCardinality(String), name String, start Int32, end Int32, text String, score Float64)) COMMENT 'Passages that the draft rests on, the best first.',
    confidence Float64 COMMENT 'Confidence that the draft is right, 0 to 1.',
    route LowCardinality(String) DEFAULT 'HUMAN' COMMENT 'AUTO: may be sent. REVIEW: a person looks first. HUMAN: a person answers.',
    reason LowCardinality(String) COMMENT 'Why this route, as a short code.',
    redactions Array(String) COMMENT 'Kinds of personal data that were replaced in the question.',
    checks Array(Tuple(guard LowCardinality(String), field LowCardinality(String), category LowCardinality(String), start Int32, end Int32, span String)) COMMENT 'What the guards refused on the way.',
    provenance Tuple(method LowCardinality(String), model LowCardinality(String), checkpoint_sha256 LowCardinality(String), adapter Nullable(String), engine LowCardinality(String), prompt_version LowCardinality(String), prompt_tokens Int32, completion_tokens Int32) COMMENT 'What wrote the draft.',
    timings Tuple(waited_ms Float64, queued_ms Float64, prefill_ms Float64, decode_ms Float64, total_ms Float64) COMMENT 'Where the time went.',
    _log LowCardinality(String) COMMENT 'The Kafka log that this row was read from: topic_ and the id of the topic, which a topic made anew does not share.',
    _partition UInt32 COMMENT 'Partition that this row was read from.',
    _offset UInt64 COMMENT 'Offset that this row was read from. The highest one of a log and partition is where the sink goes on.',
    _inserted_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was stored.',
    _end Int32 EPHEMERAL 1415006542 COMMENT 'End mark that the sink writes after each record. Not stored.',
    _intact UInt8 MATERIALIZED throwIf(_end != 1415006542, 'bytes are left over after the record')
        + throwIf(NOT (isValidUTF8(merchant_id)
            AND isValidUTF8(listing_id)
            AND isValidUTF8(question_id)
            AND isValidUTF8(language)
            AND isValidUTF8(question)
            AND isValidUTF8(draft)
            AND isValidUTF8(reason)), 'text is not UTF-8')
        COMMENT 'Zero. Computing it refuses a record with bytes left over, or with text that is not UTF-8.'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(_inserted_at)
ORDER BY (merchant_id, asked_at, question_id, event_id)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Drafted answers, or why a person must answer. Topic answers-drafted.v1.';

CREATE TABLE IF NOT EXISTS answers_reviewed
(
    event_id UUID COMMENT 'Unique id of this event. Sent again unchanged when the same event is sent again, so that readers can drop the copy.',
    occurred_at DateTime64(3, 'UTC') COMMENT 'When it happened, in UTC.',
    merchant_id String COMMENT 'The seller whose event this is.',
    listing_id String COMMENT 'The listing on the marketplace.',
    question_id String COMMENT 'The question.',
    draft_event_id UUID COMMENT 'The AnswerDrafted that was reviewed.',
    decision LowCardinality(String) COMMENT 'What was decided.',
    answer Nullable(String) COMMENT 'The text that was sent; absent on REJECT.',
    reviewer String COMMENT 'Pseudonym of the reviewer.',
    note Nullable(String) COMMENT 'Why, for those who train the model.',
    _log LowCardinality(String) COMMENT 'The Kafka log that this row was read from: topic_ and the id of the topic, which a topic made anew does not share.',
    _partition UInt32 COMMENT 'Partition that this row was read from.',
    _offset UInt64 COMMENT 'Offset that this row was read from. The highest one of a log and partition is where the sink goes on.',
    _inserted_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was stored.',
    _end Int32 EPHEMERAL 1415006542 COMMENT 'End mark that the sink writes after each record. Not stored.',
    _intact UInt8 MATERIALIZED throwIf(_end != 1415006542, 'bytes are left over after the record')
        + throwIf(NOT (isValidUTF8(merchant_id)
            AND isValidUTF8(listing_id)
            AND isValidUTF8(question_id)
            AND isValidUTF8(ifNull(answer, ''))
            AND isValidUTF8(reviewer)
            AND isValidUTF8(ifNull(note, ''))), 'text is not UTF-8')
        COMMENT 'Zero. Computing it refuses a record with bytes left over, or with text that is not UTF-8.'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(_inserted_at)
ORDER BY (merchant_id, listing_id, question_id, event_id)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'What people decided about drafts. Topic answers-reviewed.v1.';

CREATE TABLE IF NOT EXISTS insights
(
    event_id UUID COMMENT 'uuid5 of the task and the source event, so a redelivered source makes the same id.',
    occurred_at DateTime64(3, 'UTC') COMMENT 'When it was noticed.',
    merchant_id String COMMENT 'The seller whose event this is.',
    metric LowCardinality(String) COMMENT 'What was measured, such as sales or refunds.',
    kind LowCardinality(String) DEFAULT 'UNKNOWN' COMMENT 'What it looks like.',
    window_start DateTime64(3, 'UTC') COMMENT 'Start of the window that stands out.',
    window_end DateTime64(3, 'UTC') COMMENT 'End of that window.',
    observed Float64 COMMENT 'What was measured in the window.',
    expected Float64 COMMENT 'What the baseline says.',
    score Float64 COMMENT 'How far apart they are, in units of the detector.',
    listing_ids Array(String) COMMENT 'Listings that drive it, the strongest first.',
    text String COMMENT 'One paragraph for the merchant.',
    suggestion String COMMENT 'What to do about it.',
    provenance Tuple(method LowCardinality(String), model LowCardinality(String), checkpoint_sha256 LowCardinality(String), adapter Nullable(String), engine LowCardinality(String), prompt_version LowCardinality(String), prompt_tokens Int32, completion_tokens Int32) COMMENT 'What wrote the paragraph.',
    _log LowCardinality(String) COMMENT 'The Kafka log that this row was read from: topic_ and the id of the topic, which a topic made anew does not share.',
    _partition UInt32 COMMENT 'Partition that this row was read from.',
    _offset UInt64 COMMENT 'Offset that this row was read from. The highest one of a log and partition is where the sink goes on.',
    _inserted_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was stored.',
    _end Int32 EPHEMERAL 1415006542 COMMENT 'End mark that the sink writes after each record. Not stored.',
    _intact UInt8 MATERIALIZED throwIf(_end != 1415006542, 'bytes are left over after the record')
        + throwIf(NOT (isValidUTF8(merchant_id)
            AND isValidUTF8(metric)
            AND isValidUTF8(text)
            AND isValidUTF8(suggestion)), 'text is not UTF-8')
        COMMENT 'Zero. Computing it refuses a record with bytes left over, or with text that is not UTF-8.'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(_inserted_at)
ORDER BY (merchant_id, window_start, metric, event_id)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'What stood out in merchants'' numbers. Topic insights.v1.';

CREATE TABLE IF NOT EXISTS dead_letters
(
    event_id UUID COMMENT 'uuid5 of the stage and the message''s place, so that the same failure makes the same id.',
    occurred_at DateTime64(3, 'UTC') COMMENT 'When it was put aside, in UTC.',
    merchant_id String COMMENT 'The seller where it could be read, else empty.',
    source_topic LowCardinality(String) COMMENT 'Topic that the message came from.',
    source_partition Int32 COMMENT 'Its partition.',
    source_offset Int64 COMMENT 'Its offset.',
    source_timestamp Nullable(DateTime64(3, 'UTC')) COMMENT 'Its Kafka timestamp.',
    source_key Nullable(String) COMMENT 'Its key, byte for byte.',
    source_value Nullable(String) EPHEMERAL COMMENT 'Its value, byte for byte. Read for the next two columns and not stored.',
    value_bytes Nullable(UInt64) DEFAULT length(source_value) COMMENT 'Size of its value in bytes; NULL where it had none.',
    value_sha256 Nullable(String) DEFAULT lower(hex(SHA256(source_value))) COMMENT 'SHA-256 of its value in hexadecimal; NULL where it had none.',
    source_headers Map(String, String) EPHEMERAL COMMENT 'Its headers. Read for the next column and not stored.',
    header_names Array(String) DEFAULT mapKeys(source_headers) COMMENT 'Names of its headers.',
    stage LowCardinality(String) COMMENT 'Who gave up: enrich, answer, listings-table, sink.',
    error_class LowCardinality(String) COMMENT 'What kind of failure.',
    message String COMMENT 'What was wrong, without any of the message''s text.',
    attempts Int32 DEFAULT 1 COMMENT 'How often it was tried.',
    replays Int32 COMMENT 'How often it has been put back on its topic.',
    _log LowCardinality(String) COMMENT 'The Kafka log that this row was read from: topic_ and the id of the topic, which a topic made anew does not share.',
    _partition UInt32 COMMENT 'Partition that this row was read from.',
    _offset UInt64 COMMENT 'Offset that this row was read from. The highest one of a log and partition is where the sink goes on.',
    _inserted_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this row was stored.',
    _end Int32 EPHEMERAL 1415006542 COMMENT 'End mark that the sink writes after each record. Not stored.',
    _intact UInt8 MATERIALIZED throwIf(_end != 1415006542, 'bytes are left over after the record')
        + throwIf(NOT (isValidUTF8(merchant_id)
            AND isValidUTF8(source_topic)
            AND isValidUTF8(stage)
            AND isValidUTF8(error_class)
            AND isValidUTF8(message)), 'text is not UTF-8')
        COMMENT 'Zero. Computing it refuses a record with bytes left over, or with text that is not UTF-8.'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(_inserted_at)
ORDER BY (source_topic, source_partition, source_offset, _log, event_id)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Messages that could not be processed. Their bytes stay on the topic dead-letters.v1; here are their size and SHA-256.';
