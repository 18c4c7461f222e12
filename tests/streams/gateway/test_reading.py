"""What a stream gets, over whatever interleaving of reading, forgetting, scanning, breaking off and coming back."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from streams.gateway import cursor
from streams.gateway.cursor import PUSHED
from streams.gateway.history import History
from streams.gateway.message import OVERHEAD_BYTES, Pushed
from streams.gateway.reading import EVERYTHING, Missing, Piece, Place, Reading

PARTITIONS = 2
MERCHANTS = ("m-1", "m-2")
Log = dict[Place, list[str]]


def places() -> list[Place]:
    return [(topic, number) for topic in range(len(PUSHED)) for number in range(PARTITIONS)]


@dataclass
class Stream:
    """A device over all its connections; `cursor` is what it was given last."""

    merchant: str
    topics: tuple[int, ...]
    reading: Reading
    cursor: str
    born: list[list[int]]
    got: list[tuple[int, int, int]] = field(default_factory=list)
    missing: set[tuple[int, int, int]] = field(default_factory=set)
    behind: bool = False

    def take(self, pieces: list[Piece]) -> None:
        for message, at in pieces:
            self.got.append((message.topic, message.partition, message.offset))
            given = at if at is not None else message.cursor
            assert given is not None
            self.cursor = given


class Streams(RuleBasedStateMachine):
    """Kafka is lists of merchants' names; one gateway at a time reads it, and may be replaced by a new one."""

    def __init__(self) -> None:
        super().__init__()
        self.log: Log = {place: [] for place in places()}
        self.low = dict.fromkeys(places(), 0)
        self.history = History(1e12, 6 * OVERHEAD_BYTES)
        self.streams: list[Stream] = []

    @initialize()
    def begin(self) -> None:
        for topic, number in places():
            self.history.begin(topic, number, 0)

    @rule(place=st.sampled_from(places()), merchant=st.sampled_from(MERCHANTS))
    def produce(self, place: Place, merchant: str) -> None:
        self.log[place].append(merchant)

    @rule(place=st.sampled_from(places()), count=st.integers(1, 4), evict=st.booleans())
    def tail(self, place: Place, count: int, evict: bool) -> None:
        topic, number = place
        for _ in range(count):
            offset = self.history.position[topic][number]
            if offset >= len(self.log[place]):
                return
            message = self.message(place, offset)
            self.history.add(message, 0.0)
            message.cursor = self.history.cursor
        if evict:
            # As in a gateway, those who follow live take what was added before it is let go.
            for stream in self.streams:
                self.pump(stream)
            self.history.evict(0.0)

    @rule(merchant=st.sampled_from(MERCHANTS), topics=st.sampled_from([EVERYTHING, (0,), (1, 2)]))
    @precondition(lambda self: len(self.streams) < 5)
    def open(self, merchant: str, topics: tuple[int, ...]) -> None:
        reading = Reading(self.history, merchant, topics)
        born = [list(each) for each in self.history.position]
        self.streams.append(Stream(merchant, topics, reading, reading.cursor(self.history), born))

    @rule(which=st.integers(0, 4))
    def come_back(self, which: int) -> None:
        """A device whose connection broke, whatever was on its way to it."""
        if which < len(self.streams):
            self.resume(self.streams[which])

    @rule(which=st.integers(0, 4), ping=st.booleans())
    def look(self, which: int, ping: bool) -> None:
        if which < len(self.streams):
            stream = self.streams[which]
            self.pump(stream)
            if ping and not stream.behind:
                stream.cursor = stream.reading.cursor(self.history)

    @rule(which=st.integers(0, 4), count=st.integers(1, 3))
    def scan(self, which: int, count: int) -> None:
        """A turn of a scan for one that is behind, as far as it comes in that turn."""
        if which >= len(self.streams) or not self.streams[which].behind:
            return
        stream = self.streams[which]
        self.skip_what_is_lost(stream)
        offsets = stream.reading.offsets
        assert offsets is not None
        found, reached = [], {}
        for topic, number in places():
            if topic in stream.topics:
                start = offsets[topic][number]
                end = min(start + count, self.history.position[topic][number])
                found += [self.message((topic, number), offset) for offset in range(max(0, start - 1), end)]
                if end > start:
                    reached[topic, number] = end
        stream.take(stream.reading.scanned(found, reached))
        stream.behind = not stream.reading.find_place(self.history)

    @rule(behind=st.integers(0, 3))
    def another_gateway(self, behind: int) -> None:
        """The gateway is killed, and one that has read less goes on for all its devices."""
        position = self.history.position
        self.history = History(1e12, 6 * OVERHEAD_BYTES)
        for topic, number in places():
            self.history.begin(topic, number, max(self.low[topic, number], position[topic][number] - behind))
        for stream in self.streams:
            self.resume(stream)

    @rule(place=st.sampled_from(places()), count=st.integers(1, 3))
    def retention(self, place: Place, count: int) -> None:
        self.low[place] = min(self.low[place] + count, self.history.floor[place[0]][place[1]])

    @invariant()
    def nothing_twice_and_nothing_of_another(self) -> None:
        for stream in self.streams:
            assert len(stream.got) == len(set(stream.got))
            for topic, number, offset in stream.got:
                assert self.log[topic, number][offset] == stream.merchant
                assert topic in stream.topics
                assert offset >= stream.born[topic][number]

    @invariant()
    def each_partition_in_order(self) -> None:
        for stream in self.streams:
            for place in places():
                mine = [offset for topic, number, offset in stream.got if (topic, number) == place]
                assert mine == sorted(mine)

    def teardown(self) -> None:
        """In the end everybody has everything but for what retention took, which they were told of."""
        for place in places():
            self.tail(place, len(self.log[place]), evict=False)
        for number, stream in enumerate(self.streams):
            while stream.behind:
                self.scan(number, 3)
            self.pump(stream)
            if stream.behind:
                while stream.behind:
                    self.scan(number, 3)
                self.pump(stream)
            wanted = {
                (*place, offset)
                for place in places()
                if place[0] in stream.topics
                for offset, merchant in enumerate(self.log[place])
                if merchant == stream.merchant and offset >= stream.born[place[0]][place[1]]
            }
            assert wanted - set(stream.got) <= stream.missing
            assert stream.reading.offsets is None  # it follows live
            assert stream.reading.cursor(self.history) == cursor.encode(self.history.position)

    def message(self, place: Place, offset: int) -> Pushed:
        return Pushed(*place, offset, 0, self.log[place][offset], b"")

    def resume(self, stream: Stream) -> None:
        stream.reading = Reading(self.history, stream.merchant, stream.topics)
        stream.reading.resume(self.history, cursor.decode(stream.cursor))
        stream.behind = not stream.reading.find_place(self.history)

    def pump(self, stream: Stream) -> None:
        if stream.behind:
            return
        if stream.reading.left_behind(self.history) and stream.reading.offsets is not None:
            self.resume(stream)  # the hub ends it, and the device comes back
            return
        while pieces := stream.reading.take(self.history, 2):
            stream.take(pieces)

    def skip_what_is_lost(self, stream: Stream) -> None:
        offsets = stream.reading.offsets
        assert offsets is not None
        lost = [
            Missing(topic, number, offsets[topic][number], low)
            for (topic, number), low in self.low.items()
            if topic in stream.topics and low > offsets[topic][number]
        ]
        for each in stream.reading.skip(lost):
            stream.missing |= {(each.topic, each.partition, offset) for offset in range(each.first, each.last)}


