"""The embedded local stack: a Kafka broker, a ClickHouse server and a schema registry, without Docker.

Each is a real process on a real port, so that code which runs against this stack runs unchanged against
production. Here live the processes' command lines and their supervision, the HTTP interface of the embedded
ClickHouse engine (`clickhouse/`), and `LocalStack`, which starts them together in one data folder.

Not here: topics, tables, workers and settings. The stack knows no contract of Tradewind's; the one link is that
the registry process serves the schemas of `schemas.registry`.
"""
