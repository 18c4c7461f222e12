"""Where API keys are kept: one SQLite file, for its owner alone, with what was done to each key and by whom.

Of a secret only its hash is here, so the file opens no door to whoever reads it; whoever can write it can let himself
in. Any number of gateways and commands may have it open at once, on one machine (WAL does not work over a network).
"""

from __future__ import annotations

import getpass
import os
import secrets
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path

from streams.gateway.keys import ApiKey, Scope

PREFIX = "tw"
_VERSION = 1
_BUSY_S = 5.0
_ID_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is taken for another
_ID_LENGTH = 10
_LONGEST_TEXT = 200  # as merchant_id in the schemas

_SCHEMA = """
CREATE TABLE keys (
    id TEXT PRIMARY KEY, secret_sha256 BLOB NOT NULL, merchant_id TEXT NOT NULL, scopes TEXT NOT NULL,
    label TEXT NOT NULL, events_per_s REAL NOT NULL, created_at TEXT NOT NULL, expires_at TEXT, revoked_at TEXT
);
-- Grows with every change of a key, and not when uses are counted: a gateway reads its keys again only then.
CREATE TABLE generation (number INTEGER NOT NULL);
INSERT INTO generation VALUES (0);
CREATE TABLE audit (
    number INTEGER PRIMARY KEY, at TEXT NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, key_id TEXT NOT NULL
);
CREATE TABLE uses (
    key_id TEXT NOT NULL, day TEXT NOT NULL, used INTEGER NOT NULL, refused INTEGER NOT NULL,
    first_at TEXT NOT NULL, last_at TEXT NOT NULL, PRIMARY KEY (key_id, day)
);
"""


class KeyFileError(Exception):
    """The file of the keys can't be used, or a key in it; the message says why, with the mend."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key, and the hash of its secret."""

    key: ApiKey
    secret_sha256: bytes


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(timezone.utc)


def os_user() -> str:
    """Who runs this process, for the audit."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need have no name
        return f"uid {os.getuid()}"


def digest(secret: str) -> bytes:
    """What is kept of a secret."""
    return sha256(secret.encode()).digest()


def id_in(text: str) -> str:
    """The id in what people hand over as a key's name: the id itself, or the whole key."""
    prefix, _, rest = text.strip().partition("_")
    return rest.partition("_")[0] if prefix == PREFIX and rest else text.strip()


def create(
    path: Path,
    *,
    merchant_id: str,
    scopes: Collection[Scope],
    label: str = "",
    events_per_s: float = 1000.0,
    expires_at: datetime | None = None,
    who: str | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> tuple[ApiKey, str]:
    """Make a key. Gives it, and the text to present, which nobody can be told again.

    Raises:
        KeyFileError: the file can't be used, or such a key can't be.
    """
    now = clock()
    if problem := _wrong(merchant_id, scopes, label, events_per_s, expires_at, now):
        raise KeyFileError(problem)
    key_id = "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))
    secret = secrets.token_hex(32)
    key = ApiKey(key_id, merchant_id, frozenset(scopes), label, float(events_per_s), now, expires_at)
    with opened(path) as file, file:
        file.execute(
            "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            (
                key.id,
                digest(secret),
                key.merchant_id,
                ",".join(sorted(scope.value for scope in key.scopes)),
                key.label,
                key.events_per_s,
                _text(now),
                expires_at and _text(expires_at),
            ),
        )
        _changed(file, now, who, "created", key_id)
    return key, f"{PREFIX}_{key_id}_{secret}"


def revoke(
    path: Path, key_id: str, *, who: str | None = None, clock: Callable[[], datetime] = utc_now
) -> tuple[ApiKey, bool]:
    """Take a key back, for ever. Gives it, and whether it was in force until now.

    Raises:
        KeyFileError: the file can't be used, or has no such key.
    """
    now = clock()
    with opened(path, make=False) as file, file:
        changed = file.execute(
            "UPDATE keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", (_text(now), key_id)
        ).rowcount
        if changed:
            _changed(file, now, who, "revoked", key_id)
        found = [stored.key for stored in read(file) if stored.key.id == key_id]
        if not found:
            raise KeyFileError(f"no key has the id {key_id}; tradewind keys list shows them")
    return found[0], bool(changed)


def keys_in(path: Path) -> list[ApiKey]:
    """All keys, the oldest first.

    Raises:
        KeyFileError: the file can't be used.
    """
    with opened(path, make=False) as file:
        return [stored.key for stored in read(file)]


