"""A wall clock that jumps, for one process: libfaketime, fetched from Debian's archive into the ignored cache folder.

Only the wall clock is shifted. The monotonic one goes on, as it does when a machine's clock is set.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import final

_CACHE = Path(__file__).parents[2] / ".cache" / "faketime"
_LIBRARY = "libfaketimeMT.so.1"


class NoShiftedClock(Exception):
    """A clock can't be shifted here; the message says in one line why."""


@final
class ShiftedClock:
    """The clock of the processes that are started with its `environment`.

    Args:
        file: says how far the clock is off; one for each clock.

    Raises:
        NoShiftedClock: libfaketime is not to be had.
    """

    def __init__(self, file: Path) -> None:
        self._library = _library()
        self._file = file
        self.shift(0)

    @property
    def environment(self) -> dict[str, str]:
        """What a process must be started with."""
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def shift(self, seconds: int) -> None:
        """Set the clock so far off the true time. The processes see it within a second."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n", encoding="ascii")
        fresh.replace(self._file)  # whoever reads it finds one or the other


def _library() -> Path:
    if sys.platform != "linux":
        raise NoShiftedClock("a clock is shifted on Linux only")
    if found := _find():
        return found
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise NoShiftedClock("libfaketime comes from Debian's archive, and there is no apt-get here")
    _CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHE) as folder:
        command = ("apt-get", "download", "-q", "libfaketime")
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        packages = [name for name in os.listdir(folder) if name.endswith(".deb")]
        if done.returncode != 0 or not packages:
            why = (done.stderr.strip().splitlines() or ["it did not say why"])[-1]
            raise NoShiftedClock(f"apt-get did not bring libfaketime: {why}")
        subprocess.run(("dpkg", "-x", str(Path(folder) / packages[0]), str(_CACHE)), check=True)
    found = _find()
    if found is None:
        raise NoShiftedClock(f"the package libfaketime has no {_LIBRARY}")
    return found


def _find() -> Path | None:
    return next(_CACHE.glob(f"usr/lib/*/faketime/{_LIBRARY}"), None)
