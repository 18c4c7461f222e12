"""The keys of a running gateway: in memory, so that no request waits for the disk, and kept up with their file."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import datetime
from hmac import compare_digest
from pathlib import Path
from typing import final

import structlog

from streams.gateway.audit import NOBODY, Uses
from streams.gateway.key_file import (
    PREFIX,
    KeyFileError,
    StoredKey,
    create,
    digest,
    generation,
    keys_in,
    opened,
    read,
    revoke,
    utc_now,
)
from streams.gateway.keys import ApiKey, Scope
from streams.gateway.problems import Problem
from streams.gateway.rate import TokenBucket, bucket_of

__all__ = ["KeyFileError", "KeyStore", "create", "keys_in", "revoke"]

log = structlog.get_logger("tradewind.streams")

#: How often the file is looked at, which takes some microseconds while nothing has changed.
_LOOK_S = 0.5
#: And in between for a key that is not known, so that a new one works at once; not for every guess.
_LOOK_AGAIN_S = 0.1
#: How often uses are added to it; a gateway that is killed forgets those since.
_STORE_S = 15.0
#: Compared with where there is no such key, so that a guess takes as long either way.
_NO_SECRET = bytes(32)


@final
class KeyStore:
    """What the gateway asks of the keys. All methods answer from memory, for one thread; another reads the file.

    Args:
        path: made where it is not there; keys that are made later are found.

    Raises:
        KeyFileError: the file can't be used.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], datetime] = utc_now,
        seconds: Callable[[], float] = time.monotonic,
        look_s: float = _LOOK_S,
    ) -> None:
        self._path = path
        self._clock = clock
        self._seconds = seconds
        self._look_s = look_s
        self._uses = Uses(clock)
        self._buckets: dict[str, TokenBucket] = {}
        self._failing: str | None = None
        self._looked_again_at = -_LOOK_AGAIN_S
        self._closing = threading.Event()
        with opened(path) as file:
            self._keys = _by_id(file)
        self._thread = threading.Thread(target=self._run, name="keys", daemon=True)
        self._thread.start()

    def admit(self, presented: str | None, scope: Scope) -> ApiKey | Problem:
        """The key behind what was presented, or why it does not open this door (401, 403).

        Args:
            presented: the key, with or without `Bearer` before it.
        """
        if not presented:
            return Problem(401, "no_key", "no API key; send it as the header Authorization: Bearer tw_...")
        kind, _, rest = presented.strip().partition(" ")
        prefix, _, rest = (rest.strip() if kind.lower() == "bearer" else presented.strip()).partition("_")
        key_id, _, secret = rest.partition("_")
        stored = self._keys.get(key_id) or self._just_made(key_id)
        known = compare_digest(stored.secret_sha256 if stored else _NO_SECRET, digest(secret))
        if stored is None or not known or prefix != PREFIX:
            self._uses.count(NOBODY if stored is None else key_id, refused=True)
            return Problem(401, "unknown_key", "there is no such API key; tradewind keys create makes one")
        # From here on whoever asks has the secret, and may know how the key stands.
        key = stored.key
        problem = self._lapsed(key)
        if problem is None and scope not in key.scopes:
            problem = Problem(
                403, "scope", f"this key may not {scope.value}; use one made with tradewind keys create --{scope.value}"
            )
        self._uses.count(key_id, refused=problem is not None)
        return problem or key

    def spend(self, key: ApiKey, events: int) -> Problem | None:
        """Count events against the key's rate; 429 with the time to wait where they are too many now."""
        bucket = self._buckets.get(key.id)
        if bucket is None:
            bucket = self._buckets[key.id] = bucket_of(key.events_per_s)
        wait_s = bucket.take(events, self._seconds())
        if wait_s is None:
            return None
        self._uses.count(key.id, refused=True)
        detail = f"this key may publish {key.events_per_s:g} events/s; try again in {wait_s:.1f} s, or have a key made"
        return Problem(429, "rate_limited", f"{detail} with a higher --rate", retry_after_s=wait_s)

    def still_good(self, key_id: str) -> bool:
        """Whether a key that was admitted has not been revoked, and has not expired, since."""
        stored = self._keys.get(key_id)
        return stored is not None and self._lapsed(stored.key) is None

    @property
    def failing(self) -> str | None:
        """Why the file can't be read just now, so that the keys may be old; None where all is well."""
        return self._failing

    def close(self) -> None:
        """Stop reading, and store what was counted."""
        self._closing.set()
        self._thread.join()

    def _just_made(self, key_id: str) -> StoredKey | None:
        """A key that was made since the file was last read."""
        now = self._seconds()
        if now - self._looked_again_at < _LOOK_AGAIN_S:
            return None
        self._looked_again_at = now
        try:
            with opened(self._path, make=False) as file:
                self._keys = _by_id(file)
        except (KeyFileError, OSError):
            return None  # the thread that follows the file tells of it
        return self._keys.get(key_id)

    def _lapsed(self, key: ApiKey) -> Problem | None:
        if key.revoked_at is not None:
            return Problem(401, "revoked_key", "this API key was revoked; have another made: tradewind keys create")
        if key.expires_at is not None and key.expires_at <= self._clock():
            return Problem(401, "expired_key", "this API key has expired; have another made: tradewind keys create")
        return None

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._follow()
            except (KeyFileError, OSError) as error:
                if self._failing is None:
                    log.warning("the file of the keys can't be read; going on with those known", error=str(error))
                self._failing = str(error)
                self._closing.wait(self._look_s)

    def _follow(self) -> None:
        """Read the file whenever its keys change, until it is another file or the store is closed."""
        # Asked before it is opened: a file that is put in its place meanwhile is noticed at the first look.
        # One that is away for a moment is not made anew, for that would be without any key.
        place, known, data_version = _place(self._path), -1, -1
        with opened(self._path, make=False) as file:
            store_at = time.monotonic() + _STORE_S
            while not self._closing.wait(self._look_s if known >= 0 else 0):
                if _place(self._path) != place:  # another was put in its place, such as a backup
                    return
                version = file.execute("PRAGMA data_version").fetchone()[0]
                if version != data_version:
                    data_version = version
                    if (now := generation(file)) != known:
                        self._keys, known = _by_id(file), now
                self._failing = None
                if time.monotonic() >= store_at:
                    self._uses.store(file)
                    store_at = time.monotonic() + _STORE_S
            self._uses.store(file)


def _by_id(file: sqlite3.Connection) -> dict[str, StoredKey]:
    return {stored.key.id: stored for stored in read(file)}


def _place(path: Path) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino
