"""How a downstream system reads an enriched topic: short programs to copy, with nothing of ours in them.

Each is a plain confluent-kafka consumer with Confluent's own deserializer and a schema registry.
"""
