"""The worker's own path from question to draft, without a model: what is left is gateway, Kafka and link.

    python -m bench.edge_links_echo    runs until SIGTERM, with the settings of the environment

A question whose id says so is held for a while first: then its draft comes to a phone that has gone to sleep.
"""

from __future__ import annotations

import asyncio

from bench.latency_peers import draft, our_app, run_app
from schemas.dead_letters import Inbound
from schemas.events import AnswerDrafted, QuestionAsked
from tradewind import logs
from tradewind.health import Health
from tradewind.processes import serve_metrics
from tradewind.settings import Settings

#: Ids of questions that are held begin so.
HELD = "held"
#: Between 12 and 15 s without a packet are what was measured.
HELD_S = 13.0


async def answer(question: QuestionAsked, message: Inbound) -> AnswerDrafted:
    """A draft at once, or later."""
    if question.question_id.startswith(HELD):
        await asyncio.sleep(HELD_S)
    return draft(question)


def main() -> None:
    """Answer until SIGTERM."""
    settings = Settings()
    logs.configure(settings)
    serve_metrics(settings, Health("a bench has no checks"))
    asyncio.run(run_app(our_app(settings, answer)))


if __name__ == "__main__":
    main()
