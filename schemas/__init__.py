"""The contracts: what travels on which topic, and how it is written down.

Here live the Avro records (`avro/`), their registered versions (`committed/`), the topic catalogue, the typed events,
the validation of what comes from outside, the codec for Confluent framing, the registry seam, and the `Publisher`,
which every room writes to Kafka with. What happens to an event is decided elsewhere: nothing here imports another room.
"""