TestStreams = Streams.TestCase
TestStreams.settings = settings(max_examples=80, stateful_step_count=60, deadline=None)


def history(keep_bytes: int = 1 << 30, keep_ms: float = 1e12) -> History:
    found = History(keep_ms, keep_bytes)
    for topic, number in places():
        found.begin(topic, number, 0)
    return found


def test_memory_lets_go_of_what_is_old_and_of_what_is_too_much() -> None:
    found = history(keep_ms=1_000)
    for offset in range(4):
        found.add(Pushed(0, 0, offset, 0, "m-1", b""), kept_ms=offset * 1_000)
    found.evict(3_500)
    assert (len(found), found.first_seq, found.floor[0][0], found.bytes) == (1, 3, 3, OVERHEAD_BYTES)
    found = history(keep_bytes=3 * OVERHEAD_BYTES)
    for offset in range(10):
        found.add(Pushed(0, 0, offset, 0, f"m-{offset % 2}", b""), 0)
        found.evict(0)
    assert (len(found), found.floor[0][0]) == (3, 7)
    assert [each.offset for each in found.since("m-1", 0, 10)] == [7, 9]
    assert found.since("m-3", 0, 10) == []


def test_the_newest_message_is_kept_whatever_its_size() -> None:
    found = history(keep_bytes=0)
    found.add(Pushed(0, 0, 0, 0, "m-1", b"x" * 1_000), 0)
    found.evict(1e15)
    assert len(found) == 1


@given(st.integers(0, 2_000), st.integers(0, 2_000))
def test_a_cursor_finds_its_place_without_looking_at_everything(count: int, at: int) -> None:
    found = history()
    for offset in range(count):
        found.add(Pushed(0, 0, offset, 0, "m-1", b""), 0)
    start = [[min(at, count), 0], [0, 0], [0, 0]]
    place = found.place_of(start, (0,))
    assert place <= min(at, count)
    assert min(at, count) - place <= 256


def test_a_partition_that_was_added_since_is_read_from_its_beginning() -> None:
    found = history()
    reading = Reading(found, "m-1")
    reading.resume(found, [[0, 0], [0, 0], [0, 0]])
    found.begin(0, 2, 0)
    found.add(message := Pushed(0, 2, 0, 0, "m-1", b""), 0)
    assert [piece.message for piece in reading.take(found, 10)] == [message]
    again = Reading(found, "m-1")
    again.resume(found, [[0, 0], [0, 0], [0, 0]])
    assert [piece.message for piece in again.take(found, 10)] == [message]


def test_offsets_that_kafka_never_had_are_told_and_begin_anew() -> None:
    found = history()
    found.advance(0, 0, 5)
    reading = Reading(found, "m-1")
    reading.resume(found, [[90, 0], [0, 0], [0, 0]])
    assert reading.ahead(found)
    assert reading.begin_anew(found, {(0, 0): 100}) == []
    assert reading.begin_anew(found, {(0, 0): 5}) == [Missing(0, 0, 90, 91)]
    assert not reading.ahead(found)
    assert reading.offsets == [[0, 0], [0, 0], [0, 0]]
