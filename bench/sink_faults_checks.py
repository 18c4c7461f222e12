"""What `sink_faults.py` finds at the end: rows, dead letters and roll-ups beside what was sent and a recount."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

from clickhouse_connect.driver.client import Client

from bench.sink_faults_orders import CODEC, Workload
from consumers.clickhouse.insert import INSERT_SETTINGS
from consumers.clickhouse.settle import TIERS, SettlePolicy, settle
from consumers.deadletters.browse import merged, read_dead_letters
from schemas.reader import partition_ends
from schemas.topics import ORDERS
from tradewind.settings import Settings

#: Columns of each roll-up that are compared, and the same from the events themselves, each event once.
RECOUNTS = {
    "merchant_sales": (
        """merchant_id, minute, currency, orders, lines, units, sales, discounts, cancelled_lines, returned_lines,
        refunded_lines, refunds""",
        """SELECT merchant_id, toStartOfMinute(occurred_at) AS minute, currency,
            uniqExactIf(order_id, kind = 'PLACED'), countIf(kind = 'PLACED'), sumIf(toInt64(quantity), kind = 'PLACED'),
            sumIf(amount, kind = 'PLACED'), sumIf(ifNull(discount, 0), kind = 'PLACED'), countIf(kind = 'CANCELLED'),
            countIf(kind = 'RETURNED'), countIf(kind = 'REFUNDED'), sumIf(amount, kind = 'REFUNDED')
        FROM orders FINAL GROUP BY merchant_id, minute, currency""",
    ),
    "refund_rates": (
        "merchant_id, day, currency, lines, returned_lines, refunded_lines, cancelled_lines, sales, refunds",
        """SELECT merchant_id, toDate(occurred_at) AS day, currency, countIf(kind = 'PLACED'),
            countIf(kind = 'RETURNED'), countIf(kind = 'REFUNDED'), countIf(kind = 'CANCELLED'),
            sumIf(amount, kind = 'PLACED'), sumIf(amount, kind = 'REFUNDED')
        FROM orders FINAL GROUP BY merchant_id, day, currency""",
    ),
    # A listing of which nothing was placed on that day may be a row of zeros in one of them.
    "listing_funnel": (
        "merchant_id, listing_id, day, units",
        """SELECT merchant_id, listing_id, toDate(occurred_at) AS day,
            sumIf(toInt64(quantity), kind = 'PLACED') AS units
        FROM orders FINAL GROUP BY merchant_id, listing_id, day HAVING units > 0""",
    ),
}
_ONLY = {"listing_funnel": "WHERE units > 0"}


@dataclass(frozen=True, slots=True)
class Found:
    """What is not as it was sent, and what came beside it.

    Attributes:
        lost: events that were sent and are not in `orders FINAL`.
        duplicates: rows of `orders FINAL` beyond one for each event.
        values_wrong: cents by which the sum of all amounts is off.
        copies: rows of an event that is there already, and that no merge has dropped yet.
        broken: broken messages that were sent.
        letters_missing: broken messages without a dead letter of the same bytes.
        letters_foreign: dead letters of bytes that were not sent broken.
        letter_ids_doubled: dead letters that count twice: by two ids for one place in Kafka, or two rows under FINAL.
        kafka_copies: messages that the producer's client has put into Kafka twice, trying again after a lost answer.
        roll_ups_unequal: by roll-up, rows that the recount does not have, or that it has and the roll-up has not;
            first as the run left it, partly settled, then with everything settled.
        peer_cells, peer_cells_wrong: merchants' minutes in the incremental view, and those with another sum.
        peer_drift: by how much its sum of sales is off, as a share.
        peer_drift_sent_again: what the producer's sending again would do to it without any fault, as a share.
    """

    lost: int
    duplicates: int
    values_wrong: int
    copies: int
    broken: int
    letters_missing: int
    letters_foreign: int
    letter_ids_doubled: int
    kafka_copies: int
    roll_ups_unequal: dict[str, int]
    peer_cells: int
    peer_cells_wrong: int
    peer_drift: float
    peer_drift_sent_again: float


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent.

    Attributes:
        messages: how many in all.
        broken: the broken ones.
        amount: sum of the amounts of all order lines, each once.
        sales_again: sales in what was sent a second time, as a share of all sales.
    """

    messages: int
    broken: Counter[bytes]
    amount: Decimal
    sales_again: float


def sent_by(workload: Workload) -> Sent:
    """What the producer of this workload has sent."""
    times: Counter[int] = Counter()
    broken: Counter[bytes] = Counter()
    for number, bad in workload.plan():
        if bad is None:
            times[number] += 1
        else:
            broken[bad] += 1
    amount, sales, again = Decimal(0), Decimal(0), Decimal(0)
    for number in range(workload.rows):
        order = workload.order(number)
        amount += order["amount"]
        if order["kind"] == "PLACED":
            sales += order["amount"]
            again += order["amount"] * (times[number] - 1)
    return Sent(times.total() + broken.total(), broken, amount, float(again / sales))


