"""Rows of a file or a live pipe into an edge client's queue, and from there to the gateway."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Optional

from schemas.complete_row import complete
from schemas.topics import Topic
from schemas.validation import Problem, validate
from streams.edge import EdgeClient, QueueFull, UnfitEvent
from streams.edge.event import Entry, entry
from streams.edge.link import State
from streams.edge.policy import MIB
from streams.edge.queue import Refused
from tradewind.cli.edge_place import Before, Place, read_before
from tradewind.publish import Row

#: Rows that are put together, where so many are there already; a pipe's line goes out as it comes.
_TOGETHER = 500
_LOOK_S = 0.25


@dataclass
class Outcome:
    """What has become of the rows so far.

    Attributes:
        rows: that were read.
        bad: with problems.
        skipped, bad_before: that an earlier run has read, and the bad ones among them.
        sent: events that the gateway acknowledged, of earlier runs among them.
        refused: events that it did not take.
        waiting: events that still wait.
    """

    rows: int = 0
    bad: int = 0
    skipped: int = 0
    bad_before: int = 0
    sent: int = 0
    waiting: int = 0
    refused: list[Refused] = field(default_factory=list)


@dataclass(frozen=True)
class Telling:
    """Whom to tell what: a row's problems with its line, each row, and why it waits."""

    problem: Callable[[Optional[int], Problem], None]
    row: Callable[[], None]
    waits: Callable[[str, int], None]


@dataclass(frozen=True)
class Source:
    """Where events come from.

    Attributes:
        name: of the file, for the origin of each event.
        path: of a regular file, of which is noted how far it was read; else None.
    """

    kind: str
    topic: Topic
    rows: Iterator[Row]
    name: str
    path: Path | None


async def send(
    client: EdgeClient, source: Source, telling: Telling, outcome: Outcome, *, timeout_s: float | None
) -> None:
    """Put the rows that fit, and wait until the gateway has acknowledged them. `outcome` is right at any time.

    Args:
        timeout_s: wait so long for the last acknowledgements, and no longer.

    Raises:
        KeyRefused, QueueDiskFull: it can't go on; what is in the queue stays there.
    """
    before = (await client.status()).counts.sent
    old = {each.number for each in await client.refused(1_000_000)}
    looking = asyncio.ensure_future(_look(client, telling))
    try:
        await _put_all(client, source, telling, outcome)
        await client.flush(timeout_s)
    finally:
        looking.cancel()
        counts = (await client.status()).counts
        outcome.sent, outcome.waiting = counts.sent - before, counts.waiting
        outcome.refused = [each for each in await client.refused(1_000_000) if each.number not in old]


async def _put_all(client: EdgeClient, source: Source, telling: Telling, outcome: Outcome) -> None:
    path = source.path
    noted = f"{source.kind} {path}" if path is not None else ""
    before = read_before(path, await client.reached(noted)) if path is not None else Before()
    outcome.bad_before = before.bad
    place = Place(path) if path is not None else None
    try:
        async for together in _as_they_come(source.rows):
            entries = []
            for row in together:
                if row.line <= before.lines:
                    outcome.skipped += 1
                    continue
                telling.row()
                outcome.rows += 1
                made = _made(source, row)
                if isinstance(made, Entry):
                    entries.append(made)
                    continue
                outcome.bad += 1
                for problem in made:
                    telling.problem(row.line, problem)
            last = together[-1].line
            reached = (
                f"{place.at(last)} {before.bad + outcome.bad}" if place is not None and last > before.lines else ""
            )
            if entries or reached:
                await _put(client, entries, noted if reached else "", reached, telling)
    finally:
        if place is not None:
            place.close()


def _made(source: Source, row: Row) -> Entry | tuple[Problem, ...]:
    """The row as an event with the id that `tradewind publish` gives it, or what is wrong with it."""
    if row.data is None:
        return row.problems
    now = datetime.now(timezone.utc)
    completed = complete(source.topic, row.data, now)
    # The gateway adds the key's merchant where none is named.
    found = validate(source.topic.record, {**completed, "merchant_id": completed.get("merchant_id") or "-"})
    if isinstance(found, tuple):
        return found
    try:
        return entry(source.kind, completed, now, MIB, f"{source.name}:{row.line}")
    except UnfitEvent as error:
        return (Problem("row", "an event that can be sent", str(error), "make it smaller"),)


async def _put(client: EdgeClient, entries: list[Entry], source: str, reached: str, telling: Telling) -> None:
    """Put them; while the queue is full, wait until there is room."""
    while True:
        try:
            await client.put_entries(entries, source=source, reached=reached)
            return
        except QueueFull as error:
            counts = (await client.status()).counts
            if counts.waiting == 0:
                raise  # there will be no more room
            telling.waits(str(error), counts.waiting)
            await client.flush(_LOOK_S)


async def _look(client: EdgeClient, telling: Telling) -> None:
    """Tell when it has to wait for the link or the gateway."""
    told = ""
    while True:
        await asyncio.sleep(_LOOK_S)
        status = await client.status()
        if status.state is State.WAITING and status.why != told:
            told = status.why
            telling.waits(told, status.counts.waiting)
        elif status.state is State.IDLE:
            told = ""


async def _as_they_come(rows: Iterator[Row]) -> AsyncIterator[list[Row]]:
    """The rows, read in a thread: those together that are there, for a pipe may say nothing for hours."""
    loop, news = asyncio.get_running_loop(), asyncio.Event()
    there: list[Row] = []
    room = threading.Semaphore(4 * _TOGETHER)
    ended: list[BaseException | None] = []

    def tell(item: Row | None, error: BaseException | None = None) -> None:
        if item is None:
            ended.append(error)
        else:
            there.append(item)
        news.set()

    def read() -> None:
        try:
            for row in rows:
                room.acquire()
                loop.call_soon_threadsafe(tell, row)
        except BaseException as error:
            loop.call_soon_threadsafe(tell, None, error)
        else:
            loop.call_soon_threadsafe(tell, None)

    # A daemon, for nothing ends a read of a pipe that says nothing.
    threading.Thread(target=read, name="rows", daemon=True).start()
    while True:
        await news.wait()
        news.clear()
        while there:
            together, there[:] = there[:_TOGETHER], there[_TOGETHER:]
            room.release(len(together))
            yield together
        if ended:
            if ended[0] is not None:
                raise ended[0]
            return


def words_of(refused: Refused) -> str:
    """What the gateway said of an event, in one line."""
    said = json.loads(refused.problem)
    fields = [each for each in said.get("fields") or () if isinstance(each, dict)]
    if not fields:
        return str(said.get("detail") or said.get("title") or said.get("type"))
    parts = (
        f"{each.get('field')}: expected {each.get('expected')}, found {each.get('found')}; {each.get('mend')}"
        for each in fields
    )
    return " | ".join(parts)
