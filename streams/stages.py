"""Names of the agents, free of what they import."""

from __future__ import annotations

ENRICH = "enrich"
ANSWER = "answer"
INSIGHTS = "insights"
STAGES = (ENRICH, ANSWER, INSIGHTS)
