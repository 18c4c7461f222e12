from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tradewind.stack.helpers import alive, run_script, until
from tradewind.stack.supervisor import NEVER, ChildExit, ProcessSpec, RestartPolicy, StartFailed, Supervisor, log_tail

pytestmark = pytest.mark.integration

# Says when it is up and when it is told to stop, in one file that all children share.
POLITE = """
import signal, sys
name, events = sys.argv[1:3]
def note(what):
    with open(events, "a") as file: file.write(f"{what} {name}\\n")
signal.signal(signal.SIGTERM, lambda *_: (note("stop"), sys.exit(0)))
print("running", name, flush=True)
note("start")
while True: signal.pause()
"""
STUBBORN = """
import signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(sys.argv[2], "a").write(f"start {sys.argv[1]}\\n")
while True: signal.pause()
"""
# Starts a grandchild that outlives it, and notes its process id.
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[2], "a").write(f"{child.pid}\\n")
while True: child.wait()
"""


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return tmp_path / "events"


@pytest.fixture
def spec(tmp_path: Path, events: Path) -> Callable[..., ProcessSpec]:
    def make(name: str, script: str = POLITE, **more: object) -> ProcessSpec:
        argv = (sys.executable, "-c", script, name, str(events))
        ready = lambda: None if f"start {name}" in lines(events) else "its start"  # noqa: E731
        return ProcessSpec(**{"name": name, "argv": argv, "log": tmp_path / f"{name}.log", "ready": ready, **more})  # type: ignore[arg-type]

    return make


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_children_start_together_and_stop_in_reverse(spec: Callable[..., ProcessSpec], events: Path) -> None:
    with Supervisor() as supervisor:
        supervisor.start(spec("a"), spec("b"))
        supervisor.start(spec("c"))
        pids = supervisor.pids()
        assert list(pids) == ["a", "b", "c"]
        assert all(alive(pid) for pid in pids.values())
    assert lines(events)[-3:] == ["stop c", "stop b", "stop a"]
    assert not any(alive(pid) for pid in pids.values())
    assert supervisor.pids() == {}


def test_output_and_environment(spec: Callable[..., ProcessSpec]) -> None:
    child = spec("env", "import os; print(os.environ['GREETING'])\n" + POLITE, env={"GREETING": "hello"})
    with Supervisor() as supervisor:
        supervisor.start(child)
    assert "hello\n  | running env" in log_tail(child.log)


def test_a_child_that_ignores_sigterm_is_killed(spec: Callable[..., ProcessSpec]) -> None:
    with Supervisor() as supervisor:
        supervisor.start(spec("stubborn", STUBBORN, stop_grace_s=0.1))
        pid = supervisor.pids()["stubborn"]
    assert not alive(pid)


def test_what_a_child_started_goes_with_it(spec: Callable[..., ProcessSpec], events: Path) -> None:
    with Supervisor() as supervisor:
        supervisor.start(spec("parent", PARENT, ready=lambda: None if lines(events) else "its child"))
        grandchild = int(lines(events)[0])
        assert alive(grandchild)
    until(lambda: not alive(grandchild), "the grandchild's end")


def test_what_a_dead_child_started_goes_too(spec: Callable[..., ProcessSpec], events: Path) -> None:
    with Supervisor() as supervisor:
        supervisor.start(spec("parent", PARENT, ready=lambda: None if lines(events) else "its child"))
        os.kill(supervisor.pids()["parent"], signal.SIGKILL)
        assert supervisor.wait(20)
        grandchild = int(lines(events)[0])
        until(lambda: not alive(grandchild), "the grandchild's end")


def test_a_child_that_ends_too_early_fails_the_start_with_its_log(spec: Callable[..., ProcessSpec]) -> None:
    script = "import sys; print('no license to run'); sys.exit(3)"
    exits: list[ChildExit] = []
    with Supervisor(exits.append) as supervisor:
        supervisor.start(spec("before"))
        with pytest.raises(StartFailed, match=r"early ended before it was ready.*\n.*no license to run"):
            supervisor.start(spec("beside"), spec("early", script))
        assert list(supervisor.pids()) == ["before"]
        assert not supervisor.wait(0.1)
    assert exits == []  # the error has said it


def test_a_child_that_does_not_get_ready_fails_the_start(spec: Callable[..., ProcessSpec]) -> None:
    with Supervisor() as supervisor:
        with pytest.raises(StartFailed, match=r"slow is not ready after 0.4 s, it waits for the moon; "):
            supervisor.start(spec("slow", ready_timeout_s=0.4, ready=lambda: "the moon"))
        assert supervisor.pids() == {}


def test_a_program_that_is_not_there_fails_the_start(tmp_path: Path) -> None:
    ghost = ProcessSpec("ghost", ("/no/such/program",), tmp_path / "ghost.log", ready=lambda: "a ghost")
    with Supervisor() as supervisor, pytest.raises(StartFailed, match="can't run /no/such/program: No such file"):
        supervisor.start(ghost)


def test_a_child_that_dies_is_reported_and_stays_down(spec: Callable[..., ProcessSpec]) -> None:
    exits: list[ChildExit] = []
    with Supervisor(exits.append) as supervisor:
        supervisor.start(spec("a"), spec("b"))
        assert not supervisor.wait(0)
        os.kill(supervisor.pids()["a"], signal.SIGKILL)
        assert supervisor.wait(20)
        assert list(supervisor.pids()) == ["b"]
    (exit_,) = exits
    assert (exit_.name, exit_.status, exit_.restart_in_s) == ("a", -signal.SIGKILL, None)
    assert "a (process" in str(exit_)
    assert "was killed by SIGKILL, not restarted" in str(exit_)
    assert "running a" in exit_.log_tail


def test_a_child_with_a_policy_is_restarted_until_its_attempts_are_spent(spec: Callable[..., ProcessSpec]) -> None:
    exits: list[ChildExit] = []
    with Supervisor(exits.append) as supervisor:
        supervisor.start(spec("a", restart=RestartPolicy(attempts=1, initial_s=0.0)))
        first = supervisor.pids()["a"]
        os.kill(first, signal.SIGKILL)
        until(lambda: supervisor.pids().get("a", first) != first, "the restart")
        assert not supervisor.wait(0)
        os.kill(supervisor.pids()["a"], signal.SIGKILL)
        assert supervisor.wait(20)
    assert [exit_.restart_in_s for exit_ in exits] == [0.0, None]


def test_a_failing_callback_ends_no_child(spec: Callable[..., ProcessSpec]) -> None:
    def fail(_: ChildExit) -> None:
        raise ValueError("the callback is broken")

    with Supervisor(fail) as supervisor:
        supervisor.start(spec("a"), spec("b"))
        os.kill(supervisor.pids()["a"], signal.SIGKILL)
        assert supervisor.wait(20)
        assert alive(supervisor.pids()["b"])


def test_the_delay_doubles_up_to_its_maximum() -> None:
    policy = RestartPolicy(attempts=4, initial_s=1.0, max_s=3.0)
    assert [policy.delay_s(attempt) for attempt in range(1, 6)] == [1.0, 2.0, 3.0, 3.0, None]
    assert NEVER.delay_s(1) is None


# -- how the supervisor itself may end --

SUPERVISE = f"""
import sys, time
from pathlib import Path
from tradewind.stack.supervisor import ProcessSpec, Supervisor
folder = Path(sys.argv[1])
events = folder / "events"
def spec(name, script):
    ready = lambda: None if events.exists() and f"start {{name}}" in events.read_text() else "its start"
    return ProcessSpec(name, (sys.executable, "-c", script, name, str(events)), folder / f"{{name}}.log", ready)
