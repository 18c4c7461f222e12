"""An engine that says what a test wrote down: a real implementation of the Protocol, without a model."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future

from model.protocol import Completion, EngineError, EngineInfo, GenerationRequest, OnText

INFO = EngineInfo(
    model="scripted",
    checkpoint_sha256="0" * 64,
    parameters=1,
    dtype="fp32",
    device="cpu",
    context_length=1024,
    load_seconds=0.0,
    memory_mb=0.0,
)


def completion(text: str, finish_reason: str = "stop", mean_logprob: float = -0.1) -> Completion:
    """A completion of `text`: 10 prompt tokens, one token a word, 1 ms queued, 2 ms prefill, 3 ms decode."""
    words = len(text.split())
    return Completion(
        tokens=(),
        text=text,
        finish_reason="length" if finish_reason == "length" else "stop",
        prompt_tokens=10,
        completion_tokens=words,
        mean_logprob=mean_logprob,
        token_logprobs=(mean_logprob,) * words,
        queued_ms=1.0,
        prefill_ms=2.0,
        decode_ms=3.0,
    )


class ScriptedEngine:
    """Gives the prepared replies in order and keeps the requests; a reply may be a text, a completion or an error."""

    def __init__(self, *replies: str | Completion | EngineError) -> None:
        self._replies: Iterable[str | Completion | EngineError] = iter(replies)
        self.requests: list[GenerationRequest] = []
        self.closed = False

    @property
    def info(self) -> EngineInfo:
        return INFO

    def submit(self, request: GenerationRequest, on_text: OnText | None = None) -> Future[Completion]:
        self.requests.append(request)
        future: Future[Completion] = Future()
        reply = next(iter(self._replies), None)
        if reply is None:
            raise AssertionError(
                f"request {len(self.requests)} came, but only {len(self.requests) - 1} replies stand ready"
            )
        if isinstance(reply, EngineError):
            future.set_exception(reply)
        else:
            done = completion(reply) if isinstance(reply, str) else reply
            if on_text is not None and done.text:
                on_text(done.text)
            future.set_result(done)
        return future

    def close(self) -> None:
        self.closed = True
