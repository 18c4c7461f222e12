"""How an edge client behaves, as data: every default, and why it is what it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MIB = 2**20


@dataclass(frozen=True, slots=True)
class EdgePolicy:
    """How an edge client behaves. Times in seconds, sizes in bytes.

    Attributes:
        max_events, max_bytes: what the queue holds at most, refused events among it. A day of a busy scanner, and a
            file that a phone can spare.
        max_event_bytes: one event at most, as JSON. Kafka's topics take 2 MiB.
        when_full: `refuse` raises QueueFull, so that whoever makes events knows; `drop_oldest` keeps the newest, for
            readings of which an old one is worth nothing. What is dropped is counted and logged.
        send_first: `oldest` keeps the order of each kind. `newest` sends what is fresh first after an outage, and what
            piled up after it, so the order is not kept.
        durable: `full` waits at each put until the disk has it: it survives a power cut. `normal` does not wait: what
            was put in the last moments before a power cut may be missing, while a crash of the app loses nothing.
        batch_events: of one request at most. The gateway takes 2,000.
        batch_first_bytes, batch_step_bytes, batch_least_bytes, batch_most_bytes: size of a request's JSON at the
            start, what is added after one that was quick, and its bounds. The first one passes LTE's uplink in a tenth
            of a second; the largest is an eighth of what the gateway takes.
        ack_target_s: a request should be acknowledged in so much. Larger requests are more efficient and lose more
            when the link breaks in the middle; half a second is several round trips of a mobile link.
        timeout_least_s: no request is given up earlier. More than a stall of a mobile link (8 s) with what TCP needs
            to find its way back, and than the gateway's own patience with Kafka (10 s).
        timeout_most_s: nor later, however slow the link was.
        connect_s: for a new connection: three tries of TCP, which come after 1, 3 and 7 s.
        backoff_first_s, backoff_most_s: bounds of the pauses between tries; each is random from 0 to a bound that
            doubles (full jitter), so that a thousand devices don't come back at once.
        retry_after_most_s: the gateway's Retry-After is heeded up to this.
        linger_s: wait so long for more events before a request goes out; saves a radio some wake-ups, costs latency.
        compress_from_bytes: smaller bodies go as they are: they fit in one packet anyway.
        transport: how drafts come. `websocket`, or `sse` where a proxy does not let that pass.
        silent_s: a stream on which nothing came for so long, not even the gateway's ping (each 15 s), is dead.
        keep_awake_s: while a draft is expected, send a WebSocket ping each so many seconds, so that the radio does not
            go to sleep: what is pushed to a phone that slept comes half a second later. None: never, for it costs
            battery.
        expect_s: a draft is expected for so long after its question was acknowledged.
        remember: places in Kafka of the last messages, so many, by which one that comes again is known.
    """

    max_events: int = 100_000
    max_bytes: int = 256 * MIB
    max_event_bytes: int = MIB
    when_full: Literal["refuse", "drop_oldest"] = "refuse"
    send_first: Literal["oldest", "newest"] = "oldest"
    durable: Literal["full", "normal"] = "full"
    batch_events: int = 1_000
    batch_first_bytes: int = 64 * 1024
    batch_step_bytes: int = 32 * 1024
    batch_least_bytes: int = 4 * 1024
    batch_most_bytes: int = MIB
    ack_target_s: float = 0.5
    timeout_least_s: float = 15.0
    timeout_most_s: float = 60.0
    connect_s: float = 10.0
    backoff_first_s: float = 0.25
    backoff_most_s: float = 15.0
    retry_after_most_s: float = 600.0
    linger_s: float = 0.0
    compress_from_bytes: int = 1_024
    transport: Literal["websocket", "sse"] = "websocket"
    silent_s: float = 40.0
    keep_awake_s: float | None = None
    expect_s: float = 120.0
    remember: int = 10_000

    def __post_init__(self) -> None:
        """Raises: ValueError: naming the field."""
        _among(self, "when_full", "refuse", "drop_oldest")
        _among(self, "send_first", "oldest", "newest")
        _among(self, "durable", "full", "normal")
        _among(self, "transport", "websocket", "sse")
        zero_is_fine = {"linger_s", "compress_from_bytes"}
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, (int, float)) and not (value > 0 or (value == 0 and name in zero_is_fine)):
                raise ValueError(f"EdgePolicy.{name}: more than 0 is needed, found {value}")
        _ordered(self, "batch_least_bytes", "batch_first_bytes", "batch_most_bytes")
        _ordered(self, "timeout_least_s", "timeout_most_s")
        _ordered(self, "backoff_first_s", "backoff_most_s")
        _ordered(self, "max_event_bytes", "max_bytes")


def _among(policy: EdgePolicy, name: str, *allowed: str) -> None:
    if (value := getattr(policy, name)) not in allowed:
        raise ValueError(f"EdgePolicy.{name}: one of {', '.join(allowed)} is needed, found {value!r}")


def _ordered(policy: EdgePolicy, *names: str) -> None:
    values = [getattr(policy, name) for name in names]
    if values != sorted(values):
        raise ValueError(f"EdgePolicy: {' <= '.join(names)} is needed, found {', '.join(map(str, values))}")
