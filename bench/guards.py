"""What the guards cost beside the text they guard: both timed in one run, on the same texts.

    python -m bench.guards [--answers 96] [--listings 48] [--threads 2]

Texts are written by the engine, 32 requests at a time, which is when a text is cheapest and the guards weigh most; a
text's time is the burst's divided by its texts. Then every guard that the task runs is run again on them, one text
after the other, on one thread.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from bench.held import DATA
from model.engine import EngineSettings, LocalEngine
from model.evaluation.listings import read_listings
from model.evaluation.runs import Listening, run_all
from model.evaluation.sets import read_answers
from model.evaluation.systems import as_evidence
from model.evidence import as_source, passages
from model.fetch import locate
from model.guards import grounding, moderation, pii
from model.protocol import Completion
from model.tasks import copy_format, drafting
from model.tasks.answer_draft import DraftPolicy, draft, read
from model.tasks.answer_routing import hand_over
from model.tasks.copy_policy import DescribePolicy
from model.tasks.describe import describe
from model.tasks.description import refused_description
from model.tasks.draft_checks import refused_draft
from schemas.events import ListingPublished

RESULT = Path(__file__).with_name("results") / "guards.json"
NOW = datetime(2024, 6, 7, tzinfo=timezone.utc)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=96)
    parser.add_argument("--listings", type=int, default=48)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    settings = EngineSettings(adapter="shipped", threads=arguments.threads, slots=32)
    with closing(LocalEngine.open(locate(None, None), settings)) as engine:
        found = {"answers": answers(engine, arguments.answers), "listings": listings(engine, arguments.listings)}
    RESULT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    for task, figures in found.items():
        print(
            f"{task}: text {figures['text_ms']:.1f} ms, guards {figures['guards_ms']:.2f} ms, "
            f"share {100 * figures['share']:.1f}%  {figures['each_ms']}"
        )


def answers(engine: LocalEngine, count: int) -> dict[str, Any]:
    rows = read_answers(DATA / "cpqa" / "hetPQA_answer_generation_dev.csv")[:count]
    written: list[Completion] = []

    async def one(number: int, row: Any) -> None:
        listening = Listening(engine)
        await draft(listening, row.question, "en", (as_evidence(row),), DraftPolicy(attempts=1), number)
        written.extend(listening.completions)

    run_all(rows[:8], one)
    written.clear()
    started = time.perf_counter()
    run_all(rows, one)
    text_s = time.perf_counter() - started
    drafts = [read(completion)[1] for completion in written]
    pairs = list(zip(rows, drafts, strict=True))
    return _figures(
        text_s,
        len(rows),
        {
            "personal data in": lambda: [pii.redact(row.question) for row in rows],
            "hand over": lambda: [hand_over(row.question) for row in rows],
            "draft checks": lambda: [
                refused_draft(text, row.question, "en", (as_evidence(row),), 0.75) for row, text in pairs
            ],
            "support": lambda: [grounding.support(text, [row.evidence], row.question) for row, text in pairs],
        },
    )


def listings(engine: LocalEngine, count: int) -> dict[str, Any]:
    found = [item for item in read_listings(DATA / "listings" / "dummyjson_products.json") if item.description][:count]
    policy = DescribePolicy(attempts=1)
    written: dict[str, Completion] = {}

    async def one(_: int, listing: ListingPublished) -> None:
        listening = Listening(engine)
        await describe(listening, listing, clock=lambda: NOW, event_id=uuid.UUID(int=1), policy=policy)
        for completion in listening.completions:
            written[listing.listing_id] = completion

    run_all(found[:8], one)
    started = time.perf_counter()
    run_all(found, one)
    text_s = time.perf_counter() - started
    texts = [(item, copy_format.parse(written[item.listing_id].text)) for item in found if item.listing_id in written]
    sources = {item.listing_id: tuple(map(as_source, passages(item))) for item in found}

    def description() -> None:
        for item, text in texts:
            refused_description(text.description, item.title, sources[item.listing_id], "en", policy)

    def parts() -> None:
        for item, text in texts:
            for part in (*text.highlights, text.short_line):
                drafting.refused(part, "highlights", sources[item.listing_id], "en", banned=policy.banned)

    return _figures(
        text_s,
        len(found),
        {
            "seller's text": lambda: [moderation.classify(f"{i.title}\n{i.description}", policy.banned) for i in found],
            "description": description,
            "highlights and line": parts,
        },
    )


def _figures(text_s: float, count: int, guards: dict[str, Callable[[], object]]) -> dict[str, Any]:
    """The burst includes the guards' own time, which is taken off again."""
    each = {name: _best(guard) / count for name, guard in guards.items()}
    guarded = sum(each.values())
    text = text_s / count - guarded
    return {
        "texts": count,
        "text_ms": 1e3 * text,
        "guards_ms": 1e3 * guarded,
        "share": guarded / text,
        "each_ms": {name: round(1e3 * seconds, 3) for name, seconds in each.items()},
    }


def _best(work: Callable[[], object], times: Sequence[int] = range(3)) -> float:
    """The shortest of a few runs; what the guards remember of these texts is forgotten before each."""
    seconds = []
    for _ in times:
        _forget()
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def _forget() -> None:
    for name, module in list(sys.modules.items()):
        if name.startswith("model."):
            for found in vars(module).values():
                parameters = getattr(found, "cache_parameters", None)
                if parameters is not None and parameters()["maxsize"] != 1:  # 1 keeps word lists and weights
                    found.cache_clear()


if __name__ == "__main__":
    main()
