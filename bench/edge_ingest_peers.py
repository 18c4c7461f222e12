"""What people write first to take an order over HTTP: a FastAPI handler that produces it and waits for Kafka.

    python -m bench.edge_ingest_peers KIND PORT [--not-idempotent]

Three kinds, all under Uvicorn with uvloop and httptools, in one process as the gateway is, with pydantic's validation,
the same acks (all) and no wait for more messages. The value is the model's own JSON, which is less work than Avro.

- flush: the plain one, a function that FastAPI runs in a thread; confluent-kafka's produce and flush.
- aiokafka: a coroutine that awaits aiokafka's send_and_wait; the embedded broker refuses it idempotence.
- future: a coroutine with a future for each message, set by confluent-kafka's delivery report from a polling thread.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

import uvicorn
from aiokafka import AIOKafkaProducer
from confluent_kafka import Producer
from fastapi import FastAPI
from pydantic import BaseModel, Field

from tradewind.settings import Settings

TOPIC = "orders.v1"
KINDS = ("flush", "aiokafka", "future")


class Order(BaseModel):
    """An order line, as pydantic checks it."""

    event_id: uuid.UUID
    occurred_at: datetime
    merchant_id: str = Field(min_length=1, max_length=200)
    order_id: str = Field(min_length=1, max_length=200)
    line: int = Field(1, ge=1)
    listing_id: str = Field(min_length=1, max_length=200)
    kind: str
    quantity: int = Field(1, ge=0)
    amount: Decimal = Field(ge=0, max_digits=18, decimal_places=2)
    discount: Decimal | None = None
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    buyer_id: str | None = Field(None, max_length=200)
    store: str | None = Field(None, max_length=200)


def _confluent(settings: Settings) -> Producer:
    return Producer(settings.kafka_client(**{"enable.idempotence": True, "acks": "all", "linger.ms": 0}))


def flush_app(producer: Producer) -> FastAPI:
    """Produce and flush."""
    app = FastAPI()

    @app.post("/orders", status_code=202)
    def take(order: Order) -> dict[str, Any]:
        word: list[Any] = []
        producer.produce(
            TOPIC, order.model_dump_json(), order.order_id, on_delivery=lambda error, message: word.append(message)
        )
        producer.flush()
        return {"accepted": 1, "partition": word[0].partition(), "offset": word[0].offset()}

    return app


def aiokafka_app(settings: Settings, *, idempotent: bool) -> FastAPI:
    """Await send_and_wait."""
    held: dict[str, AIOKafkaProducer] = {}

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        producer = AIOKafkaProducer(
            bootstrap_servers=settings.bootstrap_servers, acks="all", enable_idempotence=idempotent
        )
        await producer.start()
        held["producer"] = producer
        yield
        await producer.stop()

    app = FastAPI(lifespan=running)

    @app.post("/orders", status_code=202)
    async def take(order: Order) -> dict[str, Any]:
        sent = await held["producer"].send_and_wait(TOPIC, order.model_dump_json().encode(), order.order_id.encode())
        return {"accepted": 1, "partition": sent.partition, "offset": sent.offset}

    return app


def future_app(producer: Producer) -> FastAPI:
    """Await a future for each message."""
    app = FastAPI()

    def poll() -> None:
        while True:
            producer.poll(0.2)

    threading.Thread(target=poll, daemon=True).start()

    @app.post("/orders", status_code=202)
    async def take(order: Order) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        word: asyncio.Future[Any] = loop.create_future()
        producer.produce(
            TOPIC,
            order.model_dump_json(),
            order.order_id,
            on_delivery=lambda error, message: loop.call_soon_threadsafe(word.set_result, message),
        )
        message = await word
        return {"accepted": 1, "partition": message.partition(), "offset": message.offset()}

    return app


def main() -> None:
    """Serve one kind."""
    kind, port, *more = sys.argv[1:]
    settings = Settings()
    if kind == "aiokafka":
        app = aiokafka_app(settings, idempotent="--not-idempotent" not in more)
    else:
        app = {"flush": flush_app, "future": future_app}[kind](_confluent(settings))
    uvicorn.run(app, port=int(port), loop="uvloop", http="httptools", access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
