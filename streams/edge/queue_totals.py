"""How many events a queue holds, kept beside the file so that nobody has to count; read from it at the start."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams.edge.errors import QueueBroken
from streams.edge.event import KINDS
from streams.edge.queue_file import APPLICATION_ID, REFUSED, WAITING, told

CURSOR = "cursor"


@dataclass(frozen=True, slots=True)
class Counts:
    """How it stands.

    Attributes:
        waiting, waiting_bytes: events to be sent.
        refused, refused_bytes: events that the gateway does not take, kept for a person.
        sent: events that were acknowledged since the file was made.
        dropped: events that made room for newer ones, where the policy says so.
        oldest_s: how long the oldest waiting one has waited.
    """

    waiting: int
    waiting_bytes: int
    refused: int
    refused_bytes: int
    sent: int
    dropped: int
    oldest_s: float


@dataclass(slots=True)
class Totals:
    """The same while it changes."""

    waiting: int = 0
    waiting_bytes: int = 0
    refused: int = 0
    refused_bytes: int = 0
    sent: int = 0
    dropped: int = 0

    @property
    def events(self) -> int:
        """All that the queue holds."""
        return self.waiting + self.refused

    @property
    def size(self) -> int:
        """Their bytes."""
        return self.waiting_bytes + self.refused_bytes

    def add(self, state: int, size: int, count: int = 1) -> None:
        """One more of this size; -1: one less."""
        if state == REFUSED:
            self.refused, self.refused_bytes = self.refused + count, self.refused_bytes + count * size
        else:
            self.waiting, self.waiting_bytes = self.waiting + count, self.waiting_bytes + count * size


def read_totals(db: sqlite3.Connection) -> Totals:
    """Counted anew."""
    totals = Totals(sent=int(fact(db, "sent", 0)), dropped=int(fact(db, "dropped", 0)))
    for state, count, size in db.execute("SELECT state, count(*), sum(length(body)) FROM events GROUP BY state"):
        if state == REFUSED:
            totals.refused, totals.refused_bytes = count, size
        else:
            totals.waiting, totals.waiting_bytes = count, size
    return totals


def counts(db: sqlite3.Connection, totals: Totals, now: float) -> Counts:
    """How it stands."""
    # The lowest number of a kind is the oldest of it: the index has it without a look at all.
    sql = "SELECT put_at FROM events WHERE state = ? AND kind = ? ORDER BY number LIMIT 1"
    firsts = [row[0] for kind in KINDS if (row := db.execute(sql, (WAITING, kind)).fetchone()) is not None]
    oldest = min(firsts, default=None)
    return Counts(
        totals.waiting,
        totals.waiting_bytes,
        totals.refused,
        totals.refused_bytes,
        totals.sent,
        totals.dropped,
        0.0 if oldest is None else max(0.0, now - oldest),
    )


def fact(db: sqlite3.Connection, name: str, default: Any) -> Any:
    """What is noted under that name."""
    row = db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    return default if row is None else row[0]


def peek(path: str | Path, now: float | None = None) -> tuple[Counts, str | None]:
    """How it stands with a queue that another client may have open, and its cursor. Only looks.

    Raises:
        QueueBroken: it is not there, damaged, or no queue.
    """
    file = Path(path)
    if not file.is_file():
        raise QueueBroken(f"{file}: no such file; the first put, or tradewind edge send, makes it")
    with told(file):
        db = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
        try:
            if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                raise QueueBroken(f"{file}: not a queue; name the file that edge send was given")
            return counts(db, read_totals(db), time.time() if now is None else now), fact(db, CURSOR, None)
        finally:
            db.close()
