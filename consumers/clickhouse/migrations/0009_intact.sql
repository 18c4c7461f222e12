-- What `schemas.codec` refuses, the tables refuse too: text inside of lists, maps and records that is not UTF-8, amounts
-- of more digits than their type has, and times that no calendar has (before the year 1, after 9999).

ALTER TABLE orders MODIFY COLUMN _intact UInt8 MATERIALIZED throwIf(_end != 1415006542, 'bytes are left over after the record')
    + throwIf(NOT (isValidUTF8(merchant_id)
        AND isValidUTF8(order_id)
        AND isValidUTF8(listing_id)
        AND isValidUTF8(currency)
        AND isValidUTF8(ifNull(buyer_id, ''))
        AND isValidUTF8(ifNull(store, ''))), 'text is not UTF-8')
    + throwIf(toUnixTimestamp64Milli(occurred_at) NOT BETWEEN -62135596800000 AND 253402300799999, 'a time that no calendar has')
    + throwIf(abs(amount) > toDecimal64('9999999999999999.99', 2) OR abs(ifNull(discount, 0)) > toDecimal64('9999999999999999.99', 2), 'an amount of too many digits')
    COMMENT 'Zero. Computing it refuses a record with bytes left over, text that is not UTF-8, or a time or an amount out of range.';

ALTER TABLE listings MODIFY COLUMN _intact UInt8 MATERIALIZED throwIf(_end != 1415006542, 'bytes are left over after the record')
    + throwIf(NOT (isValidUTF8(merchant_id)
        AND isValidUTF8(listing_id)
        AND isValidUTF8(title)
        AND isValidUTF8(ifNull(description, ''))
        AND isValidUTF8(ifNull(category, ''))
        AND isValidUTF8(ifNull(brand, ''))
        AND isValidUTF8(ifNull(currency, ''))
        AND isValidUTF8(ifNull(language, ''))
        AND arrayAll(text -> isValidUTF8(text), tags)
        AND arrayAll(text -> isValidUTF8(text), image_urls)
        AND arrayAll(text -> isValidUTF8(text), mapKeys(attributes))
        AND arrayAll(text -> isValidUTF8(text), mapValues(attributes))), 'text is not UTF-8')
    + throwIf(toUnixTimestamp64Milli(occurred_at) NOT BETWEEN -62135596800000 AND 253402300799999, 'a time that no calendar has')
    + throwIf(abs(ifNull(price, 0)) > toDecimal64('9999999999999999.99', 2), 'an amount of too many digits')
    COMMENT 'Zero. Computing it refuses a record with bytes left over, text that is not UTF-8, or a time or an amount out of range.';
