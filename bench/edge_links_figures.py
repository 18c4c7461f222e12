"""From moments to shares and percentiles of `edge_links.py`. Pure functions.

A question's way is cut at eight moments of one clock, so its shares add up to the whole exactly: put on the phone,
request begins, gateway has it, question's time in Kafka, draft's time in Kafka less what the worker took, draft's time
in Kafka, pushed, on the phone.

- phone: until the client has the question on disk and begins its request.
- link_up: from there to the gateway, TCP and the radio's wake-up included. The gateway says how long it took to read
  and to check (Server-Timing); that much before the question's time in Kafka it had the request.
- gateway: reading and checking.
- kafka_in, model: between the two times in Kafka lie the topic, the worker and the draft's way out of it. What the
  worker says it took for the draft (`timings.total_ms`, waiting for the engine included) is the model's, the rest
  Kafka's.
- push: from the draft's time in Kafka until the gateway sends it: the topic and the gateway's second half.
- link_down: from there to the phone.

Times in Kafka, and `pushed_at`, are whole milliseconds, so a share may be a millisecond off, and a small one negative.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from bench.latency_figures import Figures, percentile

SHARES = ("phone", "link_up", "gateway", "kafka_in", "model", "push", "link_down")
#: What is ours but for the model.
OURS = ("gateway", "kafka_in", "push")


@dataclass(frozen=True, slots=True)
class Way:
    """One question's way, in milliseconds.

    Attributes:
        shares: by their names in `SHARES`.
        ack_ms: what the gateway waited for Kafka's acknowledgement, beside the way; None where it is not known.
        of_model: whether the model was asked.
    """

    shares: Mapping[str, float]
    ack_ms: float | None
    of_model: bool

    @property
    def total(self) -> float:
        """All of it."""
        return sum(self.shares.values())

    @property
    def ours(self) -> float:
        """Gateway and Kafka, both ways."""
        return sum(self.shares[name] for name in OURS)


def way(put_s: float, request: Mapping[str, Any], asked_ms: int, draft: Mapping[str, Any]) -> Way:
    """A question's way from its moments.

    Args:
        put_s: when it was put.
        request: that brought it: `began`, and `server`, the gateway's times.
        asked_ms: its time in Kafka.
        draft: as it came: `at`, `published_at`, `pushed_at`, `total_ms`.
    """
    put, began, there = put_s * 1000, request["began"] * 1000, draft["at"] * 1000
    server = request["server"]
    gateway = server["read"] + server["check"]
    model = float(draft["total_ms"])
    shares = {
        "phone": began - put,
        "link_up": asked_ms - gateway - began,
        "gateway": gateway,
        "kafka_in": draft["published_at"] - asked_ms - model,
        "model": model,
        "push": draft["pushed_at"] - draft["published_at"],
        "link_down": there - draft["pushed_at"],
    }
    return Way(shares, server.get("kafka"), bool(draft["of_model"]))


def spread(values: Sequence[float]) -> Figures:
    """Median and tails, in milliseconds."""
    return {
        "p50": round(percentile(values, 0.5), 1),
        "p95": round(percentile(values, 0.95), 1),
        "p99": round(percentile(values, 0.99), 1),
        "max": round(max(values), 1),
    }


def figures(ways: Sequence[Way]) -> Figures:
    """Of many questions.

    `around_the_median` is the mean of each share over the fifth of the questions whose whole lies around the median, so
    that the shares of an ordinary question add up to what it takes.

    Raises:
        ValueError: there are none.
    """
    ordered = sorted(ways, key=lambda each: each.total)
    middle = ordered[len(ordered) * 2 // 5 : max(len(ordered) * 3 // 5, len(ordered) * 2 // 5 + 1)]
    acks = [each.ack_ms for each in ways if each.ack_ms is not None]
    return {
        "questions": len(ways),
        "of_model": sum(each.of_model for each in ways),
        "total": spread([each.total for each in ways]),
        "gateway_and_kafka": spread([each.ours for each in ways]),
        "link": spread([each.shares["link_up"] + each.shares["link_down"] for each in ways]),
        "shares": {name: spread([each.shares[name] for each in ways]) for name in SHARES},
        "around_the_median": {
            name: round(statistics.fmean(each.shares[name] for each in middle), 1) for name in SHARES
        },
        "acknowledged": spread(acks) if acks else None,
    }


def way_table(title: str, rows: Mapping[str, Figures]) -> Table:
    """A line for each link."""
    table = Table("link", "n", "p50", "p95", "p99", "link p50", "p95", "gateway+Kafka p50", "p95", "model p50", "p95",
                  title=f"{title}, ms")  # fmt: skip
    for name, row in rows.items():
        total, link, ours, model = row["total"], row["link"], row["gateway_and_kafka"], row["shares"]["model"]
        table.add_row(
            name,
            str(row["questions"]),
            *(f"{total[share]:,.0f}" for share in ("p50", "p95", "p99")),
            *(f"{part[share]:,.0f}" for part in (link, ours, model) for share in ("p50", "p95")),
        )
    return table


def upload_table(rows: Sequence[Figures]) -> Table:
    """Uploads by link and congestion control."""
    table = Table("link", "congestion", "orders", "sent kB", "of JSON kB", "seconds (each)", title="A batch of orders")
    for row in rows:
        table.add_row(
            row["link"],
            row["congestion"],
            f"{row['orders']:,}",
            f"{row['sent_bytes'] / 1000:,.0f}",
            f"{row['body_bytes'] / 1000:,.0f}",
            ", ".join(f"{each:.2f}" for each in row["seconds"]),
        )
    return table
