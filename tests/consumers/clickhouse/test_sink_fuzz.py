"""Any bytes at all among good messages: the good ones become rows, the bad ones dead letters, none both or neither.

What must become of a message is said by `Codec.decode`, the reading of everybody else:

- It reads, and writing it again gives the same bytes: it must be a row with these values.
- It reads, though not as a producer of ours writes it (numbers longer than needed, a negative length, an amount of more
  than 18 digits): a row with these values, or a dead letter. ClickHouse reads more strictly than fastavro in places.
- It does not read: a dead letter. There are two exceptions, for ClickHouse takes a branch of a union that the schema
  does not have for null, and a time after the year 9999 for a time: such a message may be a row as well.
"""

from __future__ import annotations

import dataclasses
import hashlib
import random
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from consumers.clickhouse.client import open_client
from consumers.clickhouse.migrate import migrate
from consumers.clickhouse.positions import Log
from consumers.deadletters.browse import read_dead_letters
from schemas.codec import HEADER, Codec, Rejected, frame
from schemas.events import DeadLetter, OrderEvent, to_avro
from schemas.topics import LISTINGS, ORDERS, QUESTIONS
from tests.consumers.clickhouse.test_evolution import ADDED, LACKING, SYMBOL, NewerRegistry, written
from tests.consumers.events import AT, FULL, order, orders
from tests.consumers.harness import World, settings_for, until
from tests.consumers.messages import FakeMessage
from tests.consumers.storing import TABLE, Letters, rows_of, store, store_of
from tests.support.stack import ClickHouseEndpoint

pytestmark = pytest.mark.integration

REGISTRY = NewerRegistry()
CODEC = Codec(REGISTRY)
#: How `Codec` names the two misreadings that ClickHouse lets pass.
PASSED_BY_CLICKHOUSE = ("(IndexError)", "(OverflowError)")
EIGHTEEN_DIGITS = Context(prec=18)


@dataclass
class Bench:
    """Tables, and how many batches were stored in them."""

    client: Client
    logs: int = 0

    def store(self, name: str, messages: Sequence[FakeMessage]) -> tuple[Log, list[DeadLetter]]:
        """Store one batch under a log of its own; gives its dead letters."""
        self.logs += 1
        log, letters = Log(TABLE[name].topic.name, f"topic_{self.logs}"), Letters()
        store(store_of(name, self.client, letters, REGISTRY), log, messages)
        return log, letters.found


@pytest.fixture
def bench(database: ClickHouseEndpoint) -> Iterator[Bench]:
    """Empty tables whose rows stay as they were put."""
    settings_ = settings_for("localhost:1", database, "unused")
    migrate(settings_)
    with open_client(settings_) as client:
        for name in TABLE:
            client.command(f"SYSTEM STOP MERGES {database.database}.{name}")
        yield Bench(client)


# Messages.


@st.composite
def flipped(draw: st.DrawFn, good: st.SearchStrategy[bytes]) -> bytes:
    """Up to three bits the other way round."""
    value = bytearray(draw(good))
    for bit in draw(st.lists(st.integers(0, 8 * len(value) - 1), min_size=1, max_size=3)):
        value[bit // 8] ^= 1 << bit % 8
    return bytes(value)


@st.composite
def spliced(draw: st.DrawFn, good: st.SearchStrategy[bytes]) -> bytes:
    """Some bytes cut out, and others put in their place: truncated, prolonged, shifted or overwritten."""
    value = draw(good)
    start = draw(st.integers(0, len(value)))
    stop = draw(st.integers(start, len(value)) | st.just(len(value)))
    return value[:start] + draw(st.binary(max_size=12)) + value[stop:]


@st.composite
def padded(draw: st.DrawFn, good: st.SearchStrategy[bytes]) -> bytes:
    """A byte that may be a number's last, prolonged to two that mean the same."""
    value = draw(good)
    at = draw(st.integers(HEADER.size, len(value) - 1))
    return value[:at] + bytes([value[at] | 0x80, 0]) + value[at + 1 :]


def on_version(event: OrderEvent, version: int | None) -> bytes:
    """The event as a producer of that version writes it."""
    if version is None:
        return CODEC.encode_event(event)
    return written(version, event, **({"gift": "a ribbon"} if version == ADDED else {}))


known_ids = st.sampled_from([REGISTRY.id_of(topic) for topic in (ORDERS, LISTINGS, QUESTIONS)])
goods = st.builds(on_version, orders, st.sampled_from([None, None, None, ADDED, LACKING, SYMBOL]))
bads = st.one_of(
    flipped(goods),
    spliced(goods),
    padded(goods),
    st.none(),
    st.binary(max_size=40),
    st.builds(frame, known_ids | st.integers(0, 2**32 - 1), st.binary(max_size=60)),
    st.builds(lambda schema_id, good: frame(schema_id, good[HEADER.size :]), known_ids, goods),
)
#: Partition, how many offsets to leave out before it (as compaction and transactions do), and value.
deliveries = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from([0, 0, 0, 1, 7]), goods | bads), min_size=1, max_size=12
)


