"""The application without a server and without Kafka: what is answered to what, by status, headers and body."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import jsonschema
import orjson
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from schemas.codec import Codec
from schemas.registry import CommittedRegistry
from streams.gateway.acks import NOT_ACKNOWLEDGED, TOO_LARGE, TOO_MANY, Acked, Outgoing, Word
from streams.gateway.app import App, Limits
from streams.gateway.examples import EVENTS, PARTLY, PROBLEMS, TAKEN
from streams.gateway.keys import ApiKey, Scope
from streams.gateway.openapi import document
from streams.gateway.problems import Problem

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
KEY = ApiKey("k", "m-1", frozenset(Scope), "", 1000.0, NOW)
ORDER = EVENTS["orders"]
LIMITS = Limits(events=5, body_bytes=10_000, body_s=5.0)


@dataclass
class MemoryKeys:
    """One key, `good`, with so many events left."""

    left: int = 1_000_000

    def admit(self, presented: str | None, scope: Scope) -> ApiKey | Problem:
        return KEY if presented == "Bearer good" else Problem(401, "unknown_key", "there is no such API key")

    def spend(self, key: ApiKey, events: int) -> Problem | None:
        self.left -= events
        return None if self.left >= 0 else Problem(429, "rate_limited", "too many", retry_after_s=1.5)

    def still_good(self, key_id: str) -> bool:
        return True


@dataclass
class Memory:
    """Takes events as Kafka would; `say` gives its word on the nth."""

    say: Callable[[int], Word] = lambda place: Acked(place % 8, place)
    took: list[Outgoing] = field(default_factory=list)

    async def send(self, events: list[Outgoing]) -> list[Word]:
        self.took += events
        return [self.say(place) for place in range(len(events))]


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Gateway:
    """The application, asked."""

    def __init__(self, acks: Any = None, keys: Any = None, stream: Any = None) -> None:
        self.acks = acks or Memory()
        self.why: str | None = None
        self.app = App(
            keys or MemoryKeys(),
            self.acks,
            Codec(CommittedRegistry()),
            LIMITS,
            live=lambda: {"loop": None},
            ready=lambda: {"kafka": self.why},
            now=lambda: NOW,
            stream=stream,
        )

    def ask(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] = {}) -> Answer:
        sent: list[dict[str, Any]] = []
        pieces = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            return pieces.pop()

        async def send(message: Any) -> None:
            sent.append(message)

        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": method, "path": path, "headers": raw, "query_string": b""}
        asyncio.run(self.app(scope, receive, send))
        start, last = sent
        return Answer(start["status"], {k.decode(): v.decode() for k, v in start["headers"]}, last["body"])

    def post(self, value: Any, path: str = "/v1/orders", **headers: str) -> Answer:
        given = {"authorization": "Bearer good", "content-type": "application/json"}
        more = {name.replace("_", "-"): text for name, text in headers.items()}
        body = value if isinstance(value, bytes) else orjson.dumps(value)
        answer = self.ask("POST", path, body, {**given, **more})
        fits(path, answer)
        return answer


def counted(outcome: str) -> float:
    """Orders that ended so, in this process."""
    labels = {"topic": "orders.v1", "outcome": outcome}
    return REGISTRY.get_sample_value("tradewind_gateway_events_total", labels) or 0.0


def fits(path: str, answer: Answer) -> None:
    """Hold an answer against the document."""
    found = document(LIMITS.events, LIMITS.body_bytes)
    told = found["paths"][path]["post"]["responses"][str(answer.status)]["content"]
    (media_type,) = told
    assert answer.headers["content-type"] == media_type
    validator = jsonschema.Draft202012Validator(told[media_type]["schema"] | {"components": found["components"]})
    validator.validate(answer.json)


def test_what_kafka_has_is_202_with_its_place() -> None:
    answer = Gateway().post([ORDER, ORDER])
    assert answer.status == 202
    assert answer.json["accepted"] == 2
    assert [item["offset"] for item in answer.json["items"]] == [0, 1]
    assert answer.json["items"][0]["event_id"] == ORDER["event_id"]
    assert set(answer.headers["server-timing"].replace(" ", "").split(",")[0].split(";")) >= {"read"}


def test_some_and_not_others_is_207_in_order() -> None:
    outcomes = ("202", "422 not_an_object", "422 invalid_event", "403 other_merchant")
    before = [counted(outcome) for outcome in outcomes]
    answer = Gateway().post([ORDER, 5, {**ORDER, "amount": "x"}, {**ORDER, "merchant_id": "m-2"}, ORDER])
    assert answer.status == 207
    assert [item["status"] for item in answer.json["items"]] == [202, 422, 422, 403, 202]
    assert [item.get("index") for item in answer.json["items"]] == [None, 1, 2, 3, None]
    assert [counted(outcome) - was for outcome, was in zip(outcomes, before, strict=True)] == [2, 1, 1, 1]


def test_minimal_lists_what_was_not_taken_alone() -> None:
    answer = Gateway().post([ORDER, 5, ORDER], prefer="respond-async, return=minimal")
    assert (answer.json["accepted"], [item["index"] for item in answer.json["items"]]) == (2, [1])
    assert answer.headers["preference-applied"] == "return=minimal"


@pytest.mark.parametrize(
    ("words", "status", "retry"),
    [
        ((NOT_ACKNOWLEDGED, NOT_ACKNOWLEDGED), 503, True),
        ((TOO_MANY, TOO_LARGE), 503, True),
        ((TOO_LARGE, TOO_LARGE), 413, False),
        ((TOO_LARGE, Acked(0, 1)), 207, False),
        ((NOT_ACKNOWLEDGED, Acked(0, 1)), 207, True),
    ],
)
def test_what_kafka_does_not_take_is_told(words: tuple[Word, ...], status: int, retry: bool) -> None:
    answer = Gateway(Memory(say=lambda place: words[place])).post([ORDER, ORDER])
    assert answer.status == status
    assert ("retry-after" in answer.headers) == retry
    assert len(answer.json["items"]) == 2


def test_faults_of_several_kinds_are_422_and_of_one_its_own() -> None:
    other = {**ORDER, "merchant_id": "m-2"}
    assert Gateway().post([5, other]).status == 422
    assert Gateway().post([other, other]).status == 403
    alone = Gateway().post({**ORDER, "amount": "x"})
    assert (alone.status, alone.json["fields"][0]["field"]) == (422, "amount")


def test_nothing_is_read_or_sent_for_a_wrong_key() -> None:
    gateway = Gateway()
    for headers in ({}, {"authorization": "Bearer bad"}):
        answer = gateway.ask("POST", "/v1/orders", b"{", {"content-type": "application/json", **headers})
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    assert gateway.acks.took == []


def test_the_rate_is_spent_by_event_before_anything_is_sent() -> None:
    gateway = Gateway(keys=MemoryKeys(left=3))
    assert gateway.post([ORDER] * 3).status == 202
    answer = gateway.post([ORDER])
    assert (answer.status, answer.headers["retry-after"]) == (429, "2")
    assert len(gateway.acks.took) == 3


def test_what_is_taken_is_said_with_a_415() -> None:
    assert "application/json" in Gateway().post(ORDER, content_type="text/plain").headers["accept"]
    assert "zstd" in Gateway().post(ORDER, content_encoding="br").headers["accept-encoding"]


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/v1/orders", 405, "POST, OPTIONS"),
        ("PUT", "/v1/orders", 405, "POST, OPTIONS"),
        ("OPTIONS", "/v1/orders", 204, "POST, OPTIONS"),
        ("POST", "/readyz", 405, "GET, HEAD, OPTIONS"),
        ("TRACE", "/docs", 405, "GET, HEAD, OPTIONS"),
        ("GET", "/", 404, None),
        ("GET", "/v1/", 404, None),
        ("POST", "/v1/orders/", 404, None),
        ("POST", "/v1/insights", 404, None),
        ("GET", "/v1/stream", 503, None),
        ("POST", "/v1/stream", 405, "GET, OPTIONS"),
        ("OPTIONS", "/v1/stream", 204, "GET, OPTIONS"),
    ],
)
def test_paths_and_methods(method: str, path: str, status: int, allow: str | None) -> None:
    answer = Gateway().ask(method, path)
    assert (answer.status, answer.headers.get("allow")) == (status, allow)


def test_head_has_the_length_and_no_body() -> None:
    for path in ("/docs", "/openapi.json", "/healthz"):
        got, headed = (Gateway().ask(method, path) for method in ("GET", "HEAD"))
        assert headed.body == b""
        assert headed.headers["content-length"] == str(len(got.body))


def test_readiness_says_why_not() -> None:
    gateway = Gateway()
    assert gateway.ask("GET", "/readyz").status == 200
    gateway.why = "Kafka does not answer"
    answer = gateway.ask("GET", "/readyz")
    assert (answer.status, answer.json["checks"]["kafka"]["why"]) == (503, "Kafka does not answer")
    assert gateway.ask("GET", "/healthz").status == 200


@pytest.mark.parametrize(("given", "back"), [("scanner-7.1", True), ("a b", False), ("x" * 129, False), ("", False)])
def test_a_request_id_comes_back_where_it_is_sane(given: str, back: bool) -> None:
    assert ("x-request-id" in Gateway().post(ORDER, x_request_id=given).headers) == back


def test_a_fault_of_ours_is_500_without_a_word_of_the_event() -> None:
    class Broken(Memory):
        async def send(self, events: list[Outgoing]) -> list[Word]:
            raise RuntimeError("call 555-0100")

    with capture_logs() as logs:
        answer = Gateway(Broken()).post(EVENTS["questions"], "/v1/questions")
    assert answer.status == 500
    assert "555" not in f"{answer.body!r}{logs}"
    assert logs[0]["error"] == "RuntimeError"


def test_an_answer_to_hopeless_events_stays_small() -> None:
    rows = [{f"field{number}": 1 for number in range(80)}] * 5
    assert len(Gateway().post(rows).body) < 200_000


def test_the_page_has_nothing_from_outside_and_no_script() -> None:
    answer = Gateway().ask("GET", "/docs")
    page = answer.body.decode()
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "<script" not in page
    assert "src=" not in page
    assert all(f"<code>{path}</code>" in page for path in document(5, 10_000)["paths"])


def test_the_document_s_examples_are_true() -> None:
    gateway = Gateway()
    for name, event in EVENTS.items():
        assert gateway.post(event, f"/v1/{name}").status == 202
    found = document(LIMITS.events, LIMITS.body_bytes)
    jsonschema.Draft202012Validator.check_schema(found["components"]["schemas"]["OrderEvent"])
    for schema, examples in (
        ("Taken", [TAKEN, PARTLY]),
        ("Problem", [each for some in PROBLEMS.values() for each in some]),
    ):
        for each in examples:
            jsonschema.validate(each, {"$ref": f"#/components/schemas/{schema}", "components": found["components"]})
