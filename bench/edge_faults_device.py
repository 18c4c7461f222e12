"""A device of `edge_faults.py`: one process that puts order lines and reads its stream until it is killed.

    python -m bench.edge_faults_device --device N --events N --seed N --rate N --url URL --folder FOLDER

The folder has the key in `key`, and gets the queue, a line in `received` for each message, and `totals` at each start
and end. Started again, it goes on where its queue says.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import time
from pathlib import Path

from bench.edge_faults_events import groups, order
from streams.edge import EdgeClient, EdgePolicy

_SOURCE = "scanner"


async def main(options: argparse.Namespace) -> None:
    """Put, send and receive until SIGTERM."""
    folder: Path = options.folder
    key = (folder / "key").read_text(encoding="utf-8")  # before anything else runs
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with EdgeClient(options.url, key, folder / "queue", EdgePolicy(max_events=options.events)) as client:
        told = asyncio.ensure_future(tell(client, folder))
        receiving = asyncio.ensure_future(receive(client, folder))
        await put_all(client, options)
        await client.flush()
        (folder / "done").touch()
        await stop.wait()
        for task in (told, receiving):
            task.cancel()
        await asyncio.gather(told, receiving, return_exceptions=True)


async def put_all(client: EdgeClient, options: argparse.Namespace) -> None:
    """Put the numbers that were not put before; which those are is noted together with each group."""
    start = int(await client.reached(_SOURCE) or 0)
    due = time.monotonic()
    for group in groups(options.device, options.seed, start, options.events):
        await client.put_many(
            "orders", (order(options.device, number) for number in group), source=_SOURCE, reached=str(group.stop)
        )
        # What a killed device has missed it makes up for, as a scanner's pile of parcels does.
        due += len(group) / options.rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))


async def receive(client: EdgeClient, folder: Path) -> None:
    """A line for each message, written before the next one is asked for."""
    file = os.open(folder / "received", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    async for message in client.stream(("answers-drafted", "insights")):
        line = {"type": message.type, "place": message.place, "event_id": message.event.get("event_id")}
        os.write(file, json.dumps(line).encode() + b"\n")


async def tell(client: EdgeClient, folder: Path) -> None:
    """What sending took, of this process, twice a second; a process that is killed leaves its last word."""
    while True:
        traffic = (await client.status()).traffic
        counts = {name: getattr(traffic, name) for name in ("requests", "events", "timeouts", "cut", "put_off")}
        counts |= {"body_bytes": traffic.body_bytes, "sent_bytes": traffic.sent_bytes}
        counts["connections"] = client._receiver.connections
        file = folder / f"traffic-{os.getpid()}"
        part = file.with_suffix(".part")
        part.write_text(json.dumps(counts), encoding="utf-8")
        part.rename(file)
        await asyncio.sleep(0.5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("device", "events", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True, help="events a second")
    parser.add_argument("--url", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    asyncio.run(main(parser.parse_args()))
