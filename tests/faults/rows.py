"""The fault matrix: what stands, what is sent to it, and what happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.faults import strikes
from tests.faults.ground import Ground, Plan
from tests.faults.load import Stream

#: Without the model: orders go through the sink, and where there is a worker half of the events are questions for it.
EVENTS = 50_000
#: Each of these costs steps of a model.
WRITTEN = 600
QUESTIONS_A_SECOND = 400.0
ORDERS_A_SECOND = 1_000.0
WRITTEN_A_SECOND = 10.0


@dataclass(frozen=True, slots=True)
class Row:
    """One fault.

    Attributes:
        name: in the matrix.
        what: in words.
        strike: does it, and returns when it is over.
        plan: what it needs.
        streams: the load.
        after: it strikes when this share of the load is through.
    """

    name: str
    what: str
    strike: Callable[[Ground], None]
    plan: Plan
    streams: tuple[Stream, ...]
    after: float = 0.1

    def smaller(self, share: float) -> Row:
        """The same with a share of the events."""
        streams = tuple(replace(stream, events=max(1, round(stream.events * share))) for stream in self.streams)
        return replace(self, streams=streams)


def both(poison: float = 0.0) -> tuple[Stream, ...]:
    """Questions through a worker without its model, and through the sink; and orders through the sink."""
    half = EVENTS // 2
    return (
        Stream("questions", half, QUESTIONS_A_SECOND, poison),
        Stream("orders", half, QUESTIONS_A_SECOND, poison),
    )


def orders() -> tuple[Stream, ...]:
    """Through the sink."""
    return (Stream("orders", EVENTS, ORDERS_A_SECOND),)


def listings() -> tuple[Stream, ...]:
    """Through a worker and its model, and the sink."""
    return (Stream("listings", WRITTEN, WRITTEN_A_SECOND),)


#: A tiny model. A request to it counts as lost after ten seconds, and a step that takes longer than fifteen as stuck.
_WRITING = Plan(
    workers=1,
    agents="enrich",
    worker_module="tests.faults.hung_engine",
    settings={"model_languages": "en", "model_deadline_s": 10.0, "stuck_after_s": 15.0, "stuck_end_s": 5.0},
)

ROWS = (
    Row("worker killed", "SIGKILL, started again", strikes.kill_worker, Plan(workers=2), both()),
    Row("zombie worker", "SIGSTOP for 1.5 sessions, then CONT", strikes.zombie_worker, Plan(workers=2), both()),
    Row("sink killed", "SIGKILL, started again", strikes.kill_sink, Plan(), orders()),
    Row(
        "broker killed",
        "SIGKILL, started after 10 s",
        strikes.kill_broker,
        Plan(workers=1),
        both(),
    ),
    Row(
        "broker lost for good",
        "one of three, replication 3, min.insync 2",
        strikes.lose_broker,
        Plan(workers=1, brokers=3),
        both(),
    ),
    Row("ClickHouse away", "SIGKILL, back after 60 s", strikes.clickhouse_away, Plan(away_s=60.0), orders()),
    Row(
        "ClickHouse slow",
        "2 s for each 256 KiB, for 60 s",
        strikes.slow_clickhouse,
        Plan(clickhouse_wire=True),
        orders(),
    ),
    Row(
        "registry away",
        "SIGKILL, back after 30 s, worker and sink killed meanwhile",
        strikes.registry_away,
        Plan(workers=1, registry=True, away_s=30.0),
        both(),
    ),
    Row(
        "engine hangs",
        "a step that never ends",
        strikes.hang_engine,
        _WRITING,
        listings(),
    ),
    Row(
        "engine out of memory",
        "every step fails, for 30 s",
        strikes.engine_out_of_memory,
        _WRITING,
        listings(),
    ),
    Row(
        "network cut",
        "between worker and broker, for 30 s",
        strikes.cut_network,
        Plan(workers=1, kafka_wire=True),
        both(),
    ),
    Row(
        "disk full",
        "the broker gives up; room, and started again",
        strikes.fill_disk,
        Plan(workers=1, small_disk_mib=512),
        both(),
    ),
    Row(
        "clock jumps",
        "of worker and sink, +1 h, -1 h, and back",
        strikes.jump_clock,
        Plan(workers=1, shifted_clock=True),
        both(),
    ),
    Row("rolling restart", "3 workers: SIGTERM, start", strikes.rolling_restart, Plan(workers=3), both()),
    Row("workers 1 to 4 and back", "one after the other", strikes.scale, Plan(workers=1), both()),
    Row(
        "poison 1%",
        "broken messages in between",
        strikes.nothing,
        Plan(workers=1),
        both(0.01),
    ),
    Row(
        "poison 60%",
        "the limit stops worker and sink; raised, and started",
        strikes.trip_the_limit,
        Plan(workers=1, restarts=False),
        both(0.6),
        after=0.0,
    ),
)
