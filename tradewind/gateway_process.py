"""`tradewind gateway` as a process: what it needs is there, it serves, it says how it is, and it ends in order."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import structlog

from tradewind.assembly import make_codec
from tradewind.ending import end_if_stuck, stop_once
from tradewind.health import Health
from tradewind.preflight import check_gateway, gateway_address
from tradewind.processes import serve_metrics
from tradewind.settings import Settings
from tradewind.stack.ports import choose_port

if TYPE_CHECKING:
    from streams.gateway.hub import Hub

log = structlog.get_logger("tradewind")


def run_gateway(settings: Settings) -> bool:
    """Serve until SIGTERM or Ctrl-C; gives whether Kafka has acknowledged all that it was given.

    Raises:
        ServerError, KafkaUnreachable, TopicsError, RightsMissing, RegistryError, KeyFileError: why it can't serve.
    """
    import uvloop

    check_gateway(settings)
    return uvloop.run(_serve(settings))


async def _serve(settings: Settings) -> bool:
    from streams.gateway import metrics
    from streams.gateway.acks import Acks, AcksPolicy
    from streams.gateway.app import App, Limits
    from streams.gateway.hub import Hub, hub_limits
    from streams.gateway.key_store import KeyStore
    from streams.gateway.server import Server
    from streams.gateway.stream import Stream
    from streams.gateway.turns import Turns

    stop, listening = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    turns = Turns(settings.stuck_after_s)
    acks = Acks(
        settings.kafka_client(),
        AcksPolicy(in_hand=settings.gateway_events_in_hand, within_s=settings.gateway_ack_s),
    )
    keys = KeyStore(settings.gateway_keys_file)
    codec = make_codec(settings)
    hub = Hub(settings.kafka_client(), codec, keys, hub_limits(settings))

    def live() -> dict[str, str | None]:
        return {"loop": turns.stuck(), **hub.live()}

    def ready() -> dict[str, str | None]:
        return {
            "kafka": acks.ready(),
            "keys": keys.failing,
            **hub.ready(),
            "running": "it is stopping" if stop.is_set() else None if listening.is_set() else "it is starting",
        }

    app = App(
        keys,
        acks,
        codec,
        Limits(settings.gateway_max_events, settings.gateway_max_body_bytes, settings.gateway_body_s),
        live=live,
        ready=ready,
        now=lambda: datetime.now(timezone.utc),
        stream=Stream(hub, keys),
    )
    address = gateway_address(settings)
    if address.port == 0:
        address = replace(address, port=choose_port(0, address.host))
    health = Health("it is starting")
    health.watch(live, ready)
    serve_metrics(settings, health)
    metrics.READY.set_function(lambda: float(all(why is None for why in ready().values())))
    metrics.IN_HAND.set_function(lambda: acks.in_hand)
    end_if_stuck(health, settings.stuck_end_s)
    stop_once(lambda: loop.call_soon_threadsafe(stop.set), settings.worker_stop_s)
    hub.start()
    tasks = [asyncio.create_task(each) for each in (turns.run(), _end_streams(hub, stop))]

    def on_listening() -> None:
        # What is there now stays; without this, the collector goes through all of it again and again while it serves.
        gc.collect()
        gc.freeze()
        listening.set()
        log.info("serving", url=address.url)

    try:
        await Server(app, address).run(stop, on_listening)
        await tasks[1]  # its error is the gateway's
    finally:
        left = await acks.close(settings.worker_stop_s)
        await hub.close()
        keys.close()
        for task in tasks:
            task.cancel()
    return left == 0


async def _end_streams(hub: Hub, stop: asyncio.Event) -> None:
    """End all streams as soon as the gateway is to stop, for the server waits for what has begun.

    Raises:
        KafkaException, ...: why nothing can be pushed any more; the gateway stops for it.
    """
    stopping = asyncio.ensure_future(stop.wait())
    running = asyncio.ensure_future(hub.run())
    try:
        await asyncio.wait((stopping, running), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    finally:
        stop.set()
        for task in (stopping, running):
            task.cancel()
        await hub.close()
