from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.tradewind.stack.helpers import run_script
from tradewind.stack.locks import FileLock, LockHeld, is_held

HOLD = """
import sys, signal
from pathlib import Path
from tradewind.stack.locks import FileLock
FileLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
signal.pause()
"""


def test_a_held_lock_names_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = FileLock(path)
    lock.acquire()
    assert lock.held
    assert is_held(path)
    with pytest.raises(LockHeld) as raised:
        FileLock(path).acquire(timeout_s=0)
    assert raised.value.pid == os.getpid()
    lock.release()
    assert not lock.held


def test_a_released_lock_leaves_nothing_and_can_be_taken_again(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    for _ in range(2):
        lock = FileLock(path)
        lock.acquire(timeout_s=0)
        lock.release()
    lock.release()
    assert not path.exists()
    assert not is_held(path)


def test_the_lock_of_a_killed_process_is_free_though_its_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with run_script(HOLD, str(path), cwd=tmp_path) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert is_held(path)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert path.exists()
    assert not is_held(path)
    lock = FileLock(path)
    lock.acquire(timeout_s=0)
    lock.release()
