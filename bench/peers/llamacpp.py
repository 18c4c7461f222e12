"""llama.cpp by way of llama-cpp-python's low-level interface: all prompts first, then one token a step for everyone.

The file's own quantisation, flash attention where llama.cpp chooses it, and its own sizes of batches. The high-level
class of llama-cpp-python serves one sequence at a time, so it is not used.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterable, Sequence
from itertools import islice

import llama_cpp  # type: ignore[import-not-found,unused-ignore]
import numpy as np

from bench.peers.worker import Job, Loaded, Prompt, Timing, serve

Entry = tuple[int, int, int, bool]  # token, its position, its sequence, whether logits are wanted after it


class Sequences:
    """A llama.cpp context with many sequences."""

    def __init__(self, job: Job) -> None:
        # kept alive with this object: llama.cpp calls it for as long as it runs
        self._quiet = llama_cpp.llama_log_callback(lambda level, text, data: None)
        llama_cpp.llama_log_set(self._quiet, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        weights = llama_cpp.llama_model_default_params()
        weights.use_extra_bufts = job.options.get("repack", True)
        self._model = llama_cpp.llama_model_load_from_file(job.checkpoint.encode(), weights)
        if not self._model:
            raise RuntimeError(f"{job.checkpoint}: llama.cpp does not load it")
        sequences = max(*job.sizes, len(job.warm_up))
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = sequences * -(-job.positions // 256) * 256
        params.n_seq_max = sequences
        params.n_threads = params.n_threads_batch = job.threads
        params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_AUTO
        self._context = llama_cpp.llama_init_from_model(self._model, params)
        if not self._context:
            raise RuntimeError(f"llama.cpp makes no context of {params.n_ctx} positions")
        self.batch_size = llama_cpp.llama_n_batch(self._context)
        self._batch = llama_cpp.llama_batch_init(self.batch_size, 0, 1)
        self._vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self._model))

    def clear(self) -> None:
        """Forget all sequences."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._context), False)

    def step(self, entries: Sequence[Entry]) -> dict[int, int]:
        """Compute one batch; the most probable next token of each sequence whose logits are wanted."""
        batch = self._batch
        batch.n_tokens = len(entries)
        for place, (token, position, sequence, wanted) in enumerate(entries):
            batch.token[place] = token
            batch.pos[place] = position
            batch.n_seq_id[place] = 1
            batch.seq_id[place][0] = sequence
            batch.logits[place] = wanted
        status = llama_cpp.llama_decode(self._context, batch)
        if status != 0:
            raise RuntimeError(f"llama_decode gave {status} for {len(entries)} tokens")
        return {
            sequence: self._most_probable(place) for place, (_, _, sequence, wanted) in enumerate(entries) if wanted
        }

    def _most_probable(self, place: int) -> int:
        logits = llama_cpp.llama_get_logits_ith(self._context, place)
        return int(np.ctypeslib.as_array(logits, shape=(self._vocabulary,)).argmax())


def load_llamacpp(job: Job) -> Loaded:
    """Options: `repack`, whether weights may be laid out anew for the processor (AMX among others); by default, yes."""
    sequences = Sequences(job)
    about = {
        "version": f"llama-cpp-python {llama_cpp.__version__}",
        "number_format": "the file's" if job.options.get("repack", True) else "the file's, not repacked",
        "system": " ".join(llama_cpp.llama_print_system_info().decode().split()),
    }
    return Loaded(lambda prompts, new_tokens: run(sequences, prompts, new_tokens), about)


def run(sequences: Sequences, prompts: Sequence[Prompt], new_tokens: int) -> Timing:
    """Prompts in batches as large as llama.cpp takes them, then a step a token."""
    sequences.clear()
    started = time.perf_counter()
    tokens: list[list[int]] = [[] for _ in prompts]
    first_tokens = [0.0] * len(prompts)
    entries = (
        (token, position, sequence, position == len(prompt.ids) - 1)
        for sequence, prompt in enumerate(prompts)
        for position, token in enumerate(prompt.ids)
    )
    while chunk := list(islice(entries, sequences.batch_size)):
        for sequence, token in sequences.step(chunk).items():
            tokens[sequence].append(token)
            first_tokens[sequence] = time.perf_counter() - started
    for count in range(1, new_tokens):
        newest: Iterable[Entry] = (
            (tokens[sequence][-1], len(prompt.ids) + count - 1, sequence, True)
            for sequence, prompt in enumerate(prompts)
        )
        for sequence, token in sequences.step(list(newest)).items():
            tokens[sequence].append(token)
    return Timing(time.perf_counter() - started, first_tokens, tokens=tokens)


if __name__ == "__main__":
    serve(load_llamacpp)
