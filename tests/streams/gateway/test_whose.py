from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import Codec, Rejected, frame
from schemas.events import ListingEnriched, Provenance, Timings
from schemas.registry import CommittedRegistry
from schemas.topics import ANSWERS_DRAFTED, INSIGHTS, LISTINGS_ENRICHED, Topic
from streams.gateway.cursor import PUSHED
from streams.gateway.message import Pushed
from streams.gateway.whose import Whose
from tests.streams.gateway.ground import AT, draft, insight

CODEC = Codec(CommittedRegistry())


class Counting(Codec):
    decoded = 0

    def decode(self, topic: Topic, message: bytes | None) -> dict[str, object] | Rejected:
        self.decoded += 1
        return super().decode(topic, message)


def enriched(merchant_id: str) -> ListingEnriched:
    return ListingEnriched(draft("m").event_id, AT, merchant_id, "l", AT_ID, "en", Provenance(), Timings())


AT_ID = draft("m").event_id


@given(st.text(min_size=1, max_size=200))
def test_the_first_bytes_say_what_the_whole_says(merchant_id: str) -> None:
    codec = Counting(CommittedRegistry())
    whose = Whose(codec)
    for topic, event in (
        (ANSWERS_DRAFTED, draft(merchant_id)),
        (INSIGHTS, insight(merchant_id)),
        (LISTINGS_ENRICHED, enriched(merchant_id)),
    ):
        value = CODEC.encode_event(event)
        assert whose.merchant_of(topic, value) == merchant_id
        datum = CODEC.decode(topic, value)
        assert isinstance(datum, dict)
        assert datum["merchant_id"] == merchant_id
    assert codec.decoded == 0


@given(st.binary(max_size=80))
def test_any_bytes_are_a_merchant_or_rejected(body: bytes) -> None:
    value = frame(CommittedRegistry().id_of(ANSWERS_DRAFTED), body)
    assert isinstance(Whose(CODEC).merchant_of(ANSWERS_DRAFTED, value), (str, Rejected))


def test_what_is_no_record_of_its_topic_is_rejected() -> None:
    whose = Whose(CODEC)
    for value in (None, b"", b"\x01nonsense", frame(999_999, b""), CODEC.encode_event(insight("m"))):
        assert isinstance(whose.merchant_of(ANSWERS_DRAFTED, value), Rejected)


def test_a_writer_with_another_order_is_decoded_as_a_whole() -> None:
    """A registry may hold versions that others made; the merchant is read by its name."""
    registry = CommittedRegistry()
    schema = json.loads(registry.by_id(registry.id_of(INSIGHTS)))
    schema["fields"] = [*schema["fields"][3:], *schema["fields"][:3]]

    class Other(CommittedRegistry):
        def by_id(self, schema_id: int) -> str:
            return json.dumps(schema) if schema_id == 500 else super().by_id(schema_id)

    import io

    from fastavro import parse_schema, schemaless_writer

    from schemas.events import to_avro

    body = io.BytesIO()
    schemaless_writer(body, parse_schema(schema), to_avro(insight("m-7")))
    assert Whose(Codec(Other())).merchant_of(INSIGHTS, frame(500, body.getvalue())) == "m-7"


def test_an_event_of_another_merchant_than_it_is_filed_under_is_nobodys() -> None:
    message = Pushed(0, 0, 0, 0, "m-1", CODEC.encode_event(draft("m-2")))
    assert isinstance(message.decode(CODEC), Rejected)
    mine = Pushed(0, 0, 0, 0, "m-2", CODEC.encode_event(draft("m-2")))
    assert mine.decode(CODEC) is None


def test_an_event_is_json_of_its_record() -> None:
    message = Pushed(0, 3, 7, 1_000, "m-1", CODEC.encode_event(event := draft("m-1", 'He said "yes"\n\u2028ü')))
    assert message.decode(CODEC) is None
    found = json.loads(message.text("CURSOR", 2_000))
    assert {name: found[name] for name in found if name != "event"} == {
        "id": "CURSOR",
        "type": "answers-drafted",
        "topic": PUSHED[0].name,
        "partition": 3,
        "offset": 7,
        "published_at": 1_000,
        "pushed_at": 2_000,
    }
    assert found["event"]["draft"] == event.draft
    assert found["event"]["event_id"] == str(event.event_id)
    assert found["event"]["asked_at"] == "2026-07-01T12:00:00.005Z"
    sse = message.sse("CURSOR", 2_000).decode()
    assert sse.startswith("id: CURSOR\nevent: answers-drafted\ndata: {")
    assert sse.endswith("}\n\n")
    assert len(sse.strip().splitlines()) == 3 or "\u2028" in sse
    assert json.loads(sse.split("data: ", 1)[1]) == found
