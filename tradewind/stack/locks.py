"""An exclusive lock on a file, which the operating system releases when its holder dies.

Built on flock(2), so a crash leaves no stale lock: a file may stay behind, but nobody holds it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path


class LockHeld(RuntimeError):
    """Another process holds the lock; `pid` is the holder's process id, or None where it can't be read."""

    def __init__(self, path: Path, pid: int | None) -> None:
        self.path = path
        self.pid = pid
        super().__init__(f"{path} is held by {f'process {pid}' if pid else 'another process'}")


class FileLock:
    """An exclusive lock that names its holder: the file contains the process id."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._fd is not None

    def acquire(self, timeout_s: float = 1.0) -> None:
        """Takes the lock. The timeout outlasts a `holder()` of somebody else, who holds it for microseconds.

        Raises:
            LockHeld: another process kept it for the whole of `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        while (fd := self._try()) is None:
            if time.monotonic() >= deadline:
                raise LockHeld(self.path, _read_pid(self.path))
            time.sleep(0.02)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Removes the file and gives the lock back; without a lock, does nothing."""
        if self._fd is None:
            return
        # Removed while still held, so that nobody's fresh lock file is removed in its place.
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        os.close(self._fd)
        self._fd = None

    def _try(self) -> int | None:
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A holder that released meanwhile removed the file which was opened here: that lock guards nothing.
            if os.fstat(fd).st_ino == os.stat(self.path).st_ino:
                return fd
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(fd)
        return None


def is_held(path: Path) -> bool:
    """Whether a live process holds the lock at `path`."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _read_pid(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
