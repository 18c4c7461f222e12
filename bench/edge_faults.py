"""Is everything there, once, when links, gateway and devices fail again and again? And does everything come back?

    python -m bench.edge_faults [--events 100000] [--devices 4] [--seconds 240] [--kafka 1] [--seed 1] ...

Devices are processes, each with a queue of its own and, where this machine allows it, behind an emulated 5G link whose
packets are delayed and lost as was measured (bench/links). They put order lines steadily, one at a time or some. All
the while: links stand still for 1 to 8 s, all of them are away for a minute once, gateway and devices are killed
outright, and answers are cut after Kafka had acknowledged what they are about. Meanwhile drafts and insights are
published for each device, which it reads from its stream. At the end ClickHouse, under FINAL, and what each device got
are compared with what was sent, event for event.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.edge_faults_checks import Found, compare, received, traffic
from bench.edge_faults_events import pushed
from bench.edge_faults_stack import LINK, Options, Run, standing, until
from streams.edge.queue_totals import peek
from tests.kafka.jars import pinned_version
from tradewind.assembly import make_publisher

RESULTS = Path(__file__).parent / "results"
_CATCH_UP_S = 180.0
#: The outage begins after so much of the time.
_OUTAGE_AT = 0.35


def tell(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


def schedule(options: Options) -> list[tuple[float, str, int, float]]:
    """What happens when: seconds from the beginning, what, to which device, for how long. Follows from the seed."""
    rng = random.Random(options.seed)
    last = options.seconds * 0.95
    planned = [(options.seconds * _OUTAGE_AT, "outage", -1, float(options.outage_s))]
    for device in range(options.devices):
        lengths = [8.0, *(rng.uniform(1.0, 8.0) for _ in range(options.stalls - 1))]
        planned += [(rng.uniform(1.0, last), "stall", device, seconds) for seconds in lengths[: options.stalls]]
    planned += [(rng.uniform(2.0, last), "kill gateway", -1, 0.0) for _ in range(options.gateway_kills)]
    planned += [
        (rng.uniform(2.0, last), "kill device", rng.randrange(options.devices), 0.0)
        for _ in range(options.device_kills)
    ]
    return sorted(planned)


def strike(run: Run, planned: list[tuple[float, str, int, float]]) -> None:
    """Let it happen."""
    began = time.monotonic()
    for at, what, device, seconds in planned:
        time.sleep(max(0.0, began + at - time.monotonic()))
        tell(f"{at:5.0f} s: {what}{f' {device}' if device >= 0 else ''}{f', {seconds:.1f} s' if seconds else ''}")
        if what == "outage":
            for way in run.ways:
                way.outage(seconds)
        elif what == "stall":
            run.ways[device].stall(seconds)
        else:
            run.kill("gateway" if device < 0 else f"device-{device}")


def publish(run: Run, stop: threading.Event) -> None:
    """Drafts and insights for the devices, steadily."""
    options = run.options
    pause = options.seconds / max(1, options.pushed)
    with make_publisher(run.settings) as publisher:
        for number in range(options.pushed):
            for device in range(options.devices):
                publisher.publish(pushed(device, number))
            publisher.flush()
            if stop.wait(pause):
                return


def all_is_received(run: Run) -> bool:
    """Whether each device got as many messages as there are for it."""
    return all(len(received(run, device)[0]) >= run.options.pushed for device in range(run.options.devices))


def run_faults(options: Options, folder: Path) -> dict[str, Any]:
    """One run; gives its figures.

    Raises:
        TimeoutError: something does not come to life.
    """
    planned = schedule(options)
    devices = range(options.devices)
    with standing(options, folder) as run:
        # What is pushed before a device was ever there is not for it.
        until(lambda: not options.pushed or all(_listens(run, device) for device in devices), "all read their streams")
        began, stop = time.monotonic(), threading.Event()
        publishing = threading.Thread(target=publish, args=[run, stop], name="publish")
        publishing.start()
        try:
            strike(run, planned)
            over = time.monotonic()
            tell("the last fault is over; waiting for the rest")
            with suppress(TimeoutError):  # what is missing then is lost, and counted below
                until(lambda: _sent(run) and run.stored() >= options.events, "all is stored", _CATCH_UP_S)
            stored = time.monotonic()
            publishing.join()
            with suppress(TimeoutError):
                until(lambda: all_is_received(run), "all is received", _CATCH_UP_S)
        finally:
            stop.set()
            publishing.join()
        counts = [peek(run.device_folder(device) / "queue")[0] for device in range(options.devices)]
        found = compare(run, sum(each.refused for each in counts), sum(each.dropped for each in counts))
        return _figures(run, found, planned) | {
            "seconds_of_faults": round(over - began),
            "stored_after_the_last_fault_s": round(stored - over, 1),
        }


def _figures(run: Run, found: Found, planned: list[tuple[float, str, int, float]]) -> dict[str, Any]:
    sent = traffic(run)
    emulated = all(way.emulator is not None for way in run.ways)
    killed = [each for each in run.exits if each.status < 0]
    return {
        **asdict(run.options),
        "broker": f"Apache Kafka {pinned_version()}" if run.options.kafka else "embedded",
        "link": f"packets over TUN, profile {LINK}" if emulated else f"a TCP proxy, for {run.ways[0].why}",
        "longest_stall_s": max((seconds for _, what, _, seconds in planned if what == "stall"), default=0.0),
        "answers_cut": sum(way.door.cut_answers for way in run.ways),
        "killed": len(killed),
        "ended_by_themselves": len(run.exits) - len(killed),
        **asdict(found),
        "traffic": sent,
        "sent_again_percent": round(100 * (sent["events"] / run.options.events - 1), 1),
        "kafka_copies_percent": round(100 * found.kafka_copies / run.options.events, 2),
        "packed_to_percent": round(100 * sent["sent_bytes"] / sent["body_bytes"], 1),
        "right": found.right,
    }


def _listens(run: Run, device: int) -> bool:
    queue = run.device_folder(device) / "queue"
    with suppress(Exception):  # it is being made
        return peek(queue)[1] is not None
    return False


def _sent(run: Run) -> bool:
    return all((run.device_folder(device) / "done").exists() for device in range(run.options.devices))


def main() -> int:
    """Run, print and write the figures; 1 where something is lost, double or unequal."""
    logging.disable(logging.ERROR)  # of connections that break, which is what this is about
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in asdict(Options()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    parser.add_argument("--results", type=Path, help="file for the figures; else in bench/results")
    args = vars(parser.parse_args())
    kept = RESULTS / ("edge-faults-kafka.json" if args["kafka"] else "edge-faults.json")
    results: Path = args.pop("results") or kept
    with tempfile.TemporaryDirectory() as folder:
        figures = run_faults(Options(**args), Path(folder))
    results.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=2))
    return 0 if figures["right"] else 1


if __name__ == "__main__":
    sys.exit(main())
