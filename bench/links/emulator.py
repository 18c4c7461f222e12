"""An emulated link as Python holds it: `with LinkEmulator("5g-sa", seed=1) as link: link.run_in_phone([...])`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from bench.links.namespaces import LinkUnavailable
from bench.links.profile import Profile, load

_ROOT = Path(__file__).parents[2]
_ENTER = Path(__file__).with_name("enter.py")
_GRACE_S = 5.0


class LinkEmulator:
    """A phone behind a link: a network namespace whose one way out is the emulated link to this one.

    Whatever listens on `host_address` (or on 0.0.0.0) here can be reached from the phone. Devices, namespace and what
    runs in the phone go at the end of the block, and also when this process is killed. Of this namespace nothing
    changes but that it has one device more, with one address of 198.18.0.0/15.

    Args:
        profile: by its name in `profiles.json`, or made by hand.
        seed: of all that is random.
        phone_congestion, host_congestion: of TCP connections over the link. Phones have cubic; a kernel that has bbr as
            its default would hide what loss does to them.
    """

    def __init__(
        self, profile: Profile | str, seed: int = 1, phone_congestion: str = "cubic", host_congestion: str = "cubic"
    ) -> None:
        self.profile = load(profile) if isinstance(profile, str) else profile
        self.host_address = self.phone_address = ""
        self._order = {
            "profile": asdict(self.profile),
            "seed": seed,
            "phone_congestion": phone_congestion,
            "host_congestion": host_congestion,
        }
        self._pump: subprocess.Popen[bytes] | None = None
        self._started: list[subprocess.Popen[Any]] = []

    def __enter__(self) -> LinkEmulator:
        """Start it.

        Raises:
            LinkUnavailable: this machine does not allow it.
        """
        path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        self._pump = subprocess.Popen(
            (sys.executable, "-m", "bench.links.pump"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )
        try:
            told = self._ask(self._order)
        except BaseException:
            self.close()
            raise
        self.host_address, self.phone_address = told["host"], told["phone"]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Remove it, and end what runs in the phone."""
        for process in self._started:
            if process.poll() is None:
                process.terminate()
        for process in self._started:
            try:
                process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        pump, self._pump = self._pump, None
        if pump is None or pump.stdin is None or pump.stdout is None:
            return
        pump.stdin.close()
        try:
            pump.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            pump.kill()
            pump.wait()
        pump.stdout.close()

    def outage(self, seconds: float) -> None:
        """Let the link be away from now on for so long: packets are lost, those under way as well."""
        self._ask({"do": "outage", "seconds": seconds})

    def back(self) -> None:
        """End an outage before its time."""
        self._ask({"do": "back"})

    def stall(self, seconds: float) -> None:
        """Let the link stand still from now on for so long: packets wait, and then come at once."""
        self._ask({"do": "stall", "seconds": seconds})

    def counts(self) -> dict[str, Any]:
        """What became of the packets of each way (`up`, `down`), for how long none came (`idle_s`), and how late the
        emulator itself was, in microseconds (`late_us`)."""
        return self._ask({"do": "counts"})

    def phone_command(self, argv: Sequence[str]) -> list[str]:
        """What runs this command in the phone, for whoever starts processes in a way of their own."""
        if self._pump is None:
            raise RuntimeError("the link is not up; use it in a with block")
        return [sys.executable, "-I", str(_ENTER), str(self._pump.pid), *argv]

    def start_in_phone(self, argv: Sequence[str], **popen: Any) -> subprocess.Popen[Any]:
        """Start a command in the phone; the arguments are those of `subprocess.Popen`."""
        process: subprocess.Popen[Any] = subprocess.Popen(self.phone_command(argv), **popen)
        self._started.append(process)
        return process

    def run_in_phone(self, argv: Sequence[str], check: bool = False, **run: Any) -> subprocess.CompletedProcess[Any]:
        """Run a command in the phone to its end; the arguments are those of `subprocess.run`."""
        return subprocess.run(self.phone_command(argv), check=check, **run)

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        pump = self._pump
        if pump is None or pump.stdin is None or pump.stdout is None:
            raise RuntimeError("the link is not up; use it in a with block")
        pump.stdin.write(json.dumps(command).encode() + b"\n")
        pump.stdin.flush()
        line = pump.stdout.readline()
        if not line:
            raise LinkUnavailable(f"the link's process ended with {pump.wait()}; its reason is on standard error")
        told: dict[str, Any] = json.loads(line)
        if "error" in told:
            raise LinkUnavailable(told["error"])
        return told
