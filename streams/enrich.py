"""The enrich agent: a listing in, its copy out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from model.protocol import Engine
from model.tasks.copy_policy import DescribePolicy
from model.tasks.describe import describe
from schemas.dead_letters import Inbound
from schemas.events import ListingEnriched, ListingPublished, derived_id
from streams.stages import ENRICH


class Enrich:
    """Writes the copy of one listing."""

    def __init__(self, engine: Engine, policy: DescribePolicy, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._policy = policy
        self._clock = clock

    async def __call__(self, listing: ListingPublished, message: Inbound) -> ListingEnriched:
        """The listing's copy, with an id that is the same each time."""
        return await describe(
            self._engine,
            listing,
            clock=self._clock,
            event_id=derived_id(ENRICH, listing.event_id),
            policy=self._policy,
        )
