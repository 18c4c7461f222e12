"""From a checkpoint to a model that is ready to run on this machine: number format, device, threads, memory in use."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F

from model.adapters import engine_name, shipped
from model.chat import ChatTemplate
from model.checkpoint import Checkpoint, load_model
from model.gguf_file import open_gguf
from model.int8 import Int8Transformer
from model.int8_weights import Int8Weights
from model.lora import merge, read_adapter
from model.protocol import ChatPrompt
from model.provenance import CheckpointError, check_sha256
from model.safetensors_folder import open_folder
from model.tokenizer import TextTokenizer
from model.transformer import Transformer

NumberFormat = Literal["auto", "fp32", "bf16", "int8"]

# int8 is that of the matrix products; what lies between them stays in fp32
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "int8": torch.float32}

# Shows the quantiser how large activations get: the kinds of text that a marketplace sees, in both languages.
_SAMPLE = ChatPrompt(
    system="You write answers and product descriptions for an online shop. Use only the facts that are given.",
    user=(
        "Title: Stainless steel water bottle, 750 ml, matte black (2-pack)\n"
        "Brand: Northfell; material: 18/8 steel, BPA-free lid; weight: 320 g; price: $24.99; size: 26 x 7.3 cm\n"
        "Review: I've used it daily for 6 months - no leaks, but the paint chips. It's dishwasher safe, isn't it?\n"
        "Question: Does it fit a car's cup holder, and is it OK for kids aged 3+?\n"
        "Answer: Yes, it should fit: the base is 7.3 cm wide. The listing doesn't say for which ages it is made.\n"
        "标题：男士防水夹克，蓝色，尺码 M-XXL，重量 450 克。问题：可以机洗吗？回答：可以，请用冷水轻柔模式。"
    ),
)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """All that the engine needs of a checkpoint."""

    model: Transformer | Int8Transformer
    tokenizer: TextTokenizer
    chat: ChatTemplate
    end_tokens: frozenset[int]  # each of them ends a completion
    name: str
    sha256: str
    parameters: int
    number_format: str
    device: str
    adapter: str = ""  # name and the beginning of the SHA-256 of what was merged in


def open_checkpoint(path: Path, sha256: str | None = None) -> Checkpoint:
    """Open a GGUF file or a safetensors folder, reading only what describes it. `sha256`, if given, must be its own.

    Raises CheckpointError for what is missing, damaged, of another format or of an unsupported architecture.
    """
    if path.is_dir():
        checkpoint = open_folder(path)
        if sha256 is not None and checkpoint.sha256 != sha256:
            raise CheckpointError(f"{path}: SHA-256 is {checkpoint.sha256}, expected {sha256}; get the files again")
        return checkpoint
    if not path.is_file():
        raise CheckpointError(f"{path}: missing; set the model path to a GGUF file or a safetensors folder")
    if sha256 is not None:
        check_sha256(path, sha256)
    return open_gguf(path)


def load(
    path: Path,
    number_format: NumberFormat = "auto",
    device: str = "cpu",
    sha256: str | None = None,
    adapter: Path | Literal["shipped"] | None = None,
) -> LoadedModel:
    """Open the checkpoint and put its model on `device` in the number format. Takes seconds.

    An adapter is merged into the weights before they are rounded; 'shipped' means the one that comes with the product,
    where there is one for this checkpoint. Raises CheckpointError, also when the adapter is of another checkpoint.
    """
    checkpoint = open_checkpoint(path, sha256)
    chosen = choose_format(number_format, device)
    if adapter == "shipped":
        adapter = shipped(checkpoint.sha256)
    model = load_model(checkpoint, torch.float32 if adapter else _DTYPES[chosen])
    merged = ""
    if adapter is not None:
        change = read_adapter(adapter)
        if change.base_sha256 != checkpoint.sha256:
            raise CheckpointError(
                f"{adapter}: was trained on the checkpoint with SHA-256 {change.base_sha256[:12]}, this one has "
                f"{checkpoint.sha256[:12]}; set TRADEWIND_MODEL_ADAPTER to none, or to one of this checkpoint"
            )
        merge(model, change)
        model = model.to(_DTYPES[chosen])
        merged = engine_name(change.name, change.sha256)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if chosen == "int8":
        ready: Transformer | Int8Transformer = Int8Transformer(model, torch.tensor(checkpoint.chat.encode(_SAMPLE)))
        del model
        give_memory_back()
    else:
        ready = model.to(device)
    return LoadedModel(
        ready, checkpoint.tokenizer, checkpoint.chat, checkpoint.end_tokens,
        checkpoint.name, checkpoint.sha256, parameters, chosen, device, merged,
    )  # fmt: skip


def give_memory_back() -> None:
    """Return what was freed to the system; glibc would keep the fp32 weights' half a gigabyte for later."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def choose_format(setting: NumberFormat, device: str) -> Literal["fp32", "bf16", "int8"]:
    """The format to use: the one set, else the fastest of those that change the output little.

    That is bf16 on an accelerator; on a CPU int8 where it is exact and fast, else bf16 where it is faster than fp32.
    """
    if setting != "auto":
        return setting
    if torch.device(device).type != "cpu":
        return "bf16"
    if int8_pays():
        return "int8"
    return "bf16" if bf16_pays() else "fp32"


