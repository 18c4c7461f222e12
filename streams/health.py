"""Whether a worker works: what it knows of itself, and what that means. Pure; the worker fills in what it sees.

*Live* is false only where a restart helps: something in this process is stuck. What a restart can't bring back (Kafka,
the registry, the model's server) makes a worker unready, never dead, or an orchestrator would restart it in a loop.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

#: By check: why it fails, or None where all is well.
Findings = dict[str, str | None]

#: Trying again is told as not being ready after so long; a hiccup is nobody's business.
_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Failing:
    """An event that is tried again and again.

    Attributes:
        for_s: since its first failed try.
        error: the class of the last error.
    """

    for_s: float
    error: str


@dataclass(frozen=True, slots=True)
class Vitals:
    """A worker at one moment.

    Attributes:
        loop_silent_s: since the event loop took its last turn.
        engine_stalled_s: since the engine began the step that it is in; 0 while it has nothing to do.
        engine_short_of_memory_s: from the first to the last step that failed in a row for want of memory.
        oldest_try_s: by agent, how long the oldest try of an event takes already.
        failing: by agent, the event that is tried again for longest.
        unassigned: consumer groups that have not given us partitions (none at all is an assignment, too).
        unread: books of which a partition is not read to its end.
        stopping: whether it was told to stop.
    """

    loop_silent_s: float
    engine_stalled_s: float = 0.0
    engine_short_of_memory_s: float = 0.0
    oldest_try_s: Mapping[str, float] = field(default_factory=dict)
    failing: Mapping[str, Failing] = field(default_factory=dict)
    unassigned: Collection[str] = ()
    unread: Collection[str] = ()
    stopping: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """When slow is stuck.

    Attributes:
        stuck_s: for a turn of the event loop, and for a step of the engine.
        event_s: for one try of an event.
    """

    stuck_s: float = 120.0
    event_s: float = 1800.0


def liveness(vitals: Vitals, limits: Limits) -> Findings:
    """What is stuck."""
    engine = None
    if vitals.engine_stalled_s > limits.stuck_s:
        engine = f"the engine has been in one step for {vitals.engine_stalled_s:.0f} s"
    elif vitals.engine_short_of_memory_s > limits.stuck_s:
        engine = f"no step of the engine has had enough memory for {vitals.engine_short_of_memory_s:.0f} s"
    # An answer waits for the books, and they wait for Kafka.
    slow = {} if vitals.unread else {a: s for a, s in vitals.oldest_try_s.items() if s > limits.event_s}
    return {
        "event loop": _late(vitals.loop_silent_s, limits.stuck_s, "the event loop has taken no turn for"),
        "engine": engine,
        "events": "; ".join(f"{agent}: an event takes {s:.0f} s already" for agent, s in sorted(slow.items())) or None,
    }


def readiness(vitals: Vitals) -> Findings:
    """What keeps it from working now. The model is warm, or there would be no vitals."""
    failing = {agent: each for agent, each in vitals.failing.items() if each.for_s > _PATIENCE_S}
    return {
        "running": "it is stopping" if vitals.stopping else None,
        "model": None,
        "partitions": _named("waiting for partitions of", vitals.unassigned),
        "books": _named("still reading", vitals.unread),
        "delivery": "; ".join(
            f"{agent}: trying again for {each.for_s:.0f} s ({each.error})" for agent, each in sorted(failing.items())
        )
        or None,
    }


def _late(silent_s: float, limit_s: float, words: str) -> str | None:
    return f"{words} {silent_s:.0f} s" if silent_s > limit_s else None


def _named(words: str, names: Collection[str]) -> str | None:
    return f"{words} {', '.join(sorted(names))}" if names else None
