"""Runs a command in the network namespace of another process: `python -I enter.py PID COMMAND...`.

A script of its own that imports nothing of ours: it is started anew for each command.
"""

import ctypes
import os
import socket
import sys

_CLONE_NEWNET = 0x40000000


def main() -> None:
    """Enter, and become the command."""
    pid, *command = sys.argv[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    space = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    if libc.setns(space, _CLONE_NEWNET) != 0:
        sys.exit(f"the phone's network namespace can't be entered: {os.strerror(ctypes.get_errno())}")
    os.close(space)
    # Its name is of the phone's namespace, and it closes before what is in there is ended: who is late must not stay.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        if door.connect_ex("\0tradewind-phone") != 0:
            sys.exit("the link has ended")
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]} can't be run in the phone: {error.strerror}")


if __name__ == "__main__":
    main()
