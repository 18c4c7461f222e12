"""The gateway's page for people."""

from __future__ import annotations

DOCS_HEADERS: tuple[tuple[str, str], ...] = (
    (
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("referrer-policy", "no-referrer"),
)


def docs_page(max_events: int, max_body_bytes: int) -> bytes:
    """The page."""
    return b"<!doctype html><title>Tradewind gateway</title>"
