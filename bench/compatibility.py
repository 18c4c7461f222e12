"""Which versions of Apache Kafka work: the essential path of an event on each, with the clients that are installed.

    python -m bench.compatibility [--versions 3.9.2,4.4.0]

Each version is started anew, in KRaft mode. Two workers with both agents (a tiny model) and the sink run on it; what is
tried is in `bench/compatibility_checks.py`. One that fails says why in one line, and the next are tried all the same.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from confluent_kafka import libversion
from rich.console import Console
from rich.table import Table

from bench.compatibility_checks import CHECKS, NotOffered, Trial
from bench.on_kafka import standing
from tests.kafka.cluster import ClusterConfig
from tests.kafka.jars import pinned_version
from tests.support.tiny_model import write_folder

RESULTS = Path(__file__).parent / "results" / "kafka-versions.json"
#: Older ones, to find where it begins; then the last of each line that is still looked after.
VERSIONS = ("2.8.2", "3.0.2", "3.3.2", "3.4.1", "3.7.2", "3.9.2", "4.0.2", "4.1.2", "4.2.2", "4.3.1")
OK = "ok"


def tried(version: str) -> dict[str, str]:
    """What came of each check on that version: ok, not offered, or why not."""
    found: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as name, ExitStack() as all_of_it:
        folder = Path(name)
        write_folder(folder / "model", "llama", max_position_embeddings=8192)
        settings = {
            "model": str(folder / "model"),
            "model_positions": 4096,
            "model_threads": 1,
            "model_languages": "xx",
        }
        config = ClusterConfig(folder / "kafka", version=version)
        try:
            ground = all_of_it.enter_context(standing(folder, config, **settings))
        except Exception as error:
            return {"starts, topics": one_line(error)}
        found["starts, topics"] = OK
        trial = all_of_it.enter_context(Trial(ground))
        for what, check in CHECKS.items():
            began = time.monotonic()
            try:
                check(trial)
                found[what] = OK
            except NotOffered as reason:
                found[what] = f"not offered: {reason}"
            except Exception as error:
                found[what] = one_line(error)
            print(f"{version} {what}: {found[what]} ({time.monotonic() - began:.1f} s)", file=sys.stderr, flush=True)
    return found


def one_line(error: Exception) -> str:
    """What went wrong, on one line and not too long."""
    return re.sub(r"\s+", " ", f"{type(error).__name__}: {error}").strip()[:300]


def works(found: dict[str, str]) -> bool:
    """Whether nothing failed."""
    return len(found) > 1 and all(each == OK or each.startswith("not offered") for each in found.values())


def merged(before: dict[str, Any], clients: dict[str, str], rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The figures with new rows; rows of other versions stay, as long as the clients are the same."""
    kept = before.get("versions", []) if before.get("clients") == clients else []
    by_version = {row["kafka"]: row for row in (*kept, *rows)}
    ordered = sorted(by_version.values(), key=lambda row: [int(part) for part in row["kafka"].split(".")])
    return {"clients": clients, "versions": ordered}


def table(rows: Sequence[dict[str, Any]]) -> Table:
    """All versions."""
    shown = Table("Kafka", "starts, topics", *CHECKS, title="Apache Kafka with our pinned clients")
    for row in rows:
        shown.add_row(row["kafka"], *(row["checks"].get(each, "") for each in ("starts, topics", *CHECKS)))
    return shown


def main() -> None:
    """Try them, print and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--versions", default=",".join((*VERSIONS, pinned_version())), help="parted by commas")
    args = parser.parse_args()
    clients = {name: installed(name) for name in ("faust-streaming", "aiokafka", "confluent-kafka")}
    clients["librdkafka"] = libversion()[0]
    for version in args.versions.split(","):
        checks = tried(version)
        row = {"kafka": version, "works": works(checks), "checks": checks}
        before = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
        found = merged(before, clients, [row])
        RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    Console(width=200).print(table(found["versions"]))


if __name__ == "__main__":
    main()
