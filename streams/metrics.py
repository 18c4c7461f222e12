"""The worker's metrics: one typed list, each with its help text. None has a label that a buyer's text could reach."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

READY = Gauge(
    "tradewind_worker_ready", "1 while the model is warm, the agents have their partitions and nothing is in the way."
)
STUCK_SECONDS = Gauge(
    "tradewind_worker_stuck_seconds", "Since the event loop's last turn, or the start of the engine's step; the longer."
)
LAG = Gauge("tradewind_worker_lag", "Messages in Kafka that no agent has committed.", ["topic", "partition"])
EVENTS = Counter("tradewind_events_total", "Messages that an agent is done with.", ["stage", "outcome"])
IN_HAND = Gauge("tradewind_events_in_hand", "Messages taken and not yet acknowledged.", ["stage"])
RETRIES = Counter("tradewind_retries_total", "Tries after a transient error.", ["stage", "error_class"])
PROCESS_SECONDS = Histogram(
    "tradewind_process_seconds",
    "From taking a message to its acknowledged result.",
    ["stage"],
    buckets=_SECONDS,
)
QUESTION_WAIT_SECONDS = Histogram(
    "tradewind_listing_wait_seconds", "How long questions waited for their listing.", buckets=_SECONDS
)
ROUTES = Counter("tradewind_routes_total", "Results by route and reason.", ["stage", "route", "reason"])
LISTINGS_KNOWN = Gauge("tradewind_listings_known", "Listings in this worker's table.")
APPROVED_ANSWERS_KNOWN = Gauge("tradewind_approved_answers_known", "Approved answers that drafts may rest on.")
INSIGHTS_OWNER = Gauge("tradewind_insights_owner", "1 in the one worker that says insights.")
INSIGHTS_SAID = Counter(
    "tradewind_insights_total", "Insights said, by what wrote the paragraph.", ["metric", "kind", "method"]
)
INSIGHT_REFUSALS = Counter(
    "tradewind_insight_refusals_total", "Paragraphs of the model that were not let through.", ["category"]
)
INSIGHT_LOOKS = Counter("tradewind_insight_looks_total", "Looks at the merchants' numbers.", ["outcome"])
INSIGHT_LOOK_SECONDS = Histogram(
    "tradewind_insight_look_seconds", "From the start of a look to what came of it.", buckets=_SECONDS
)
MODEL_LOAD_SECONDS = Gauge("tradewind_model_load_seconds", "Time to load and warm up the model.")
MODEL_MEMORY_BYTES = Gauge("tradewind_model_memory_bytes", "Memory that the model took.")
MODEL_TOKENS = Counter("tradewind_model_tokens_total", "Tokens read and written by the model.", ["stage", "kind"])