@contextmanager
def opened(path: Path, *, make: bool = True) -> Iterator[sqlite3.Connection]:
    """The file, for the thread that opens it.

    Args:
        make: whether to make it where it is not there.

    Raises:
        KeyFileError: it can't be used, or is not there. Also for what SQLite says inside.
    """
    if not make and not path.exists():
        raise KeyFileError(
            f"there is no {path}, the file of the keys; tradewind keys create makes it with its first key"
        )
    try:
        with closing(_connect(path)) as file:
            yield file
    except (sqlite3.Error, OSError) as error:
        raise KeyFileError(
            f"the keys in {path} can't be used: {error}; see to the file and its folder, or set TRADEWIND_GATEWAY_KEYS"
        ) from error


def read(file: sqlite3.Connection) -> list[StoredKey]:
    """All keys with the hashes of their secrets, the oldest first."""
    rows = file.execute("SELECT * FROM keys ORDER BY created_at, id")
    return [_stored(row) for row in rows]


def generation(file: sqlite3.Connection) -> int:
    """A number that grows with each change of a key."""
    number: int = file.execute("SELECT number FROM generation").fetchone()[0]
    return number


def _connect(path: Path) -> sqlite3.Connection:
    _see_to_it(path)
    file = sqlite3.connect(path, timeout=_BUSY_S)
    try:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = NORMAL")
        _bring_up(file, path)
    except BaseException:
        file.close()
        raise
    return file


def _see_to_it(path: Path) -> None:
    """See that the file is there, and nobody's but its owner's; SQLite gives its other files the same mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if path.stat().st_mode & 0o007:
            raise KeyFileError(f"anybody may open {path}, the file of the keys; mend it: chmod 600 {path}") from None


def _bring_up(file: sqlite3.Connection, path: Path) -> None:
    """Make the tables where there are none, and see that they are ours."""

    def version() -> int:
        number: int = file.execute("PRAGMA user_version").fetchone()[0]
        return number

    if version() == 0:
        file.execute("BEGIN IMMEDIATE")  # another process may be doing the same
        with file:
            if version() == 0:
                for statement in _SCHEMA.split(";\n"):
                    file.execute(statement)
                file.execute(f"PRAGMA user_version = {_VERSION}")
    if version() != _VERSION:
        raise KeyFileError(
            f"{path} has version {version()} of the keys, and this Tradewind knows {_VERSION}; upgrade Tradewind"
        )


def _wrong(
    merchant_id: str,
    scopes: Collection[Scope],
    label: str,
    events_per_s: float,
    expires_at: datetime | None,
    now: datetime,
) -> str | None:
    for name, text in (("merchant", merchant_id), ("label", label)):
        if len(text) > _LONGEST_TEXT or not text.isprintable():
            return f"the {name} has {len(text)} characters; at most {_LONGEST_TEXT} are taken, and none that is unseen"
    if not merchant_id.strip():
        return "a key is for one merchant; name it: --merchant ID"
    if not scopes:
        return "the key would allow nothing; give it --publish, --read or both"
    if not 0 < events_per_s <= 1_000_000:
        return f"a rate of {events_per_s:g} events/s can't be; give one above 0, of at most 1,000,000"
    if expires_at is not None and expires_at <= now:
        return f"the key would have expired at {_text(expires_at)} already; give a later time"
    return None


def _changed(file: sqlite3.Connection, at: datetime, who: str | None, what: str, key_id: str) -> None:
    file.execute("UPDATE generation SET number = number + 1")
    file.execute(
        "INSERT INTO audit (at, who, what, key_id) VALUES (?, ?, ?, ?)", (_text(at), who or os_user(), what, key_id)
    )


def _stored(row: tuple[str, bytes, str, str, str, float, str, str | None, str | None]) -> StoredKey:
    key_id, secret_sha256, merchant_id, scopes, label, events_per_s, created, expires, revoked = row
    key = ApiKey(
        id=key_id,
        merchant_id=merchant_id,
        scopes=frozenset(map(Scope, scopes.split(","))),
        label=label,
        events_per_s=events_per_s,
        created_at=datetime.fromisoformat(created),
        expires_at=datetime.fromisoformat(expires) if expires else None,
        revoked_at=datetime.fromisoformat(revoked) if revoked else None,
    )
    return StoredKey(key, secret_sha256)


def _text(at: datetime) -> str:
    return at.astimezone(timezone.utc).isoformat(timespec="milliseconds")
