"""A storefront that shows the copy of listings as it comes.

python -m consumers.examples.storefront --bootstrap HOST:PORT --registry URL [-n COUNT]
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
from typing import Any

from confluent_kafka import DeserializingConsumer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer


def main() -> None:
    """Print each listing that may go to its page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--registry", required=True)
    parser.add_argument("--group", default="storefront")
    parser.add_argument("-n", type=int, default=0, help="stop after so many; 0 goes on")
    args = parser.parse_args()

    consumer = DeserializingConsumer(
        {
            "bootstrap.servers": args.bootstrap,
            "group.id": args.group,
            "auto.offset.reset": "earliest",
            "session.timeout.ms": 6000,
            "value.deserializer": AvroDeserializer(SchemaRegistryClient({"url": args.registry})),
        }
    )
    consumer.subscribe(["listings-enriched.v1"])
    shown = 0
    try:
        while not args.n or shown < args.n:
            message = consumer.poll(1.0)
            if message is None:
                continue
            copy: Any = message.value()
            shown += 1
            title = copy["titles"][0] if copy["titles"] else "(no title)"
            print(f"{copy['route']:<8} {copy['listing_id']}: {title} | {copy['marketing_line']}", flush=True)
    finally:
        consumer.close()


if __name__ == "__main__":
    main()
