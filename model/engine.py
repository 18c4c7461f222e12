"""Serves generation requests on this machine, many at a time, from one thread of its own.

Continuous batching (Yu et al. 2022, "Orca", OSDI): a request joins and leaves between two steps of the model, not
with a batch. The active requests always fill the cache slots 0, 1, 2, ... without a gap, so that a step works on one
slice of the cache; when one leaves, the last takes over its slot. What a task's prompts share, its instructions, is
computed once and copied into the slot of each.

All tensor work, the loading included, is done in the engine's thread. A second thread that computes would get an
OpenMP pool of its own, and with more pool threads than cores GNU OpenMP puts them to sleep between any two products:
that halved the speed when it was measured.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog
import torch
from torch import Tensor

from model.jobs import Job, WaitingLine
from model.loading import LoadedModel, NumberFormat, load, resident_mb, use_threads
from model.protocol import (
    ChatPrompt,
    Completion,
    EngineClosed,
    EngineError,
    EngineInfo,
    GenerationFailed,
    GenerationRequest,
    PromptTooLong,
)
from model.sampling import Choice, choose, sampler_for
from model.transformer import KVCache

_SHORTEST_PREFIX = 16  # tokens; below it copying costs as much as computing

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How much the engine may hold, and in which form it computes."""

    number_format: NumberFormat = "auto"  # auto: see model.loading.choose_format
    device: str = "cpu"
    threads: int | None = (
        None  # for matrix products; None: one less than there are cores, see model.loading.use_threads
    )
    slots: int = 32  # requests that are generated at the same time
    answer_slots: int = 4  # of those, kept free of descriptions, so that an answer never waits for one to end
    queue_size: int = 256  # requests that may wait for a slot
    positions: int = 1024  # tokens that a slot holds, prompt and completion; no more than the model's context
    prefixes: int = 8  # shared instructions that are kept


