"""The chat-completions API as values: where a text ends, what an error means, and when to come again."""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.protocol import EngineError, EngineRefused, EngineUnavailable, GenerationFailed
from model.remote_wire import Reply, context_length, error_of, event, json_object, retry_after

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)


def piece(content: str | None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": content}, **more}]}


@given(st.lists(st.text("abc", max_size=4), max_size=12), st.lists(st.text("abc", min_size=1, max_size=4), max_size=3))
def test_a_text_ends_before_a_stop_string_however_it_comes(pieces: list[str], stops: list[str]) -> None:
    reply, whole = Reply(tuple(stops)), "".join(pieces)
    given_out = [reply.add(piece(each)) for each in pieces] + [reply.add(piece(None, finish_reason="stop"))]
    assert "".join(given_out) == reply.text
    assert not any(stop in reply.text for stop in stops)
    if any(stop in whole for stop in stops):
        assert any(whole.startswith(reply.text + stop) for stop in stops)
    else:
        assert reply.text == whole


def test_nothing_is_held_back_that_is_certain() -> None:
    reply = Reply(("\n\n",))
    assert [reply.add(piece(each)) for each in ("a", "b\n", "c\n", "\nd")] == ["a", "b", "\nc", ""]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(
                st.sampled_from(
                    ["choices", "delta", "content", "usage", "logprobs", "logprob", "error", "code", "finish_reason"]
                ),
                x,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_a_server_sends_is_read_or_is_its_error(value: Any) -> None:
    reply = Reply()
    try:
        reply.add(json_object(json.dumps(value).encode()))
    except EngineError:
        return
    assert isinstance(reply.text, str)


@given(st.binary())
def test_any_bytes_are_an_error_body(body: bytes) -> None:
    assert isinstance(error_of(400, body), EngineError)
    assert isinstance(error_of(500, body), EngineUnavailable)


def test_an_empty_text_has_no_doubt_and_an_unknown_one_no_certainty() -> None:
    assert Reply().mean_logprob == 0.0
    assert Reply(text="Yes.").mean_logprob == -math.inf
    assert Reply(text="Yes.", logprobs=[-1.0, -2.0]).mean_logprob == -1.5


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"error": {"code": "rate_limited", "type": "x"}}, "HTTP 429 rate_limited"),
        ({"error": {"code": 429, "type": "TooManyRequests"}}, "HTTP 429 TooManyRequests"),
        ({"object": "error", "type": "TooManyRequests"}, "HTTP 429 TooManyRequests"),
        ({"error": {"code": "a text that quotes the prompt"}}, "HTTP 429"),
        ({"error": "a text that quotes the prompt"}, "HTTP 429"),
        ([], "HTTP 429"),
    ],
)
def test_of_an_error_only_its_code_is_told(body: Any, told: str) -> None:
    assert str(error_of(429, json.dumps(body).encode())).endswith(f": {told}")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("inf", None),
        ("nan", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


def test_only_data_lines_are_events() -> None:
    assert [event(line) for line in (b"data: {}\n", b"data:{}\r\n", b": wait\n", b"\n", b"event: x\n")] == [
        b"{}",
        b"{}",
        None,
        None,
        None,
    ]


def test_a_list_of_models_is_read_with_care() -> None:
    listing = {"data": [{"id": "a", "max_model_len": 4096}, {"id": "b"}, {"id": 3}, "c"]}
    assert context_length(json.dumps(listing).encode(), "a") == 4096
    assert context_length(json.dumps(listing).encode(), "b") == 0
    with pytest.raises(EngineRefused, match="'c' there, but a, b"):
        context_length(json.dumps(listing).encode(), "c")
    with pytest.raises(EngineRefused, match="none at all"):
        context_length(b'{"data": []}', "a")
    for broken in (b"<html>", b"[]", b"{}", b'{"data": null}'):
        with pytest.raises(GenerationFailed):
            context_length(broken, "a")