def compare(settings: Settings, client: Client, workload: Workload) -> Found:
    """Compare what is there with what was sent and with a recount."""
    stored = {int(number) for (number,) in client.query("SELECT DISTINCT toUInt128(event_id) FROM orders").result_rows}
    rows, events, total = client.query(
        "SELECT count(), uniqExact(event_id), sum(amount) FROM orders FINAL"
    ).result_rows[0]
    sent = sent_by(workload)
    raw = int(client.query("SELECT count() FROM orders").result_rows[0][0])
    in_kafka = sum(high - low for low, high in partition_ends(settings.kafka_client(), [ORDERS.name]).values())
    # A sink that is killed between a dead letter and the rows of its batch makes it again, under the same id.
    letters = [each for each in merged(read_dead_letters(settings, CODEC)) if each.source_topic == ORDERS.name]
    found = Counter(letter.source_value or b"" for letter in letters)
    places = {(letter.source_partition, letter.source_offset) for letter in letters}
    doubled = client.query("SELECT count() - uniqExact(event_id) FROM dead_letters FINAL").result_rows[0][0]
    unequal = roll_ups_unequal(client, "as the run left it")
    for tier in TIERS:
        settle(client, tier, SettlePolicy(margin_s=0.0, pause_s=0.1))
    cells, wrong, drift = peer_drift(client)
    return Found(
        lost=len(set(range(workload.rows)) - stored),
        duplicates=rows - events,
        values_wrong=int(abs(total - sent.amount) * 100),
        copies=raw - events,
        broken=sent.broken.total(),
        letters_missing=(sent.broken - found).total(),
        letters_foreign=len(found.keys() - sent.broken.keys()),
        letter_ids_doubled=len(letters) - len(places) + int(doubled),
        kafka_copies=in_kafka - sent.messages,
        roll_ups_unequal={**unequal, **roll_ups_unequal(client, "settled")},
        peer_cells=cells,
        peer_cells_wrong=wrong,
        peer_drift=drift,
        peer_drift_sent_again=round(sent.sales_again, 5),
    )


def roll_ups_unequal(client: Client, when: str) -> dict[str, int]:
    """For each roll-up, how many rows differ from a recount."""
    unequal = {}
    for name, (columns, recount) in RECOUNTS.items():
        rolled_up = f"SELECT {columns} FROM {name} {_ONLY.get(name, '')}"
        sql = f"SELECT count() FROM (({rolled_up} EXCEPT {recount}) UNION ALL ({recount} EXCEPT {rolled_up}))"
        unequal[f"{name}, {when}"] = int(client.query(sql).result_rows[0][0])
    return unequal


def create_peer(client: Client) -> None:
    """A roll-up as it is mostly written: each insert is added up as it comes, with the sink's own deduplication."""
    client.command(
        "CREATE TABLE peer_sales (merchant_id String, minute DateTime('UTC'), currency LowCardinality(String), "
        "lines UInt64, sales Decimal(38, 2)) ENGINE = SummingMergeTree ORDER BY (merchant_id, minute, currency) "
        "SETTINGS non_replicated_deduplication_window = 1000"
    )
    assert INSERT_SETTINGS["deduplicate_blocks_in_dependent_materialized_views"] == 1
    client.command(
        "CREATE MATERIALIZED VIEW peer_sales_view TO peer_sales AS "
        "SELECT merchant_id, toStartOfMinute(occurred_at) AS minute, currency, countIf(kind = 'PLACED') AS lines, "
        "sumIf(amount, kind = 'PLACED') AS sales FROM orders GROUP BY merchant_id, minute, currency"
    )


def peer_drift(client: Client) -> tuple[int, int, float]:
    """Cells of the incremental view, those that differ from the recount, and the share by which its sum is off."""
    sql = (
        "SELECT count(), countIf(peer.lines != counted.lines OR peer.sales != counted.sales), "
        "toFloat64(sum(peer.sales)) / toFloat64(sum(counted.sales)) - 1 FROM "
        "(SELECT merchant_id, minute, currency, sum(lines) AS lines, sum(sales) AS sales FROM peer_sales "
        "GROUP BY merchant_id, minute, currency) AS peer FULL JOIN "
        "(SELECT merchant_id, toStartOfMinute(occurred_at) AS minute, currency, countIf(kind = 'PLACED') AS lines, "
        "sumIf(amount, kind = 'PLACED') AS sales FROM orders FINAL GROUP BY merchant_id, minute, currency) AS counted "
        "USING (merchant_id, minute, currency)"
    )
    cells, wrong, drift = client.query(sql).result_rows[0]
    return int(cells), int(wrong), round(float(drift), 5)
