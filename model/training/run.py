"""One training run from files to an adapter in a folder: what `tradewind model train` does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from model.adapters import WEIGHTS
from model.checkpoint import Checkpoint, load_model
from model.evaluation.data_error import DataError
from model.evaluation.sets import AnswerRow, read_answers
from model.lora import LoraPolicy, adapter_tensors, add_lora, begin_at, read_adapter, save_adapter
from model.provenance import CheckpointError
from model.train import Point, Trainer, TrainPolicy
from model.training import answers, card
from model.training.examples import Encoded, Example, encode
from model.training.recipe import collect
from model.transformer import Transformer

LONGEST = 512  # tokens of an example; longer ones are left out
HELD = 120  # examples that are evaluated during training
STATE = "state.pt"


@dataclass(frozen=True, slots=True)
class RunPolicy:
    """What is trained, and on what.

    Attributes:
        method: lora trains adapters on a frozen bf16 model; full trains every matrix of the blocks, in fp32.
        start: an adapter to go on from, of any rank or of a full fine-tune; it is cut to the rank (lora only).
        fold: (k, n) leaves the k-th of n parts of the questions out, of sets that have no split of their own.
        compile: let torch compile the blocks: half as fast again, needs a C++ compiler and a minute.
    """

    name: str
    method: Literal["lora", "full"] = "lora"
    lora: LoraPolicy = field(default_factory=LoraPolicy)
    train: TrainPolicy = field(default_factory=TrainPolicy)
    start: Path | None = None
    fold: tuple[int, int] | None = None
    limit: int | None = None
    device: str = "cpu"
    compile: bool = False


class TrainingRun:
    """Prepared on construction, which takes seconds; `go` trains and writes the folder.

    Raises DataError, CheckpointError or ValueError for what can't be trained so.
    """

    def __init__(
        self, checkpoint: Checkpoint, files: Mapping[Path, float], held: Path | None, out: Path, policy: RunPolicy
    ) -> None:
        self._checkpoint, self._policy, self._out = checkpoint, policy, out
        rows = read_answers(held) if held else []
        examples, self.sources = collect(
            _checked(files),
            policy.train.seed,
            held_questions={row.question for row in rows},
            fold=policy.fold,
            limit=policy.limit,
        )
        self.encoded = _encoded(examples, checkpoint)
        if not self.encoded:
            raise DataError(f"every example has more than {LONGEST} tokens; give shorter ones")
        self._model = self._load()
        self._parameters = {n: p for n, p in self._model.named_parameters() if p.requires_grad}
        if policy.compile:
            torch._dynamo.config.cache_size_limit = 64  # a shape each for every length of a batch
            for block in self._model.blocks:
                block.compile(dynamic=False)
        out.mkdir(parents=True, exist_ok=True)
        self.trainer = Trainer(
            self._model, self._parameters, self.encoded, _held(rows, checkpoint, policy), policy.train, out / STATE
        )

    def go(self, on_point: Callable[[Point], None], stop_at: int | None = None) -> dict[str, Any]:
        """Train to the end, or to step `stop_at`; write weights, cards and curve, and return the card."""
        started = time.monotonic()
        history = self.trainer.run(on_point, stop_at)
        path = self._out / WEIGHTS
        tensors = self._tensors()
        base = self._checkpoint
        sha256 = save_adapter(tensors, path, base.sha256, {"name": self._policy.name})
        last_held = [point for point in history if point.held_loss is not None][-1:]
        found: dict[str, Any] = {
            "name": self._policy.name,
            "sha256": sha256,
            "bytes": path.stat().st_size,
            "parameters": sum(tensor.numel() for tensor in tensors.values()),
            "base": {"name": base.name, "sha256": base.sha256, "license": base.license},
            "method": self._method(),
            "training": asdict(self._policy.train),
            "trained_on": [asdict(source) for source in self.sources],
            "fold": self._policy.fold,
            "start": read_adapter(self._policy.start).sha256 if self._policy.start else None,
            "steps": len(history),
            "tokens": sum(len(item.tokens) for item in self.encoded),
            "seconds": round(time.monotonic() - started),
            "device": self._policy.device,
            "loss": round(sum(point.loss for point in history[-50:]) / len(history[-50:]), 4),
            "held_loss": last_held[0].held_loss if last_held else None,
            "held_first": last_held[0].held_first if last_held else None,
        }
        card.write(self._out, found, history)
        return found

    def _load(self) -> Transformer:
        policy = self._policy
        if policy.method == "full":
            if policy.start is not None:
                raise ValueError(
                    "a full fine-tune can't go on from an adapter; leave --start out, or use --method lora"
                )
            model = load_model(self._checkpoint, torch.float32).to(policy.device)
            for module in model.blocks.modules():
                if isinstance(module, nn.Linear):
                    module.weight.requires_grad_(True)
            return model.train()
        model = load_model(self._checkpoint, torch.bfloat16).to(policy.device)
        add_lora(model, policy.lora, policy.train.seed)
        if policy.start is not None:
            _go_on_from(model, policy.start, self._checkpoint.sha256)
        return model.train()

    def _tensors(self) -> Mapping[str, Tensor]:
        if self._policy.method == "lora":
            return {name.replace("_orig_mod.", ""): t for name, t in adapter_tensors(self._model).items()}
        before = load_model(self._checkpoint, torch.float32).state_dict()
        trained = {name.replace("_orig_mod.", ""): p.detach().cpu() for name, p in self._parameters.items()}
        return {name: tensor - before[name] for name, tensor in trained.items()}

    def _method(self) -> dict[str, Any]:
        return {"kind": "LoRA", **asdict(self._policy.lora)} if self._policy.method == "lora" else {"kind": "full"}


def _checked(files: Mapping[Path, float]) -> Mapping[Path, float]:
    """Raises DataError for a share that is none."""
    for path, share in files.items():
        if not 0 < share <= 1:
            raise DataError(f"{path}: share {share} is not above 0 and up to 1; write it as FILE:0.5")
    return files


def _encoded(examples: Sequence[Example], checkpoint: Checkpoint) -> list[Encoded]:
    return [item for example in examples if (item := encode(example, checkpoint, LONGEST)) is not None]


def _held(rows: Sequence[AnswerRow], checkpoint: Checkpoint, policy: RunPolicy) -> list[Encoded]:
    if not rows:
        return []
    return _encoded(answers.written(rows, policy.train.seed, "held")[:HELD], checkpoint)


def _go_on_from(model: Transformer, start: Path, base_sha256: str) -> None:
    adapter = read_adapter(start)
    if adapter.base_sha256 != base_sha256:
        raise CheckpointError(f"{start}: is of another checkpoint; leave --start out")
    begin_at(model, adapter)
