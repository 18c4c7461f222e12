"""A real Prometheus with our rules watches a real sink."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
import yaml

from tests.consumers.events import order
from tests.support.commands import running, until
from tests.support.prometheus import prometheus_or_skip
from tests.tradewind.deployment import DEPLOY
from tradewind.assembly import make_publisher
from tradewind.settings import Settings
from tradewind.stack.local import LocalStack
from tradewind.stack.ports import choose_port

FILE = DEPLOY / "prometheus/alerts.yml"


@contextmanager
def scraping(target: int, folder: Path) -> Iterator[str]:
    """A Prometheus with our rules, in a hurry, that scrapes this port; gives its address."""
    (folder / "alerts.yml").write_text(
        re.sub(r"for: \d+m", "for: 1s", FILE.read_text(encoding="utf-8")), encoding="utf-8"
    )
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["alerts.yml"],
        "scrape_configs": [{"job_name": "tradewind", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
    port = choose_port(0, "127.0.0.1")
    command = [
        str(prometheus_or_skip() / "prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "prometheus.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def firing(url: str) -> set[str]:
    """Names of the alerts that fire; none while Prometheus is starting."""
    try:
        with urlopen(f"{url}/api/v1/alerts", timeout=5) as answer:
            alerts = json.load(answer)["data"]["alerts"]
    except OSError:
        return set()
    return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


@pytest.mark.integration
@pytest.mark.slow
def test_a_real_prometheus_watches_a_real_sink(stack: LocalStack, settings: Settings, tmp_path: Path) -> None:
    """It is ready, then its ClickHouse hangs while there is something to store, then it is gone."""
    server = stack.pids()["clickhouse"]
    with running(settings, tmp_path, "sink") as sink, scraping(sink.port, tmp_path) as url:
        sink.await_ready()
        until(lambda: scraped(url, "tradewind_sink_ready") == 1.0, "Prometheus has seen that it is ready")
        until(lambda: not firing(url), "nothing fires")
        os.kill(server, signal.SIGSTOP)
        try:
            with make_publisher(settings) as publisher:
                for number in range(100):
                    publisher.publish(order(number))
            until(lambda: "TradewindSinkStoresNothing" in firing(url), "it stores nothing")
            sink.process.kill()
            until(lambda: "TradewindDown" in firing(url), "it is down")
        finally:
            os.kill(server, signal.SIGCONT)


def scraped(url: str, metric: str) -> float | None:
    """The last value of a metric, as Prometheus has it."""
    try:
        with urlopen(f"{url}/api/v1/query?query={metric}", timeout=5) as answer:
            found = json.load(answer)["data"]["result"]
    except OSError:
        return None
    return float(found[0]["value"][1]) if found else None
