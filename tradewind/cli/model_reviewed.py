"""`tradewind model reviewed`: the answers that people reviewed, as lines to train on."""

from __future__ import annotations

import json
import os
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import typer

from tradewind.cli.guard import one_line_errors
from tradewind.cli.shared import Exit, err, fail, load_settings

if TYPE_CHECKING:
    from consumers.clickhouse.reviewed import ReviewedDraft


def reviewed(
    out: Path = typer.Option(help="JSON Lines file to write; one that is there is replaced."),
    since: Optional[str] = typer.Option(None, help="Only what was reviewed from then on: 2026-03-01, or with a time."),
    merchant: Optional[str] = typer.Option(None, help="Only this merchant's."),
    rejected: bool = typer.Option(False, "--rejected", help="Those that were rejected too, without an answer."),
) -> None:
    """Write the answers that people approved or edited to a file, from ClickHouse, one JSON object a line.

    Each has question, evidence, answer, decision, merchant_id, reviewed_at and draft_event_id. Personal data is
    replaced. Try it: tradewind model reviewed --out reviewed.jsonl --since 2026-03-01
    """
    start = None if since is None else _moment(since)
    settings = load_settings()
    from consumers.clickhouse.client import open_client
    from consumers.clickhouse.reviewed import reviewed_drafts
    from schemas.events import Decision

    counts: Counter[str] = Counter()
    part = out.with_name(f".{out.name}.part")
    try:
        with one_line_errors(), part.open("w", encoding="utf-8") as file, open_client(settings) as client:
            for draft in reviewed_drafts(client, since=start, merchant_id=merchant):
                wanted = rejected if draft.decision is Decision.REJECT else bool((draft.answer or "").strip())
                if wanted:
                    file.write(f"{json.dumps(line(draft), ensure_ascii=False)}\n")
                    counts[draft.decision.value.lower()] += 1
        os.replace(part, out)
    except OSError as error:
        fail(f"--out {out}: {error.strerror or error}; name a file in a folder that can be written", Exit.USAGE)
    finally:
        part.unlink(missing_ok=True)
    told = ", ".join(f"{number} {decision}" for decision, number in sorted(counts.items())) or "no reviews found"
    err.print(f"{out}: {told}", markup=False, soft_wrap=True)


def line(draft: ReviewedDraft) -> dict[str, Any]:
    """A reviewed draft as it is written: texts redacted, evidence as the model reads it."""
    from model.evidence import as_source
    from model.guards import pii

    return {
        "question": pii.redact(draft.question).text,
        "evidence": [as_source(passage) for passage in draft.evidence],
        # A person's words are stored as they were sent.
        "answer": None if draft.answer is None else pii.redact(draft.answer).text,
        "decision": draft.decision.value.lower(),
        "merchant_id": draft.merchant_id,
        "reviewed_at": draft.reviewed_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "draft_event_id": draft.draft_event_id,
    }


def _moment(text: str) -> datetime:
    try:
        # Python 3.10 does not read the Z that others write.
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        fail(f"--since {text}: expected a date or a time, such as 2026-03-01 or 2026-03-01T08:30Z", Exit.USAGE)
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)
