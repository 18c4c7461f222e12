"""What another process takes of the machine, as Linux says it."""

from __future__ import annotations

import os
from pathlib import Path


def memory_mb(pid: int, what: str = "VmRSS") -> float:
    """Memory of a process, in MiB.

    Args:
        what: VmRSS, what is resident, or VmHWM, the most that ever was.
    """
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:")) / 1024


def cpu_s(pid: int) -> float:
    """Processor time that a process has taken, in seconds."""
    # What stands before the last bracket is the command's name, which may hold anything.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
