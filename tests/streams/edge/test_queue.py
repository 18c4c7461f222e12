"""The queue on disk: beside a plain list, through crashes, full disks and files that are something else."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from structlog.testing import capture_logs

from streams.edge import EdgePolicy, QueueBroken, QueueDiskFull, QueueFull, QueueInUse
from streams.edge.event import Entry
from streams.edge.queue import Batch, EdgeQueue
from streams.edge.queue_totals import peek
from tests.faults.small_disk import NoSmallDisk, small_disk

KINDS = ("listings", "orders", "questions")


def made(number: int, kind: str = "orders", size: int = 20) -> Entry:
    """An event of that number."""
    return Entry(kind, f"{number:036}", (b"%d" % number).ljust(size), f"file:{number}")


def numbers(batch: Batch | None) -> list[int]:
    """Which events it has."""
    return [] if batch is None else [int(event_id) for event_id in batch.event_ids]


class QueueMachine(RuleBasedStateMachine):
    """The queue beside lists: what waits, what was refused, what was sent."""

    MOST = 25

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.policy = EdgePolicy(max_events=self.MOST, durable="normal")
        self.path = self.folder / "0"
        self.queue = EdgeQueue(self.path, self.policy)
        self.waiting: list[tuple[str, int]] = []
        self.refused: list[tuple[str, int]] = []
        self.batch: Batch | None = None
        self.sent = self.cursor = 0
        self.next = 0

    def teardown(self) -> None:
        self.queue.close()
        shutil.rmtree(self.folder)

    @rule(kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=9))
    def put(self, kinds: list[str]) -> None:
        new = [(kind, self.next + at) for at, kind in enumerate(kinds)]
        entries = [made(number, kind) for kind, number in new]
        if len(self.waiting) + len(self.refused) + len(new) > self.MOST:
            with pytest.raises(QueueFull):
                self.queue.put(entries)
            return
        assert self.queue.put(entries, source="list", reached=str(self.next)) == len(new)
        assert self.queue.reached("list") == str(self.next)
        self.waiting += new
        self.next += len(new)

    @precondition(lambda self: self.waiting or self.refused)
    @rule(data=st.data())
    def put_again(self, data: st.DataObject) -> None:
        kind, number = data.draw(st.sampled_from(self.waiting + self.refused))
        new = self.queue.put([made(number, kind)])
        assert new == ((kind, number) in self.refused)
        if new:
            self.refused.remove((kind, number))
            self.waiting.append((kind, number))

    @precondition(lambda self: self.batch is None)
    @rule(events=st.integers(1, 6), size=st.integers(1, 100))
    def take(self, events: int, size: int) -> None:
        self.batch = self.queue.take(events, size)
        if self.batch is None:
            assert not self.waiting
            return
        kind = self.waiting[0][0]
        fit = max(1, min(events, size // 21))  # each with a comma
        expected = [number for each, number in self.waiting if each == kind][:fit]
        assert (self.batch.kind, numbers(self.batch)) == (kind, expected)

    @precondition(lambda self: self.batch is not None)
    @rule(fates=st.lists(st.sampled_from(["sent", "refused", "waits"]), min_size=6, max_size=6))
    def settle(self, fates: list[str]) -> None:
        assert self.batch is not None
        by_fate: dict[str, list[int]] = {"sent": [], "refused": [], "waits": []}
        for number, row, fate in zip(numbers(self.batch), self.batch.numbers, fates, strict=False):
            by_fate[fate].append(row)
            if fate == "waits":
                continue
            self.waiting.remove((self.batch.kind, number))
            if fate == "refused":
                self.refused.append((self.batch.kind, number))
            else:
                self.sent += 1
        self.queue.settle(self.batch, by_fate["sent"], dict.fromkeys(by_fate["refused"], '{"status": 422}'))
        self.batch = None

    @precondition(lambda self: self.batch is not None)
    @rule()
    def give_back(self) -> None:
        assert self.batch is not None
        self.queue.give_back(self.batch)
        self.batch = None

    @rule()
    def again(self) -> None:
        # Each keeps its place in the order in which they were put.
        order = [(each.kind, int(each.event_id)) for each in self.queue.refused()]
        assert self.queue.again() == len(self.refused) == len(order)
        self.waiting = self.in_order([*self.waiting, *self.refused])
        self.refused = []

    @rule()
    def forget(self) -> None:
        assert self.queue.forget() == len(self.refused)
        self.refused = []

    @rule()
    def read_on(self) -> None:
        self.cursor += 1
        self.queue.set_cursor(str(self.cursor))

    @rule()
    def crash(self) -> None:
        """What the disk has when the process is killed: the file and its log, as they are."""
        after = self.folder / str(int(self.path.name) + 1)
        for end in ("", "-wal"):
            shutil.copy(f"{self.path}{end}", f"{after}{end}")
        self.queue.close()
        self.path, self.queue, self.batch = after, EdgeQueue(after, self.policy), None

    def in_order(self, events: list[tuple[str, int]]) -> list[tuple[str, int]]:
        rows = dict(self.queue._db.execute("SELECT kind || event_id, number FROM events").fetchall())
        return sorted(events, key=lambda event: rows[f"{event[0]}{event[1]:036}"])

    @invariant()
    def holds_what_the_lists_hold(self) -> None:
        counts = self.queue.counts()
        assert (counts.waiting, counts.refused, counts.sent) == (len(self.waiting), len(self.refused), self.sent)
        assert counts.waiting_bytes == 20 * len(self.waiting)
        assert sorted((each.kind, int(each.event_id)) for each in self.queue.refused()) == sorted(self.refused)
        assert self.queue.cursor() == (str(self.cursor) if self.cursor else None)


QueueMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestQueueBesideLists = QueueMachine.TestCase


@pytest.fixture
def queue(tmp_path: Path) -> EdgeQueue:
    """An empty one; closed by nobody, as a process that is killed leaves it."""
    return EdgeQueue(tmp_path / "q")


def test_newest_first_goes_back_from_the_end_and_keeps_the_order_within(tmp_path: Path) -> None:
    with EdgeQueue(tmp_path / "q", EdgePolicy(send_first="newest")) as queue:
        queue.put([made(number) for number in range(10)])
        first = queue.take(4, 1000)
        queue.put([made(10)])
        second = queue.take(4, 1000)
        assert (numbers(first), numbers(second)) == ([6, 7, 8, 9], [3, 4, 5, 10])


def test_an_event_that_is_larger_than_a_batch_goes_alone(queue: EdgeQueue) -> None:
    queue.put([made(0, size=500), made(1)])
    assert numbers(queue.take(10, 100)) == [0]


def test_the_oldest_make_room_refused_ones_first(tmp_path: Path) -> None:
    policy = EdgePolicy(max_events=6, when_full="drop_oldest")
    with EdgeQueue(tmp_path / "q", policy) as queue:
        queue.put([made(number) for number in range(6)])
        batch = queue.take(4, 1000)
        assert batch is not None
        queue.settle(batch, [], {batch.numbers[3]: "{}"})
        in_hand = queue.take(1, 1000)
        assert numbers(in_hand) == [0]
        with capture_logs() as logs:
            queue.put([made(6), made(7), made(8)])
        # Number 3 was refused; 0 is on its way, so 1 and 2 are the oldest.
        assert [(each["count"], int(each["first"]), int(each["last"])) for each in logs] == [(3, 3, 2)]
        assert in_hand is not None
        queue.give_back(in_hand)
        assert numbers(queue.take(9, 1000)) == [0, 4, 5, 6, 7, 8]
        assert queue.counts().dropped == 3
    with EdgeQueue(tmp_path / "q", policy) as queue:
        assert queue.counts().dropped == 3


def test_more_than_it_ever_holds_is_refused_also_when_the_oldest_make_room(tmp_path: Path) -> None:
    with EdgeQueue(tmp_path / "q", EdgePolicy(max_events=3, when_full="drop_oldest")) as queue:
        queue.put([made(0)])
        with pytest.raises(QueueFull):
            queue.put([made(number) for number in range(1, 5)])
        assert numbers(queue.take(9, 1000)) == [0]


def test_bytes_are_bounded_too(tmp_path: Path) -> None:
    with EdgeQueue(tmp_path / "q", EdgePolicy(max_bytes=100, max_event_bytes=100)) as queue:
        queue.put([made(number) for number in range(5)])
        with pytest.raises(QueueFull, match="6 events of 120 bytes"):
            queue.put([made(5)])


def test_its_holder_is_named(queue: EdgeQueue) -> None:
    with pytest.raises(QueueInUse, match=f"used by process {os.getpid()}; end it, or give another file"):
        EdgeQueue(queue.path)


def test_one_may_look_while_another_holds_it(queue: EdgeQueue) -> None:
    queue.put([made(number) for number in range(3)])
    queue.set_cursor("here")
    counts, cursor = peek(queue.path)
    assert (counts.waiting, cursor) == (3, "here")


def overwritten(path: Path) -> None:
    with EdgeQueue(path) as queue:
        queue.put([made(number, size=2000) for number in range(50)])
    with path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096 * 4)


def other_database(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE photos (name)")
    db.close()


def newer(path: Path) -> None:
    EdgeQueue(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 9")
    db.close()


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.write_text("listing_id,title\n" * 500), "a file of something else; give another file"),
        (other_database, "a database of something else; give another file"),
        (newer, r"a queue of a newer version \(9, known is 1\); update"),
        (overwritten, r"damaged \(.*; put it aside"),
        (lambda path: path.mkdir(), "can't be opened"),
    ],
)
def test_what_is_no_queue_is_left_as_it_is(tmp_path: Path, make: Callable[[Path], Any], why: str) -> None:
    path = tmp_path / "q"
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(QueueBroken, match=why) as caught:
        EdgeQueue(path)
    assert str(path) in str(caught.value)
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(QueueBroken, match="give a file in a folder that can be written"):
        EdgeQueue(tmp_path / "none" / "q")


def test_a_full_disk_loses_nothing_that_was_confirmed(queue: EdgeQueue) -> None:
    queue.put([made(number, size=2000) for number in range(10)])
    (pages,) = queue._db.execute("PRAGMA page_count").fetchone()
    queue._db.execute(f"PRAGMA max_page_count = {pages}")  # SQLite then says what it says on a full disk
    with pytest.raises(QueueDiskFull, match="the disk is full; free some of it"):
        queue.put([made(number, size=2000) for number in range(10, 30)])
    assert queue.counts().waiting == 10
    batch = queue.take(5, 10**6)
    assert batch is not None
    queue.settle(batch, batch.numbers, {})  # needs no room
    queue._db.execute("PRAGMA max_page_count = 100000")
    queue.put([made(30)])
    queue.close()
    with EdgeQueue(queue.path) as again:
        assert numbers(again.take(99, 10**6)) == [5, 6, 7, 8, 9, 30]


def put_until_full(queue: EdgeQueue) -> int:
    """How many events were confirmed before the disk was full."""
    confirmed = 0
    while True:
        try:
            queue.put([made(confirmed + at, size=500) for at in range(20)])
        except QueueDiskFull:
            return confirmed
        confirmed += 20


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    try:
        with small_disk(tmp_path / "disk", 4) as disk:
            ballast = disk / "ballast"
            ballast.write_bytes(b"\0" * 2**20)
            with EdgeQueue(disk / "q") as queue:
                confirmed = put_until_full(queue)
                assert confirmed > 500
                batch = queue.take(50, 10**6)
                assert batch is not None
                try:
                    queue.settle(batch, batch.numbers, {})
                except QueueDiskFull:  # it may want room, and is tried again until there is some
                    ballast.unlink()
                    queue.settle(batch, batch.numbers, {})
                assert queue.counts().waiting == confirmed - 50
            ballast.unlink(missing_ok=True)
            with EdgeQueue(disk / "q") as queue:
                queue.put([made(100_000)])
                there = numbers(queue.take(10**6, 10**9))
            assert there == [*range(50, confirmed), 100_000]
    except NoSmallDisk as why:
        pytest.skip(str(why))


_PUTS = """
import sys
from streams.edge.event import Entry
from streams.edge.queue import EdgeQueue
queue = EdgeQueue(sys.argv[1])
for number in range(1_000_000):
    queue.put([Entry("orders", f"{number:036}", b"{}")])
    print(number, flush=True)
"""


def test_what_was_confirmed_is_there_after_kill_9(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _PUTS, str(tmp_path / "q")], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(300):
            line = process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().splitlines()  # what it confirmed before it was hit
    confirmed = int(rest[-1] if rest else line)
    with EdgeQueue(tmp_path / "q") as queue:
        there = numbers(queue.take(10**6, 10**9))
    # The one that was being put when it was hit may be there, too.
    assert there in (list(range(confirmed + 1)), list(range(confirmed + 2)))


def test_the_order_of_kinds_is_that_of_their_oldest(tmp_path: Path) -> None:
    with EdgeQueue(tmp_path / "q", replace(EdgePolicy(), durable="normal")) as queue:
        queue.put([made(0, "questions"), made(1, "orders"), made(2, "questions")])
        assert numbers(queue.take(9, 1000)) == [0, 2]
        assert numbers(queue.take(9, 1000)) == [1]
        assert queue.take(9, 1000) is None
