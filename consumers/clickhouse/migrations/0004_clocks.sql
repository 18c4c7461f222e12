-- Events whose time lies ahead of the clock of ClickHouse: the clock that dated them is wrong, or ours is.

ALTER TABLE listings ADD COLUMN IF NOT EXISTS _ahead UInt8
    ALIAS occurred_at > _inserted_at + toIntervalMinute(5)
    COMMENT '1 where the event bears a time more than five minutes later than when it was stored: a clock was wrong.';
ALTER TABLE questions ADD COLUMN IF NOT EXISTS _ahead UInt8
    ALIAS occurred_at > _inserted_at + toIntervalMinute(5)
    COMMENT '1 where the event bears a time more than five minutes later than when it was stored: a clock was wrong.';
ALTER TABLE orders ADD COLUMN IF NOT EXISTS _ahead UInt8
    ALIAS occurred_at > _inserted_at + toIntervalMinute(5)
    COMMENT '1 where the event bears a time more than five minutes later than when it was stored: a clock was wrong.';
ALTER TABLE listings_enriched ADD COLUMN IF NOT EXISTS _ahead UInt8
    ALIAS occurred_at > _inserted_at + toIntervalMinute(5)
    COMMENT '1 where the event bears a time more than five minutes later than when it was stored: a clock was wrong.';
ALTER TABLE answers_drafted ADD COLUMN IF NOT EXISTS _ahead UInt8
    ALIAS occurred_at > _inserted_at + toIntervalMinute(5)
    COMMENT '1 where the event bears a time more than five minutes later than when it was stored: a clock was wrong.';
ALTER TABLE answers_reviewed ADD COLUMN IF NOT EXISTS _ahead UInt8
    ALIAS occurred_at > _inserted_at + toIntervalMinute(5)
    COMMENT '1 where the event bears a time more than five minutes later than when it was stored: a clock was wrong.';
ALTER TABLE insights ADD COLUMN IF NOT EXISTS _ahead UInt8
    ALIAS occurred_at > _inserted_at + toIntervalMinute(5)
    COMMENT '1 where the event bears a time more than five minutes later than when it was stored: a clock was wrong.';
ALTER TABLE dead_letters ADD COLUMN IF NOT EXISTS _ahead UInt8
    ALIAS occurred_at > _inserted_at + toIntervalMinute(5)
    COMMENT '1 where the event bears a time more than five minutes later than when it was stored: a clock was wrong.';
