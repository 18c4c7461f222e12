"""The parts of `edge_links.py` that need Kafka and the gateway."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from bench.edge_links_echo import HELD, HELD_S
from bench.edge_links_figures import Way, figures, way
from bench.edge_links_stack import Ground, Kind, Phone, phones, publish_listings, question, tell, times_in_kafka
from bench.latency_figures import Figures
from bench.latency_peers import group
from bench.latency_questions import question_rows
from bench.links import Profile, load
from bench.on_kafka import skip
from schemas.topics import QUESTIONS
from tradewind.demo import journey
from tradewind.processes import child
from tradewind.stack.supervisor import ProcessSpec, Supervisor

LINKS = ("5g-sa", "5g-nsa", "5g-rest", "lte", "3g", "wifi")
IDLE = ("idle-5g-sa", "idle-lte")
#: Phones of each kind that sleep; one draft goes to all of them.
_SLEEPERS = 2
#: A little more than the 12 s after which a radio sleeps deeply.
_ASLEEP_S = 12.2
_BUYER, _SLEEPER = "buyer", "sleeper"
_KEEP_AWAKE_S = 1.5
_PATH_PACE = 7.0
_ORDERS, _UPLOADS = 2_000, 3


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
