"""Events on the device's disk, from the moment they were put until they are acknowledged: one SQLite file.

An event waits, or it was refused and is kept with the reason, for a person to look at. It leaves when the gateway has
acknowledged it. Methods are for one thread at a time; `client.py` gives them a thread of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from streams.edge.errors import QueueFull
from streams.edge.event import KINDS, Entry
from streams.edge.lock import Lock
from streams.edge.log import log
from streams.edge.policy import EdgePolicy
from streams.edge.queue_file import REFUSED, WAITING, open_file, told, transaction
from streams.edge.queue_totals import CURSOR, Counts, counts, fact, read_totals

_SOURCE = "source "


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one kind that are sent together, with their numbers in the queue."""

    kind: str
    numbers: tuple[int, ...]
    event_ids: tuple[str, ...]
    bodies: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that the gateway does not take, and its words on why (JSON)."""

    number: int
    kind: str
    event_id: str
    origin: str
    problem: str
    body: bytes


class EdgeQueue:
    """The queue in a file; held by one client at a time.

    Args:
        clock: seconds since 1970.

    Raises:
        QueueInUse: another client holds it.
        QueueBroken: it is damaged, or no queue; it is left as it is.
        QueueDiskFull: there is no room to make it.
    """

    def __init__(
        self, path: str | Path, policy: EdgePolicy = EdgePolicy(), *, clock: Callable[[], float] = time.time
    ) -> None:
        self.path = Path(path)
        self._policy = policy
        self._clock = clock
        self._lock = Lock(self.path)
        try:
            self._db = open_file(self.path, policy.durable)
            with told(self.path):
                self._totals = read_totals(self._db)
        except BaseException:
            self._lock.release()
            raise
        self._in_hand: set[int] = set()

    def close(self) -> None:
        """Give the file back; what is in it stays."""
        self._db.close()
        self._lock.release()

    def __enter__(self) -> EdgeQueue:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what comes in ----------------------------------------------------------------------------------------

    def put(self, entries: Sequence[Entry], *, source: str = "", reached: str = "") -> int:
        """Keep the events; returns when the disk has them. Gives how many are new.

        One whose id waits already is dropped as the copy that it is; one whose id was refused takes that one's place.

        Args:
            source, reached: where they came from and how far that has been read; kept together with them.

        Raises:
            QueueFull, QueueDiskFull: none of them is kept.
        """
        dropped: list[str] = []
        with self._changing():
            (last,) = self._db.execute("SELECT coalesce(max(number), 0) FROM events").fetchone()
            new = sum(self._put(each) for each in entries)
            if self._too_much() and self._policy.when_full == "drop_oldest":
                dropped = self._drop_oldest(last)
            if self._too_much():
                raise self._full()
            if source:
                self._set(_SOURCE + source, reached)
        if dropped:
            log.warning("edge_events_dropped", count=len(dropped), first=dropped[0], last=dropped[-1])
        return new

    def reached(self, source: str) -> str:
        """How far a source had been read when the last of its events was put; empty where none was."""
        with told(self.path):
            return str(fact(self._db, _SOURCE + source, ""))

    # -- what goes out ----------------------------------------------------------------------------------------

    def take(self, events: int, size: int, not_kinds: Sequence[str] = ()) -> Batch | None:
        """The next events to send, of one kind, in the order in which they were put; at least one, if any waits.

        They stay in the queue until they are settled, and are not given out again before they are given back.

        Args:
            events, size: at most so many, and so many bytes of JSON.
            not_kinds: leave these alone.
        """
        order = "ASC" if self._policy.send_first == "oldest" else "DESC"
        with told(self.path):
            kind = self._next_kind(order, not_kinds)
            if kind is None:
                return None
            sql = f"SELECT number, event_id, body FROM events WHERE state = ? AND kind = ? ORDER BY number {order}"
            rows, room = list[tuple[int, str, bytes]](), size
            for row in self._db.execute(sql, (WAITING, kind)):
                if row[0] in self._in_hand:
                    continue
                room -= len(row[2]) + 1
                if rows and (room < 0 or len(rows) >= events):
                    break
                rows.append(row)
        rows.sort()
        numbers, event_ids, bodies = zip(*rows, strict=True)
        self._in_hand.update(numbers)
        return Batch(kind, numbers, event_ids, bodies)

    def settle(self, batch: Batch, sent: Sequence[int], refused: Mapping[int, str]) -> None:
        """What became of a batch: these numbers were acknowledged, those refused and why; the rest waits again.

        A power cut right after it may undo it; then they are sent again, under the same ids.

        Raises:
            QueueDiskFull: it could not be noted; the batch is still in hand, so try again.
        """
        sizes = dict(zip(batch.numbers, map(len, batch.bodies), strict=True))
        with self._changing(sure=False):
            for number in sent:
                self._delete(number, sizes[number], WAITING)
            self._totals.sent += len(sent)
            for number, problem in refused.items():
                sql = "UPDATE events SET state = ?, problem = ? WHERE number = ?"
                self._db.execute(sql, (REFUSED, problem, number))
                self._move(sizes[number], WAITING, REFUSED)
            self._set("sent", self._totals.sent)
        self._in_hand.difference_update(batch.numbers)

    def give_back(self, batch: Batch) -> None:
        """Nothing became of it; it waits again."""
        self._in_hand.difference_update(batch.numbers)

    # -- what was refused -------------------------------------------------------------------------------------

    def refused(self, limit: int = 1_000) -> list[Refused]:
        """Events that the gateway does not take, the oldest first."""
        sql = "SELECT number, kind, event_id, origin, problem, body FROM events WHERE state = ? ORDER BY number LIMIT ?"
        with told(self.path):
            return [Refused(*row) for row in self._db.execute(sql, (REFUSED, limit))]

    def again(self, event_ids: Sequence[str] | None = None) -> int:
        """Let refused events wait again, all or those; gives how many."""
        with self._changing():
            return sum(self._again(number, size) for number, size in self._refused_of(event_ids))

    def forget(self, event_ids: Sequence[str] | None = None) -> int:
        """Drop refused events for good, all or those; gives how many."""
        with self._changing():
            chosen = self._refused_of(event_ids)
            for number, size in chosen:
                self._delete(number, size, REFUSED)
            return len(chosen)

    # -- how it stands ----------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """Events to be sent."""
        return self._totals.waiting

    def counts(self) -> Counts:
        """How it stands."""
        with told(self.path):
            return counts(self._db, self._totals, self._clock())

    def cursor(self) -> str | None:
        """Up to where the stream was read."""
        with told(self.path):
            found: str | None = fact(self._db, CURSOR, None)
            return found

    def set_cursor(self, cursor: str) -> None:
        """Remember up to where the stream was read. A power cut right after it may undo it."""
        with self._changing(sure=False):
            self._set(CURSOR, cursor)

    # -- within -----------------------------------------------------------------------------------------------

    @contextmanager
    def _changing(self, *, sure: bool = True) -> Iterator[None]:
        """One transaction, and the totals as they were where it fails; `sure` waits for the disk as the policy says."""
        before = replace(self._totals)
        try:
            with told(self.path):
                mode = self._policy.durable if sure else "normal"
                self._db.execute(f"PRAGMA synchronous = {mode.upper()}")
                with transaction(self._db):
                    yield
        except BaseException:
            self._totals = before
            raise

    def _put(self, entry: Entry) -> int:
        sql = "SELECT number, state, length(body) FROM events WHERE kind = ? AND event_id = ?"
        there = self._db.execute(sql, (entry.kind, entry.event_id)).fetchone()
        if there is not None:
            number, state, size = there
            if state == WAITING:
                return 0
            self._delete(number, size, REFUSED)
        self._db.execute(
            "INSERT INTO events (kind, event_id, state, put_at, origin, body) VALUES (?, ?, ?, ?, ?, ?)",
            (entry.kind, entry.event_id, WAITING, self._clock(), entry.origin, entry.body),
        )
        self._totals.add(WAITING, len(entry.body))
        return 1

    def _too_much(self) -> bool:
        return self._totals.events > self._policy.max_events or self._totals.size > self._policy.max_bytes

    def _drop_oldest(self, last: int) -> list[str]:
        """Drop up to that number until the rest fits, refused ones first; never one that is on its way."""
        dropped: list[str] = []
        sql = """SELECT number, length(body), event_id FROM events
            WHERE state = ? AND number > ? AND number <= ? ORDER BY number LIMIT 500"""
        for state in (REFUSED, WAITING):
            number = 0
            while self._too_much() and (rows := self._db.execute(sql, (state, number, last)).fetchall()):
                for number, size, event_id in rows:
                    if self._too_much() and number not in self._in_hand:
                        self._delete(number, size, state)
                        dropped.append(event_id)
        self._totals.dropped += len(dropped)
        self._set("dropped", self._totals.dropped)
        return dropped

    def _full(self) -> QueueFull:
        policy, totals = self._policy, self._totals
        return QueueFull(
            f"{self.path}: it would hold {totals.events} events of {totals.size} bytes, {totals.refused} of them "
            f"refused ones, more than max_events ({policy.max_events}) or max_bytes ({policy.max_bytes}); let it be "
            "sent, look after the refused ones, or set the policy higher"
        )

    def _next_kind(self, order: str, not_kinds: Sequence[str]) -> str | None:
        # A kind at a time: the index has the first number of each.
        firsts = []
        for kind in KINDS:
            if kind in not_kinds:
                continue
            sql = f"SELECT number FROM events WHERE state = ? AND kind = ? ORDER BY number {order}"
            first = next((n for (n,) in self._db.execute(sql, (WAITING, kind)) if n not in self._in_hand), None)
            if first is not None:
                firsts.append((first, kind))
        if not firsts:
            return None
        return str((min if order == "ASC" else max)(firsts)[1])

    def _refused_of(self, event_ids: Sequence[str] | None) -> list[tuple[int, int]]:
        rows = self._db.execute(
            "SELECT number, length(body), event_id FROM events WHERE state = ?", (REFUSED,)
        ).fetchall()
        wanted = None if event_ids is None else set(event_ids)
        return [(number, size) for number, size, event_id in rows if wanted is None or event_id in wanted]

    def _again(self, number: int, size: int) -> int:
        self._db.execute("UPDATE events SET state = ?, problem = NULL WHERE number = ?", (WAITING, number))
        self._move(size, REFUSED, WAITING)
        return 1

    def _move(self, size: int, there: int, here: int) -> None:
        self._totals.add(there, size, -1)
        self._totals.add(here, size)

    def _delete(self, number: int, size: int, state: int) -> None:
        self._db.execute("DELETE FROM events WHERE number = ?", (number,))
        self._totals.add(state, size, -1)

    def _set(self, name: str, value: Any) -> None:
        sql = "INSERT INTO facts VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2"
        self._db.execute(sql, (name, value))
