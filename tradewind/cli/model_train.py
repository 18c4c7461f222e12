"""`tradewind model train`: an adapter from public sets, or from a merchant's own reviewed answers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import typer

from tradewind.cli.guard import one_line_errors
from tradewind.cli.shared import Exit, err, fail, load_settings, out

if TYPE_CHECKING:
    from model.train import Point
    from model.training.run import TrainingRun

_METHODS = ("lora", "full")
_EVERY = 50  # steps between two lines where there is no bar to look at


def train(
    data: list[str] = typer.Option(
        ..., "--data", help="FILE, or FILE:SHARE for a share of it; may be repeated. Its header says which set it is."
    ),
    out_dir: Path = typer.Option(
        ..., "--out", help="Folder for weights, cards and curve; a stopped run goes on there."
    ),
    held: Optional[Path] = typer.Option(
        None, "--held", help="Answers to evaluate on meanwhile; what is asked there is left out of the data."
    ),
    name: Optional[str] = typer.Option(None, "--name", help="The adapter's name; else the folder's."),
    method: str = typer.Option("lora", "--method", help="lora: a small adapter; full: every matrix of the blocks."),
    rank: int = typer.Option(32, "--rank", min=1, help="Rank of a LoRA adapter."),
    alpha: Optional[float] = typer.Option(None, "--alpha", help="Its strength; else twice its rank."),
    start: Optional[Path] = typer.Option(None, "--start", help="Adapter file to go on from."),
    epochs: int = typer.Option(2, "--epochs", min=1, help="Passes over the data."),
    learning_rate: float = typer.Option(1e-3, "--learning-rate", help="The highest; try 1e-4 for --method full."),
    batch_tokens: int = typer.Option(2048, "--batch-tokens", min=64, help="Tokens of a batch, padding included."),
    accumulate: int = typer.Option(1, "--accumulate", min=1, help="Batches a step."),
    first_weight: float = typer.Option(3.0, "--first-weight", min=0.0, help="What a text's first token counts."),
    seed: int = typer.Option(1, "--seed", help="Of everything that is drawn at random."),
    leave_out: Optional[str] = typer.Option(
        None, "--leave-out", help="K/N: without the K-th of N parts of the questions of sets without a split (ePQA)."
    ),
    limit: Optional[int] = typer.Option(None, "--limit", min=1, help="At most so many examples of a file."),
    evaluate_every: int = typer.Option(60, "--evaluate-every", min=0, help="In steps; 0 never."),
    save_every: int = typer.Option(200, "--save-every", min=0, help="In steps; 0 only at the end."),
    stop_at: Optional[int] = typer.Option(None, "--stop-at", min=1, help="Stop after so many steps of the run."),
    threads: int = typer.Option(0, "--threads", min=0, help="Threads; 0 takes all cores."),
    compile_: bool = typer.Option(False, "--compile", help="Compile the blocks first: faster, needs a C++ compiler."),
) -> None:
    """Train an adapter for the configured checkpoint, on this machine's processor or on TRADEWIND_MODEL_DEVICE.

    Try it: tradewind model train --data reviewed.jsonl --out my-adapter, then TRADEWIND_MODEL_ADAPTER=
    my-adapter/adapter.safetensors
    """
    if method not in _METHODS:
        fail(f"--method {method}: expected one of {', '.join(_METHODS)}", Exit.USAGE)
    settings = load_settings()
    with one_line_errors():
        import torch

        from model.loading import open_checkpoint
        from model.lora import LoraPolicy
        from model.train import TrainPolicy
        from model.training.run import RunPolicy, TrainingRun
        from tradewind.assembly import checkpoint_path

        if threads:
            torch.set_num_threads(threads)
        try:
            policy = RunPolicy(
                name or out_dir.resolve().name,
                method,  # type: ignore[arg-type]  # checked above
                LoraPolicy(rank, 2.0 * rank if alpha is None else alpha),
                TrainPolicy(
                    epochs=epochs, batch_tokens=batch_tokens, accumulate=accumulate, learning_rate=learning_rate,
                    first_weight=first_weight, seed=seed, evaluate_every=evaluate_every, save_every=save_every,
                ),
                start, _fold(leave_out), limit, settings.model_device, compile_,
            )  # fmt: skip
            checkpoint = open_checkpoint(checkpoint_path(settings))
            run = TrainingRun(checkpoint, dict(map(_file, data)), held, out_dir, policy)
        except ValueError as error:
            fail(str(error), Exit.USAGE)
        for source in run.sources:
            err.print(f"{source.examples:>6,} examples of {source.file}", markup=False)
        card = _with_progress(run, stop_at)
    out.print(
        f"{out_dir}: loss {card['loss']:.3f} after {card['steps']:,} steps in {card['seconds']:,} s; "
        f"weights {card['bytes'] / 1e6:.1f} MB",
        markup=False,
        soft_wrap=True,
    )


def _with_progress(run: TrainingRun, stop_at: Optional[int]) -> dict[str, Any]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=err) as bar:
        task = bar.add_task("the first steps take longest", total=run.trainer.steps)
        held = ""

        def show(point: Point) -> None:
            nonlocal held
            if point.held_loss is not None and point.held_first is not None:
                held = f", held {point.held_loss:.3f}, first token {point.held_first:.0%}"
            told = f"loss {point.loss:.3f}{held}, {point.tokens_per_s:,.0f} tokens/s"
            bar.update(task, completed=point.step, description=told)
            if not err.is_terminal and (point.held_loss is not None or point.step % _EVERY == 0):
                err.print(f"step {point.step} of {point.steps}: {told}", markup=False, soft_wrap=True)

        return run.go(show, stop_at)


def _file(text: str) -> tuple[Path, float]:
    """'FILE:0.5' as the file and its share."""
    found = re.fullmatch(r"(.+):(\d*\.?\d+)", text)
    return (Path(found[1]), float(found[2])) if found else (Path(text), 1.0)


def _fold(text: Optional[str]) -> Optional[tuple[int, int]]:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]) or int(found[2]) < 2:
        raise ValueError(f"--leave-out {text}: expected K/N such as 1/2, with K from 1 to N")
    return int(found[1]), int(found[2])
