"""A sink in a process of its own, for tests that kill it: settings from the environment, topics from the command line.

python -m tests.consumers.clickhouse.sink_process TABLE=TOPIC ...
"""

from __future__ import annotations

import sys
import threading
from dataclasses import replace

from consumers.clickhouse.sink import run_sink
from consumers.clickhouse.tables import TABLES
from schemas.registry import CommittedRegistry
from tradewind.settings import Settings


def main(arguments: list[str]) -> None:
    """Run until killed."""
    names = dict(argument.split("=") for argument in arguments)
    tables = [
        replace(table, topic=replace(table.topic, name=names[table.name])) for table in TABLES if table.name in names
    ]
    run_sink(Settings(), threading.Event(), registry=CommittedRegistry(), tables=tables)


if __name__ == "__main__":
    main(sys.argv[1:])
