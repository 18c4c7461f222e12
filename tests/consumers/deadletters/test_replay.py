"""Which dead letters are put back, and in which order things are done."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from consumers.deadletters.browse import merged
from consumers.deadletters.replay import headers_of, plan, replay
from schemas.dead_letters import Inbound, dead_letter
from schemas.events import DeadLetter, Event
from schemas.publisher import DeliveryFailed
from tests.consumers.events import FULL

LETTER = next(event for event in FULL if isinstance(event, DeadLetter))
NEW = replace(LETTER, event_id=uuid.UUID(int=100), replays=0)
ONCE = replace(LETTER, event_id=uuid.UUID(int=101), replays=1)
TWICE = replace(LETTER, event_id=uuid.UUID(int=102), replays=2)


class Recorder:
    """Keeps what is published; confirms only so often as it is told."""

    def __init__(self, *, confirms: float = float("inf")) -> None:
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
        self._confirms -= 1
        if self._confirms < 0:
            raise DeliveryFailed((), 1)

    def letters(self) -> list[DeadLetter]:
        """What was written down."""
        return [each for each in self.done if isinstance(each, DeadLetter)]

    def counts(self) -> list[bytes]:
        """What the headers of the messages that were put back count."""
        return [each[3]["tradewind-replays"] for each in self.done if isinstance(each, tuple)]


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
    recorder = Recorder(confirms=0)
    with pytest.raises(DeliveryFailed):
        replay(recorder, [NEW])
    assert recorder.done[-1] == "flush"
    assert recorder.letters() == []


def test_what_is_not_written_down_is_put_back_again_with_the_same_count() -> None:
    """It ends between the two: the message is on its topic, and its letter does not say so."""
    recorder = Recorder(confirms=1)
    with pytest.raises(DeliveryFailed):
        replay(recorder, [NEW])
    again = Recorder()
    assert replay(again, merged([NEW])).again == (NEW,)
    assert recorder.counts() == again.counts() == [b"1"]
    assert merged([NEW, *again.letters()]) == [replace(NEW, replays=1)]


def test_a_message_that_fails_again_goes_on_counting() -> None:
    """Its header has the count, so it does not come back more than twice, whatever was written down."""
    letter, put_back = NEW, 0
    while again := plan([letter]).again:
        put_back += 1
        message = Inbound("questions.v1", 0, put_back, None, b"l-1", letter.source_value, headers_of(again[0]))
        letter = dead_letter(message, stage="sink", error_class="BadBody", why="again", now=NEW.occurred_at)
    assert put_back == 2


def test_many_are_written_down_portion_by_portion() -> None:
    """So that little is put back twice when it ends in the middle."""
    letters = [replace(NEW, event_id=uuid.UUID(int=number)) for number in range(1200)]
    recorder = Recorder(confirms=3)
    with pytest.raises(DeliveryFailed):
        replay(recorder, letters)
    # The second portion was put back, and its letters were written and not confirmed.
    assert (len(recorder.counts()), len(recorder.letters())) == (1000, 1000)
    whole = Recorder()
    assert replay(whole, letters).again == tuple(letters)
    assert whole.letters() == [replace(letter, replays=1) for letter in letters]


def test_a_dry_run_publishes_nothing() -> None:
    recorder = Recorder()
    assert replay(recorder, [NEW, TWICE], dry_run=True).again == (NEW,)
    assert recorder.done == []
