"""Starts the engines' processes, one after the other and then all over again, and takes in what they measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import engine_report as report

ROOT = Path(__file__).parent.parent
INSTALL = "pip install llama-cpp-python (it needs a C++ compiler), or say where it is: --llama-python PATH"


@dataclass(frozen=True, slots=True)
class Worker:
    """How an engine's process is started.

    Attributes:
        python: the executable.
        module: what it runs, with `bench.peers.worker` as its interface.
        packages: a folder where it looks for packages first, or none.
        options: for this engine only.
        spare: other options, for the case that its process crashes.
    """

    python: str
    module: str
    packages: str
    options: dict[str, Any]
    spare: dict[str, Any] | None = None

    def start(self, arguments: Sequence[str], given: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join(filter(None, (str(ROOT), self.packages, os.environ.get("PYTHONPATH", ""))))
        environment = {**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"}
        command = [self.python, *arguments]
        return subprocess.run(command, input=given, capture_output=True, text=True, check=False, env=environment)


class PeerFailed(RuntimeError):
    """An engine's process ended without a result."""


class PeerCrashed(PeerFailed):
    """It was ended by a signal: a fault in native code."""


def workers_for(number_format: str, llama_python: str | None) -> dict[str, Worker]:
    """The engines, in the order in which they take turns; `llama_python` is an executable or a folder of packages."""
    elsewhere = Path(llama_python) if llama_python else None
    python = str(elsewhere) if elsewhere and elsewhere.is_file() else sys.executable
    packages = str(elsewhere.resolve()) if elsewhere and elsewhere.is_dir() else ""
    ours = {"number_format": number_format}
    # llama.cpp's AMX path crashes where GCC 12 built it (stores to the tile configuration are optimised away)
    plain = {"repack": False}
    return {
        "ours": Worker(sys.executable, "bench.peers.ours", "", ours),
        "transformers": Worker(sys.executable, "bench.peers.huggingface", "", {}),
        "llamacpp": Worker(python, "bench.peers.llamacpp", packages, {}, spare=plain),
        "ours_no_prefix": Worker(sys.executable, "bench.peers.ours", "", {**ours, "prefixes": 0}),
    }


def measure_all(
    workers: dict[str, Worker], job: dict[str, Any], repeats: int, out: Console
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, str]]:
    """What each engine's processes gave, and why others gave nothing."""
    outputs: dict[str, list[dict[str, Any]]] = {name: [] for name in report.TITLES}
    missing: dict[str, str] = {}
    for repeat in range(1, repeats + 1):
        for name, worker in workers.items():
            if name in missing:
                continue
            started = time.monotonic()
            try:
                with out.status(f"{repeat}/{repeats} {report.TITLES[name]}"):  # seen in a terminal only
                    workers[name], found = _run_or_spare(worker, job, out)
            except PeerFailed as error:
                if name.startswith("ours"):
                    raise
                missing[name] = str(error)
                out.print(f"[yellow]{report.TITLES[name]} is not measured: {error}[/]")
                continue
            outputs[name].append(found)
            took = time.monotonic() - started
            speeds = ", ".join(
                f"{run['requests']}: {run['requests'] * job['new_tokens'] / run['seconds']:.0f}"
                for run in found["runs"]
            )
            out.print(f"{repeat}/{repeats} {report.TITLES[name]} ({took:.0f} s), tok/s at {speeds}")
    return outputs, missing


def _run_or_spare(worker: Worker, job: dict[str, Any], out: Console) -> tuple[Worker, dict[str, Any]]:
    """What one process measured, and how it was started in the end. Raises PeerFailed."""
    try:
        return worker, _run(worker, job)
    except PeerCrashed as error:
        if worker.spare is None:
            raise
        out.print(f"[yellow]{error}; once more with {worker.spare}[/]")
        spare = replace(worker, options=worker.spare, spare=None)
        return spare, _run(spare, job)


def _run(worker: Worker, job: dict[str, Any]) -> dict[str, Any]:
    """What one process measured. Raises PeerFailed."""
    package = {"bench.peers.llamacpp": "llama_cpp", "bench.peers.huggingface": "transformers"}.get(worker.module)
    if package and worker.start(["-c", f"import {package}"], "").returncode != 0:
        raise PeerFailed(f"{package} can't be imported; {INSTALL if package == 'llama_cpp' else 'make setup'}")
    done = worker.start(["-m", worker.module], json.dumps({**job, "options": worker.options}))
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        crashed = done.returncode < 0
        how = f"signal {-done.returncode}" if crashed else f"status {done.returncode}"
        failure = PeerCrashed if crashed else PeerFailed
        raise failure(f"{worker.module} ended with {how}: {said[-1] if said else 'it said nothing'}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
