"""API keys: whose they are and what they allow. Pure; where they are kept is `key_store.py`'s business.

A key is `tw_ID_SECRET`. The id is no secret and names the key in lists, logs and metrics; of the secret only its
SHA-256 is kept, which is enough for 256 random bits (a slow hash protects what people choose, and nobody chose this).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from streams.gateway.problems import Problem


class Scope(str, Enum):
    """What a key may be used for."""

    PUBLISH = "publish"
    READ = "read"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key, without its secret.

    Attributes:
        id: names the key where people read it.
        merchant_id: whose events it may publish and read; never another's.
        scopes: what for.
        label: what people call it; never shown to whoever presents it.
        events_per_s: events it may publish in a second, on average.
        created_at, expires_at, revoked_at: in UTC; None where it has not come to that.
    """

    id: str
    merchant_id: str
    scopes: frozenset[Scope]
    label: str
    events_per_s: float
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


class Keys(Protocol):
    """What the gateway asks of the keys, at every request; answers from memory."""

    def admit(self, presented: str | None, scope: Scope) -> ApiKey | Problem:
        """The key behind what was presented, or why it does not open this door (401, 403)."""
        ...

    def spend(self, key: ApiKey, events: int) -> Problem | None:
        """Count events against the key's rate; 429 with the time to wait where they are too many now."""
        ...

    def still_good(self, key_id: str) -> bool:
        """Whether a key that was admitted has not been revoked, and has not expired, since."""
        ...
