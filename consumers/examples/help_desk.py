"""A help desk that shows drafted answers as they come.

python -m consumers.examples.help_desk --bootstrap HOST:PORT --registry URL [-n COUNT]
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
from typing import Any

from confluent_kafka import DeserializingConsumer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer


def main() -> None:
    """Print each question with its draft, its route and the passage it rests on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--registry", required=True)
    parser.add_argument("--group", default="help-desk")
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
    consumer.subscribe(["answers-drafted.v1"])
    shown = 0
    try:
        while not args.n or shown < args.n:
            message = consumer.poll(1.0)
            if message is None:
                continue
            answer: Any = message.value()
            shown += 1
            print(f"{answer['route']:<6} {answer['confidence']:.2f} {answer['question']}", flush=True)
            print(f"       {answer['draft'] or answer['reason']}", flush=True)
            for passage in answer["evidence"][:1]:
                print(f"       {passage['source']} {passage['name']}: {passage['text']}", flush=True)
    finally:
        consumer.close()


if __name__ == "__main__":
    main()
