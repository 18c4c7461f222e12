"""Prometheus and its promtool, fetched from Debian's archive into the ignored cache folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

_CACHE = Path(__file__).parents[2] / ".cache" / "prometheus"


class NoPrometheus(Exception):
    """Prometheus can't be had here; the message says in one line why."""


def prometheus_folder() -> Path:
    """The folder with `prometheus` and `promtool`.

    Raises:
        NoPrometheus: this is no Debian, or its archive gives no answer.
    """
    folder = _CACHE / "usr" / "bin"
    if (folder / "promtool").is_file():
        return folder
    if sys.platform != "linux" or shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise NoPrometheus("Prometheus comes from Debian's archive, and there is no apt-get here")
    _CACHE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHE.parent) as scratch:
        command = ("apt-get", "download", "-q", "prometheus")
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=120, check=False)
        packages = [name for name in os.listdir(scratch) if name.endswith(".deb")]
        if done.returncode != 0 or not packages:
            why = (done.stderr.strip().splitlines() or ["it did not say why"])[-1]
            raise NoPrometheus(f"apt-get did not bring Prometheus: {why}")
        subprocess.run(("dpkg", "-x", str(Path(scratch) / packages[0]), str(_CACHE)), check=True)
    if not (folder / "promtool").is_file():
        raise NoPrometheus("the package prometheus has no promtool")
    return folder


def prometheus_or_skip() -> Path:
    """The same for a test, which is skipped where it can't be had."""
    try:
        return prometheus_folder()
    except NoPrometheus as why:
        pytest.skip(str(why))
