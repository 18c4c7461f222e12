"""What people decided about drafts, with the question, the draft and what it rested on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from clickhouse_connect.driver.client import Client

from schemas.events import Decision, Evidence, EvidenceSource

# The last review of a draft counts. Those of one draft share a partition, so offsets tell the order within a moment.
_SQL = """
SELECT
    reviewed.merchant_id AS merchant_id,
    reviewed.draft_event_id AS draft_event_id,
    reviewed.occurred_at AS reviewed_at,
    reviewed.decision AS decision,
    reviewed.answer AS answer,
    drafted.question AS question,
    drafted.draft AS draft,
    arrayMap(p -> (p.text, p.source, p.name, p.start, p.end, p.score), drafted.evidence) AS evidence
FROM
(
    SELECT event_id, merchant_id, listing_id, question, draft, evidence
    FROM answers_drafted FINAL
    WHERE {merchant:String} = '' OR merchant_id = {merchant:String}
) AS drafted
INNER JOIN
(
    SELECT merchant_id, listing_id, draft_event_id, occurred_at, decision, answer
    FROM answers_reviewed FINAL
    WHERE decision IN ('APPROVE', 'EDIT', 'REJECT') AND ({merchant:String} = '' OR merchant_id = {merchant:String})
    ORDER BY merchant_id, draft_event_id, occurred_at DESC, _offset DESC
    LIMIT 1 BY merchant_id, draft_event_id
) AS reviewed
ON reviewed.draft_event_id = drafted.event_id
    AND reviewed.merchant_id = drafted.merchant_id
    AND reviewed.listing_id = drafted.listing_id
WHERE reviewed.occurred_at >= {since:DateTime64(3, 'UTC')}
ORDER BY reviewed_at, draft_event_id
"""
_FROM_THE_START = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class ReviewedDraft:
    """A draft and what a person made of it.

    Attributes:
        answer: the draft's text if it was approved, the person's if it was edited, None if it was rejected.
        evidence: what the draft rested on, the best first; empty where there was no draft.
    """

    merchant_id: str
    draft_event_id: str
    reviewed_at: datetime
    decision: Decision
    question: str
    answer: str | None
    evidence: tuple[Evidence, ...]


def reviewed_drafts(
    client: Client, *, since: datetime | None = None, merchant_id: str | None = None
) -> Iterator[ReviewedDraft]:
    """The last review of each draft, the oldest first, with what was written; a draft that is not stored is left out.

    Args:
        since: leave out what was reviewed before; aware.

    Raises:
        clickhouse_connect.driver.exceptions.ClickHouseError: no answer, or an error.
    """
    parameters = {"merchant": merchant_id or "", "since": (since or _FROM_THE_START).astimezone(timezone.utc)}
    with client.query_rows_stream(_SQL, parameters=parameters) as rows:
        for row in rows:
            yield _reviewed(*row)


def _reviewed(
    merchant_id: str,
    draft_event_id: Any,
    reviewed_at: datetime,
    decision: str,
    answer: str | None,
    question: str,
    draft: str,
    evidence: list[tuple[str, str, str, int, int, float]],
) -> ReviewedDraft:
    decided = Decision(decision)
    written = {Decision.APPROVE: draft, Decision.EDIT: answer or ""}.get(decided)
    passages = (
        Evidence(text, EvidenceSource(source), name, start, end, score)
        for text, source, name, start, end, score in evidence
    )
    at = reviewed_at.replace(tzinfo=timezone.utc)
    return ReviewedDraft(merchant_id, str(draft_event_id), at, decided, question, written, tuple(passages))
