"""A question on the phone to its draft on the phone, over links with measured behaviour, and where the time goes.

    python -m bench.edge_links [--questions 100] [--pace 1.0] [--only full|path|uploads|links ...] [--links 5g-sa ...]

Everything is this machine's: Kafka, the gateway, the worker with the shipped model, and phones, each the edge client in
a network namespace of its own behind an emulated link (bench/links/). All run in a namespace that goes with the run.

- full: phones take turns to ask the demo's questions, all the same ones, so that the model has the same to do for each
  link. Beside them a buyer asks questions whose drafts go to phones that have heard nothing for 12 s.
- path: the same without the model: the worker's own path with a task that takes no time, over loopback and over each
  link. Also phones that wait 13 s for their draft, with and without keep-awake pings, and one whose link stalls.
- uploads: 2,000 orders from the client's queue, by TCP with cubic and with bbr.
- links: what the emulator can do here, and what loss does to cubic and to bbr.

Stalls and handovers don't come by themselves here, for a hundred questions would meet none or one of them by luck.
What is finished is written, also when the run is interrupted; docs/edge.md gets its tables and its chart from there.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console

from bench import engine_machine
from bench.edge_links_chart import draw
from bench.edge_links_figures import upload_table, way_table
from bench.edge_links_parts import LINKS, full, path, uploads
from bench.edge_links_report import PAGE, page
from bench.edge_links_stack import Ground, apache_kafka, standing, tell
from bench.latency_figures import Figures
from bench.links import LinkUnavailable
from bench.links.capability import capacity, loss_by_congestion
from bench.links.namespaces import isolate
from bench.links.tun import bring_up

RESULTS = Path(__file__).parent / "results" / "edge-links.json"
CHART = Path(__file__).parents[1] / "docs" / "edge-links.svg"
PARTS = ("full", "path", "uploads", "links")


def main() -> int:
    """Run what is asked for, print and write the figures; 3 where links can't be emulated."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=100, help="of each link, with the model")
    parser.add_argument("--pace", type=float, default=1.0, help="questions a second over all links, with the model")
    parser.add_argument("--path-seconds", type=float, default=300.0, help="how long questions go without the model")
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=PARTS, help="these parts; the others stay as they are"
    )
    parser.add_argument("--links", nargs="+", choices=LINKS, default=LINKS)
    parser.add_argument("--embedded", action="store_true", help="the embedded broker, though Apache Kafka could be had")
    parser.add_argument("--folder", type=Path, help="keep logs and data here; else they go with the run")
    args = parser.parse_args()
    no_kafka = None if args.embedded else apache_kafka()
    if no_kafka:
        tell(f"{no_kafka}; the embedded broker serves")
    try:
        isolate()
        bring_up("lo")
        found = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
        found["machine"] = {"cores": engine_machine.cores(), **engine_machine.processor()}
        found["load_average_before"] = engine_machine.load_average()
        if "links" in args.only:
            tell("what the emulator can do here")
            _keep(found, "emulator", {"capacity": capacity(), "loss": loss_by_congestion()})
        if set(args.only) != {"links"}:
            _run(args, found, embedded=args.embedded or no_kafka is not None)
    except LinkUnavailable as why:
        print(f"no link can be emulated here: {why}", file=sys.stderr)
        return 3
    _show(found)
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")
    if "full" in found:
        draw(found, CHART)
    return 0


def _run(args: argparse.Namespace, found: Figures, *, embedded: bool) -> None:
    parts: dict[str, Callable[[Ground], Figures]] = {
        "full": lambda ground: full(ground, args.links, args.questions, args.pace),
        "path": lambda ground: path(ground, args.links, args.path_seconds),
        "uploads": lambda ground: uploads(ground, args.links),
    }
    kept = nullcontext(args.folder) if args.folder else tempfile.TemporaryDirectory()
    with kept as folder, standing(Path(folder), embedded=embedded) as ground:
        found["kafka"] = ground.kafka
        tell(f"{ground.kafka} and the gateway stand")
        for name, run in parts.items():
            if name in args.only:
                tell(f"part: {name}")
                _keep(found, name, run(ground))


def _keep(found: Figures, name: str, part: Figures) -> None:
    """Write what there is, so that an interrupted run leaves what it had finished."""
    found[name] = part
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    tell(f"{name}: written to {RESULTS.name}")


def _show(found: Figures) -> None:
    console = Console(width=130)
    if "full" in found:
        console.print(way_table("A question on the phone to its draft on the phone", found["full"]))
    if "path" in found:
        console.print(way_table("Without the model", found["path"]["links"]))
        console.print(way_table("A draft that comes after 13 s", found["path"]["held"]))
        console.print(way_table("In a stall", {"5g-sa": found["path"]["stalls"]}))
    if "uploads" in found:
        console.print(upload_table(found["uploads"]["uploads"]))
    if "emulator" in found:
        console.print_json(data=found["emulator"])


if __name__ == "__main__":
    sys.exit(main())
