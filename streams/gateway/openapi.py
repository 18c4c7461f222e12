"""The gateway's OpenAPI 3.1 document, made from the Avro schemas and from the problems that it answers with."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import orjson

from schemas.limits import MAX_VALUE_BYTES
from schemas.topics import Topic
from streams.gateway.bodies import ENCODINGS
from streams.gateway.event_schemas import event_schema
from streams.gateway.examples import EVENTS, PARTLY, PROBLEMS, TAKEN, UNREADY, WELL
from streams.gateway.ingest import MEDIA_TYPES, TOPICS

Part = dict[str, Any]

_JSON, _PROBLEM = "application/json", "application/problem+json"

#: By status, what it means to whoever sends events.
STATUSES: dict[int, str] = {
    202: "Kafka has every event of the request, on all its replicas.",
    207: "Kafka has some of the events; each of the others has its own status in `items`.",
    400: "The body can't be read: no JSON, no whole Avro file, not compressed as the header says.",
    401: "No key, an unknown one, or one that was revoked or has expired.",
    403: "The key may not publish, or every event names another merchant than the key's.",
    405: "Another method than the path takes.",
    408: "The body was not whole in time.",
    413: "The body, the number of events or one event is too large.",
    415: "A Content-Type or Content-Encoding that is not taken; `Accept` and `Accept-Encoding` say which are.",
    422: "The body holds no event that can be taken; `fields` say what to mend.",
    429: "The key's events a second are used up; `Retry-After` says for how long.",
    500: "A fault of the gateway's. It is in its log.",
    503: "Kafka is away, or too much waits for it. Send the same again: the same event_id makes that safe.",
}
_FROM_BODIES = (400, 401, 403, 408, 413, 415, 422, 429, 500, 503)


@cache
def document(max_events: int, max_body_bytes: int) -> Part:
    """The document, with this gateway's limits."""
    paths: Part = {f"/v1/{name}": {"post": _post(name, topic, max_events)} for name, topic in TOPICS.items()}
    paths |= {
        "/v1/stream": {"get": _stream()},
        "/healthz": {"get": _health("Whether the process works; where not, a restart helps.")},
        "/readyz": {"get": _health("Whether events would be taken now.")},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tradewind gateway",
            "version": "1",
            "summary": "Events of a marketplace in, and what was made of them out.",
            "description": (
                f"A request takes up to {max_events:,} events and {max_body_bytes:,} bytes, as sent and again when "
                f"inflated; an event up to {MAX_VALUE_BYTES:,}. A body may be compressed, Content-Encoding one of "
                f"{', '.join(ENCODINGS)}. An event that is sent again with the same event_id counts once."
            ),
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {
                **{topic.record: event_schema(topic.record) for topic in TOPICS.values()},
                **_ANSWERS,
            },
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, `tw_ID_SECRET`. `tradewind keys create` makes it.",
                }
            },
        },
    }


def document_bytes(max_events: int, max_body_bytes: int) -> bytes:
    """The document as JSON."""
    return orjson.dumps(document(max_events, max_body_bytes))


def _post(name: str, topic: Topic, max_events: int) -> Part:
    event = {"$ref": f"#/components/schemas/{topic.record}"}
    examples = {
        "one": {"summary": "One event", "value": EVENTS[name]},
        "two": {"summary": "Two events", "value": [EVENTS[name], {**EVENTS[name], "event_id": _OTHER_ID}]},
    }
    # How many it may have at most stands in the words: more are answered with 413, and no schema can say that.
    several = {"type": "array", "items": event, "minItems": 1, "description": f"At most {max_events} events."}
    either = {"anyOf": [event, several]}
    file = {
        "type": "string",
        "format": "binary",
        "description": f"An Avro object container file of {topic.record}, codec null.",
    }
    content: Part = {MEDIA_TYPES[0]: {"schema": either, "examples": examples}}
    content |= {kind: {"schema": file} for kind in MEDIA_TYPES[1:]}
    return {
        "operationId": f"publish_{name}",
        "summary": f"Publish {name}",
        "description": (
            f"{topic.doc} Each event is checked by itself, and the answer has one item for each, in order. An Avro "
            f"file is taken as well ({', '.join(MEDIA_TYPES[1:])}): {file['description']}"
        ),
        "tags": ["events"],
        "security": [{"key": []}],
        "parameters": [_PREFER, _REQUEST_ID],
        "requestBody": {"required": True, "content": content},
        "responses": {
            "202": _answer(202, "Taken", TAKEN),
            "207": _answer(207, "Taken", PARTLY),
            **{str(status): _problem(status) for status in _FROM_BODIES},
        },
    }


def _answer(status: int, schema: str, example: Any) -> Part:
    return {
        "description": STATUSES[status],
        "headers": {
            "Server-Timing": {
                "description": "Milliseconds: read, of the body; check, until encoded; kafka, until acknowledged.",
                "schema": {"type": "string"},
            }
        },
        "content": {_JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}},
    }


