"""Messages of a producer that is broken, careless or hostile, each with what is to become of it."""

from __future__ import annotations

import gzip
import io
import json
import random
import struct
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Literal

from fastavro import schemaless_writer

from schemas.codec import frame
from schemas.events import ListingPublished, QuestionAsked, to_avro
from schemas.records import parsed_schema
from schemas.registry import CommittedRegistry
from schemas.topics import LISTINGS, QUESTIONS, Topic
from schemas.varint import write_varint

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
MERCHANT = "m-1"
MIB = 1024 * 1024

#: What becomes of a message: a result, a dead letter of that class, or it never gets in.
Fate = Literal["done", "BadFraming", "BadBody", "UnknownSchemaId", "WrongRecord", "TooLarge", "refused by Kafka"]


@dataclass(frozen=True, slots=True)
class Sent:
    """A message and its fate.

    Attributes:
        value: its bytes; behind them come `zeros` bytes of nothing, which are not kept here.
        codec: how its producer compresses it.
    """

    name: str
    topic: Topic
    value: bytes | None
    fate: Fate
    codec: str = "none"
    headers: Mapping[str, bytes] = field(default_factory=dict)
    zeros: int = 0

    @property
    def key(self) -> bytes:
        """One of its own, which is the listing that it is about."""
        return self.name.encode()


def listing(name: str, **changes: Any) -> ListingPublished:
    """An ordinary listing, with changes."""
    stated: dict[str, Any] = {
        "title": "Copper kettle",
        "description": "The kettle whistles when the water boils.",
        "attributes": {"material": "copper", "capacity": "1.7 l"},
    }
    return ListingPublished(uuid.uuid5(uuid.NAMESPACE_OID, name), NOW, MERCHANT, name, **(stated | changes))


def question(name: str, text: str = "What is the capacity?") -> QuestionAsked:
    """An ordinary question on the listing of that name."""
    return QuestionAsked(uuid.uuid5(uuid.NAMESPACE_URL, name), NOW, MERCHANT, name, f"q-{name}", text)


def all_messages() -> list[Sent]:
    """Every one of them."""
    return [*_framing(), *_bodies(), *_texts(), *_sizes(), *_bombs()]


def _framing() -> Iterator[Sent]:
    for topic in (LISTINGS, QUESTIONS):
        short = topic.name.partition(".")[0]
        yield Sent(f"{short}: no bytes", topic, b"", "BadFraming")
        yield Sent(f"{short}: one byte", topic, b"\0", "BadFraming")
        yield Sent(f"{short}: JSON", topic, json.dumps({"title": "x"}).encode(), "BadFraming")
        yield Sent(f"{short}: gzip file", topic, gzip.compress(b"x" * 1000), "BadFraming")
        yield Sent(f"{short}: largest schema id", topic, struct.pack(">bI", 0, 2**32 - 1) + b"x", "UnknownSchemaId")
        yield Sent(f"{short}: unknown schema id", topic, frame(99_999, b"x" * 50), "UnknownSchemaId")
        yield Sent(f"{short}: no body", topic, frame(_id(topic), b""), "BadBody")
        yield Sent(f"{short}: random body", topic, frame(_id(topic), random.Random(1).randbytes(5000)), "BadBody")
        other = QUESTIONS if topic is LISTINGS else LISTINGS
        yield Sent(f"{short}: another record", topic, frame(_id(other), b"x" * 50), "WrongRecord")
    yield Sent("questions: tombstone", QUESTIONS, None, "BadFraming")
    forged = {"tradewind-value-packed": b"999999999999", "tradewind-value-cut": b"1", "tradewind-replays": b"-1"}
    yield Sent("listings: forged headers", LISTINGS, b"\0", "BadFraming", headers=forged)
    many = {f"h{number}": b"x" * 1000 for number in range(1000)}
    yield Sent("listings: a thousand headers", LISTINGS, b"\0", "BadFraming", headers=many)


def _bodies() -> Iterator[Sent]:
    """Avro that lies about itself. A body begins with the event's id and the time."""
    begin = write_varint(36) + str(uuid.UUID(int=1)).encode() + write_varint(1)
    lies = {
        "text of 2**60 bytes": begin + write_varint(2**60) + b"m-1",
        "text of 2**31 bytes": begin + write_varint(2**31) + b"m-1",
        "text of negative length": begin + write_varint(-5) + b"m-1",
        "a number without an end": begin + b"\xff" * 5000,
        "text that ends early": begin + write_varint(100) + b"m-1",
        "a time beyond all calendars": write_varint(36)
        + str(uuid.UUID(int=1)).encode()
        + write_varint(2**62)
        + b"m-1" * 20,
        "an id that is none": write_varint(4) + b"abcd" + write_varint(1) + write_varint(3) + b"m-1",
        "invalid UTF-8": begin + write_varint(3) + b"\xff\xfe\xfd",
        "half a surrogate": begin + write_varint(3) + b"\xed\xa0\x80",
    }
    for topic in (LISTINGS, QUESTIONS):
        short = topic.name.partition(".")[0]
        for what, body in lies.items():
            yield Sent(f"{short}: {what}", topic, frame(_id(topic), body), "BadBody")
    texts = b"".join(write_varint(len(text)) + text for text in (b"m-1", b"l-1", b"a title"))
    no_options = b"\0" * 3  # description, category and brand
    for what, block in {
        "a map of 2**60 entries": write_varint(2**60),
        "a map block of negative size": write_varint(-(2**60)) + write_varint(2**40),
        "a map of a million nothings": write_varint(1_000_000) + b"\0" * 100,
    }.items():
        yield Sent(f"listings: {what}", LISTINGS, frame(_id(LISTINGS), begin + texts + no_options + block), "BadBody")
    choice = frame(_id(LISTINGS), begin + texts + write_varint(7))
    yield Sent("listings: a choice that is none", LISTINGS, choice, "BadBody")
    good = _framed(LISTINGS, listing("left over"))
    yield Sent("listings: bytes left over", LISTINGS, good + b"more", "BadBody")
    asked = _framed(QUESTIONS, question("left over"))
    yield Sent("questions: an unknown channel", QUESTIONS, asked[:-1] + write_varint(99), "BadBody")


