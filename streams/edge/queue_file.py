"""The queue's SQLite file: opened, made where it is not there, left alone where it is something else."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from streams.edge.errors import EdgeError, QueueBroken, QueueDiskFull

#: In the file's header (PRAGMA application_id), so that no other SQLite file is taken for a queue. "TwEq" in ASCII.
APPLICATION_ID = 0x54774571
VERSION = 1
WAITING, REFUSED = 0, 1

_SCHEMA = (
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {VERSION}",
    # AUTOINCREMENT: a number is never given again, also when the queue was empty meanwhile.
    """CREATE TABLE events (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        event_id TEXT NOT NULL,
        state INTEGER NOT NULL,
        put_at REAL NOT NULL,
        origin TEXT NOT NULL,
        body BLOB NOT NULL,
        problem TEXT
    )""",
    "CREATE UNIQUE INDEX events_by_id ON events (kind, event_id)",
    "CREATE INDEX events_in_order ON events (state, kind, number)",
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
)


def open_file(path: Path, durable: Literal["full", "normal"]) -> sqlite3.Connection:
    """The file, ready for use by one thread at a time.

    Raises:
        QueueBroken: it is damaged, or no queue; it is left as it is.
        QueueDiskFull: there is no room to make it.
    """
    try:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    except sqlite3.Error as error:
        raise QueueBroken(f"{path}: can't be opened ({error}); give a file in a folder that is there") from None
    try:
        with told(path):
            _check(path, db)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute(f"PRAGMA synchronous = {durable.upper()}")
    except BaseException:
        db.close()
        raise
    return db


def _check(path: Path, db: sqlite3.Connection) -> None:
    (application,), (version,) = (
        db.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
    )
    if application == 0 and version == 0 and not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        with transaction(db):
            for statement in _SCHEMA:
                db.execute(statement)
        return
    if application != APPLICATION_ID:
        raise QueueBroken(f"{path}: a database of something else; give another file, this one is left as it is")
    if version > VERSION:
        raise QueueBroken(f"{path}: a queue of a newer version ({version}, known is {VERSION}); update this program")
    if (found := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise sqlite3.DatabaseError(str(found))


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite has rolled back some by itself
            db.execute("ROLLBACK")
        raise


@contextmanager
def told(path: Path) -> Iterator[None]:
    """SQLite's errors in our words."""
    try:
        yield
    except sqlite3.Error as error:
        raise _in_our_words(path, error) from None


def _in_our_words(path: Path, error: sqlite3.Error) -> EdgeError:
    text = str(error)
    if "is full" in text:
        return QueueDiskFull(f"{path}: the disk is full; free some of it. What was confirmed before is kept")
    if "not a database" in text:
        return QueueBroken(f"{path}: a file of something else; give another file, this one is left as it is")
    if "I/O error" in text or "readonly" in text or "unable to open" in text:
        return QueueBroken(f"{path}: the disk does not do as asked ({text}); look after it, then start again")
    return QueueBroken(f"{path}: damaged ({text.splitlines()[0]}); put it aside (sqlite3 .recover may read it)")
