"""What the stack's tests share: waiting for a condition, and looking at processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

DEADLINE_S = 20.0


def until(condition: Callable[[], object], what: str) -> None:
    """Returns once `condition()` is true; fails the test where it isn't within the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"still waiting for {what} after {DEADLINE_S} s"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether the process runs; one that ended and is not yet reaped does not."""
    state = subprocess.run(("ps", "-o", "stat=", "-p", str(pid)), capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith("Z")


def run_script(script: str, *arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """Runs Python code in a process of its own, which leads a process group as a terminal's foreground job does."""
    return subprocess.Popen(
        (sys.executable, "-c", script, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
