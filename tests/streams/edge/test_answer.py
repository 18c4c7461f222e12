"""What an answer means for each event, and that nothing but an acknowledgement lets one go."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.edge.answer import Next, read_answer
from streams.edge.packing import packed

IDS = ("a", "b", "c")


def read(status: int, said: Any, ids: tuple[str, ...] = IDS, **headers: str) -> Any:
    """The answer of that body."""
    return read_answer(
        status, {name.replace("_", "-"): text for name, text in headers.items()}, json.dumps(said).encode(), ids
    )


def problem(status: int, code: str, **more: Any) -> dict[str, Any]:
    """In the gateway's words."""
    return {"type": f"urn:tradewind:problem:{code}", "status": status, "detail": "why", **more}


def item(event_id: str, status: int) -> dict[str, Any]:
    """An item that was not taken."""
    return problem(status, "some", event_id=event_id)


def test_all_taken() -> None:
    answer = read(202, {"accepted": 3, "rejected": 0, "items": []})
    assert (answer.then, answer.sent, dict(answer.refused)) == (Next.GO_ON, (0, 1, 2), {})


def test_all_taken_and_each_of_them_told() -> None:
    items = [{"status": 202, "event_id": event_id, "partition": 0, "offset": 1} for event_id in IDS]
    assert read(202, {"accepted": 3, "rejected": 0, "items": items}).sent == (0, 1, 2)


def test_some_refused_and_some_to_be_sent_again() -> None:
    answer = read(207, {"accepted": 1, "rejected": 2, "items": [item("a", 422), item("c", 503)]}, retry_after="7")
    assert (answer.then, answer.sent, list(answer.refused), answer.retry_after_s) == (Next.LATER, (1,), [0], 7.0)
    assert json.loads(answer.refused[0])["detail"] == "why"


@pytest.mark.parametrize(
    "said",
    [
        {"accepted": 2, "rejected": 0, "items": []},
        {"accepted": 2, "rejected": 1, "items": [item("z", 422)]},
        {"accepted": 2, "rejected": 1, "items": [problem(422, "some")]},
        {"rejected": 0, "items": []},
        {"accepted": 3, "items": [item("a", 422)]},
    ],
)
@pytest.mark.parametrize("status", [202, 207])
def test_what_does_not_add_up_lets_nothing_go(status: int, said: dict[str, Any]) -> None:
    answer = read(status, said)
    assert (answer.then, answer.sent, dict(answer.refused)) == (Next.ALONE, (), {})


@pytest.mark.parametrize(
    ("status", "said", "then"),
    [
        (401, problem(401, "unknown_key"), Next.STOP),
        (403, problem(403, "scope"), Next.STOP),
        (413, problem(413, "too_large"), Next.SMALLER),
        (415, problem(415, "encoding"), Next.PLAIN),
        (400, problem(400, "no_json"), Next.ALONE),
        (422, problem(422, "unfit"), Next.ALONE),
        (408, problem(408, "slow"), Next.LATER),
        (429, problem(429, "rate_limited"), Next.LATER),
        (500, problem(500, "bug"), Next.LATER),
        (503, problem(503, "kafka_away"), Next.LATER),
        (404, problem(404, "no_such_path"), Next.LATER),
        (503, problem(503, "kafka_away", items=[item(each, 503) for each in IDS]), Next.LATER),
    ],
)
def test_nothing_taken(status: int, said: dict[str, Any], then: Next) -> None:
    answer = read(status, said)
    assert (answer.then, answer.sent, dict(answer.refused)) == (then, (), {})
    assert answer.why.startswith(f"{status} {said['type'].rpartition(':')[2]}")


@pytest.mark.parametrize("status", [400, 413, 422])
def test_one_alone_that_is_not_taken_is_refused(status: int) -> None:
    answer = read(status, problem(status, "some"), ("a",))
    assert (answer.then, answer.sent, list(answer.refused)) == (Next.GO_ON, (), [0])


def test_another_merchants_events_are_refused_and_the_key_is_not() -> None:
    answer = read(403, problem(403, "other_merchant", items=[item(each, 403) for each in IDS]))
    assert (answer.then, list(answer.refused)) == (Next.GO_ON, [0, 1, 2])


def test_refused_and_to_be_sent_again_in_a_503() -> None:
    answer = read(503, problem(503, "kafka_away", items=[item("a", 422), item("b", 503), item("c", 503)]))
    assert (answer.then, answer.sent, list(answer.refused)) == (Next.LATER, (), [0])


@pytest.mark.parametrize(("text", "seconds"), [("5", 5.0), ("0", 0.0), ("-3", 0.0), ("soon", None), (None, None)])
def test_retry_after(text: str | None, seconds: float | None) -> None:
    headers = {} if text is None else {"retry_after": text}
    assert read(429, problem(429, "rate_limited"), **headers).retry_after_s == seconds


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(IDS),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["accepted", "items", "status", "event_id", "type", "x"]), inner, max_size=5)
    ),
    max_leaves=8,
)


@given(
    status=st.integers(100, 599),
    body=st.one_of(st.binary(max_size=40), json_values.map(lambda v: json.dumps(v).encode())),
)
def test_whatever_comes_back_only_202_and_207_let_an_event_go(status: int, body: bytes) -> None:
    answer = read_answer(status, {}, body, IDS)
    assert not set(answer.sent) & set(answer.refused)
    if answer.sent:
        assert status in (202, 207)
        assert json.loads(body)["accepted"] == len(answer.sent)


@given(st.binary(max_size=3000))
def test_packing_never_makes_a_body_larger(body: bytes) -> None:
    content, encoding = packed(body, 1024)
    assert len(content) <= len(body)
    assert encoding is not None or content == body
