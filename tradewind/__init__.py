"""The front door: the command line, the settings, the embedded local stack and the demo.

It sees every room and wires them; no room sees it, but for `tradewind.settings`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradewind.settings import Settings

if TYPE_CHECKING:
    from schemas.publisher import Publisher

__version__ = "0.1.0"
__all__ = ["Settings", "publisher"]


def publisher(settings: Settings | None = None) -> Publisher:
    """A publisher to the Kafka that the settings mean: `with tradewind.publisher() as publisher: ...`."""
    from tradewind.assembly import make_publisher

    return make_publisher(settings or Settings())