with Supervisor() as supervisor:
    supervisor.start(spec("first", {POLITE!r}), spec("second", {POLITE!r}))
    print(*supervisor.pids().values(), flush=True)
    time.sleep(600)
"""


def test_ctrl_c_stops_the_children_in_order(tmp_path: Path, events: Path) -> None:
    with run_script(SUPERVISE, str(tmp_path), cwd=tmp_path) as process:
        assert process.stdout is not None
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(pids) == 2
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole foreground group
        process.wait(20)
    assert lines(events)[-2:] == ["stop second", "stop first"]
    assert not any(alive(pid) for pid in pids)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends the children of a killed process")
def test_a_killed_supervisor_leaves_no_process(tmp_path: Path) -> None:
    with run_script(SUPERVISE, str(tmp_path), cwd=tmp_path) as process:
        assert process.stdout is not None
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(pids) == 2
        process.kill()
        process.wait(20)
        until(lambda: not any(alive(pid) for pid in pids), "the children's end")


def test_children_survive_the_thread_that_asked_for_them(spec: Callable[..., ProcessSpec]) -> None:
    with Supervisor() as supervisor:
        thread = threading.Thread(target=supervisor.start, args=(spec("a"),))
        thread.start()
        thread.join()
        pid = supervisor.pids()["a"]
        # The kernel's signal would come with the thread's end; a restart policy's poll is a fair wait for it.
        assert not supervisor.wait(0.3)
        assert alive(pid)


def test_a_tail_names_its_log_and_is_short(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    assert log_tail(path) == f"its log {path} is empty"
    path.write_text("\n".join(f"line {number}" for number in range(100)))
    tail = log_tail(path, lines=2)
    assert tail == f"the end of its log {path}:\n  | line 98\n  | line 99"
