"""The stack of the integration tests: a broker, ClickHouse and a registry of the module's own, and a tiny model."""

from __future__ import annotations

from tests.integration.conftest import settings, stack, tiny_model

__all__ = ["settings", "stack", "tiny_model"]
