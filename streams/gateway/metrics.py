"""The gateway's metrics: one typed list. No label holds a key, a merchant or anything else that a caller chose."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

READY = Gauge("tradewind_gateway_ready", "1 while the gateway listens and Kafka acknowledges.")
REQUESTS = Counter(
    "tradewind_gateway_requests_total", "Requests answered, by route and class of status.", ["route", "status"]
)
REQUEST_SECONDS = Histogram(
    "tradewind_gateway_request_seconds", "From a request's head to its answer.", ["route"], buckets=_SECONDS
)
EVENTS = Counter(
    "tradewind_gateway_events_total",
    "Events by topic and by what became of them, as a status of HTTP.",
    ["topic", "outcome"],
)
ACK_SECONDS = Histogram(
    "tradewind_gateway_ack_seconds",
    "From handing a request's events to Kafka's client to the last word.",
    buckets=_SECONDS,
)
IN_HAND = Gauge("tradewind_gateway_events_in_hand", "Events that wait for Kafka's word.")
BODY_BYTES = Counter("tradewind_gateway_body_bytes_total", "Bytes of bodies, as sent.", ["route"])
ERRORS = Counter(
    "tradewind_gateway_errors_total", "Requests that met a fault of ours, by the error's class.", ["error_class"]
)

CONNECTIONS = Gauge("tradewind_stream_connections", "Streams that are open.", ["transport"])
REFUSED = Counter("tradewind_stream_refused_total", "Streams that were not opened.", ["reason"])
ENDED = Counter("tradewind_stream_ended_total", "Streams that ended.", ["reason"])
PUSHES = Counter("tradewind_pushes_total", "Messages pushed; one to ten devices counts as ten.", ["topic", "source"])
PUSH_SECONDS = Histogram(
    "tradewind_push_seconds", "From Kafka's timestamp to pushed, of what is pushed live.", buckets=_SECONDS
)
REPLAYS = Counter(
    "tradewind_stream_replays_total", "Streams that were resumed, by where they went on from.", ["source"]
)
GAPS = Counter("tradewind_stream_gaps_total", "Streams that were told of a gap, for Kafka no longer had it.")
UNDECODABLE = Counter("tradewind_stream_undecodable_total", "Messages that can't be pushed.", ["topic", "error_class"])
HISTORY_MESSAGES = Gauge("tradewind_stream_memory_messages", "Messages kept for devices that come back.")
HISTORY_BYTES = Gauge("tradewind_stream_memory_bytes", "Memory that they take, about.")
SCANNED = Counter("tradewind_stream_scanned_total", "Messages read again from Kafka for devices that were long away.")
