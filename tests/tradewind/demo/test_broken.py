"""Broken messages are refused, each for the reason that it gives."""

from __future__ import annotations

from schemas.codec import Codec, Rejected
from schemas.registry import CommittedRegistry
from schemas.topics import LISTINGS, topic_named
from tradewind.demo.broken import UNKNOWN_ID, broken_messages

CODEC = Codec(CommittedRegistry())


def test_there_are_enough_and_one_of_them_has_an_unknown_id() -> None:
    messages = broken_messages()
    assert len([m for m in messages if m.error_class != "UnknownSchemaId"]) >= 6
    assert len([m for m in messages if m.error_class == "UnknownSchemaId"]) == 1
    assert {m.topic for m in messages} == {"listings.v1", "questions.v1", "orders.v1"}
    assert len({m.value for m in messages}) == len(messages)
    assert len({m.key for m in messages}) == len(messages)


def test_each_is_refused_for_its_reason() -> None:
    for message in broken_messages():
        found = CODEC.decode(topic_named(message.topic), message.value)
        assert isinstance(found, Rejected), message.why
        assert found.error_class == message.error_class, message.why


def test_the_unknown_id_is_named_and_its_record_is_sound() -> None:
    message = broken_messages()[-1]
    found = CODEC.decode(topic_named(message.topic), message.value)
    assert isinstance(found, Rejected)
    assert str(UNKNOWN_ID) in found.message
    known_id = CommittedRegistry().id_of(LISTINGS)
    mended = message.value[:1] + known_id.to_bytes(4, "big") + message.value[5:]
    assert isinstance(CODEC.decode(LISTINGS, mended), dict)


def test_the_bytes_are_the_same_on_every_call() -> None:
    assert broken_messages() == broken_messages()