def delivered(entries: Sequence[tuple[int, int, bytes | None]], again: Sequence[int]) -> list[FakeMessage]:
    """Messages in an order that a log allows: rising offsets in each partition, the partitions mixed.

    Args:
        again: which of the values a producer sends once more at the end.
    """
    values = [*entries, *((0, 0, entries[each % len(entries)][2]) for each in again)]
    after: Counter[int] = Counter()
    messages = []
    for partition, gap, value in values:
        offset = after[partition] + gap
        after[partition] = offset + 1
        messages.append(FakeMessage(partition=partition, offset=offset, value=value, key=b"\xffkey"))
    return messages


# What must become of them.

COLUMNS = (
    "toString(event_id) AS event_id, toUnixTimestamp64Milli(occurred_at) AS occurred_at, merchant_id, order_id, line, "
    "listing_id, kind, quantity, amount, discount, currency, buyer_id, store"
)


def as_stored(datum: dict[str, Any]) -> dict[str, Any]:
    """The decoded record as `COLUMNS` gives it."""
    since_1970 = datum["occurred_at"] - AT.replace(year=1970, month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
    milliseconds = (since_1970.days * 86_400 + since_1970.seconds) * 1000 + since_1970.microseconds // 1000
    return {**datum, "event_id": str(datum["event_id"]), "occurred_at": milliseconds}


def same(row: dict[str, Any], datum: dict[str, Any]) -> bool:
    """Whether the row has the record's values."""
    wanted = as_stored(datum)
    if wanted["kind"] == "UNKNOWN" and row["kind"] == "GIFTED":
        wanted["kind"] = "GIFTED"  # a symbol that we do not know is kept as text
    for amount in ("amount", "discount"):
        # fastavro rounds what has more digits than the schema allows; ClickHouse keeps all of them.
        if isinstance(row[amount], Decimal) and EIGHTEEN_DIGITS.plus(row[amount]) == wanted[amount]:
            wanted[amount] = row[amount]
    return row == wanted


def is_canonical(value: bytes, datum: dict[str, Any]) -> bool:
    """Whether one of the writers writes the record like that."""
    schema_id, body = HEADER.unpack_from(value)[1], value[HEADER.size :]
    if schema_id == REGISTRY.id_of(ORDERS):
        try:
            return CODEC.encode(ORDERS, datum)[HEADER.size :] == body
        except (ValueError, TypeError, OverflowError):  # an amount of too many digits
            return False
    return False


def check(bench: Bench, messages: Sequence[FakeMessage], certainly_good: frozenset[bytes]) -> None:
    """Store them in one batch, and compare what became of each with what `Codec` reads."""
    log, letters = bench.store("orders", messages)
    rows = rows_of(bench.client, "orders", COLUMNS, log)
    refused = {(letter.source_partition, letter.source_offset): letter.source_value for letter in letters}
    assert len(refused) == len(letters), "a message is a dead letter twice"
    places = {(message.partition(), message.offset()): message.value() for message in messages}
    assert {place: places[place] for place in refused} == refused, "a dead letter has other bytes than the message"
    assert not rows.keys() & refused.keys(), "a message is both"
    # The same event twice in one insert is one row, the later one.
    last: dict[object, tuple[int, int]] = {}
    for place, value in places.items():
        datum = CODEC.decode(ORDERS, value)
        if place in refused:
            good = isinstance(datum, dict) and value is not None and is_canonical(value, datum)
            assert not good, "a good message is a dead letter"
            assert value not in certainly_good, "a good message is a dead letter"
        elif isinstance(datum, Rejected):
            assert datum.message.endswith(PASSED_BY_CLICKHOUSE), f"neither refused nor read: {datum}"
            last[value] = place
        else:
            key = (datum["merchant_id"], datum["occurred_at"], datum["event_id"])
            last[key] = place
            assert place not in rows or same(rows[place], datum), (rows[place], datum)
    assert not set(last.values()) - rows.keys(), "a message is neither a row nor a dead letter"
    assert not rows.keys() - places.keys(), "a row came from nowhere"


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deliveries, st.lists(st.integers(0, 11), max_size=3))
@example([(0, 0, CODEC.encode_event(order(1)) + b"\0"), (0, 0, CODEC.encode_event(order(2)))], [])
@example([(0, 0, CODEC.encode_event(order(1))), (0, 0, None), (1, 0, b"")], [0])
@example([(0, 0, CODEC.encode_event(order(1, store="a\n\nb;\n\nDROP TABLE orders")))], [])
def test_good_messages_land_and_bad_ones_are_dead_letters(
    bench: Bench, entries: list[tuple[int, int, bytes | None]], again: list[int]
) -> None:
    check(bench, delivered(entries, again), frozenset())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(goods, min_size=1, max_size=8), bads)
