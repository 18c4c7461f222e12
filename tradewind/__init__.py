"""The front door: the command line, the settings, the embedded local stack and the demo.

It sees every room and wires them; no room sees it, but for `tradewind.settings`.
"""

from __future__ import annotations

__version__ = "0.1.0"
