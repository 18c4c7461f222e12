"""What the faults are made with does what it says."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.shifted_clock import NoShiftedClock, ShiftedClock
from tests.faults.small_disk import NoSmallDisk, fill, small_disk
from tests.faults.wire import Wire


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that says everything back."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=_say_back, args=(client,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def _say_back(client: socket.socket) -> None:
    with client:
        while piece := client.recv(4096):
            client.sendall(piece)


def connected(wire: Wire) -> socket.socket:
    return socket.create_connection(("127.0.0.1", wire.port), timeout=5)


def test_a_whole_wire_passes_everything_on(echo: int) -> None:
    sent = os.urandom(300_000)
    with Wire(echo) as wire, connected(wire) as client:
        threading.Thread(target=client.sendall, args=(sent,)).start()
        got = b""
        while len(got) < len(sent):
            got += client.recv(65536)
        assert got == sent


def test_a_cut_wire_holds_what_comes_and_closes_nothing(echo: int) -> None:
    with Wire(echo) as wire, connected(wire) as client:
        client.sendall(b"before")
        assert client.recv(100) == b"before"
        wire.cut()
        client.sendall(b"meanwhile")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(100)
        wire.mend()
        client.settimeout(5)
        assert client.recv(100) == b"meanwhile"


def test_a_cut_wire_holds_new_connections_too(echo: int) -> None:
    with Wire(echo) as wire:
        wire.cut()
        with connected(wire) as client:
            client.sendall(b"hello")
            client.settimeout(0.2)
            with pytest.raises(TimeoutError):
                client.recv(100)
            wire.mend()
            client.settimeout(5)
            assert client.recv(100) == b"hello"


def test_a_slow_wire_takes_its_time(echo: int) -> None:
    with Wire(echo) as wire, connected(wire) as client:
        wire.slow_down(0.1)
        started = time.monotonic()
        client.sendall(b"x")
        assert client.recv(10) == b"x"
        assert time.monotonic() - started >= 0.2  # a lower bound: 0.1 s each way


def test_without_a_server_the_wire_closes(echo: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = server.getsockname()[1]
    with Wire(nobody) as wire, connected(wire) as client:
        assert client.recv(10) == b""


def test_a_small_disk_gets_full_and_free_again(tmp_path: Path) -> None:
    try:
        with small_disk(tmp_path / "disk", 2) as folder:
            ballast = fill(folder)
            with (folder / "more").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
                os.posix_fallocate(file.fileno(), 0, 200_000)
            ballast.unlink()
            (folder / "more").write_bytes(b"x" * 100_000)
    except NoSmallDisk as why:
        pytest.skip(str(why))
    assert not (tmp_path / "disk" / "more").exists()


def test_a_shifted_clock_jumps_while_the_process_runs(tmp_path: Path) -> None:
    try:
        clock = ShiftedClock(tmp_path / "clock")
    except NoShiftedClock as why:
        pytest.skip(str(why))
    code = "import sys, time\nfor line in sys.stdin: print(time.time(), time.monotonic(), flush=True)"
    with subprocess.Popen(
        (sys.executable, "-c", code),
        env={**os.environ, **clock.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def ask() -> tuple[float, float]:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("now\n")
            wall, monotonic = process.stdout.readline().split()
            return float(wall), float(monotonic)

        assert abs(ask()[0] - time.time()) < 60
        for shift in (3600, -3600):
            clock.shift(shift)
            wall, monotonic = ask()
            assert abs(wall - time.time() - shift) < 60
            assert abs(monotonic - time.monotonic()) < 60
        process.stdin.close()