def test_one_bad_message_takes_no_good_one_with_it(bench: Bench, good: list[bytes], bad: bytes | None) -> None:
    """The good ones are known beforehand here, whatever `Codec` says of them."""
    middle = len(good) // 2
    values = [*good[:middle], bad, *good[middle:]]
    check(bench, delivered([(0, 0, value) for value in values], []), frozenset(good) - {bad})


def uuid_field(value: bytes, text: bytes) -> bytes:
    """The message with another text in place of its id."""
    return value[: HEADER.size + 1] + text + value[HEADER.size + 1 + len(text) :]


ORDER = CODEC.encode_event(order(9))
AT_ORDER_ID = ORDER.index(b"o-9")
ONLY_FAULTS = {
    "bytes left over": ORDER + b"\0",
    "many bytes left over": ORDER + bytes(40),
    "text that is not UTF-8": ORDER[:AT_ORDER_ID] + b"\xff" + ORDER[AT_ORDER_ID + 1 :],
    "an id that is not UTF-8": uuid_field(ORDER, b"\xe8" * 36),
    "an error that quotes what is not UTF-8": ORDER[: HEADER.size] + b"\x06\xe8a" + ORDER[HEADER.size + 3 :],
    "an id of the wrong form": uuid_field(ORDER, b"{0000000-0000-0000-0000-00000000009}"),
    "truncated": ORDER[:-3],
    "no body": ORDER[: HEADER.size],
    "a negative length": ORDER[: AT_ORDER_ID - 1] + b"\x01" + ORDER[AT_ORDER_ID:],
    "a huge length": ORDER[: AT_ORDER_ID - 1] + b"\xfe\xff\xff\xff\xff\x0f" + ORDER[AT_ORDER_ID:],
    "a number without an end": ORDER[: HEADER.size + 37] + b"\xff" * 20,
}


@pytest.mark.parametrize("fault", ONLY_FAULTS)
def test_a_batch_with_one_fault_keeps_its_good_messages(bench: Bench, fault: str) -> None:
    """Each fault alone: another one in the batch would make ClickHouse refuse it anyway."""
    bad, good = ONLY_FAULTS[fault], [CODEC.encode_event(order(number)) for number in (1, 2)]
    check(bench, delivered([(0, 0, good[0]), (0, 0, bad), (0, 0, good[1])], []), frozenset(good))
    check(bench, delivered([(0, 0, bad)], []), frozenset())


