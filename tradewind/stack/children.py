"""A child process: what to run, how it is started, how it is ended, and what it left in its log."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)

_SPAWN = str(Path(__file__).with_name("spawn.py"))
_ROOT = str(Path(__file__).parents[2])
_TAIL_LINES = 15
_TAIL_BYTES = 8192
_ROTATE_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """Whether a child that fails is started again, and after how many seconds. One that exits with 0 has not failed.

    The n-th restart on end waits initial_s * 2**(n-1), at most `max_s`; a child that then ran for `healthy_s`
    counts from one again. `attempts` restarts on end, and it stays down; 0 means never.
    """

    attempts: int = 0
    initial_s: float = 0.5
    max_s: float = 30.0
    healthy_s: float = 60.0

    def delay_s(self, attempt: int) -> float | None:
        """The wait before restart number `attempt` (from 1), or None for no restart."""
        if attempt > self.attempts:
            return None
        return float(min(self.initial_s * 2 ** (attempt - 1), self.max_s))


NEVER = RestartPolicy()


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A child process.

    `ready` returns None once the child serves, else what it still waits for; it is asked every 50 ms, and must
    return within about a second. `env` is added to the supervisor's environment. Output goes to the end of `log`.
    """

    name: str
    argv: tuple[str, ...]
    log: Path
    ready: Callable[[], str | None] = lambda: None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)  # secrets come to a child this way
    cwd: Path | None = None
    ready_timeout_s: float = 30.0
    stop_grace_s: float = 10.0
    restart: RestartPolicy = NEVER


@dataclass(frozen=True, slots=True)
class ChildExit:
    """A child ended by itself. `status` is its exit status, or minus the number of the signal that killed it."""

    name: str
    pid: int
    status: int
    log_tail: str
    restart_in_s: float | None

    def __str__(self) -> str:
        how = f"was killed by {_signal_name(-self.status)}" if self.status < 0 else f"exited with {self.status}"
        then = "not restarted" if self.restart_in_s is None else f"restarts in {self.restart_in_s:.1f} s"
        return f"{self.name} (process {self.pid}) {how}, {then}; {self.log_tail}"


def start(spec: ProcessSpec) -> subprocess.Popen[bytes]:
    """Starts a child in a session of its own, to be killed when the thread that calls this ends (`spawn.py`).

    Raises:
        OSError: there is no process to be had, or its log can't be written.
    """
    spec.log.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        if spec.log.stat().st_size > _ROTATE_BYTES:
            spec.log.replace(spec.log.with_name(spec.log.name + ".1"))
    with spec.log.open("ab") as output:
        process = subprocess.Popen(
            (sys.executable, "-I", "-S", _SPAWN, str(os.getpid()), *spec.argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **_import_path(), **spec.env},
            cwd=spec.cwd,
            start_new_session=True,
        )
    log.info("started: %s, process %d", spec.name, process.pid)
    return process


def terminate(spec: ProcessSpec, process: subprocess.Popen[bytes], grace_s: float) -> None:
    """Ends a child and what it started: SIGTERM to the child, and SIGKILL to all of them after the grace."""
    if process.poll() is None and grace_s > 0:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
    if process.poll() is None:
        log.warning("killing: %s, process %d, still there after %g s", spec.name, process.pid, grace_s)
        process.kill()
        process.wait()
    log.info("stopped: %s, process %d, status %d", spec.name, process.pid, process.returncode)
    kill_group(process.pid)


def kill_group(pid: int) -> None:
    """Kills what a child that just ended left behind: its process group bears its id.

    Only right after its end: later the id may be somebody else's.
    """
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def log_tail(path: Path, lines: int = _TAIL_LINES) -> str:
    """The last lines of a log file, with a heading that names it."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            text = file.read().decode(errors="replace").strip()
    except FileNotFoundError:
        text = ""
    if not text:
        return f"its log {path} is empty"
    return f"the end of its log {path}:\n" + "\n".join(f"  | {line}" for line in text.splitlines()[-lines:])


def _import_path() -> dict[str, str]:
    """The environment in which a Python child finds our packages where this process did, and not in its folder."""
    environment = {"PYTHONSAFEPATH": "1"}  # from Python 3.11 on: a user's own folder `schemas` is not ours
    if sysconfig.get_paths()["purelib"] != _ROOT:
        inherited = os.environ.get("PYTHONPATH")
        environment["PYTHONPATH"] = f"{_ROOT}{os.pathsep}{inherited}" if inherited else _ROOT
    return environment


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
