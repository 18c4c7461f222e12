"""The chat-completions API that OpenAI has published and vLLM and many hosts speak: bodies out, chunks and errors in.

Pure functions and values; `model.remote` does the talking. What a server says may quote the prompt, so of an error only
its status and its code, a single word, are ever told. https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Set
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from model.protocol import (
    EngineError,
    EngineRefused,
    EngineUnavailable,
    FinishReason,
    GenerationFailed,
    GenerationRequest,
    PromptTooLong,
)

#: What some servers refuse and a text can be had without, with the word that a refusal has for it.
OPTIONAL = {"logprobs": b"logprob", "stream_options": b"stream_options", "seed": b"seed"}

_MOST_STOPS = 4  # as many as the API takes; the others are cut off here
_FINISH: dict[str, FinishReason] = {"stop": "stop", "length": "length", "eos": "stop", "eos_token": "stop"}
_PLAIN = re.compile(r"[A-Za-z][\w.-]{0,63}")
_CONTEXT = re.compile(
    rb"context[ _](?:length|size|window)|maximum context|prompt is too long|too many tokens|max_new_tokens",
    re.IGNORECASE,
)


class FieldsRefused(GenerationFailed):
    """The request may have been refused because of these optional fields, and not because of its prompt."""

    def __init__(self, message: str, fields: frozenset[str]) -> None:
        super().__init__(message)
        self.fields = fields


def chat_body(request: GenerationRequest, model: str, left_out: Set[str] = frozenset()) -> dict[str, Any]:
    """The request as JSON for POST /chat/completions, without the optional fields in `left_out`."""
    prompt = request.prompt
    messages = [{"role": "system", "content": prompt.system}] if prompt.system else []
    body: dict[str, Any] = {
        "model": model,
        "messages": [*messages, {"role": "user", "content": prompt.user}],
        "max_tokens": request.max_new_tokens,
        "temperature": request.temperature,
        "stream": True,
        "stream_options": {"include_usage": True},
        "logprobs": True,
    }
    if request.temperature > 0:
        body["top_p"] = request.top_p
        if request.seed is not None:
            body["seed"] = request.seed
    if request.stop:
        body["stop"] = list(request.stop[:_MOST_STOPS])
    return {name: value for name, value in body.items() if name not in left_out}


@dataclass(slots=True)
class Reply:
    """A completion while its chunks come in. Ends the text before the first of the `stop` strings, however cut."""

    stop: tuple[str, ...] = ()
    text: str = ""  # what has been given out
    logprobs: list[float] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    _held: str = ""  # may be the beginning of a stop string
    _stopped: bool = False

    def add(self, chunk: dict[str, Any]) -> str:
        """Take in a chunk; the text that is certain by it, perhaps none.

        Raises:
            EngineError: the chunk is an error, or not what the API says.
        """
        if (error := chunk.get("error")) is not None:
            code = error.get("code") if isinstance(error, dict) else None
            status = code if isinstance(code, int) and code >= 400 else 500
            raise error_of(status, json.dumps(chunk).encode())
        try:
            self._count(chunk.get("usage") or {})
            choice = (chunk.get("choices") or [{}])[0]
            piece = (choice.get("delta") or {}).get("content") or ""
            piece.encode()  # half of a surrogate pair would pass as text until somebody stores it
            if not self._stopped:
                self.logprobs += [
                    float(each["logprob"]) for each in (choice.get("logprobs") or {}).get("content") or []
                ]
            given = self._cut(piece)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            raise GenerationFailed("the model server sent a chunk that is not as the API says") from None
        if reason := choice.get("finish_reason"):
            if reason not in _FINISH:
                word = reason if isinstance(reason, str) and _PLAIN.fullmatch(reason) else "something unknown"
                raise GenerationFailed(f"the model server ended the text by {word}, expected stop or length")
            self.finish_reason = "stop" if self._stopped else _FINISH[reason]
            given += self._release(self._held)
        return given

    @property
    def mean_logprob(self) -> float:
        """Of the text's tokens; 0.0 for no text, -inf when the server gave no log-probabilities."""
        if self.logprobs:
            return sum(self.logprobs) / len(self.logprobs)
        return -math.inf if self.text else 0.0

    def _count(self, usage: dict[str, Any]) -> None:
        if usage:
            self.prompt_tokens = int(usage["prompt_tokens"])
            self.completion_tokens = int(usage.get("completion_tokens") or 0)

    def _cut(self, piece: str) -> str:
        """What is certain not to belong to a stop string."""
        if self._stopped:
            return ""
        self._held += piece
        ends = [end for end in map(self._held.find, self.stop) if end >= 0]
        if ends:
            self._stopped, self._held = True, self._held[: min(ends)]
            return self._release(self._held)
        return self._release(self._held[: len(self._held) - _overlap(self._held, self.stop)])

    def _release(self, certain: str) -> str:
        self.text, self._held = self.text + certain, self._held[len(certain) :]
        return certain