class LocalEngine:
    """Implements `model.protocol.Engine` with a Transformer in this process."""

    def __init__(
        self,
        load_model: Callable[[], LoadedModel],
        settings: EngineSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Load, generate once to warm up, and serve. Blocks for seconds: call it outside of an event loop.

        Raises what `load_model` raises. `clock` gives seconds.
        """
        self._settings = settings or EngineSettings()
        self._clock = clock
        self._waiting = WaitingLine(self._settings.queue_size)
        self._active: list[Job] = []  # by slot; changed by the engine's thread alone
        self._prefixes: OrderedDict[str, tuple[list[int], Tensor, Tensor]] = OrderedDict()  # by system prompt
        ready: Future[EngineInfo] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(load_model, ready), name="tradewind-engine", daemon=True
        )
        self._thread.start()
        self._info = ready.result()
        log.info("engine.ready", **asdict(self._info))

    @classmethod
    def open(cls, path: Path, settings: EngineSettings | None = None, sha256: str | None = None) -> LocalEngine:
        """An engine for the checkpoint at `path`; `sha256`, if given, must be the file's. Raises CheckpointError."""
        chosen = settings or EngineSettings()
        return cls(lambda: load(path, chosen.number_format, chosen.device, sha256), chosen)

    @property
    def info(self) -> EngineInfo:
        return self._info

    def load(self) -> tuple[int, int]:
        """How many requests wait and how many are under way, for metrics."""
        return len(self._waiting), len(self._active)

    def submit(self, request: GenerationRequest) -> Future[Completion]:
        job = Job(request, submitted=self._clock())
        self._waiting.put(job)
        return job.future

    def close(self) -> None:
        self._waiting.close("the engine was closed before the request was done")
        if threading.current_thread() is not self._thread:
            self._thread.join()

    # ---- everything below runs in the engine's thread

    def _run(self, load_model: Callable[[], LoadedModel], ready: Future[EngineInfo]) -> None:
        try:
            with torch.inference_mode():
                info = self._start(load_model)
        except BaseException as error:  # raised again in the thread that waits for it
            ready.set_exception(error)
            return
        ready.set_result(info)
        reason = "the engine was closed before the request was done"
        try:
            with torch.inference_mode():
                while self._active or self._waiting.wait():
                    if self._waiting.is_closed:
                        break
                    self._step()
        except Exception as error:  # a bug of ours: tell it to all who wait rather than let them wait for ever
            reason = f"the engine stopped: {type(error).__name__}: {error}"
            log.exception("engine.stopped")
        finally:
            self._waiting.close(reason)
            for job in [*self._active, *self._waiting.drain()]:
                if not job.future.done():
                    job.fail(EngineClosed(reason))

    def _start(self, load_model: Callable[[], LoadedModel]) -> EngineInfo:
        use_threads(self._settings.threads)
        started, memory = time.monotonic(), resident_mb()
        loaded = load_model()
        self._model, self._tokenizer, self._chat = loaded.model, loaded.tokenizer, loaded.chat
        self._end_tokens, self._device = loaded.end_tokens, torch.device(loaded.device)
        config = loaded.model.config
        self._positions = min(self._settings.positions, config.context_length)
        self._cache = KVCache(config, self._settings.slots, self._positions, loaded.cache_dtype, self._device)
        self._warm_up()
        return EngineInfo(
            model=loaded.name,
            checkpoint_sha256=loaded.sha256,
            parameters=loaded.parameters,
            dtype=loaded.number_format,
            device=loaded.device,
            context_length=self._positions,
            load_seconds=time.monotonic() - started,
            memory_mb=max(0.0, resident_mb() - memory),
        )

    def _warm_up(self) -> None:
        """Generate once, so that the first request doesn't pay for what the libraries prepare at first use."""
        job = Job(GenerationRequest(ChatPrompt("", "Hello"), max_new_tokens=2), submitted=self._clock())
        self._join(job)
        while self._active:
            self._decode()
        job.future.result()

    def _step(self) -> None:
        """Drop who gave up, let in who fits, then one token for everyone."""
        now = self._clock()
        for job in self._waiting.take_late(now):
            job.fail_late()
        for slot in reversed(range(len(self._active))):
            if self._active[slot].gave_up(now):
                self._active[slot].fail_late()
                self._release(slot)
        while (next_job := self._next()) is not None:
            self._join(next_job)
        if self._active:
            self._decode()

    def _next(self) -> Job | None:
        slots, answer_slots = self._settings.slots, self._settings.answer_slots
        if len(self._active) >= slots:
            return None
        descriptions = sum(not job.is_answer for job in self._active)
        return self._waiting.take(answers_only=descriptions >= max(1, slots - answer_slots))

    def _join(self, job: Job) -> None:
        """Compute the prompt in the next free slot and choose the first token. What fails, fails this job alone."""
        job.joined = self._clock()
        slot = len(self._active)
        try:
            ids = self._encode(job.request)
            job.prompt_tokens, job.sampler = len(ids), sampler_for(job.request)
            choices = choose(self._prefill(ids, job.request.prompt.system, slot), [job.sampler])
        except EngineError as error:
            job.fail(error)
            return
        except Exception as error:  # whatever it is goes to the one who asked
            self._cache.clear(slot)
            job.fail(GenerationFailed(f"the prompt could not be computed: {type(error).__name__}: {error}"))
            return
        job.prefilled = self._clock()
        self._active.append(job)
        self._accept(choices, first_slot=slot)

    def _encode(self, request: GenerationRequest) -> list[int]:
        ids = self._chat.encode(request.prompt)
        if len(ids) + request.max_new_tokens > self._positions:
            raise PromptTooLong(
                f"the prompt has {len(ids)} tokens and asks for up to {request.max_new_tokens} more, "
                f"but a sequence holds {self._positions}: shorten the prompt or ask for fewer"
            )
        return ids

    def _prefill(self, ids: list[int], system: str, slot: int) -> Tensor:
        """Logits [1, vocab_size] after the prompt `ids`, whose keys and values are then in `slot`."""
        done = 0
        known = self._prefixes.get(system)
        if known is not None:
            self._prefixes.move_to_end(system)
            prefix, keys, values = known
            done = _common_prefix(prefix, ids[:-1])  # the last token is computed in any case: its logits are wanted
            self._cache.write(slot, keys, values, done)
        tokens = torch.tensor([ids[done:]], device=self._device)  # [1, T]
        lengths = torch.tensor([done], device=self._device)  # [1]
        hidden = self._model(tokens, self._cache, lengths, slot)  # [1, T, C]
        logits = self._model.logits(hidden[:, -1])  # [1, vocab_size]
        if known is None and bool(logits.isfinite().all()):
            self._remember_prefix(ids, system, slot)
        return logits

    def _remember_prefix(self, ids: list[int], system: str, slot: int) -> None:
        """Keep what every prompt with this system text begins with."""
        shared = _common_prefix(self._chat.encode(ChatPrompt(system, "")), ids)
        if shared < _SHORTEST_PREFIX or self._settings.prefixes < 1:
            return
        self._prefixes[system] = (ids[:shared], *self._cache.read(slot, shared))
        if len(self._prefixes) > self._settings.prefixes:
            self._prefixes.popitem(last=False)

    def _decode(self) -> None:
        """One more token for every active job."""
        try:
            newest = torch.tensor([[job.tokens[-1]] for job in self._active], device=self._device)  # [B, 1]
            lengths = torch.tensor([job.cached for job in self._active], device=self._device)  # [B]
            hidden = self._model(newest, self._cache, lengths)  # [B, 1, C]
            choices = choose(self._model.logits(hidden[:, 0]), [job.sampler for job in self._active])
        except Exception as error:  # such as memory that ran out: nobody in particular is to blame
            for slot in reversed(range(len(self._active))):
                self._active[slot].fail(GenerationFailed(f"a step failed: {type(error).__name__}: {error}"))
                self._release(slot, unsound=True)
            return
        self._accept(choices)

    def _accept(self, choices: Sequence[Choice | None], first_slot: int = 0) -> None:
        """Give each active job from `first_slot` its token, and let go those that are done, from the last slot down."""
        for slot in reversed(range(first_slot, first_slot + len(choices))):
            job, choice = self._active[slot], choices[slot - first_slot]
            if choice is None:
                job.fail(GenerationFailed("the model's output is not finite for this request"))
                self._release(slot, unsound=True)
            elif (end := job.accept(choice, self._end_tokens, self._tokenizer.decode)) is not None:
                job.finish(*end, now=self._clock())
                self._release(slot)

    def _release(self, slot: int, unsound: bool = False) -> None:
        """Free a slot and let the last job take its place; `unsound` when what it holds may not be finite."""
        if unsound:
            self._cache.clear(slot)
        last = self._active.pop()
        if slot < len(self._active):
            self._cache.move(len(self._active), slot, last.cached)
            self._active[slot] = last


def _common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """How many leading items are the same."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(first), len(second)))