def _problem(status: int) -> Part:
    found: Part = {
        "description": STATUSES[status],
        "content": {
            _PROBLEM: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {each["type"].rpartition(":")[2]: {"value": each} for each in PROBLEMS[status]},
            }
        },
    }
    if status in (408, 429, 500, 503):
        found["headers"] = {
            "Retry-After": {"description": "Seconds until it is worth trying again.", "schema": {"type": "integer"}}
        }
    if status == 401:
        found["headers"] = {"WWW-Authenticate": {"description": "Bearer.", "schema": {"type": "string"}}}
    return found


def _health(summary: str) -> Part:
    def answer(description: str, example: Any) -> Part:
        schema = {"$ref": "#/components/schemas/Health"}
        return {"description": description, "content": {_JSON: {"schema": schema, "example": example}}}

    return {
        "summary": summary,
        "tags": ["health"],
        "responses": {"200": answer("It does.", WELL), "503": answer("It does not; `why` says why.", UNREADY)},
    }


def _stream() -> Part:
    text = {"type": "string"}
    return {
        "operationId": "stream",
        "summary": "Receive what was made of your events",
        "description": (
            "Server-sent events without end: drafted answers, enriched listings and insights of the key's merchant. "
            "The `id` of each is a cursor; sent as `Last-Event-ID`, it lets the stream go on from there with nothing "
            "missing. A comment line comes every 15 seconds. With `Upgrade: websocket` the same JSON comes as text "
            "frames; a browser, which can't set headers there, offers the subprotocols `tradewind.v1` and `bearer.KEY`."
        ),
        "tags": ["stream"],
        "security": [{"key": []}],
        "parameters": [
            {
                "name": "topics",
                "in": "query",
                "description": "Some of answers-drafted, listings-enriched, insights, parted by commas; else all.",
                "schema": text,
                "example": "answers-drafted,insights",
            },
            {"name": "last_event_id", "in": "query", "description": "As the header.", "schema": text},
            {"name": "Last-Event-ID", "in": "header", "description": "Where to go on.", "schema": text},
        ],
        "responses": {
            "200": {
                "description": "The stream. Its first message is of type `hello`.",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            },
            **{str(status): _problem(status) for status in (400, 401, 403, 503)},
        },
    }


_OTHER_ID = "c0a8a3e2-5b77-4a9e-8f5a-3d1f0a2b7c11"
_PREFER = {
    "name": "Prefer",
    "in": "header",
    "description": "`return=minimal`: items lists only the events that were not taken.",
    "schema": {"type": "string"},
    "example": "return=minimal",
}
_REQUEST_ID = {
    "name": "X-Request-Id",
    "in": "header",
    "description": "Comes back with the answer where it has up to 128 letters, digits or any of . _ : -",
    "schema": {"type": "string"},
    "example": "scanner-7.000123",
}


def _object(properties: Part, required: Sequence[str], **more: Any) -> Part:
    return {"type": "object", "properties": properties, "required": list(required), **more}


_UUID = {"type": "string", "format": "uuid"}
_COUNT = {"type": "integer", "minimum": 0}
_PROBLEM_MEMBERS: Part = {
    "type": {"type": "string", "description": "`urn:tradewind:problem:` and a short name that does not change."},
    "title": {"type": "string"},
    "status": {"type": "integer", "minimum": 400, "maximum": 599},
    "detail": {"type": "string", "description": "What is wrong and the mend, in one line."},
    "fields": {
        "type": "array",
        "items": _object({name: {"type": "string"} for name in ("field", "expected", "found", "mend")},
                         ("field", "expected", "found", "mend")),
    },
}  # fmt: skip
_PROBLEM_REQUIRED = ("type", "title", "status", "detail")
_ANSWERS: Part = {
    "Taken": _object(
        {
            "accepted": {**_COUNT, "minimum": 1},
            "rejected": _COUNT,
            "items": {
                "type": "array",
                "items": {
                    "anyOf": [{"$ref": "#/components/schemas/TakenItem"}, {"$ref": "#/components/schemas/RefusedItem"}]
                },
            },
        },
        ("accepted", "rejected", "items"),
        additionalProperties=False,
    ),
    "TakenItem": _object(
        {
            "status": {"const": 202},
            "event_id": _UUID,
            "topic": {"type": "string"},
            "partition": _COUNT,
            "offset": _COUNT,
        },
        ("status", "event_id", "topic", "partition", "offset"),
        additionalProperties=False,
    ),
    "RefusedItem": _object(
        {"index": {**_COUNT, "description": "Place in the request, from 0."}, "event_id": _UUID, **_PROBLEM_MEMBERS},
        ("index", *_PROBLEM_REQUIRED),
        description="A problem of one event. One with status 503 may be sent again.",
    ),
    "Problem": _object(
        {
            **_PROBLEM_MEMBERS,
            "accepted": {"const": 0},
            "rejected": _COUNT,
            "items": {"type": "array", "items": {"$ref": "#/components/schemas/RefusedItem"}},
        },
        _PROBLEM_REQUIRED,
        description="RFC 9457.",
    ),
    "Health": _object(
        {
            "ok": {"type": "boolean"},
            "checks": {
                "type": "object",
                "additionalProperties": _object({"ok": {"type": "boolean"}, "why": {"type": "string"}}, ("ok",)),
            },
        },
        ("ok", "checks"),
    ),
}
