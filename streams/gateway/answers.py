"""What is answered to a request with events: 202, 207, or one problem, from the word on each event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from schemas.topics import Topic
from streams.gateway.acks import Acked, Word
from streams.gateway.ingest import Checked, Ready
from streams.gateway.problems import CONTENT_TYPE, Problem

JSON = "application/json"
#: What every answer has in common, a stream's too.
COMMON_HEADERS = {"server": "tradewind", "cache-control": "no-store", "x-content-type-options": "nosniff"}
#: What is wrong with which field is told of so many fields in one answer, and of so many of one event.
_FIELDS_IN_ALL, _FIELDS_OF_ONE = 2_000, 50


@dataclass(frozen=True, slots=True)
class Answer:
    """A status with its body."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def problem_answer(problem: Problem) -> Answer:
    """A problem as an answer."""
    headers = problem.headers()
    if (accepted := problem.more.get("accept")) is not None:
        headers["accept"] = ", ".join(accepted)
    if (encodings := problem.more.get("accept_encoding")) is not None:
        headers["accept-encoding"] = ", ".join(encodings)
    return Answer(problem.status, CONTENT_TYPE, orjson.dumps(problem.body()), tuple(headers.items()))


def ingest_answer(
    topic: Topic, checked: Sequence[Checked], words: Sequence[Word], *, alone: bool, minimal: bool
) -> Answer:
    """The answer to a request.

    Args:
        checked: its events, in order.
        words: Kafka's on each of those that were ready, in order.
        alone: whether the body was one event and not a list.
        minimal: whether only what was not accepted is to be listed.
    """
    said = iter(words)
    items: list[dict[str, Any]] = []
    refused: list[Problem] = []
    fields_left = _FIELDS_IN_ALL
    for place, event in enumerate(checked):
        word = next(said) if isinstance(event, Ready) else event.problem
        if isinstance(word, Acked):
            if not minimal:
                items.append(
                    {
                        "status": 202,
                        "event_id": event.event_id,
                        "topic": topic.name,
                        "partition": word.partition,
                        "offset": word.offset,
                    }
                )
            continue
        shown = replace(word, fields=word.fields[: min(_FIELDS_OF_ONE, fields_left)]) if word.fields else word
        fields_left -= len(shown.fields)
        refused.append(shown)
        named = {} if event.event_id is None else {"event_id": event.event_id}
        items.append({"index": place} | named | shown.body())
    accepted = len(checked) - len(refused)
    counts = {"accepted": accepted, "rejected": len(refused)}
    preference = (("preference-applied", "return=minimal"),) if minimal else ()
    if accepted:
        status = 207 if refused else 202
        headers = (*preference, *_soonest(refused).items()) if refused else preference
        return Answer(status, JSON, orjson.dumps(counts | {"items": items}), headers)
    whole = _whole(refused, alone=alone)
    answer = problem_answer(replace(whole, more={**whole.more, **counts, "items": items}))
    return replace(answer, headers=(*answer.headers, *preference))


def _soonest(refused: Sequence[Problem]) -> dict[str, str]:
    """When to send again what may be sent again; the longest of the times, so that one try is enough."""
    return Problem(503, "", "", retry_after_s=_longest(refused)).headers()


def _longest(refused: Sequence[Problem]) -> float | None:
    return max((problem.retry_after_s for problem in refused if problem.retry_after_s is not None), default=None)


def _whole(refused: Sequence[Problem], *, alone: bool) -> Problem:
    """The problem of a request of which no event was taken."""
    if alone:
        return refused[0]
    statuses = {problem.status for problem in refused}
    if len({problem.code for problem in refused}) == 1 and not refused[0].fields:
        return refused[0]
    status = 503 if 503 in statuses else statuses.pop() if len(statuses) == 1 else 422
    return Problem(
        status,
        "no_event_taken",
        f"none of the {len(refused)} events was taken; items says why of each",
        retry_after_s=_longest(refused),
    )
