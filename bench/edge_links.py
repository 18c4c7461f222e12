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
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import engine_machine
from bench.edge_links_chart import draw
from bench.edge_links_echo import HELD, HELD_S
from bench.edge_links_figures import Way, figures, upload_table, way, way_table
from bench.edge_links_report import PAGE, page
from bench.edge_links_stack import (
    Ground,
    Kind,
    Phone,
    apache_kafka,
    phones,
    publish_listings,
    question,
    standing,
    times_in_kafka,
)
from bench.latency_figures import Figures
from bench.latency_peers import group
from bench.latency_questions import question_rows
from bench.links import LinkUnavailable, Profile, load
from bench.links.capability import capacity, loss_by_congestion
from bench.links.namespaces import isolate
from bench.links.tun import bring_up
from bench.on_kafka import skip
from schemas.topics import QUESTIONS
from tradewind.demo import journey
from tradewind.processes import child
from tradewind.stack.supervisor import ProcessSpec, Supervisor

RESULTS = Path(__file__).parent / "results" / "edge-links.json"
CHART = Path(__file__).parents[1] / "docs" / "edge-links.svg"
LINKS = ("5g-sa", "5g-nsa", "5g-rest", "lte", "3g", "wifi")
IDLE = ("idle-5g-sa", "idle-lte")
PARTS = ("full", "path", "uploads", "links")
#: Phones of each kind that sleep; one draft goes to all of them.
_SLEEPERS = 2
#: A little more than the 12 s after which a radio sleeps deeply.
_ASLEEP_S = 12.2
_BUYER, _SLEEPER = "buyer", "sleeper"
_KEEP_AWAKE_S = 1.5
_PATH_PACE = 14.0
_ORDERS, _UPLOADS = 2_000, 3


