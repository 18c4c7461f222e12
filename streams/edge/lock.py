"""One client at a time for a queue: a lock that the system takes back when its holder dies."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from streams.edge.errors import QueueBroken, QueueInUse


class Lock:
    """A locked file beside the queue; holds the process's id. It stays when the lock is given back.

    Raises:
        QueueInUse: another client holds it.
        QueueBroken: the file can't be made.
    """

    def __init__(self, queue: Path) -> None:
        self.path = queue.with_name(queue.name + ".lock")
        try:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise QueueBroken(f"{self.path}: {error.strerror}; give a file in a folder that can be written") from None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._fd, 20, 0).decode(errors="replace").strip()
            os.close(self._fd)
            raise QueueInUse(
                f"{queue} is used by {f'process {holder}' if holder.isdigit() else 'another client'}; "
                "end it, or give another file"
            ) from None
        with suppress(OSError):  # a full disk; the lock holds without its holder's name
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give it back."""
        os.close(self._fd)
