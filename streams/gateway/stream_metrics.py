"""What is pushed, as metrics: one typed list. None has a label that a merchant's name or text could reach."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

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
