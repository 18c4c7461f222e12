"""Which dead letters are put back, and in which order things are done."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from consumers.deadletters.replay import headers_of, plan, replay
from schemas.events import DeadLetter, Event
from schemas.publisher import DeliveryFailed
from tests.consumers.events import FULL

LETTER = next(event for event in FULL if isinstance(event, DeadLetter))
NEW = replace(LETTER, event_id=uuid.UUID(int=100), replays=0)
ONCE = replace(LETTER, event_id=uuid.UUID(int=101), replays=1)
TWICE = replace(LETTER, event_id=uuid.UUID(int=102), replays=2)


class Recorder:
    """Keeps what is published; fails to confirm where it is told so."""

    def __init__(self, *, confirms: bool = True) -> None:
        self.done: list[object] = []
        self._confirms = confirms

    def publish_bytes(
        self, topic: str, key: bytes | None, value: bytes | None, headers: dict[str, bytes] | None = None
    ) -> None:
        self.done.append((topic, key, value, headers))

    def publish(self, event: Event) -> None:
        self.done.append(event)

    def flush(self) -> None:
        self.done.append("flush")
        if not self._confirms:
            raise DeliveryFailed((), 1)


def test_a_message_is_put_back_at_most_twice() -> None:
    decided = plan([NEW, ONCE, TWICE])
    assert decided.again == (NEW, ONCE)
    assert [(letter, reason.split(";")[0]) for letter, reason in decided.refused] == [
        (TWICE, "it was put back 2 times already")
    ]


def test_the_header_counts_on_and_the_others_stay() -> None:
    assert headers_of(NEW) == {"trace": b"\xff\x00", "tradewind-replays": b"1"}
    again = replace(ONCE, source_headers={"tradewind-replays": b"1"})
    assert headers_of(again) == {"tradewind-replays": b"2"}


def test_bytes_are_confirmed_before_it_is_written_down() -> None:
    recorder = Recorder()
    assert replay(recorder, [NEW, TWICE]).again == (NEW,)
    assert recorder.done == [
        ("questions.v1", b"l-1", b"\x00\xff\xfe\x80broken", headers_of(NEW)),
        "flush",
        replace(NEW, replays=1),
        "flush",
    ]


def test_what_is_not_confirmed_is_not_written_down() -> None:
    recorder = Recorder(confirms=False)
    with pytest.raises(DeliveryFailed):
        replay(recorder, [NEW])
    assert recorder.done[-1] == "flush"
    assert not any(isinstance(each, DeadLetter) for each in recorder.done)


def test_a_dry_run_publishes_nothing() -> None:
    recorder = Recorder()
    assert replay(recorder, [NEW, TWICE], dry_run=True).again == (NEW,)
    assert recorder.done == []