def bf16_pays() -> bool:
    """Whether this processor computes bf16 products faster than fp32 ones, rather than emulating them."""
    weight, x = torch.ones(1536, 576), torch.ones(32, 576)
    narrow, short = weight.bfloat16(), x.bfloat16()
    return _best_seconds(lambda: F.linear(short, narrow)) < _best_seconds(lambda: F.linear(x, weight))


def int8_pays() -> bool:
    """Whether int8 products are exact on this processor, and faster than fp32.

    Asked of the processor itself rather than of a list of names: without 8-bit dot-product instructions oneDNN's sums
    saturate at 16 bits, or come from a reference loop that is a hundred times slower than fp32.
    """
    weight, x = torch.ones(576, 576), torch.ones(32, 576)
    largest = np.full((32, 576), 127, np.int8)  # with such weights, the largest sums that there can be
    try:
        product = Int8Weights(weight)
        exact = all(np.allclose(product(sign * largest), sign * 127.0 * 576) for sign in (1, -1))
    except RuntimeError:  # a torch without oneDNN, or without its 8-bit part
        return False
    return exact and _best_seconds(lambda: product(largest)) < _best_seconds(lambda: F.linear(x, weight))


def _best_seconds(call: Callable[[], object], patience_s: float = 0.05) -> float:
    """The shortest of as many calls as fit into `patience_s`, so that a busy machine disturbs it little."""
    best, begun = float("inf"), time.perf_counter()
    while (started := time.perf_counter()) - begun < patience_s:
        call()
        best = min(best, time.perf_counter() - started)
    return best


def use_threads(count: int | None) -> None:
    """Let the calling thread's products use `count` threads; None: one less than the cores this process may run on.

    The threads meet hundreds of times a step, spinning meanwhile, and each meeting waits for whoever the system has
    taken off its core. On two cores with one busy neighbour, two threads were 25 times slower than undisturbed, one
    thread 2 times; undisturbed, two are 1.4 times as fast as one. So a core is left to the neighbours.
    """
    if count is None:
        affinity = getattr(os, "sched_getaffinity", None)  # Linux only
        count = max(1, (len(affinity(0)) if affinity else os.cpu_count() or 1) - 1)
    torch.set_num_threads(count)


def resident_mb() -> float:
    """Resident memory of this process in 2**20 bytes: now, or where the system doesn't tell, at its highest."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize() / 2**20
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS, KiB elsewhere
    return highest / (2**20 if sys.platform == "darwin" else 2**10)
