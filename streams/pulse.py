"""What a running worker sees of itself: gathered here, judged in `health.py`, asked for by other threads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import faust

from model.protocol import Engine, Watched
from streams import metrics
from streams.book import Book
from streams.health import Failing, Findings, Limits, Vitals, liveness, readiness
from streams.insights.owner import GROUP, Ownership
from streams.lane import Lane

_BEAT_S = 1.0


class Pulse:
    """A worker's, from its start to its end.

    Args:
        lanes, books: the worker's own lists, to which it may still add.
        limits: when slow is stuck.

    Attributes:
        owner: the membership of those who may say insights, once there is one.
        stopping: whether the worker was told to stop.
    """

    def __init__(self, engine: Engine, lanes: Sequence[Lane[Any]], books: Sequence[Book[Any]], limits: Limits) -> None:
        self.owner: Ownership | None = None
        self.stopping = False
        self._engine = engine
        self._lanes = lanes
        self._books = books
        self._limits = limits
        self._unassigned: set[str] = set()
        self._turn_at: float | None = None

    def live(self) -> Findings:
        """What is stuck."""
        return liveness(self._vitals(self._turn_at), self._limits) if self._turn_at is not None else {}

    def ready(self) -> Findings:
        """What keeps the worker from working now."""
        return readiness(self._vitals(self._turn_at)) if self._turn_at is not None else {"running": "it is starting"}

    async def beat(self) -> None:
        """Note the event loop's turns, for ever. The worker counts as running from the first one on."""
        self._turn_at = time.monotonic()
        metrics.STUCK_SECONDS.set_function(self._stuck_s)
        metrics.READY.set_function(lambda: float(all(why is None for why in self.ready().values())))
        while True:
            self._turn_at = time.monotonic()
            await asyncio.sleep(_BEAT_S)

    def follow_assignments(self, app: faust.App, group: str) -> None:
        """Note whether the group has given us partitions, be it none."""
        self._unassigned.add(group)

        @app.on_partitions_assigned.connect
        async def assigned(*_: Any, **__: Any) -> None:
            self._unassigned.discard(group)

        @app.on_partitions_revoked.connect
        async def revoked(*_: Any, **__: Any) -> None:
            self._unassigned.add(group)

    def _stuck_s(self) -> float:
        vitals = self._vitals(self._turn_at or time.monotonic())
        return max(vitals.loop_silent_s, vitals.engine_stalled_s)

    def _vitals(self, turn_at: float) -> Vitals:
        now = time.monotonic()
        oldest: dict[str, float] = {}
        failing: dict[str, Failing] = {}
        for lane in self._lanes:
            # Read once each: they change meanwhile, in another thread.
            tries = [(each.under_way, each.failing, each.error) for each in lane.tries]
            oldest[lane.stage] = max((now - began for began, _, _ in tries if began is not None), default=0.0)
            if rows := [(since, error) for _, since, error in tries if since is not None]:
                since, error = min(rows)
                failing[lane.stage] = Failing(now - since, error)
        watched = self._engine if isinstance(self._engine, Watched) else None
        return Vitals(
            loop_silent_s=now - turn_at,
            engine_stalled_s=watched.stalled_s() if watched else 0.0,
            engine_short_of_memory_s=watched.short_of_memory_s() if watched else 0.0,
            oldest_try_s=oldest,
            failing=failing,
            unassigned=self._unassigned | ({GROUP} if self.owner is not None and not self.owner.joined else set()),
            unread=[book.name for book in self._books if not book.is_read],
            stopping=self.stopping,
        )
