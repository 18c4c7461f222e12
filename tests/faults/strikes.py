"""What happens to those who stand: a function for each fault. It returns when the fault is over, and mends no more."""

from __future__ import annotations

import signal
import time

from tests.faults.ground import SESSION_MS, Ground, until
from tests.faults.hung_engine import FLAG, OUT_OF_MEMORY
from tests.faults.small_disk import fill
from tradewind.stack.local import http_ready

#: How long a network or a service is away, unless the row says another.
AWAY_S = 30.0
#: What worker and sink say when they end at their dead-letter limit.
_AT_ITS_LIMIT = ("are dead letters; look at them", "dead letters in a row on", "can't be stored, so the sink stopped")


def nothing(ground: Ground) -> None:
    """The fault is in the load."""


def kill_worker(ground: Ground) -> None:
    """kill -9; it starts again."""
    ground.signal("worker-1", signal.SIGKILL)


def zombie_worker(ground: Ground) -> None:
    """Stopped for longer than its session, so that another has its partitions when it goes on."""
    ground.signal("worker-1", signal.SIGSTOP)
    time.sleep(1.5 * SESSION_MS / 1000)
    ground.signal("worker-1", signal.SIGCONT)


def kill_sink(ground: Ground) -> None:
    """kill -9; it starts again."""
    ground.signal("sink", signal.SIGKILL)


def kill_broker(ground: Ground) -> None:
    """kill -9, ten seconds of nothing, and started on its data."""
    ground.kafka.kill()
    time.sleep(10)
    ground.kafka.start()


def lose_broker(ground: Ground) -> None:
    """One of three, for good."""
    ground.kafka.kill(1)


def clickhouse_away(ground: Ground) -> None:
    """kill -9, and started again after as long as the plan says."""
    pid = ground.pid("clickhouse")
    ground.signal("clickhouse", signal.SIGKILL)
    until(lambda: ground.supervisor.pids().get("clickhouse") not in {None, pid}, "ClickHouse is back")
    until(lambda: http_ready(f"{ground.direct.clickhouse_url}/ping")() is None, "ClickHouse answers")


def registry_away(ground: Ground) -> None:
    """kill -9; and while it is away worker and sink are killed, so that none knows a schema any more."""
    pid = ground.pid("registry")
    ground.signal("registry", signal.SIGKILL)
    for name in ("worker-1", "sink"):
        ground.signal(name, signal.SIGKILL)
    until(lambda: ground.supervisor.pids().get("registry") not in {None, pid}, "the registry is back")


def slow_clickhouse(ground: Ground) -> None:
    """Each piece of 256 KiB takes two seconds on its way, for a minute."""
    ground.clickhouse_wire.slow_down(2.0)
    time.sleep(60)
    ground.clickhouse_wire.slow_down(0)


def cut_network(ground: Ground) -> None:
    """Nothing passes between worker and broker, and no connection is closed."""
    ground.kafka_wire.cut()
    time.sleep(AWAY_S)
    ground.kafka_wire.mend()


def fill_disk(ground: Ground) -> None:
    """Until the broker gives up; then there is room again, and it is started."""
    assert ground.disk is not None
    ballast = fill(ground.disk)
    until(lambda: not ground.kafka.runs(), "the broker gives up on its full disk")
    ballast.unlink()
    ground.kafka.start()


def jump_clock(ground: Ground) -> None:
    """The clock of worker and sink is an hour ahead, then an hour behind, then right."""
    assert ground.clock is not None
    for seconds in (3600, -3600, 0):
        ground.clock.shift(seconds)
        time.sleep(10)


def rolling_restart(ground: Ground) -> None:
    """Each worker in turn is asked to end, and started again."""
    for number in range(1, ground.plan.workers + 1):
        ground.stop(f"worker-{number}")
        ground.start_worker(number)


def scale(ground: Ground) -> None:
    """From one worker to four, one by one, and back."""
    for number in (2, 3, 4):
        ground.start_worker(number)
    for number in (4, 3, 2):
        ground.stop(f"worker-{number}")


def hang_engine(ground: Ground) -> None:
    """The engine's thread stops in the middle of a step and never goes on, until the process is another."""
    flag = ground.folder / FLAG
    flag.touch()
    before = len(ground.ended("worker-1"))
    until(lambda: len(ground.ended("worker-1")) > before, "the worker ends, for its engine hangs")
    flag.unlink()


def engine_out_of_memory(ground: Ground) -> None:
    """Every step of the model asks for more memory than there is, for a while."""
    flag = ground.folder / OUT_OF_MEMORY
    flag.touch()
    time.sleep(AWAY_S)
    flag.unlink()


def trip_the_limit(ground: Ground) -> None:
    """Worker and sink end at their dead-letter limit; somebody looks, raises it, and starts them."""
    for name in ("worker-1", "sink"):
        until(lambda name=name: ground.ended(name), f"{name} ends at its limit")  # type: ignore[misc]
        (end,) = ground.ended(name)
        assert any(words in end.log_tail for words in _AT_ITS_LIMIT), end
        assert end.status not in {0, -signal.SIGKILL}, end
    allowed = {"dead_letter_share": 1.0, "dead_letters_in_a_row": 10**9}
    ground.settings = ground.settings.model_copy(update=allowed)
    ground.sink_settings = ground.sink_settings.model_copy(update=allowed)
    ground.start_sink()
    ground.start_worker(1)
