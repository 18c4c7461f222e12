"""A backfill in a process of its own, for tests that kill it: settings from the environment.

python -m tests.consumers.clickhouse.backfill_process TABLE=TOPIC
"""

from __future__ import annotations

import sys
import threading
from dataclasses import replace

from consumers.clickhouse.backfill import backfill
from consumers.clickhouse.tables import TABLES
from schemas.registry import CommittedRegistry
from tradewind.settings import Settings


def main(argument: str) -> None:
    """Run to the end, or until killed."""
    name, _, topic = argument.partition("=")
    (table,) = (each for each in TABLES if each.name == name)
    backfill(
        Settings(),
        replace(table, topic=replace(table.topic, name=topic)),
        threading.Event(),
        registry=CommittedRegistry(),
        tell=lambda line: print(line, flush=True),
    )


if __name__ == "__main__":
    main(sys.argv[1])
