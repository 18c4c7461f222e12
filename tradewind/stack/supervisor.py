"""Starts child processes, watches them, and stops them; leaves none behind, however it ends.

Each child has a session of its own, so the terminal's Ctrl-C reaches the supervisor only, which then stops the
children in order, each with whatever it started. And each child is killed by the kernel when the supervisor dies
(`spawn.py`). That request is tied to the *thread* that started the child, so one thread starts all of them and
lives until the last is stopped; the same thread notices when a child ends.
"""

from __future__ import annotations

import logging
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import final

from tradewind.stack.children import (
    NEVER,
    ChildExit,
    ProcessSpec,
    RestartPolicy,
    kill_group,
    log_tail,
    start,
    terminate,
)

__all__ = ["NEVER", "ChildExit", "ProcessSpec", "RestartPolicy", "StartFailed", "Supervisor", "log_tail"]

log = logging.getLogger(__name__)

_POLL_S = 0.05


class StartFailed(RuntimeError):
    """A child did not become ready; the message says why, and quotes the end of its log."""


@dataclass(slots=True)
class _Child:
    spec: ProcessSpec
    process: subprocess.Popen[bytes]
    started_at: float
    restarts: int = 0
    restart_at: float | None = None
    ended: bool = False
    ready: bool = False


@final
class Supervisor:
    """Runs children. Use as a context manager: leaving it stops them all, the last started first.

    Args:
        on_exit: told of every child that ends by itself, in the supervisor's thread; by default it is logged.
    """

    def __init__(self, on_exit: Callable[[ChildExit], None] | None = None) -> None:
        self._on_exit = on_exit or (lambda exit_: log.error("%s", exit_))
        self._children: list[_Child] = []
        self._lock = threading.Lock()
        self._requests: queue.Queue[tuple[ProcessSpec, Future[_Child]] | None] = queue.Queue()
        self._down = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, *specs: ProcessSpec) -> None:
        """Starts children at the same time, and returns when all are ready.

        Raises:
            StartFailed: one ended, or is not ready in its time. All of `specs` are stopped again.
        """
        started: list[_Child] = []
        try:
            for spec in specs:
                started.append(self._spawn(spec))
            for child in started:
                self._await_ready(child)
        except BaseException:
            self._stop(started)
            raise

    def stop(self) -> None:
        """Stops every child: SIGTERM, and SIGKILL after its grace. The last started goes first.

        An interrupt (a second Ctrl-C) ends the graces: the rest is killed at once, and the interrupt goes on.
        """
        with self._lock:
            children = list(self._children)
        try:
            self._stop(children)
        finally:
            if self._thread is not None:
                self._requests.put(None)
                self._thread.join()
                self._thread = None

    def pids(self) -> dict[str, int]:
        """The process ids of the children that run, by name, in the order of their start."""
        with self._lock:
            return {child.spec.name: child.process.pid for child in self._children if not child.ended}

    def wait(self, timeout_s: float | None = None) -> bool:
        """Waits until a child is down for good; False where the time passed first."""
        return self._down.wait(timeout_s)

    # -- in the caller's thread -------------------------------------------------------------------------------

    def _spawn(self, spec: ProcessSpec) -> _Child:
        if self._thread is None:
            self._down.clear()
            # A daemon: should the program end without stopping, the kernel ends the children with this thread.
            self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
            self._thread.start()
        started: Future[_Child] = Future()
        self._requests.put((spec, started))
        return started.result()

    def _await_ready(self, child: _Child) -> None:
        spec = child.spec
        deadline = child.started_at + spec.ready_timeout_s
        while True:
            if child.process.poll() is not None:
                raise StartFailed(f"{spec.name} ended before it was ready; {log_tail(spec.log)}")
            if (waits_for := spec.ready()) is None:
                break
            if time.monotonic() > deadline:
                raise StartFailed(
                    f"{spec.name} is not ready after {spec.ready_timeout_s:g} s, it waits for {waits_for}; "
                    f"{log_tail(spec.log)}"
                )
            time.sleep(_POLL_S)
        child.ready = True
        took = time.monotonic() - child.started_at
        log.info("ready: %s, process %d, after %.2f s, log %s", spec.name, child.process.pid, took, spec.log)

    def _stop(self, children: Iterable[_Child]) -> None:
        interrupt: KeyboardInterrupt | None = None
        for child in reversed(list(children)):
            with self._lock:  # from here on its end is wanted, and the watching thread leaves it alone
                child.restart_at = None
                if child in self._children:
                    self._children.remove(child)
            if child.ended:
                continue
            try:
                terminate(child.spec, child.process, 0.0 if interrupt else child.spec.stop_grace_s)
            except KeyboardInterrupt as error:
                interrupt = error
                terminate(child.spec, child.process, 0.0)
        if interrupt is not None:
            raise interrupt

    # -- in the supervisor's thread ---------------------------------------------------------------------------

    def _watch(self) -> None:
        while True:
            with suppress(queue.Empty):
                if (request := self._requests.get(timeout=_POLL_S)) is None:
                    return
                spec, started = request
                try:
                    child = _Child(spec, start(spec), time.monotonic())
                except OSError as error:
                    started.set_exception(StartFailed(f"{spec.name} can't be started: {error}"))
                else:
                    with self._lock:
                        self._children.append(child)
                    started.set_result(child)
            self._look_after()

    def _look_after(self) -> None:
        """Reports the children that ended by themselves, and restarts those whose time has come."""
        now = time.monotonic()
        exits = []
        with self._lock:
            for child in self._children:
                if not child.ready:
                    continue  # whoever waits for it tells of its end
                if child.ended:
                    if child.restart_at is not None and now >= child.restart_at:
                        _restart(child, now)
                elif (status := child.process.poll()) is not None:
                    exits.append(_ended(child, status, now))
        for exit_ in exits:
            try:
                self._on_exit(exit_)
            except Exception:  # whatever it is, it must not end this thread, and with it every child
                log.exception("on_exit failed for %s", exit_.name)
            if exit_.restart_in_s is None:
                self._down.set()


def _ended(child: _Child, status: int, now: float) -> ChildExit:
    child.ended = True
    kill_group(child.process.pid)
    if now - child.started_at >= child.spec.restart.healthy_s:
        child.restarts = 0
    child.restarts += 1
    delay = child.spec.restart.delay_s(child.restarts) if status != 0 else None
    child.restart_at = None if delay is None else now + delay
    return ChildExit(child.spec.name, child.process.pid, status, log_tail(child.spec.log), delay)


def _restart(child: _Child, now: float) -> None:
    try:
        child.process = start(child.spec)
    except OSError as error:
        child.restart_at = now + child.spec.restart.max_s
        log.error("can't restart %s: %s; trying again in %.1f s", child.spec.name, error, child.spec.restart.max_s)
        return
    child.started_at, child.restart_at, child.ended = now, None, False
