"""The bench of links: its shares, figures, tables and chart; nothing is started."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from bench import edge_links_figures
from bench.edge_links import RESULTS
from bench.edge_links_chart import draw
from bench.edge_links_figures import SHARES, Way, figures, way
from bench.edge_links_parts import LINKS, running
from bench.edge_links_phone import event_ids
from bench.edge_links_report import PAGE, page
from bench.edge_links_stack import question

REQUEST: dict[str, Any] = {"began": 1000.002, "server": {"read": 0.5, "check": 1.5, "kafka": 3.0}}
DRAFT: dict[str, Any] = {
    "at": 1000.600, "published_at": 1_000_520, "pushed_at": 1_000_530, "total_ms": 450.0, "of_model": True,
}  # fmt: skip


def test_a_way_is_cut_where_its_moments_are() -> None:
    found = way(1000.0, REQUEST, 1_000_030, DRAFT)
    expected = {
        "phone": 2.0, "link_up": 26.0, "gateway": 2.0, "kafka_in": 40.0, "model": 450.0,
        "push": 10.0, "link_down": 70.0,
    }  # fmt: skip
    assert dict(found.shares) == pytest.approx(expected, abs=1e-6)
    assert found.total == pytest.approx(600.0)
    assert found.ours == pytest.approx(52.0)
    assert found.ack_ms == 3.0


@given(
    put=st.floats(0, 1e6), began=st.floats(0, 1e6), at=st.floats(0, 1e6),
    asked=st.integers(0, 10**9), published=st.integers(0, 10**9), pushed=st.integers(0, 10**9),
    model=st.floats(0, 1e5), read=st.floats(0, 100), check=st.floats(0, 100),
)  # fmt: skip
def test_shares_always_add_up_to_the_whole(
    put: float,
    began: float,
    at: float,
    asked: int,
    published: int,
    pushed: int,
    model: float,
    read: float,
    check: float,
) -> None:
    draft = DRAFT | {"at": at, "published_at": published, "pushed_at": pushed, "total_ms": model}
    found = way(put, {"began": began, "server": {"read": read, "check": check}}, asked, draft)
    assert sum(found.shares.values()) == pytest.approx((at - put) * 1000, abs=1e-3)
    assert found.ack_ms is None


def some(count: int = 100) -> list[Way]:
    return [Way({name: float(number) for name in SHARES}, 2.0, number % 2 == 0) for number in range(1, count + 1)]


def test_figures_are_of_all_questions_and_an_ordinary_one() -> None:
    found = figures(some())
    assert found["questions"] == 100
    assert found["of_model"] == 50
    assert found["total"] == {"p50": 350.0, "p95": 665.0, "p99": 693.0, "max": 700.0}
    assert found["gateway_and_kafka"]["p95"] == 285.0
    assert found["link"]["p50"] == 100.0
    assert found["around_the_median"] == dict.fromkeys(SHARES, 50.5)
    assert figures(some(1))["around_the_median"] == dict.fromkeys(SHARES, 1.0)
    with pytest.raises(ValueError, match="of nothing"):
        figures([])


def test_a_request_tells_which_questions_it_brought() -> None:
    made = question({"listing_id": "l-1", "text": "?"}, "m-1")
    body = b"[" + json.dumps(made).encode() + b"]"
    for sent in (body, zstd.compress(body), gzip.compress(body)):
        assert [found.decode() for found in event_ids(sent)] == [made["event_id"]]
    assert (made["listing_id"], made["merchant_id"]) == ("l-1-m-1", "m-1")


def test_links_run_without_what_a_hundred_questions_would_meet_by_luck() -> None:
    for name in LINKS:
        assert running(name).stalls is None
        assert running(name).handovers is None


def test_the_chart_and_the_tables_have_every_link(tmp_path: Path) -> None:
    rows = {name: figures(some()) for name in (*LINKS, "idle-5g-sa")}
    quick = {"links": {"loopback": figures(some())}, "held": {"idle-lte-awake": figures(some())}}
    draw({"full": rows, "path": quick}, tmp_path / "chart.svg")
    assert (tmp_path / "chart.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert edge_links_figures.way_table("title", rows).row_count == len(rows)
    upload = {"link": "3g", "congestion": "bbr", "orders": 1, "sent_bytes": 1, "body_bytes": 9, "seconds": [1.0]}
    assert edge_links_figures.upload_table([upload]).row_count == 1


def test_the_page_has_the_tables_of_the_figures() -> None:
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    text = PAGE.read_text(encoding="utf-8")
    assert page(text, found) == text
    with pytest.raises(ValueError, match="no place for figures"):
        page("nothing", found)