def _overlap(text: str, stops: tuple[str, ...]) -> int:
    """Length of the longest end of a text that a stop string begins with."""
    longest = min(len(text), max(map(len, stops), default=1) - 1)
    sizes = range(longest, 0, -1)
    return next((size for size in sizes if any(stop.startswith(text[-size:]) for stop in stops)), 0)


def event(line: bytes) -> bytes | None:
    """The data of a line of server-sent events; None for comments, blank lines and other fields."""
    return line[5:].strip() if line.startswith(b"data:") else None


def json_object(data: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        GenerationFailed: it is none; without its text.
    """
    try:
        found = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise GenerationFailed(f"the model server sent {len(data)} bytes that are no JSON object")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")  # and NaN would pass through every comparison


def error_of(
    status: int, body: bytes, *, retry_after_s: float | None = None, sent: Set[str] = frozenset()
) -> EngineError:
    """What an HTTP error means. `sent` are the optional fields that the request had."""
    code = _code(body)
    told = f"HTTP {status}{' ' + code if code else ''}"
    if status in (408, 425, 429) or status >= 500:
        return EngineUnavailable(f"the model server can't serve now: {told}", retry_after_s)
    if status == 401:
        return EngineRefused(f"the model server refuses our key: {told}; set TRADEWIND_MODEL_API_KEY")
    if status == 404 or code == "model_not_found":
        return EngineRefused(
            f"the model server has no such model, or no chat completions: {told}; "
            "check TRADEWIND_MODEL and TRADEWIND_MODEL_URL"
        )
    if status == 403:  # hosts say so of a single prompt too
        return GenerationFailed(
            f"the model server refuses this: {told}; if it refuses all, see TRADEWIND_MODEL_API_KEY"
        )
    if status < 400:
        return EngineRefused(f"the model server sends us elsewhere: {told}; set TRADEWIND_MODEL_URL to where it is")
    if status in (400, 413, 422) and _CONTEXT.search(body):
        return PromptTooLong(f"prompt and answer do not fit the server's context: {told}; shorten or ask for fewer")
    if status in (400, 422) and sent:
        named = {name for name in sent if OPTIONAL[name] in body}
        return FieldsRefused(f"the model server refuses the request: {told}", frozenset(named or sent))
    return GenerationFailed(f"the model server refuses the request: {told}")


def _code(body: bytes) -> str:
    """The error's code, or else its type, if that is one word; empty where the body has none."""
    try:
        found = json.loads(body)
    except ValueError:
        return ""
    inner = found.get("error", found) if isinstance(found, dict) else None
    words = (inner.get("code"), inner.get("type")) if isinstance(inner, dict) else ()
    return next((word for word in words if isinstance(word, str) and _PLAIN.fullmatch(word)), "")


def retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds until the time of a Retry-After header (RFC 9110, 10.2.3); None without one that can be read."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - now).total_seconds()
        except (TypeError, ValueError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def context_length(listing: bytes, model: str) -> int:
    """The context of a model in the answer to GET /models; 0 where the server does not tell, as only vLLM does.

    Raises:
        EngineRefused: the server does not have the model.
        GenerationFailed: this is no list of models.
    """
    entries = json_object(listing).get("data")
    if not isinstance(entries, list):
        raise GenerationFailed("the model server's list of models is not as the API says")
    models = {entry["id"]: entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)}
    if model not in models:
        some = ", ".join(sorted(models)[:5]) + (", ..." if len(models) > 5 else "")
        raise EngineRefused(
            f"no model {model!r} there, but {some or 'none at all'}; set TRADEWIND_MODEL to one of them"
        )
    length = models[model].get("max_model_len")
    return length if isinstance(length, int) else 0
