"""Serves generation requests on this machine, many at a time, from one thread of its own.

Continuous batching (Yu et al. 2022, "Orca", OSDI): a request joins and leaves between two steps of the model, not
with a batch. The active requests always fill the cache slots 0, 1, 2, ... without a gap, so that a step works on one
slice of the cache; when one leaves, the last takes over its slot. What a task's prompts share, its instructions, is
computed once. What a text repeats of its own prompt is guessed, and checked together with the next token.

All tensor work, the loading included, is done in the engine's thread. A second thread that computes would get an
OpenMP pool of its own, and with more pool threads than cores GNU OpenMP puts them to sleep between any two products:
that halved the speed when it was measured.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import structlog
import torch
from torch import Tensor

from model.jobs import Job, WaitingLine
from model.loading import LoadedModel, NumberFormat, give_memory_back, load, resident_mb, use_threads
from model.protocol import (
    ChatPrompt,
    Completion,
    EngineClosed,
    EngineError,
    EngineInfo,
    EngineOutOfMemory,
    GenerationFailed,
    GenerationRequest,
    OnText,
    PromptTooLong,
)
from model.sampling import Choice, choose, logprobs_of, sampler_for

_SHORTEST_PREFIX = 16  # tokens; below it keeping costs as much as computing

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How much the engine may hold, and in which form it computes."""

    number_format: NumberFormat = "auto"  # auto: see model.loading.choose_format
    adapter: Path | Literal["shipped"] | None = None  # merged into the checkpoint; shipped: see model.adapters
    device: str = "cpu"
    threads: int | None = (
        None  # for matrix products; None: one less than there are cores, see model.loading.use_threads
    )
    slots: int = 32  # requests that are generated at the same time
    answer_slots: int = 4  # of those, kept free of descriptions, so that an answer never waits for one to end
    queue_size: int = 256  # requests that may wait for a slot
    positions: int = 1024  # tokens that a slot holds, prompt and completion; no more than the model's context
    prefixes: int = 8  # shared instructions that are kept
    prefill_tokens: int = 2048  # of prompts that are read between two steps of those under way; at least one prompt is
    guesses: int = 4  # tokens ahead that are guessed from the prompt, per request and step; 0: none
    step_tokens: int = 8  # up to which a step may grow by guesses; in a larger one each costs more than it gains


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
        self._step_began: float | None = None
        self._memory_failed: tuple[float, float] | None = None  # first and last of a row
        self._prefixes: OrderedDict[str, tuple[int, list[int]]] = OrderedDict()  # number, tokens; by system prompt
        ready: Future[EngineInfo] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(load_model, ready), name="tradewind-engine", daemon=True
        )
        self._thread.start()
        self._info = ready.result()
        atexit.register(self.close)  # a thread that computes while the interpreter goes down would take it down hard
        log.info("engine.ready", **asdict(self._info))

    @classmethod
    def open(cls, path: Path, settings: EngineSettings | None = None, sha256: str | None = None) -> LocalEngine:
        """An engine for the checkpoint at `path`; `sha256`, if given, must be the file's. Raises CheckpointError."""
        chosen = settings or EngineSettings()
        return cls(lambda: load(path, chosen.number_format, chosen.device, sha256, chosen.adapter), chosen)

    @property
    def info(self) -> EngineInfo:
        return self._info

    def load(self) -> tuple[int, int]:
        """How many requests wait and how many are under way, for metrics."""
        return len(self._waiting), len(self._active)

    def stalled_s(self) -> float:
        """As `model.protocol.Watched`."""
        began = self._step_began
        return 0.0 if began is None else self._clock() - began

    def short_of_memory_s(self) -> float:
        """As `model.protocol.Watched`."""
        row = self._memory_failed
        return 0.0 if row is None else row[1] - row[0]

    def submit(self, request: GenerationRequest, on_text: OnText | None = None) -> Future[Completion]:
        job = Job(request, self._clock(), on_text)
        self._waiting.put(job)
        return job.future

    def close(self) -> None:
        atexit.unregister(self.close)
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
                    self._step_began = self._clock()
                    self._step()
                    self._step_began = None
        except Exception as error:  # a bug of ours: tell it to all who wait rather than let them wait for ever
            reason = f"the engine stopped: {type(error).__name__}: {error}"
            log.exception("engine.stopped")
        finally:
            self._step_began = None
            self._waiting.close(reason)
            for job in [*self._active, *self._waiting.drain()]:
                if not job.future.done():
                    job.fail(EngineClosed(reason))

    def _start(self, load_model: Callable[[], LoadedModel]) -> EngineInfo:
        use_threads(self._settings.threads)
        give_memory_back()  # or what loading gives back of it would be taken off what the model took
        started, memory = time.monotonic(), resident_mb()
        loaded = load_model()
        self._model: Any = loaded.model  # either kind, each with its own kind of cache
        self._tokenizer, self._chat = loaded.tokenizer, loaded.chat
        self._end_tokens, self._device = loaded.end_tokens, torch.device(loaded.device)
        config = loaded.model.config
        self._positions = min(self._settings.positions, config.context_length)
        self._cache = loaded.model.new_cache(self._settings.slots, self._positions, self._settings.prefixes)
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
            adapter=loaded.adapter,
        )

    def _warm_up(self) -> None:
        """Generate once, so that the first request doesn't pay for what the libraries prepare at first use."""
        job = Job(GenerationRequest(ChatPrompt("", "Hello"), max_new_tokens=2), submitted=self._clock())
        job.prompt = self._encode(job.request)
        self._join([job])
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
        if newcomers := self._newcomers():
            self._join(newcomers)
        if self._active:
            self._decode()

    def _newcomers(self) -> list[Job]:
        """Those whose turn it is, as many as have a slot and can be read in one go."""
        taken: list[Job] = []
        tokens = 0
        while tokens < self._settings.prefill_tokens and (job := self._next(taken)) is not None:
            job.joined = self._clock()
            try:
                job.prompt, job.sampler = self._encode(job.request), sampler_for(job.request)
            except Exception as error:  # what a text or a template can cause must not cost the others
                job.fail(
                    error if isinstance(error, EngineError) else self._failed("the prompt could not be encoded", error)
                )
                continue
            tokens += len(job.prompt)
            taken.append(job)
        return taken

    def _next(self, taken: list[Job]) -> Job | None:
        slots, answer_slots = self._settings.slots, self._settings.answer_slots
        if len(self._active) + len(taken) >= slots:
            return None
        descriptions = sum(not job.is_answer for job in (*self._active, *taken))
        return self._waiting.take(answers_only=descriptions >= max(1, slots - answer_slots))

    def _encode(self, request: GenerationRequest) -> list[int]:
        ids = self._chat.encode(request.prompt)
        if len(ids) + request.max_new_tokens > self._positions:
            raise PromptTooLong(
                f"the prompt has {len(ids)} tokens and asks for up to {request.max_new_tokens} more, "
                f"but a sequence holds {self._positions}: shorten the prompt or ask for fewer"
            )
        return ids

    def _join(self, jobs: list[Job]) -> None:
        """Read the prompts into the next free slots and choose their first tokens. What fails, fails one job alone."""
        first = len(self._active)
        try:
            logits = self._prefill(jobs, first)
            choices = choose(logits, [job.sampler for job in jobs])
            for row, job in enumerate(jobs):
                if job.request.openings and choices[row] is not None:
                    choices[row] = self._open(job, logits[row]) or choices[row]
        except Exception as error:  # whatever it is goes to the one who asked
            for slot in range(first, first + len(jobs)):
                self._cache.clear(slot)
            if len(jobs) > 1:
                for job in jobs:
                    self._join([job])
            else:
                jobs[0].fail(self._failed("the prompt could not be computed", error))
            return
        self._memory_failed = None
        for job in jobs:
            job.prefilled = self._clock()
        self._active += jobs
        self._accept([[choice] for choice in choices], first)

    def _open(self, job: Job, logits: Tensor) -> Choice | None:
        """Note how likely each of the job's openings is; the one to begin with, if it must be one of them."""
        tokens = [self._tokenizer.encode(word)[0] for word in job.request.openings]
        job.opening_logprobs = logprobs_of(logits, tokens)
        if not job.request.opening_bias:
            return None
        biased = [p + bias for p, bias in zip(job.opening_logprobs, job.request.opening_bias, strict=True)]
        best = biased.index(max(biased))
        return Choice(tokens[best], job.opening_logprobs[best])

    def _prefill(self, jobs: list[Job], first_slot: int) -> Tensor:
        """Logits [B, vocab_size] after the prompts, whose keys and values are then in the slots from `first_slot`."""
        done = [self._common_beginning(job, jobs, first_slot) for job in jobs]
        for slot, (job, length) in enumerate(zip(jobs, done, strict=True), first_slot):
            self._cache.begin(slot, job.prefix or 0, length)
        hidden = self._forward([job.prompt[length:] for job, length in zip(jobs, done, strict=True)], done, first_slot)
        lengths = torch.tensor([len(job.prompt) for job in jobs]) - torch.tensor(done)
        logits: Tensor = self._model.logits(hidden[torch.arange(len(jobs)), lengths - 1])  # [B, C] -> [B, vocab_size]
        return logits

    def _forward(self, new: Sequence[Sequence[int]], lengths: Sequence[int], first_slot: int = 0) -> Tensor:
        """Hidden states [B, T, C]. Slot first_slot + b, with lengths[b] positions, goes on with the tokens new[b]."""
        counts = torch.tensor([len(ids) for ids in new])
        width = int(counts.max())
        tokens = torch.tensor([[*ids, *[0] * (width - len(ids))] for ids in new])  # [B, T]
        tokens, held, counts = (part.to(self._device) for part in (tokens, torch.tensor(lengths), counts))
        hidden: Tensor = self._model(tokens, self._cache, held, first_slot, counts)
        return hidden

    def _common_beginning(self, job: Job, group: list[Job], free_slot: int) -> int:
        """How many of the job's first tokens are kept from earlier prompts with the same system text.

        The first time, they are computed here, in a slot that nobody uses yet.
        """
        system = job.request.prompt.system
        known = self._prefixes.get(system) or self._keep_prefix(job, group, free_slot)
        if known is None:
            return 0
        self._prefixes.move_to_end(system)
        job.prefix, ids = known
        return _common_prefix(ids, job.prompt[:-1])  # the last token's logits are wanted in any case

    def _keep_prefix(self, job: Job, group: list[Job], free_slot: int) -> tuple[int, list[int]] | None:
        """Compute and keep what every prompt with the job's system text begins with; None if that is not worth it."""
        system = job.request.prompt.system
        ids = self._chat.encode(ChatPrompt(system, ""))
        ids = ids[: _common_prefix(ids, job.prompt)]
        in_use = {other.prefix for other in (*self._active, *group)}
        # the one asked for longest ago gives way, unless somebody's text begins with it
        old = next((text for text, (number, _) in self._prefixes.items() if number not in in_use), None)
        full = len(self._prefixes) >= self._settings.prefixes
        if len(ids) < _SHORTEST_PREFIX or (full and old is None):
            return None
        self._cache.begin(free_slot, 0, 0)
        if not bool(self._forward([ids], [0], free_slot).isfinite().all()):
            self._cache.clear(free_slot)
            return None
        number = self._prefixes.pop(old)[0] if full and old is not None else len(self._prefixes)
        self._cache.remember(number, free_slot, len(ids))
        self._prefixes[system] = (number, ids)
        return self._prefixes[system]

    def _decode(self) -> None:
        """The next token for every active job, and those behind it that were guessed rightly."""
        guesses = self._guesses()
        try:
            new = [[job.tokens[-1], *guess] for job, guess in zip(self._active, guesses, strict=True)]
            hidden = self._forward(new, [job.cached for job in self._active])  # [B, T, C]
            rows = torch.cat([hidden[slot, : len(ids)] for slot, ids in enumerate(new)])  # [N, C]
            samplers = [job.sampler for job, ids in zip(self._active, new, strict=True) for _ in ids]
            choices = iter(choose(self._model.logits(rows), samplers))
        except Exception as error:  # such as memory that ran out: nobody in particular is to blame
            for slot in reversed(range(len(self._active))):
                self._active[slot].fail(self._failed("a step failed", error))
                self._release(slot, unsound=True)
            return
        self._memory_failed = None
        self._accept([[next(choices) for _ in ids] for ids in new], guesses=guesses)

    def _guesses(self) -> list[list[int]]:
        """What each active job may say next, as far as the step has room for it."""
        room = self._settings.step_tokens - len(self._active)
        guesses = []
        for job in self._active:
            most = min(self._settings.guesses, room)
            guess = job.guess(most) if most > 0 else []
            room -= len(guess)
            guesses.append(guess)
        return guesses

    def _accept(
        self,
        choices: Sequence[Sequence[Choice | None]],
        first_slot: int = 0,
        guesses: Sequence[Sequence[int]] | None = None,
    ) -> None:
        """Give the active jobs from `first_slot` their tokens; let go those that are done, from the last slot down.

        choices[b][0] follows what job b had; choices[b][i + 1] what it had and its first i + 1 guesses, so it counts if
        these have all been chosen.
        """
        for slot in reversed(range(first_slot, first_slot + len(choices))):
            job, guess = self._active[slot], guesses[slot - first_slot] if guesses else ()
            for place, choice in enumerate(choices[slot - first_slot]):
                if choice is None:
                    job.fail(GenerationFailed("the model's output is not finite for this request"))
                    self._release(slot, unsound=True)
                    break
                if (end := job.accept(choice, self._end_tokens, self._tokenizer.decode)) is not None:
                    job.finish(*end, now=self._clock())
                    self._release(slot)
                    break
                if place < len(guess) and guess[place] != choice.token:
                    break

    def _failed(self, what: str, error: Exception) -> EngineError:
        """Without the error's own words: they may quote the text."""
        if not _is_want_of_memory(error):
            return GenerationFailed(f"{what}: {type(error).__name__}")
        now = self._clock()
        self._memory_failed = (self._memory_failed[0] if self._memory_failed else now, now)
        log.warning("engine.out_of_memory", active=len(self._active), waiting=len(self._waiting))
        return EngineOutOfMemory(
            f"{what}: no memory left; lower TRADEWIND_MODEL_SLOTS or TRADEWIND_MODEL_POSITIONS, or give it more"
        )

    def _release(self, slot: int, unsound: bool = False) -> None:
        """Free a slot and let the last job take its place; `unsound` when what it holds may not be finite."""
        if unsound:
            self._cache.clear(slot)
        last = self._active.pop()
        if slot < len(self._active):
            self._cache.move(len(self._active), slot, last.cached)
            self._active[slot] = last


def _is_want_of_memory(error: Exception) -> bool:
    """PyTorch's allocator for the CPU raises a plain RuntimeError."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)


def _common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """How many leading items are the same."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(first), len(second)))
