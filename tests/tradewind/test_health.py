"""`/healthz` and `/readyz` over HTTP, and the process that ends when it is stuck."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, Gauge

from tradewind.health import Health, serve, stuck


@pytest.fixture
def served() -> Iterator[tuple[Health, str]]:
    registry = CollectorRegistry()
    Gauge("something", "A metric.", registry=registry).set(7)
    health = Health("the model is loading")
    server, thread = serve(health, "127.0.0.1", 0, registry)
    try:
        yield health, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(url: str) -> tuple[int, object]:
    try:
        with urlopen(url, timeout=10) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)


def test_it_is_alive_and_not_ready_before_it_works(served: tuple[Health, str]) -> None:
    _, url = served
    assert ask(f"{url}/healthz") == (200, {"ok": True, "checks": {}})
    loading = {"running": {"ok": False, "why": "the model is loading"}}
    assert ask(f"{url}/readyz") == (503, {"ok": False, "checks": loading})


def test_each_check_has_its_reason(served: tuple[Health, str]) -> None:
    health, url = served
    health.watch(lambda: {"loop": "no turn for 90 s", "engine": None}, lambda: {"partitions": None})
    checks = {"loop": {"ok": False, "why": "no turn for 90 s"}, "engine": {"ok": True}}
    assert ask(f"{url}/healthz") == (503, {"ok": False, "checks": checks})
    assert ask(f"{url}/readyz") == (200, {"ok": True, "checks": {"partitions": {"ok": True}}})
    assert stuck(health) == "no turn for 90 s"


def test_metrics_stay_where_they_were(served: tuple[Health, str]) -> None:
    with urlopen(f"{served[1]}/metrics", timeout=10) as answer:
        assert "something 7.0" in answer.read().decode()


@pytest.mark.parametrize(("stuck_for", "code"), [("forever", 1), ("a moment", 0)])
def test_a_process_that_stays_stuck_ends_by_itself_and_says_why(stuck_for: str, code: int) -> None:
    """Its main thread and another one wait for ever, as those of a hung engine do."""
    script = """
import sys, threading, time
from tradewind import ending
from tradewind.health import Health
health, asked = Health(""), threading.Event()
def live():
    asked.set()
    return {"engine": "in one step for 130 s" if forever or not done.is_set() else None}
forever, done = sys.argv[1] == "forever", threading.Event()
health.watch(live, dict)
ending._LOOK_S = 0.01
ending.end_if_stuck(health, 0.2)
asked.wait()
done.set()
if forever:
    threading.Event().wait()
seen = 0
while seen < 30:
    asked.clear()
    asked.wait()
    seen += 1
"""
    done = subprocess.run(
        [sys.executable, "-c", script, stuck_for], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stderr
    if code:
        assert "ending, for it is stuck" in done.stdout + done.stderr
        assert "in one step for 130 s" in done.stdout + done.stderr
