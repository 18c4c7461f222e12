"""A wall clock that jumps, for one process: `shifted_clock.c`, compiled here and preloaded.

Only the wall clock is shifted. The monotonic one goes on, as it does when a machine's clock is set.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import final

_SOURCE = Path(__file__).with_name("shifted_clock.c")


class NoShiftedClock(Exception):
    """A clock can't be shifted here; the message says in one line why."""


@final
class ShiftedClock:
    """The clock of the processes that are started with its `environment`.

    Args:
        folder: for what is compiled, and for the file that says how far the clock is off; one for each clock.

    Raises:
        NoShiftedClock: not on Linux, or there is no C compiler.
    """

    def __init__(self, folder: Path) -> None:
        if sys.platform != "linux":
            raise NoShiftedClock("a clock is shifted on Linux only")
        if shutil.which("cc") is None:
            raise NoShiftedClock("the shifted clock is written in C, and there is no cc on the PATH")
        folder.mkdir(parents=True, exist_ok=True)
        self._library, self._file = folder / "shifted_clock.so", folder / "seconds"
        self._file.write_bytes(struct.pack("q", 0))
        compiled = ("cc", "-O2", "-shared", "-fPIC", "-o", str(self._library), str(_SOURCE), "-ldl")
        subprocess.run(compiled, check=True)

    @property
    def environment(self) -> dict[str, str]:
        """What a process must be started with."""
        return {"LD_PRELOAD": str(self._library), "SHIFTED_CLOCK": str(self._file)}

    def shift(self, seconds: int) -> None:
        """Set the clock so far off the true time; the processes see it at once."""
        with self._file.open("r+b", buffering=0) as file:  # in place, for it is mapped
            os.pwrite(file.fileno(), struct.pack("q", seconds), 0)
