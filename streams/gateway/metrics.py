"""What the gateway tells Prometheus. No label holds a key, a merchant or anything else that a caller chose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name in Prometheus, what it counts, and the labels it is split by."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


READY = Metric("tradewind_gateway_ready", "gauge", "1 while the gateway listens and Kafka acknowledges.")
REQUESTS = Metric(
    "tradewind_gateway_requests_total",
    "counter",
    "Requests answered, by route and class of status.",
    ("route", "status"),
)
REQUEST_SECONDS = Metric(
    "tradewind_gateway_request_seconds", "histogram", "From a request's head to its answer.", ("route",)
)
EVENTS = Metric(
    "tradewind_gateway_events_total", "counter", "Events by topic and by what became of them, as a status of HTTP.",
    ("topic", "outcome"),
)  # fmt: skip
ACK_SECONDS = Metric(
    "tradewind_gateway_ack_seconds", "histogram", "From handing a request's events to Kafka's client to the last word."
)
IN_HAND = Metric("tradewind_gateway_events_in_hand", "gauge", "Events that wait for Kafka's word.")
BODY_BYTES = Metric("tradewind_gateway_body_bytes_total", "counter", "Bytes of bodies, as sent.", ("route",))
ERRORS = Metric(
    "tradewind_gateway_errors_total",
    "counter",
    "Requests that met a fault of ours, by the error's class.",
    ("error_class",),
)

METRICS: tuple[Metric, ...] = (
    READY, REQUESTS, REQUEST_SECONDS, EVENTS, ACK_SECONDS, IN_HAND, BODY_BYTES, ERRORS,
)  # fmt: skip


class GatewayMetrics:
    """The metrics, registered."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        made: dict[Metric, Any] = {}
        for metric in METRICS:
            if metric.kind == "histogram":
                made[metric] = Histogram(metric.name, metric.help, metric.labels, registry=registry, buckets=_SECONDS)
            else:
                kind = Counter if metric.kind == "counter" else Gauge
                made[metric] = kind(metric.name, metric.help, metric.labels, registry=registry)
        # Looking a label's child up takes a lock and some microseconds, and there are few of them.
        self._child = cache(lambda metric, labels: made[metric].labels(*labels) if labels else made[metric])

    def count(self, metric: Metric, amount: float, *labels: str) -> None:
        """Add to a counter."""
        self._child(metric, labels).inc(amount)

    def gauge(self, metric: Metric, value: float) -> None:
        """Set a gauge."""
        self._child(metric, ()).set(value)

    def follow(self, metric: Metric, call: Callable[[], float]) -> None:
        """Have a gauge ask for its value."""
        self._child(metric, ()).set_function(call)

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Add a value to a histogram."""
        self._child(metric, labels).observe(value)
