"""What the sink tells Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name in Prometheus, what it counts, and the labels it is split by."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


ROWS = Metric("tradewind_sink_rows_total", "counter", "Rows stored.", ("table",))
BATCHES = Metric("tradewind_sink_batches_total", "counter", "Batches stored.", ("table",))
INSERT_SECONDS = Metric(
    "tradewind_sink_insert_seconds", "histogram", "From a batch's first try to its being stored.", ("table",)
)
RETRIES = Metric("tradewind_sink_retries_total", "counter", "Tries that met a passing error.", ("table",))
REJECTED = Metric(
    "tradewind_sink_rejected_total", "counter", "Messages that can't be stored, by why.", ("table", "error_class")
)
TRANSLATED = Metric(
    "tradewind_sink_translated_total", "counter", "Records that had to be decoded to be stored.", ("table",)
)
LAG = Metric("tradewind_sink_lag", "gauge", "Messages in Kafka that are not yet stored.", ("topic", "partition"))
FRESHNESS = Metric(
    "tradewind_sink_freshness_seconds",
    "gauge",
    "From a message's Kafka timestamp to its being stored, for the last message of the last batch.",
    ("table",),
)

SETTLED = Metric("tradewind_sink_settled_rows_total", "counter", "Rows whose roll-ups were settled.", ("chunk",))
SETTLE_SECONDS = Metric(
    "tradewind_sink_settle_seconds", "histogram", "How long settling the roll-ups of a kind of chunk took.", ("chunk",)
)
UNSETTLED_SECONDS = Metric(
    "tradewind_sink_unsettled_seconds",
    "gauge",
    "Age of what is settled: events stored since are counted one by one by every query of a roll-up.",
    ("chunk",),
)

READY = Metric("tradewind_sink_ready", "gauge", "1 while the sink has its partitions and knows where to go on.")

STUCK_SECONDS = Metric("tradewind_sink_stuck_seconds", "gauge", "Since the loop's last turn.")

METRICS: tuple[Metric, ...] = (
    READY,
    STUCK_SECONDS,
    ROWS,
    BATCHES,
    INSERT_SECONDS,
    RETRIES,
    REJECTED,
    TRANSLATED,
    LAG,
    FRESHNESS,
    SETTLED,
    SETTLE_SECONDS,
    UNSETTLED_SECONDS,
)


class SinkMetrics:
    """The metrics, registered."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._counters = {m: Counter(m.name, m.help, m.labels, registry=registry) for m in _of("counter")}
        self._gauges = {m: Gauge(m.name, m.help, m.labels, registry=registry) for m in _of("gauge")}
        self._histograms = {
            m: Histogram(m.name, m.help, m.labels, registry=registry, buckets=_SECONDS) for m in _of("histogram")
        }

    def count(self, metric: Metric, amount: float, *labels: str) -> None:
        """Add to a counter."""
        self._counters[metric].labels(*labels).inc(amount)

    def gauge(self, metric: Metric, value: float, *labels: str) -> None:
        """Set a gauge."""
        gauge = self._gauges[metric]
        (gauge.labels(*labels) if labels else gauge).set(value)

    def follow(self, metric: Metric, call: Callable[[], float]) -> None:
        """Have a gauge without labels ask for its value."""
        self._gauges[metric].set_function(call)

    def forget(self, metric: Metric) -> None:
        """Drop a gauge's values, such as the lag of partitions that went to another sink."""
        self._gauges[metric].clear()

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Add a value to a histogram."""
        self._histograms[metric].labels(*labels).observe(value)


def _of(kind: str) -> tuple[Metric, ...]:
    return tuple(metric for metric in METRICS if metric.kind == kind)
