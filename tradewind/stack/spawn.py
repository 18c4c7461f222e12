"""Becomes another program that dies with its parent: `python spawn.py PARENT_PID PROGRAM [ARGUMENT ...]`.

The supervisor starts its children through this file. It asks the kernel for SIGKILL when the parent goes, and then
replaces itself with the program; the request outlives exec (prctl(2), PR_SET_PDEATHSIG). Python's `preexec_fn`
would do the same after fork, but is unsafe where the parent runs threads. Run it by its path, not with `-m`, so
that it starts in 10 ms without importing the package. Outside of Linux there is no such request: there, only a
supervisor that is killed outright leaves children behind.
"""

from __future__ import annotations

import os
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int) -> None:
    """Has the kernel kill this process when the parent's thread that started it ends (Linux; else does nothing)."""
    if sys.platform != "linux":
        return
    import ctypes
    import signal

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent_pid:  # it died before the request took effect
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    die_with_parent(int(sys.argv[1]))
    program = sys.argv[2:]
    try:
        os.execvp(program[0], program)  # noqa: S606
    except OSError as error:
        sys.exit(f"can't run {program[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
