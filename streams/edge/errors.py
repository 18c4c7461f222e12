"""What can go wrong on the device. Each message names what, where and the mend in one line, and no event's text."""

from __future__ import annotations


class EdgeError(Exception):
    """Any of these."""


class UnfitEvent(EdgeError, ValueError):
    """It can't be sent as it is: no JSON, too large, an id that is none, a kind that there is not."""


class QueueFull(EdgeError):
    """The queue holds as much as its policy allows; nothing of what was put is kept."""


class QueueInUse(EdgeError):
    """Another client has the queue's file open."""


class QueueBroken(EdgeError):
    """The file is damaged, or no queue at all. Nothing was written to it."""


class QueueDiskFull(EdgeError):
    """The disk takes no more; nothing of what was put is kept, and nothing that was kept is lost."""


class KeyRefused(EdgeError):
    """The gateway does not take the key; what is queued waits for another one."""


class WrongAddress(EdgeError):
    """What answers at the address is no gateway of ours."""
