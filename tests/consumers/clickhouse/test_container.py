"""The Avro file of the sink, against fastavro."""

from __future__ import annotations

import io

import fastavro
from fastavro.schema import parse_schema
from hypothesis import given
from hypothesis import strategies as st

from consumers.clickhouse.container import container, header, positioned, varint
from consumers.clickhouse.tables import END_MARK
from schemas.events import OrderEvent, to_avro
from schemas.records import parsed_schema, schema_json
from tests.consumers.events import orders

SYNC = bytes(range(16))
LOG = "topic_0123456789abcdef"
WRITER = schema_json("OrderEvent")
_places = st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 2**63 - 1))


def body(event: OrderEvent) -> bytes:
    """The event's Avro body."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parsed_schema("OrderEvent"), to_avro(event))
    return out.getvalue()


def row(event: OrderEvent, partition: int, offset: int) -> dict[str, object]:
    """What a reader of the file should see."""
    place = {"_log": LOG, "_partition": partition, "_offset": offset}
    return {**place, **to_avro(event), "_end": END_MARK}


@given(st.integers(-(2**63), 2**63 - 1))
def test_varint_is_what_fastavro_writes(number: int) -> None:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, "long", number)
    assert varint(number) == out.getvalue()


@given(st.lists(st.tuples(orders, _places), max_size=5))
def test_fastavro_reads_back_what_was_written(events: list[tuple[OrderEvent, tuple[int, int]]]) -> None:
    file = container(WRITER, LOG, [(*place, body(event)) for event, place in events], sync=SYNC)
    assert list(fastavro.reader(io.BytesIO(file))) == [row(event, *place) for event, place in events]


@given(st.lists(st.tuples(orders, _places), max_size=5))
def test_blocks_equal_those_of_fastavro_byte_for_byte(events: list[tuple[OrderEvent, tuple[int, int]]]) -> None:
    schema = positioned(WRITER, LOG)
    theirs = io.BytesIO()
    # An interval of one byte makes a block of each record.
    fastavro.writer(
        theirs,
        parse_schema(schema),
        [row(event, *place) for event, place in events],
        sync_interval=1,
        sync_marker=SYNC,
    )
    ours = container(WRITER, LOG, [(*place, body(event)) for event, place in events], sync=SYNC)
    _, _, their_blocks = theirs.getvalue().partition(SYNC)
    assert ours[len(header(schema, SYNC)) :] == their_blocks


def test_each_record_is_a_block_of_its_own() -> None:
    file = container(WRITER, LOG, [(0, offset, b"any bytes") for offset in range(3)], sync=SYNC)
    assert [block.num_records for block in fastavro.block_reader(io.BytesIO(file))] == [1, 1, 1]


def test_the_header_carries_neither_docs_nor_our_own_properties() -> None:
    text = header(positioned(WRITER, LOG), SYNC).decode("latin-1")
    assert '"doc"' not in text
    assert '"minLength"' not in text
    assert '"logicalType":"decimal"' in text
