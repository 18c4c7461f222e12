"""`tradewind edge`: a device on the command line. Events out over HTTP whatever the link does, drafts back in."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import typer

from tradewind.cli.edge_options import (
    KEY_VARIABLE,
    URL_VARIABLE,
    address_of,
    key_of,
    own,
    queue_of,
    rows_of,
    tell,
    trust_of,
)
from tradewind.cli.files import opened, progress
from tradewind.cli.guard import one_line_errors
from tradewind.cli.shared import Exit, fail, load_settings, out, print_json

if TYPE_CHECKING:
    from schemas.topics import Topic
    from schemas.validation import Problem
    from streams.edge.message import Message
    from streams.edge.queue import Refused
    from tradewind.cli.edge_send import Outcome
    from tradewind.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Send events through the gateway as a device does, and get drafts.")

_Url = typer.Option(
    None, "--url", help=f"The gateway's address; else {URL_VARIABLE}, else the gateway that the settings describe."
)
_KeyFile = typer.Option(None, "--key-file", help=f"File with the API key; else {KEY_VARIABLE} has it.")
_Queue = typer.Option(None, "--queue", help="File that keeps events; else edge.sqlite in TRADEWIND_DATA_DIR.")
_Ca = typer.Option(None, "--ca", help="Trust the authorities of this PEM file, instead of the system's.")


@app.command()
def send(
    file: str = typer.Argument(help="File with one event a row; - reads standard input, line by line as it comes."),
    kind: str = typer.Option(..., "--kind", "--topic", help="What the events are: listings, questions or orders."),
    url: Optional[str] = _Url,
    key_file: Optional[Path] = _KeyFile,
    queue: Optional[Path] = _Queue,
    ca: Optional[Path] = _Ca,
    file_format: str = typer.Option("auto", "--format", help="jsonl, csv, or auto: by the file's name and first line."),
    timeout: Optional[float] = typer.Option(
        None, min=0, help="When all is read, wait so many seconds for the last acknowledgements; else until they come."
    ),
    max_problems: int = typer.Option(50, min=0, help="Print so many problems at most; 0 prints all."),
    as_json: bool = typer.Option(False, "--json", help="The outcome as one JSON object."),
) -> None:
    """Send rows to the gateway: each is kept on disk until it is acknowledged, whatever link and gateway do.

    When it was killed, the same command goes on where it was. An absent event_id is made from the row, as publish
    does, so what goes twice counts once. A row that does not fit is told with its line, field and mend; others go.

    Ends with 0 when every row was acknowledged, with 1 when some can't be, with 3 when some still wait.

    Try it: tradewind edge send orders.jsonl --kind orders --url https://gateway.example.com
    """
    from schemas.topics import topic_named
    from streams.edge import EdgeClient, KeyRefused, UnfitEvent
    from streams.edge.event import kind_of
    from tradewind.cli import edge_send

    try:
        chosen = kind_of(kind)
    except UnfitEvent as error:
        fail(str(error), Exit.USAGE)
    topic = topic_named(chosen)
    settings = _settings()
    address, key = address_of(settings, url), key_of(settings, key_file)
    target = queue_of(settings, queue, "edge.sqlite")
    regular = Path(file).resolve() if file != "-" and Path(file).is_file() else None
    outcome = edge_send.Outcome()
    name = "stdin" if file == "-" else file
    told: list[str] = []

    def on_problem(line: Optional[int], problem: Problem) -> None:
        told.append("")
        if not max_problems or len(told) <= max_problems:
            tell(f"{name}:{line}: {problem}")

    def on_wait(why: str, waiting: int) -> None:
        tell(f"waiting ({why}); {waiting:,} events are kept in {target}")

    async def run() -> None:
        async with EdgeClient(address, key, target, tls=trust_of(ca)) as client:
            await edge_send.send(
                client,
                edge_send.Source(chosen, topic, rows, name, regular),
                edge_send.Telling(on_problem, on_row, on_wait),
                outcome,
                timeout_s=timeout,
            )

    early: tuple[str, Exit] | None = None
    with one_line_errors(), opened(file) as (source, size), progress(size, hidden=as_json) as (on_bytes, on_row):
        rows = rows_of(file, own(source) if file == "-" else source, file_format, topic, on_bytes)
        try:
            asyncio.run(run())
        except KeyRefused as error:
            early = (f"{error}; give another one, and the same command goes on", Exit.FAILED)
        except (KeyboardInterrupt, asyncio.CancelledError):
            early = (f"interrupted; what was read is kept in {target}, the same command goes on", Exit.INTERRUPTED)
    if early is None and outcome.waiting:
        early = (f"{outcome.waiting:,} events wait in {target}; the same command goes on", Exit.UNREACHABLE)
    _tell_outcome(outcome, file, topic, early, max_problems, len(told), as_json=as_json)


@app.command()
def status(
    queue: Optional[Path] = _Queue, as_json: bool = typer.Option(False, "--json", help="One JSON object.")
) -> None:
    """Say what waits in the queue, what was refused and what was sent, also while it is in use.

    Try it: tradewind edge status
    """
    from dataclasses import asdict

    from streams.edge.queue_totals import peek

    settings = _settings()
    target = queue_of(settings, queue, "edge.sqlite")
    with one_line_errors():
        counts, cursor = peek(target)
    if as_json:
        print_json({"queue": str(target), **asdict(counts), "cursor": cursor})
        return
    out.print(
        f"{target}: {counts.waiting:,} events wait ({counts.waiting_bytes:,} bytes, the oldest for "
        f"{counts.oldest_s:.0f} s); {counts.refused:,} were refused; {counts.sent:,} were sent; "
        f"{counts.dropped:,} were dropped to make room",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def refused(
    queue: Optional[Path] = _Queue,
    again: bool = typer.Option(False, "--again", help="Let them wait again; the next edge send sends them."),
    forget: bool = typer.Option(False, "--forget", help="Drop them for good."),
    event_ids: Optional[list[str]] = typer.Option(None, "--id", help="Only this one; may be given more than once."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object a line, with the event itself."),
) -> None:
    """List the events that the gateway did not take, with its reasons; send them again, or drop them.

    The list leaves the events' texts out; --json has them.

    Try it: tradewind edge refused --again
    """
    from streams.edge.queue import EdgeQueue

    if again and forget:
        fail("give --again or --forget, not both", Exit.USAGE)
    settings = _settings()
    target = queue_of(settings, queue, "edge.sqlite")
    if not target.is_file():
        fail(f"{target}: no such file; edge send makes it")
    with one_line_errors(), EdgeQueue(target) as opened_queue:
        if again or forget:
            count = (opened_queue.again if again else opened_queue.forget)(event_ids or None)
            out.print(f"{count:,} {'wait again' if again else 'dropped'}", highlight=False)
            return
        wanted = set(event_ids or ())
        for each in opened_queue.refused(1_000_000):
            if not wanted or each.event_id in wanted:
                _show_refused(each, as_json=as_json)


@app.command()
def receive(
    url: Optional[str] = _Url,
    key_file: Optional[Path] = _KeyFile,
    topics: Optional[str] = typer.Option(None, help="Such as answers-drafted,insights; all where left out."),
    once: Optional[int] = typer.Option(None, "--once", min=1, help="End after so many messages."),
    timeout: Optional[float] = typer.Option(None, min=0.1, help="End after so many seconds without a message."),
    queue: Optional[Path] = typer.Option(
        None, "--queue", help="File that keeps how far it was read; else edge-receive.sqlite in TRADEWIND_DATA_DIR."
    ),
    sse: bool = typer.Option(False, "--sse", help="Server-sent events, where a proxy lets no WebSocket pass."),
    ca: Optional[Path] = _Ca,
) -> None:
    """Print drafts, enriched listings and insights as they come, one JSON object a line, until Ctrl-C.

    Goes on where the last run was. A message counts as read once its line is written.
    A line of type gap says that some are gone for good.

    With --once, ends with 1 when fewer came before the timeout.

    Try it: tradewind edge receive --topics answers-drafted --once 1
    """
    from streams.edge import EdgeClient, EdgePolicy

    settings = _settings()
    address, key = address_of(settings, url), key_of(settings, key_file)
    target = queue_of(settings, queue, "edge-receive.sqlite")
    wanted = [name.strip() for name in (topics or "").split(",") if name.strip()]
    shown = 0

    async def run() -> None:
        nonlocal shown
        policy = EdgePolicy(transport="sse" if sse else "websocket")
        async with EdgeClient(address, key, target, policy, tls=trust_of(ca), sending=False) as client:
            stream = client.stream(wanted)
            try:
                while once is None or shown < once:
                    message: Message = await asyncio.wait_for(anext(stream), timeout)
                    print_json(message.data)
                    await client.confirm(message)
                    shown += 1
            finally:
                await stream.aclose()

    with one_line_errors(), suppress(KeyboardInterrupt, asyncio.CancelledError):  # Ctrl-C is how one ends it
        try:
            asyncio.run(run())
        except asyncio.TimeoutError:
            if once is not None:
                fail(f"{shown} of {once} messages came before {timeout:g} s of silence")


def _settings() -> Settings:
    """The settings; these commands tell by themselves what the client would log."""
    import logging

    settings = load_settings()
    if settings.log_level != "debug":
        logging.getLogger("tradewind.edge").setLevel(logging.CRITICAL)
    return settings


def _tell_outcome(
    outcome: Outcome,
    file: str,
    topic: Topic,
    early: tuple[str, Exit] | None,
    max_problems: int,
    problems: int,
    *,
    as_json: bool,
) -> None:
    from tradewind.cli.edge_send import words_of

    for each in outcome.refused[: max_problems or None]:
        tell(f"{each.origin or each.event_id}: refused by the gateway: {words_of(each)}")
    if as_json:
        counts = {"rows": outcome.rows, "bad": outcome.bad, "skipped": outcome.skipped}
        more = {
            "bad_before": outcome.bad_before,
            "sent": outcome.sent,
            "refused": len(outcome.refused),
            "waiting": outcome.waiting,
        }
        print_json({"file": file, "topic": topic.name, **counts, **more})
    else:
        if max_problems and problems > max_problems:
            tell(f"and {problems - max_problems:,} more problems; --max-problems 0 prints them all")
        parts = [f"sent {outcome.sent:,} events to {topic.name}"]
        before = f", {outcome.bad_before:,} of them bad" if outcome.bad_before else ""
        parts += [f"{outcome.skipped:,} rows were read before{before}"] if outcome.skipped else []
        parts += [f"{outcome.bad:,} bad"] if outcome.bad else []
        parts += [f"{len(outcome.refused):,} refused (tradewind edge refused)"] if outcome.refused else []
        out.print("; ".join(parts), markup=False, highlight=False, soft_wrap=True)
    if early is not None:
        fail(*early)
    if outcome.bad or outcome.bad_before or outcome.refused:
        raise typer.Exit(int(Exit.FAILED))


def _show_refused(each: Refused, *, as_json: bool) -> None:
    import json

    from tradewind.cli.edge_send import words_of

    if as_json:
        fields = {"event_id": each.event_id, "kind": each.kind, "origin": each.origin}
        print_json({**fields, "problem": json.loads(each.problem), "event": json.loads(each.body)})
        return
    where = f" ({each.origin})" if each.origin else ""
    out.print(f"{each.kind} {each.event_id}{where}: {words_of(each)}", markup=False, highlight=False, soft_wrap=True)
