"""The edge client: what a device uses to hand events to the gateway over a link that comes and goes, and to get drafts.

`client.py` has the class that an app uses. `queue.py` keeps events on the device's disk until they are acknowledged,
`pace.py` decides how much goes at once and how long to wait, `answer.py` reads what the gateway said, `sender.py` and
`receiver.py` do the talking. Nothing here knows Kafka, Faust or the model: it must start quickly on a small machine.
What an event must look like is decided behind the gateway.
"""

from streams.edge.client import EdgeClient
from streams.edge.errors import (
    EdgeError,
    KeyRefused,
    QueueBroken,
    QueueDiskFull,
    QueueFull,
    QueueInUse,
    UnfitEvent,
    WrongAddress,
)
from streams.edge.message import Message
from streams.edge.policy import EdgePolicy

__all__ = [
    "EdgeClient",
    "EdgeError",
    "EdgePolicy",
    "KeyRefused",
    "Message",
    "QueueBroken",
    "QueueDiskFull",
    "QueueFull",
    "QueueInUse",
    "UnfitEvent",
    "WrongAddress",
]