def tell(text: str) -> None:
    """Progress, for whoever waits."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def running(name: str) -> Profile:
    """The link of that name while it runs: without stalls and handovers by themselves."""
    return replace(load(name), stalls=None, handovers=None)


def full(ground: Ground, links: Sequence[str], count: int, pace: float) -> Figures:
    """Questions with the model, so many of each link."""
    kinds = [Kind(name, running(name)) for name in links]
    sleepers = [Kind(f"{name}-{n}", load(name), _SLEEPER) for name in IDLE for n in range(_SLEEPERS)]
    kinds += [*sleepers, Kind(_BUYER, None, _SLEEPER)]
    publish_listings(ground.settings, [*links, _SLEEPER])
    rows = list(islice(question_rows(), count))
    worker = child("worker", ["worker", "--agents", "answer"], ground.settings, ground.logs, "tradewind_worker_ready")
    with Supervisor() as supervisor:
        supervisor.start(worker)
        with phones(ground, kinds, rows[0]) as there:
            awake, asleep, buyer = there[: len(links)], there[len(links) : -1], there[-1]
            trials = {id(phone): set(phone.puts) for phone in there}
            tell(f"{count} questions a link, {pace:g} a second in all: about {count * len(links) / pace / 60:.0f} min")
            stop, pushed = threading.Event(), list[str]()
            beside = threading.Thread(target=_push_to_sleepers, args=(buyer, asleep, rows, stop, pushed))
            beside.start()
            try:
                _ask_in_turns(awake, rows, pace)
            finally:
                stop.set()
                beside.join()
        times = times_in_kafka(ground.settings)
        found = {phone.kind.name: figures(ways(phone, phone, times, trials[id(phone)])) for phone in awake}
        for name in IDLE:
            found[name] = figures(
                [
                    each
                    for phone in asleep
                    if phone.kind.name.startswith(name)
                    for each in ways(buyer, phone, times, set(buyer.puts) - set(pushed))
                ]
            )
        return found


def path(ground: Ground, links: Sequence[str], seconds: float) -> Figures:
    """Questions without the model."""
    kinds = [Kind("loopback", None), *(Kind(name, running(name)) for name in links)]
    waiters = [
        Kind(f"{name}{'' if every is None else '-awake'}-{n}", load(name), keep_awake_s=every)
        for name in IDLE
        for every in (None, _KEEP_AWAKE_S)
        for n in range(_SLEEPERS)
    ]
    stalled = Kind("5g-sa-stalled", running("5g-sa"))
    rows = list(islice(question_rows(), 50))
    skip(ground.settings, group("lane"), QUESTIONS.name)
    with Supervisor() as supervisor:
        supervisor.start(_echo(ground))
        with phones(ground, [*kinds, *waiters, stalled], rows[0]) as there:
            busy, waiting, stuck = there[: len(kinds)], there[len(kinds) : -1], there[-1]
            trials = {id(phone): set(phone.puts) for phone in there}
            tell(f"{seconds:g} s without the model")
            stop, stalls = threading.Event(), dict[str, float]()
            beside = [
                threading.Thread(target=_wait_long, args=(waiting, rows, stop)),
                threading.Thread(target=_stall, args=(stuck, rows, stop, stalls)),
            ]
            for thread in beside:
                thread.start()
            try:
                asked = int(seconds * _PATH_PACE / len(busy))
                _ask_in_turns(busy, [rows[n % len(rows)] for n in range(asked)], _PATH_PACE)
            finally:
                stop.set()
                for thread in beside:
                    thread.join()
        times = times_in_kafka(ground.settings)
        found = {phone.kind.name: figures(ways(phone, phone, times, trials[id(phone)])) for phone in busy}
        held = dict[str, list[Way]]()
        for phone in waiting:
            held.setdefault(phone.kind.name.rpartition("-")[0], []).extend(
                _less_the_hold(each) for each in ways(phone, phone, times, trials[id(phone)])
            )
        in_stalls = ways(stuck, stuck, times, set(stuck.puts) - set(stalls))
        return {
            "links": found,
            "held_s": HELD_S,
            "keep_awake_s": _KEEP_AWAKE_S,
            "held": {name: figures(some) for name, some in held.items()},
            "stalls": {"lengths_s": sorted(stalls.values()), **figures(in_stalls)},
        }


def _echo(ground: Ground) -> ProcessSpec:
    spec = child("echo", [], ground.settings, ground.logs, "tradewind_worker_ready")
    return replace(spec, argv=(spec.argv[0], "-m", "bench.edge_links_echo"))


def uploads(ground: Ground, links: Sequence[str]) -> Figures:
    """A batch of orders by each link, by each congestion control."""
    file = ground.folder / "orders.jsonl"
    with file.open("w", encoding="utf-8") as out:
        for row in journey.orders(_ORDERS):
            # Ids are made anew for each upload, and the key says whose they are.
            kept = {name: value for name, value in row.items() if name not in ("event_id", "merchant_id")}
            out.write(json.dumps(kept, default=_plain) + "\n")
    found = []
    for name in links:
        for congestion in ("cubic", "bbr"):
            kind = Kind(f"{name}-{congestion}", running(name), congestion=congestion)
            with phones(ground, [kind], next(question_rows()), listen=False) as (phone,):
                told = [phone.upload(file) for _ in range(_UPLOADS)]
            assert all(each["done"] and not each["refused"] for each in told), told
            found.append(
                {
                    "link": name,
                    "congestion": congestion,
                    "orders": _ORDERS,
                    "seconds": [round(each["seconds"], 2) for each in told],
                    **{key: told[0][key] for key in ("requests", "body_bytes", "sent_bytes")},
                }
            )
            tell(json.dumps(found[-1]))
    return {"uploads": found}


def _plain(value: Any) -> str:
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


def ways(asker: Phone, listener: Phone, times: dict[str, int], leave_out: set[str]) -> list[Way]:
    """The way of each question from one phone to the other that got the draft."""
    return [
        way(put, asker.requests[each], times[each], listener.drafts[each])
        for each, put in asker.puts.items()
        if each not in leave_out
    ]


def _less_the_hold(found: Way) -> Way:
    """The way without the time that its draft was held on purpose."""
    return replace(found, shares={**found.shares, "kafka_in": found.shares["kafka_in"] - HELD_S * 1000})


def _ask_in_turns(askers: Sequence[Phone], rows: Sequence[dict[str, Any]], pace: float) -> None:
    """Each phone asks each question, and gets its draft."""
    began = time.monotonic()
    for number in range(len(rows) * len(askers)):
        time.sleep(max(0.0, began + number / pace - time.monotonic()))
        phone = askers[number % len(askers)]
        phone.ask(question(rows[number // len(askers)], phone.merchant))
        if number % (len(askers) * 20) == 0:
            tell(f"{number // len(askers)} of {len(rows)} questions a link")
    for phone in askers:
        for each in list(phone.puts):
            phone.wait(phone, each)


def _push_to_sleepers(
    buyer: Phone, asleep: Sequence[Phone], rows: Sequence[dict[str, Any]], stop: threading.Event, pushed: list[str]
) -> None:
    """Whenever all have heard nothing for long enough, let the buyer ask."""
    for row in _again(rows):
        while min(phone.idle_s() for phone in asleep) < _ASLEEP_S:
            if stop.wait(0.05):
                return
        made = question(row, buyer.merchant)
        buyer.ask(made)
        for phone in asleep:
            buyer.wait(phone, made["event_id"])
        pushed.append(made["event_id"])


def _wait_long(waiting: Sequence[Phone], rows: Sequence[dict[str, Any]], stop: threading.Event) -> None:
    """Let all ask at once what is answered only when they sleep, again and again."""
    for row in _again(rows):
        if stop.is_set():
            return
        made = {id(phone): question(row, phone.merchant, HELD) for phone in waiting}
        for phone in waiting:
            phone.ask(made[id(phone)])
        for phone in waiting:
            phone.wait(phone, made[id(phone)]["event_id"])


def _stall(phone: Phone, rows: Sequence[dict[str, Any]], stop: threading.Event, stalls: dict[str, float]) -> None:
    """Let the link stand still, for 1 to 8 s, and a question be asked at some moment of that."""
    rng = random.Random(1)
    assert phone.link is not None
    for row in _again(rows):
        if stop.is_set():
            return
        seconds = rng.uniform(1.0, 8.0)
        phone.link.stall(seconds)
        time.sleep(rng.uniform(0.0, seconds))
        made = question(row, phone.merchant)
        phone.ask(made)
        phone.wait(phone, made["event_id"])
        stalls[made["event_id"]] = round(seconds, 2)


def _again(rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    while True:
        yield from rows


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
