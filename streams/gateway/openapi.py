"""The gateway's OpenAPI 3.1 document."""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson


@cache
def document(max_events: int, max_body_bytes: int) -> dict[str, Any]:
    """The document, with this gateway's limits."""
    return {"openapi": "3.1.0", "info": {"title": "Tradewind gateway", "version": "1"}, "paths": {}}


def document_bytes(max_events: int, max_body_bytes: int) -> bytes:
    """The document as JSON."""
    return orjson.dumps(document(max_events, max_body_bytes))
