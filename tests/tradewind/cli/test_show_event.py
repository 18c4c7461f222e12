from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.events import to_avro
from schemas.records import schema_json
from schemas.topics import CATALOGUE, Topic, topic_of_record
from tests.consumers.events import FULL
from tradewind.cli.show_event import json_of, line_of

EVENTS = [(topic_of_record(type(event).__name__), to_avro(event)) for event in FULL]
SECRETS = {
    "questions.v1": ("030 1234567", "b-1"),
    "orders.v1": ("b-1",),
    "answers-reviewed.v1": ("r-1", "shorter"),
    "dead-letters.v1": ("AP/+gGJyb2tlbg==", "bC0x"),
}


def test_every_topic_is_covered() -> None:
    assert [topic for topic, _ in EVENTS] == list(CATALOGUE)


@pytest.mark.parametrize(("topic", "datum"), EVENTS, ids=lambda v: v.name if isinstance(v, Topic) else "")
def test_line_has_time_and_key_and_fits_a_line(topic: Topic, datum: dict[str, Any]) -> None:
    line = line_of(topic, datum, show_private=False).plain
    assert line.startswith(f"2026-03-01T09:30:15.123Z  {datum[topic.key]}")
    assert "\n" not in line


@pytest.mark.parametrize(("topic", "datum"), EVENTS, ids=lambda v: v.name if isinstance(v, Topic) else "")
def test_private_fields_and_bytes_are_hidden_unless_asked_for(topic: Topic, datum: dict[str, Any]) -> None:
    line = line_of(topic, datum, show_private=False).plain
    whole = json.dumps(json_of(topic, datum, show_private=False))
    open_whole = json.dumps(json_of(topic, datum, show_private=True))
    for secret in SECRETS.get(topic.name, ()):
        assert secret not in line
        assert secret not in whole
        assert secret in open_whole


def test_the_table_of_secrets_knows_every_private_field() -> None:
    with_private = {
        topic.name for topic in CATALOGUE for field in schema_json(topic.record)["fields"] if field.get("private")
    }
    assert with_private <= SECRETS.keys()


def test_a_hidden_text_tells_its_length() -> None:
    topic, datum = EVENTS[1]
    assert json_of(topic, datum, show_private=False)["text"] == f"({len(datum['text'])} characters, hidden)"


def test_texts_are_cut_and_cannot_steer_the_terminal() -> None:
    topic, datum = EVENTS[0]
    line = line_of(topic, {**datum, "title": "\x1b]0;owned\x07" + "long " * 100}, show_private=False).plain
    assert line.isprintable()
    assert "…" in line
    assert len(line) < 250
