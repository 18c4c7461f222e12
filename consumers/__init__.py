"""What reads the topics: the ClickHouse sink and its tables, the dead letters, and two examples to copy.

- `clickhouse/`: the tables with their migrations, and the sink that fills them.
- `deadletters/`: look at messages that could not be processed, and put them back.
- `examples/`: how a storefront and a help desk read the enriched topics with nothing but Confluent's client.

Not here: what makes the events (`streams`), how they are written down (`schemas`), and the command line (`tradewind`).
"""
