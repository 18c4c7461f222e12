"""A disk that is soon full: a file system in memory of a set size."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class NoSmallDisk(Exception):
    """None can be mounted here; the message says in one line why."""


@contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[Path]:
    """Mount one at `folder`, and take it away at the end.

    Raises:
        NoSmallDisk: not on Linux, or not allowed.
    """
    if sys.platform != "linux" or os.geteuid() != 0:
        raise NoSmallDisk("a file system in memory is mounted by root on Linux only")
    folder.mkdir(parents=True, exist_ok=True)
    mount = ("mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tradewind-small-disk", str(folder))
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoSmallDisk(f"mounting a file system in memory is not allowed: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        # Lazily: a process that is being killed may still have a file open there.
        subprocess.run(("umount", "--lazy", str(folder)), check=True)


def fill(folder: Path) -> Path:
    """Take all that is left of the disk; delete the file that this gives to free it again."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        piece = b"\0" * 65536
        while len(piece) > 0:
            try:
                file.write(piece)
            except OSError:
                piece = piece[: len(piece) // 2]
    assert shutil.disk_usage(folder).free < 65536
    return ballast
