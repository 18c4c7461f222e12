-- Whose rows a merchant's own users see; `access.py` has the roles.

CREATE TABLE IF NOT EXISTS _merchant_users
(
    user String COMMENT 'User of ClickHouse.',
    merchant_id String COMMENT 'A seller whose rows this user may see; one with several sellers has several rows.'
)
ENGINE = ReplacingMergeTree
ORDER BY (user, merchant_id)
COMMENT 'Sellers of the users with the role merchant. Rows are added and deleted by hand.';
