"""Times to live, and what they must not do to the roll-ups."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from consumers.clickhouse.client import open_client
from consumers.clickhouse.migrate import migrate
from consumers.clickhouse.recount import differences
from consumers.clickhouse.retention import Kept, differing, retain, wanted
from consumers.clickhouse.settle import TIERS, settle
from tests.consumers.clickhouse.test_settle import QUICK, Database, Order, db  # noqa: F401
from tradewind.settings import Settings

pytestmark = pytest.mark.integration

NOW = datetime.now(timezone.utc)


def test_the_settings_are_for_ever_or_longer_than_kafka_keeps() -> None:
    assert {kept.days for kept in wanted(Settings())} == {0}
    assert Settings(raw_days=45, text_days=60).raw_days == 45
    for name in ("raw_days", "text_days"):
        with pytest.raises(ValidationError, match="at least 45"):
            Settings(**{name: 44})


def test_times_to_live_follow_the_settings(db: Database) -> None:  # noqa: F811
    for raw_days, text_days in ((90, 60), (90, 60), (100, 0), (0, 60), (0, 0)):
        settings = db.settings.model_copy(update={"raw_days": raw_days, "text_days": text_days})
        those = wanted(settings)
        assert {Kept("orders", None, raw_days), Kept("answers_reviewed", "note", text_days)} <= set(those)
        migrate(settings)
        assert differing(db.client, those) == []
        assert retain(db.client, those) == []
    lost = db.rows("SELECT table, name FROM system.columns WHERE database = currentDatabase() AND comment = ''")
    assert lost == []


def test_a_time_to_live_of_somebody_else_is_told_and_replaced(db: Database) -> None:  # noqa: F811
    db.client.command("ALTER TABLE orders MODIFY TTL toDateTime(occurred_at) + INTERVAL 1 YEAR")
    orders = Kept("orders", None, 90)
    assert differing(db.client, [orders]) == [orders]
    assert differing(db.client, [Kept("orders", None, 0)])
    assert retain(db.client, [orders]) == [orders]
    assert differing(db.client, [orders]) == []


def test_what_is_settled_does_not_shrink_when_its_events_go(db: Database) -> None:  # noqa: F811
    long_ago = NOW - timedelta(days=100)
    db.insert(Order(1, long_ago), Order(2, long_ago, order_id="other"), inserted_at=long_ago)
    db.insert(Order(3, NOW - timedelta(days=40)), Order(4, NOW + timedelta(hours=2)), Order(5, NOW))
    db.settle()
    settings = db.settings.model_copy(update={"raw_days": 60})
    migrate(settings)
    db.client.command("OPTIMIZE TABLE orders FINAL")
    assert db.rows("SELECT count() FROM orders") == [(3,)]

    total = "SELECT toDate(minute), sum(lines) FROM merchant_sales GROUP BY 1 ORDER BY 1 LIMIT 1"
    assert db.rows(total) == [(long_ago.date(), 2)]
    # So late that the rest of its minute is gone: stored, and counted nowhere.
    db.insert(Order(6, long_ago, order_id="very late"))
    # Late, and its minute has all its events.
    db.insert(Order(7, NOW - timedelta(days=40)))
    for _ in range(2):
        assert db.rows(total) == [(long_ago.date(), 2)]
        assert db.rows("SELECT sum(orders) FROM listing_days") == [(5,)]
        assert db.rows("SELECT sum(lines) FROM merchant_sales") == [(6,)]
        assert list(differences(db.client)) == []
        for tier in TIERS:
            settle(db.client, tier, QUICK, everything=True)

    # Days that are gone do not come back: later settings change nothing about it.
    migrate(db.settings)
    db.insert(Order(8, long_ago))
    assert db.rows(total) == [(long_ago.date(), 2)]


def test_texts_go_and_numbers_stay(db: Database) -> None:  # noqa: F811
    long_ago = NOW - timedelta(days=100)
    with open_client(db.settings) as client:
        client.command(
            "INSERT INTO answers_drafted (event_id, merchant_id, question, draft, confidence, _inserted_at) "
            f"SELECT generateUUIDv4(), 'm', 'q', 'd', 0.5, toDateTime64({long_ago.timestamp():.3f}, 3)"
        )
    migrate(db.settings.model_copy(update={"text_days": 60}))
    db.client.command("OPTIMIZE TABLE answers_drafted FINAL")
    assert db.rows("SELECT merchant_id, question, draft, confidence FROM answers_drafted") == [("m", "", "", 0.5)]
