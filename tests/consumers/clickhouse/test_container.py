"""The Avro file of the sink, against fastavro."""

from __future__ import annotations

import io

import fastavro
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from consumers.clickhouse.container import container, header, padded_varints, positioned
from consumers.clickhouse.tables import END_MARK
from schemas.events import OrderEvent, to_avro
from schemas.records import parsed_schema, schema_json
from tests.consumers.events import orders

SYNC = bytes(range(16))
LOG = "topic_0123456789abcdef"
FRAME = bytes(5)
WRITER = schema_json("OrderEvent")
_places = st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 2**63 - 1))


def body(event: OrderEvent) -> bytes:
    """The event's Avro body."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parsed_schema("OrderEvent"), to_avro(event))
    return out.getvalue()


def row(event: OrderEvent, partition: int, offset: int) -> dict[str, object]:
    """What a reader of the file should see."""
    place = {"_log": LOG, "_partition": partition, "_offset": offset, "_frame": FRAME}
    return {**place, **to_avro(event), "_end": END_MARK}


@given(st.lists(st.integers(0, 2**63 - 1), max_size=5))
def test_a_padded_varint_reads_as_the_number_whatever_its_length(numbers: list[int]) -> None:
    padded = padded_varints(np.array(numbers, np.int64), 10)
    assert padded.shape == (len(numbers), 10)
    read = io.BytesIO(padded.tobytes())
    assert [fastavro.schemaless_reader(read, "long", None) for _ in numbers] == numbers


@given(st.lists(st.tuples(orders, _places), max_size=5))
def test_fastavro_reads_back_what_was_written(events: list[tuple[OrderEvent, tuple[int, int]]]) -> None:
    partitions, offsets = [place[0] for _, place in events], [place[1] for _, place in events]
    file = container(WRITER, LOG, partitions, offsets, [FRAME + body(event) for event, _ in events], sync=SYNC)
    assert list(fastavro.reader(io.BytesIO(file))) == [row(event, *place) for event, place in events]


def test_each_record_is_a_block_of_its_own() -> None:
    file = container(WRITER, LOG, [0] * 3, range(3), [b"any bytes"] * 3, sync=SYNC)
    assert [block.num_records for block in fastavro.block_reader(io.BytesIO(file))] == [1, 1, 1]


def test_the_header_carries_neither_docs_nor_our_own_properties() -> None:
    text = header(positioned(WRITER, LOG), SYNC).decode("latin-1")
    assert '"doc"' not in text
    assert '"minLength"' not in text
    assert '"logicalType":"decimal"' in text
