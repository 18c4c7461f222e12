"""Linux's network namespaces, by the two system calls that Python 3.10 does not have."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_CLONE_NEWUSER = 0x10000000


class LinkUnavailable(Exception):
    """This machine does not let links be emulated; the message says in one line why, and what would mend it."""


def unshare_network() -> None:
    """Move this thread, and what it starts from now on, to a new network namespace. It goes when its last process does.

    Raises:
        LinkUnavailable: that is not allowed here, or this is not Linux.
    """
    _unshare(_CLONE_NEWNET)


def isolate() -> None:
    """The same for a whole process that has no thread yet, by a user namespace of its own where it is not root.

    Raises:
        LinkUnavailable: neither is allowed here.
    """
    user, group = os.getuid(), os.getgid()
    if user == 0:
        _unshare(_CLONE_NEWNET)
        return
    _unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1", encoding="ascii")


def _unshare(flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "unshare"):
        raise LinkUnavailable("links are emulated between network namespaces, which Linux alone has")
    if libc.unshare(flags) != 0:
        why = os.strerror(ctypes.get_errno())
        raise LinkUnavailable(
            f"a network namespace can't be made ({why});"
            " run as root, or in a container with CAP_SYS_ADMIN and CAP_NET_ADMIN"
        )
