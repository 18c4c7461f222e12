"""The client's log: structured, and through Python's own logging, so that an app that set up neither stays quiet.

Left to itself, structlog prints everything on standard output, which belongs to the app.
"""

from __future__ import annotations

import logging
from typing import Any

import structlog

log: Any = structlog.wrap_logger(logging.getLogger("tradewind.edge"))
