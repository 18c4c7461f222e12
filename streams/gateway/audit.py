"""What was done with the keys: who made and revoked them, and how often each was used and refused on which day.

Uses are counted in memory and added to the file now and then, one row a key and day, so that no flood of requests
becomes a flood of rows. What is not the key of anybody is counted together, under no id.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from streams.gateway.key_file import utc_now

#: The id that uses are counted under which named no key there is.
NOBODY = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done.

    Attributes:
        at: when; of uses, the last of that day.
        who: the user of the command; of uses, nobody.
        what: `created`, `revoked` or `used`.
        key_id: of which key; empty for those that were none.
        used, refused: requests of that day.
        first_at: the first of them.
    """

    at: datetime
    who: str
    what: str
    key_id: str
    used: int = 0
    refused: int = 0
    first_at: datetime | None = None


@dataclass(slots=True)
class _Count:
    first_at: datetime
    last_at: datetime
    used: int = 0
    refused: int = 0


class Uses:
    """Uses that are not in the file yet. Counted by one thread, taken by another."""

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str], _Count] = {}

    def count(self, key_id: str, *, refused: bool) -> None:
        """Count one request."""
        now = self._clock()
        with self._lock:
            count = self._counts.setdefault((key_id, now.date().isoformat()), _Count(now, now))
            count.last_at = now
            if refused:
                count.refused += 1
            else:
                count.used += 1

    def store(self, file: sqlite3.Connection) -> None:
        """Add them to the file. Where that fails they are kept."""
        with self._lock:
            counts, self._counts = self._counts, {}
        if not counts:
            return
        try:
            _add(file, counts)
        except sqlite3.Error:
            self._put_back(counts)
            raise

    def _put_back(self, counts: Mapping[tuple[str, str], _Count]) -> None:
        with self._lock:
            for place, before in counts.items():
                count = self._counts.setdefault(place, before)
                if count is not before:
                    count.first_at = before.first_at
                    count.used += before.used
                    count.refused += before.refused


def _add(file: sqlite3.Connection, counts: Mapping[tuple[str, str], _Count]) -> None:
    with file:
        file.executemany(
            "INSERT INTO uses VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key_id, day) DO UPDATE SET "
            "used = used + excluded.used, refused = refused + excluded.refused, "
            "first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at)",
            [
                (key_id, day, count.used, count.refused, _text(count.first_at), _text(count.last_at))
                for (key_id, day), count in counts.items()
            ],
        )


def entries(file: sqlite3.Connection, key_id: str | None = None) -> list[Entry]:
    """All that was done, or with one key, in the order of its time."""
    found = [
        Entry(datetime.fromisoformat(at), who, what, key)
        for at, who, what, key in file.execute("SELECT at, who, what, key_id FROM audit")
    ]
    found += [
        Entry(datetime.fromisoformat(last), "", "used", key, used, refused, datetime.fromisoformat(first))
        for key, used, refused, first, last in file.execute("SELECT key_id, used, refused, first_at, last_at FROM uses")
    ]
    return sorted((each for each in found if key_id in (None, each.key_id)), key=lambda each: each.at)


def last_used(file: sqlite3.Connection) -> dict[str, datetime]:
    """By key, when it was last presented."""
    rows = file.execute("SELECT key_id, max(last_at) FROM uses WHERE used > 0 GROUP BY key_id")
    return {key_id: datetime.fromisoformat(at) for key_id, at in rows}


def _text(at: datetime) -> str:
    return at.astimezone(timezone.utc).isoformat(timespec="milliseconds")
