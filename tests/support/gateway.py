"""A real gateway as a process of a test, with a key, on a stack of its own; it starts again when it is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from streams import topics
from streams.gateway import key_file
from streams.gateway.keys import Scope
from tests.support.waiting import until
from tradewind.processes import gateway_child
from tradewind.settings import Settings
from tradewind.stack.children import RestartPolicy
from tradewind.stack.ports import choose_port
from tradewind.stack.supervisor import Supervisor

AT_ONCE = RestartPolicy(attempts=1_000_000, initial_s=0.1, max_s=0.1)
MERCHANT = "m-1"


@dataclass(frozen=True)
class Gateway:
    """A gateway that runs.

    Attributes:
        settings: with which it runs.
        url: where.
        key: that may publish and read, for MERCHANT.
        pid: of its process at the moment; None while there is none.
    """

    settings: Settings
    url: str
    key: str
    pid: Callable[[], int | None]

    def kill(self) -> None:
        """kill -9; it starts again."""
        until(lambda: self.pid() is not None, "the gateway runs", 60.0)
        pid = self.pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        until(lambda: self.pid() not in (None, pid), "the gateway is started again", 60.0)


@contextmanager
def gateway(settings: Settings, logs: Path, events_per_s: float = 1e6) -> Iterator[Gateway]:
    """One with topics, on a broker that is there."""
    ready = settings.model_copy(update={"gateway_port": choose_port(0, "127.0.0.1")})
    topics.create(ready)
    _, key = key_file.create(
        ready.gateway_keys_file,
        merchant_id=MERCHANT,
        scopes=[Scope.PUBLISH, Scope.READ],
        label="a test's",
        events_per_s=events_per_s,
    )
    with Supervisor(lambda _: None) as supervisor:
        supervisor.start(replace(gateway_child(ready, logs), restart=AT_ONCE))
        url = f"http://127.0.0.1:{ready.gateway_port}"
        yield Gateway(ready, url, key, lambda: supervisor.pids().get("gateway"))
