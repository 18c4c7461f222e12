"""deploy/prometheus: the rules are valid, name metrics that exist, and fire in promtool's simulation."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

import streams.gateway.metrics
import streams.metrics
from consumers.clickhouse.metrics import METRICS
from tests.support.prometheus import prometheus_or_skip
from tests.tradewind.deployment import DEPLOY

FILE = DEPLOY / "prometheus/alerts.yml"
RULES = [rule for group in yaml.safe_load(FILE.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]


def promtool(*arguments: str, cwd: Path) -> str:
    command = [str(prometheus_or_skip() / "promtool"), *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_the_rules_and_the_configuration() -> None:
    assert f"SUCCESS: {len(RULES)} rules found" in promtool("check", "rules", "alerts.yml", cwd=FILE.parent)
    assert "SUCCESS" in promtool("check", "config", "prometheus.yml", cwd=FILE.parent)


def test_each_metric_in_the_rules_exists() -> None:
    modules = (streams.metrics, streams.gateway.metrics)
    made = [each for module in modules for each in vars(module).values() if isinstance(each, MetricWrapperBase)]
    counters = {f"{family.name}_total" for each in made for family in each.describe() if family.type == "counter"}
    there = counters | {family.name for each in made for family in each.describe()}
    there |= {metric.name for metric in METRICS}
    named = {name for rule in RULES for name in re.findall(r"tradewind_[a-z_]+", rule["expr"])}
    assert len(named) > 8
    assert named <= there


def test_each_rule_says_what_to_do() -> None:
    for rule in RULES:
        assert set(rule["annotations"]) == {"summary", "mend"}, rule["alert"]
        assert rule["labels"]["severity"] in {"page", "warn"}


#: By rule, series that make it fire and when, and series with which it must not.
WORKER, SINK = 'job="tradewind", instance="w"', 'job="tradewind", instance="s"'
GATEWAY = 'job="tradewind", instance="g"'
CASES: dict[str, tuple[dict[str, str], str, dict[str, str]]] = {
    "TradewindDown": ({f"up{{{WORKER}}}": "0x10"}, "4m", {f"up{{{WORKER}}}": "1x10"}),
    "TradewindNotReady": (
        {f"tradewind_sink_ready{{{SINK}}}": "1x2 0x10"},
        "9m",
        {f"tradewind_sink_ready{{{SINK}}}": "0x3 1x10", f"tradewind_worker_ready{{{WORKER}}}": "1x20"},
    ),
    "TradewindStuck": (
        {f"tradewind_worker_stuck_seconds{{{WORKER}}}": "0 30 90"},
        "2m",
        {f"tradewind_sink_stuck_seconds{{{SINK}}}": "1x10"},
    ),
    "TradewindWorkerLagGrows": (
        {f'tradewind_worker_lag{{{WORKER}, topic="questions.v1", partition="0"}}': "0+500x40"},
        "25m",
        {f'tradewind_worker_lag{{{WORKER}, topic="questions.v1", partition="0"}}': "20000-400x40"},
    ),
    "TradewindSinkLagGrows": (
        {f'tradewind_sink_lag{{{SINK}, topic="orders.v1", partition="0"}}': "0+5000x40"},
        "25m",
        {f'tradewind_sink_lag{{{SINK}, topic="orders.v1", partition="0"}}': "3000x40"},
    ),
    "TradewindGatewayRefuses": (
        {
            f'tradewind_gateway_requests_total{{{GATEWAY}, route="/v1/orders", status="2xx"}}': "0+60x30",
            f'tradewind_gateway_requests_total{{{GATEWAY}, route="/v1/orders", status="5xx"}}': "0+20x30",
        },
        "20m",
        {
            f'tradewind_gateway_requests_total{{{GATEWAY}, route="/v1/orders", status="2xx"}}': "0+60x30",
            f'tradewind_gateway_requests_total{{{GATEWAY}, route="/v1/orders", status="4xx"}}': "0+20x30",
            f'tradewind_gateway_requests_total{{{GATEWAY}, route="/v1/orders", status="5xx"}}': "0+1x30",
        },
    ),
    "TradewindDeadLetters": (
        {f'tradewind_events_total{{{WORKER}, stage="answer", outcome="dead_letter"}}': "0x5 1x10"},
        "8m",
        {f'tradewind_events_total{{{WORKER}, stage="answer", outcome="done"}}': "0+9x10"},
    ),
    "TradewindRetriesWithoutEnd": (
        {f'tradewind_sink_retries_total{{{SINK}, table="orders"}}': "0+2x30"},
        "20m",
        {f'tradewind_retries_total{{{WORKER}, stage="answer", error_class="KafkaError"}}': "0 3x30"},
    ),
    "TradewindSinkStoresNothing": (
        {
            f'tradewind_sink_lag{{{SINK}, topic="orders.v1", partition="0"}}': "50x30",
            f'tradewind_sink_rows_total{{{SINK}, table="orders"}}': "900x30",
        },
        "20m",
        {
            f'tradewind_sink_lag{{{SINK}, topic="orders.v1", partition="0"}}': "50x30",
            f'tradewind_sink_rows_total{{{SINK}, table="orders"}}': "900+50x30",
        },
    ),
    "TradewindStale": (
        {f'tradewind_sink_freshness_seconds{{{SINK}, table="orders"}}': "90x20"},
        "15m",
        {f'tradewind_sink_freshness_seconds{{{SINK}, table="orders"}}': "2x20"},
    ),
}


def test_each_rule_has_a_case() -> None:
    assert set(CASES) == {rule["alert"] for rule in RULES}


def simulated(name: str, series: dict[str, str], at: str, fires: bool) -> dict[str, Any]:
    """A case as promtool reads it: how many alerts of that name fire."""
    return {
        "interval": "1m",
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{name}", alertstate="firing"}}) or vector(0)',
                "eval_time": at,
                "exp_samples": [{"labels": "{}", "value": 1 if fires else 0}],
            }
        ],
    }


@pytest.mark.parametrize("name", CASES)
def test_a_rule_fires_when_it_should_and_not_else(name: str, tmp_path: Path) -> None:
    bad, at, good = CASES[name]
    cases = [simulated(name, bad, at, True), simulated(name, good, at, False)]
    (tmp_path / "alerts.yml").write_bytes(FILE.read_bytes())
    document = {"rule_files": ["alerts.yml"], "evaluation_interval": "1m", "tests": cases}
    (tmp_path / "test.yml").write_text(yaml.safe_dump(document), encoding="utf-8")
    assert "SUCCESS" in promtool("test", "rules", "test.yml", cwd=tmp_path)
