"""What a measured process is given on its standard input, and what it gives back on its standard output, as JSON.

Only the standard library is imported here. Times are in seconds, memory is in 2**20 bytes.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt, as a chat's two texts and as the token ids that they make."""

    system: str
    user: str
    is_answer: bool
    ids: list[int]


@dataclass(frozen=True, slots=True)
class Job:
    """What to measure.

    Attributes:
        checkpoint: path of the GGUF file.
        threads: for each engine's products.
        new_tokens: to generate for each prompt, whatever they are.
        sizes: how many of the prompts are sent at once, one run for each.
        prompts: at least as many as the largest size.
        warm_up: other prompts, sent before anything is measured.
        single: the prompt whose first token is waited for.
        options: for one engine only.
    """

    checkpoint: str
    threads: int
    new_tokens: int
    sizes: list[int]
    prompts: list[Prompt]
    warm_up: list[Prompt]
    single: Prompt
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def positions(self) -> int:
        """Tokens that the longest sequence comes to."""
        return max(len(prompt.ids) for prompt in [*self.prompts, *self.warm_up, self.single]) + self.new_tokens


@dataclass(frozen=True, slots=True)
class Timing:
    """One batch of requests, from its submission.

    Attributes:
        seconds: until the last token of the last request.
        first_tokens: until each request's first token.
        tokens: ids generated for each request; empty where an engine gives texts only.
        texts: likewise as text.
    """

    seconds: float
    first_tokens: list[float]
    tokens: list[list[int]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A loaded engine: how to run a batch, and what it is."""

    run: Callable[[Sequence[Prompt], int], Timing]
    about: dict[str, str]


def serve(load: Callable[[Job], Loaded]) -> None:
    """Do the job on standard input and write what was measured to standard output.

    What libraries print goes to standard error.
    """
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    given = json.load(sys.stdin)
    for name in ("prompts", "warm_up"):
        given[name] = [Prompt(**prompt) for prompt in given[name]]
    json.dump(measure(Job(**{**given, "single": Prompt(**given["single"])}), load), out)
    out.close()


def measure(job: Job, load: Callable[[Job], Loaded]) -> dict[str, Any]:
    """Load, warm up, and run each size once."""
    before, started = resident_mb(), time.perf_counter()
    engine = load(job)
    load_seconds = time.perf_counter() - started
    engine.run(job.warm_up, min(8, job.new_tokens))
    runs = []
    for size in job.sizes:
        restart_peak()
        timing = engine.run(job.prompts[:size], job.new_tokens)
        memory = {"resident_mb": resident_mb(), "peak_mb": peak_mb()}
        runs.append({"requests": size, **asdict(timing), **memory})
    waits = sorted(engine.run([job.single], 1).first_tokens[0] for _ in range(7))
    return {
        "about": engine.about,
        "load_seconds": load_seconds,
        "before_mb": before,
        "single_first_token": waits[len(waits) // 2],
        "runs": runs,
    }


def resident_mb() -> float:
    """Resident memory of this process now; where the system doesn't tell, at its highest."""
    return _status_mb("VmRSS") or _highest_mb()


def peak_mb() -> float:
    """Highest resident memory of this process, on Linux since `restart_peak`."""
    return _status_mb("VmHWM") or _highest_mb()


def restart_peak() -> None:
    """Let the peak start at what is resident now, where the system can."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5", encoding="ascii")


def _status_mb(name: str) -> float | None:
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 2**10 for line in lines if line.startswith(f"{name}:")), None)


def _highest_mb() -> float:
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS, KiB elsewhere
    return highest / (2**20 if sys.platform == "darwin" else 2**10)