def test_a_text_inside_of_a_list_or_a_map_that_is_not_utf8_is_refused_too(bench: Bench) -> None:
    (listing,) = (event for event in FULL if type(event).__name__ == "ListingPublished")
    good = CODEC.encode_event(listing)
    for text in ("schal", "material"):
        at = good.rindex(text.encode())
        bad = good[:at] + b"\xff" + good[at + 1 :]
        assert isinstance(CODEC.decode(LISTINGS, bad), Rejected)
        _, letters = bench.store("listings", [FakeMessage(topic=LISTINGS.name, value=bad)])
        assert [letter.source_value for letter in letters] == [bad]


def test_an_amount_of_nineteen_digits_is_refused(bench: Bench) -> None:
    """The column's type has eighteen; sums of such rows would be of another size than any reader takes them for."""
    at = ORDER.index(b"\x04\x04\xd2")
    bad = ORDER[:at] + b"\x10" + (10**18 + 1).to_bytes(8, "big") + ORDER[at + 3 :]
    _, letters = bench.store("orders", [FakeMessage(value=bad)])
    assert [letter.source_value for letter in letters] == [bad]


@pytest.mark.parametrize("milliseconds", [253_402_300_800_000, 2**62, -(2**62)])
def test_a_time_that_no_clock_shows_is_refused(bench: Bench, milliseconds: int) -> None:
    """Years past 9999 and before 1: `Codec` refuses them, so nobody else could read the row's event."""
    zigzag, out = (milliseconds << 1) ^ (milliseconds >> 63), bytearray()
    while zigzag > 0x7F:
        out.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    out.append(zigzag)
    start = HEADER.size + 37
    stop = ORDER.index(b"\x06m-2", start)
    bad = ORDER[:start] + bytes(out) + ORDER[stop:]
    assert isinstance(CODEC.decode(ORDERS, bad), Rejected)
    _, letters = bench.store("orders", [FakeMessage(value=bad)])
    assert [letter.source_value for letter in letters] == [bad]


def test_garbage_and_orders_through_kafka(world: World) -> None:
    """The same through the broker: seeded garbage of every kind among good orders, one of them of 1 MB."""
    rng = random.Random(5)
    good: dict[str, bytes] = {}
    bad: list[bytes] = []
    for number in range(300):
        event = dataclasses.replace(order(number), event_id=uuid.UUID(int=rng.getrandbits(128)))
        if number == 150:
            event = dataclasses.replace(event, store="s" * 1_000_000)
        value = world.codec.encode_event(event)
        good[str(event.event_id)] = value
        world.send("orders", value, str(number).encode())
        if number % 3 == 0:
            at = rng.randrange(HEADER.size + 1, HEADER.size + 37)  # in the id, whose form every change breaks
            broken = rng.choice([value[:at], value[:at] + b"!" + value[at + 1 :], value + b"\0", rng.randbytes(30)])
            bad.append(broken)
            world.send("orders", broken, str(number).encode())
    world.flush()
    with world.sink("orders", sink_batch_rows=50):
        until(lambda: world.number("SELECT uniqExact(event_id) FROM orders") == len(good), "the good ones")
        until(lambda: len(letters_of(world)) >= len(bad), "the bad ones")
    rows = world.rows("SELECT toString(event_id), length(store), amount FROM orders FINAL")
    decoded = [CODEC.decode(ORDERS, value) for value in good.values()]
    expected = [
        (str(datum["event_id"]), len(datum["store"]) if datum["store"] else None, datum["amount"])
        for datum in decoded
        if isinstance(datum, dict)
    ]
    assert sorted(rows) == sorted(expected)
    found = Counter(hashlib.sha256(letter.source_value or b"").digest() for letter in letters_of(world))
    assert found == Counter(hashlib.sha256(value).digest() for value in bad)


def letters_of(world: World) -> list[DeadLetter]:
    """The dead letters of this world's orders."""
    letters = read_dead_letters(world.settings, world.codec)
    return [letter for letter in letters if letter.source_topic == world.topic("orders")]


def test_the_oracle_reads_what_was_written() -> None:
    """`as_stored` and `is_canonical` on an order whose values are known."""
    datum = CODEC.decode(ORDERS, ORDER)
    assert isinstance(datum, dict)
    assert as_stored(datum) == {**to_avro(order(9)), "event_id": str(uuid.UUID(int=9)), "occurred_at": 1772357415123}
    assert is_canonical(ORDER, datum)