def _texts() -> Iterator[Sent]:
    """Odd texts in sound events."""
    deep = 20_000
    for what, changes in {
        "NUL bytes": {"title": "Copper\0kettle\0", "attributes": {"mat\0erial": "cop\0per", "capacity": "1.7 l"}},
        "only NUL bytes": {"title": "\0\0\0", "description": "\0" * 1000},
        "only white space": {"title": " ", "description": "\n \t", "attributes": {" ": " "}},
        "deeply nested JSON": {"attributes": {"note": "[" * (deep - 1)}},
        "deeply nested brackets": {"description": "(" * 50_000 + ")" * 50_000},
        "deeply nested tags": {"description": "<div>" * 20_000},
        "a sentence without an end": {"description": "kettle " * 14_000},
        "a hundred thousand sentences' ends": {"description": ". " * 50_000},
        "one endless number": {"description": "1" * 100_000},
        "one endless address": {"description": "a@" * 50_000},
        "endless quotes": {"description": "\"'“" * 33_000},
        "a thousand attributes": {"attributes": {f"name {n}": f"{n} cm" for n in range(1000)}},
        "attributes of the longest": {"attributes": {f"name {n}": "long value " * 1800 for n in range(20)}},
        "noncharacters": {"title": "\ufdd0\uffff\U0010ffff", "description": "\ufdd0" * 1000},
        "Chinese without an end": {"description": "很长的句子" * 20_000},
    }.items():
        name = f"listings: {what}"
        yield Sent(name, LISTINGS, _framed(LISTINGS, listing(name, **changes)), "done")
    for what, text in {
        "NUL bytes": "What\0is the\0capacity?",
        "only punctuation": "?!" * 5000,
        "the longest": "What is the capacity of it, " * 714,
        "twenty thousand question marks": "?" * 20_000,
        "twenty thousand brackets": "[" * 20_000,
        "ten thousand lines": "a\n" * 10_000,
        "digits without an end": "0" * 20_000,
        "at signs without an end": "a@a." * 5_000,
        "Chinese without an end": "容量是多少" * 4_000,
        "emoji without an end": "👩‍👩‍👧‍👦" * 1_800,
    }.items():
        name = f"questions: {what}"
        yield Sent(name, QUESTIONS, _framed(QUESTIONS, question(name, text)), "done")


def _sizes() -> Iterator[Sent]:
    """More than the limits, in one way or another."""
    noise = random.Random(2)
    for what, changes in {
        "100,000 attributes": {"attributes": {f"name {n}": f"{n} cm" for n in range(100_000)}},
        "a title of 1 MB": {"title": "kettle " * 150_000},
        "a description of 3.9 MB": {"description": "kettle " * (39 * MIB // 70)},
        "one attribute of 1 MB": {"attributes": {"material": "copper " * 150_000}},
        "100,000 tags": {"tags": tuple(f"tag {n}" for n in range(100_000))},
        "5 MB that pack well": {"description": "kettle " * (5 * MIB // 7)},
    }.items():
        name = f"listings: {what}"
        value = _framed(LISTINGS, listing(name, **changes))
        yield Sent(name, LISTINGS, value, "TooLarge", codec="zstd")
    for what, text in {"1 MB": "What is the capacity? " * 48_000, "20,001 characters": "a" * 20_001}.items():
        name = f"questions: {what}"
        yield Sent(name, QUESTIONS, _framed(QUESTIONS, question(name, text)), "TooLarge", codec="gzip")
    for size in (5 * MIB, 39 * MIB // 10):
        name = f"listings: {size / MIB:.1f} MB that do not pack"
        text = noise.randbytes(size // 2).hex()
        value = _framed(LISTINGS, listing(name, description=text))
        yield Sent(name, LISTINGS, value, "refused by Kafka")


def _bombs() -> Iterator[Sent]:
    for topic in (LISTINGS, QUESTIONS):
        short = topic.name.partition(".")[0]
        for codec in ("gzip", "lz4", "zstd"):
            name = f"{short}: 200 MB in a {codec} batch"
            yield Sent(name, topic, frame(_id(topic), b""), "TooLarge", codec=codec, zeros=200 * MIB)
        name = f"{short}: 40 MB in a gzip batch"
        yield Sent(name, topic, frame(_id(topic), b""), "TooLarge", codec="gzip", zeros=40 * MIB)


def _id(topic: Topic) -> int:
    return CommittedRegistry().id_of(topic)


def _framed(topic: Topic, event: ListingPublished | QuestionAsked) -> bytes:
    """The event as a producer frames it who does not validate."""
    body = io.BytesIO()
    schemaless_writer(body, parsed_schema(topic.record), to_avro(event))
    return frame(_id(topic), body.getvalue())
