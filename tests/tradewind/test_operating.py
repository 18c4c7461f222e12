"""docs/operating.md: the settings, metrics and commands that it names are those that exist."""

from __future__ import annotations

import re
import shlex
from itertools import dropwhile

from prometheus_client.metrics import MetricWrapperBase

import streams.gateway.metrics
import streams.metrics
from consumers.clickhouse.metrics import METRICS
from tests.tradewind.deployment import ROOT, resolve, services, shell_commands
from tradewind.settings import Settings

SERVICES = services()
SETTINGS = {f"TRADEWIND_{name.upper()}" for name in Settings.model_fields}
GUIDE = (ROOT / "docs/operating.md").read_text(encoding="utf-8")


def test_the_guide_names_settings_that_exist() -> None:
    named = set(re.findall(r"TRADEWIND_[A-Z_]*[A-Z]", GUIDE))
    assert named
    assert named <= SETTINGS


def test_the_guide_names_every_metric_and_no_other() -> None:
    """Prometheus keeps a counter's name without its `_total`."""
    modules = (streams.metrics, streams.gateway.metrics)
    made = [each for module in modules for each in vars(module).values() if isinstance(each, MetricWrapperBase)]
    there = {family.name for each in made for family in each.describe()}
    there |= {metric.name.removesuffix("_total") for metric in METRICS}
    rows = re.findall(r"^\| `(tradewind_[a-z_]+)` \|", GUIDE, re.MULTILINE)
    assert {name.removesuffix("_total") for name in rows} == there


def test_the_commands_in_the_guide_exist() -> None:
    checked = 0
    inline = [["tradewind", *shlex.split(words)] for words in re.findall(r"`tradewind ([^`]+)`", GUIDE)]
    for words in [*shell_commands(GUIDE), *inline]:
        if words[0] == "tradewind":
            resolve(words[1:])
        elif words[:3] == ["docker", "compose", "run"]:
            service, *arguments = dropwhile(lambda word: word.startswith("-"), words[3:])
            assert SERVICES[service]["build"] == ".", service
            resolve(arguments)
        elif words[:2] == ["docker", "compose"]:
            scaled = [word.partition("=")[0] for word in words if "=" in word]
            assert set(scaled) <= set(SERVICES), words
        else:
            continue
        checked += 1
    assert checked > 5
