"""Kafka to ClickHouse, each event once.

- `migrations/`, `migrate.py`: the tables and views as numbered SQL, applied once under a lock.
- `tables.py`: which topic goes to which table, and which of its columns the sink writes.
- `container.py`: framed messages as an Avro file that ClickHouse reads itself; nothing is decoded on the way.
- `writers.py`: the schema behind an id, and what it takes to store its records.
- `positions.py`: where to go on, read from the rows.
- `batch.py`: what waits for the next insert, and when it is due.
- `backoff.py`: how long to wait before the next try.
- `insert.py`: one insert, its token, and what an error of ClickHouse means.
- `reject.py`: messages that can't be stored, as dead letters.
- `store.py`: one batch from messages to rows and dead letters.
- `pipeline.py`: the batches on their way into one table. `progress.py`: how far the sink is behind Kafka.
- `loop.py`: the consumer around all that. `sink.py`: everything wired from the settings; the entry.
- `errors.py`: why it stops.
- `settle.py`: what the roll-ups say is kept once nothing comes in for a while. `portions.py`: as little at a time as
  memory allows. `recount.py`: whether they say what a recount says.
- `backfill.py`: a table filled anew from its topic, beside the live sink. `refill.py`: reading to the end;
  `fresh_table.py`: the table until it is swapped in; `compare.py`: what it lacks.
- `retention.py`: how long things are kept. `access.py`: roles, grants, row policies, limits.
- `reviewed.py`: what people decided about drafts, joined with the drafts; what training reads.
- `metrics.py`: what it tells Prometheus.
- `client.py`: the connection.

Not here: what analysts ask (`docs/tables.md` has examples), and the decision whether an event is valid: the sink stores
what a registered schema can read.
"""
