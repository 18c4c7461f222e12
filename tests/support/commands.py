"""`tradewind worker` and `tradewind sink` as processes of a test: started, asked how they are, told to stop."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from tradewind.settings import Settings
from tradewind.stack.ports import choose_port

DEADLINE_S = 180.0


def until(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait for the condition, or fail with what was waited for."""
    give_up = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < give_up, f"not within {deadline_s:g} s: {what}"
        time.sleep(0.05)


@dataclass
class Command:
    """A command that runs.

    Attributes:
        port: of its metrics.
        log: what it says.
    """

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def ask(self, path: str) -> tuple[int, dict[str, Any]]:
        """Status and checks of /healthz or /readyz; 0 while nobody listens."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=5) as answer:
                return answer.status, json.load(answer)["checks"]
        except HTTPError as error:
            return error.code, json.load(error)["checks"]
        except OSError:
            return 0, {}

    def await_ready(self) -> None:
        """Wait until it says that it is ready, or fail with why it is not."""
        give_up = time.monotonic() + DEADLINE_S
        while (found := self.ask("readyz"))[0] != 200:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < give_up, found
            time.sleep(0.1)

    def metric(self, name: str) -> float:
        """Sum over all labels of a metric."""
        with urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))

    @property
    def said(self) -> str:
        """All that it has logged."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def end(self) -> int:
        """Wait for it to end; gives how."""
        return self.process.wait(DEADLINE_S)


@contextmanager
def running(settings: Settings, folder: Path, *arguments: str, **change: Any) -> Iterator[Command]:
    """A command with these settings; killed at the end if it still runs."""
    port = choose_port(0, "127.0.0.1")
    chosen = settings.model_copy(update={"metrics_port": port, "metrics_host": "127.0.0.1", **change})
    log = folder / f"{arguments[0]}-{port}.log"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRADEWIND_")}
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "tradewind", *arguments], env=clean | chosen.environment(), stdout=file, stderr=file
        )
    try:
        yield Command(process, port, log)
    finally:
        process.kill()
        process.wait(DEADLINE_S)
