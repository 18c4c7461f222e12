"""The gateway: HTTP in front of the topics, for what does not speak Kafka.

`ingest.py` takes events and answers when Kafka has acknowledged them, `stream.py` gives a merchant what the agents made
of them, `app.py` puts both under one address and `server.py` runs it. Who may do what is decided in `keys.py`; each
answer that is no success is a `Problem`. What an event must look like is decided in `schemas/`, and what becomes of it
in the agents: nothing here reads ClickHouse or calls the model.
"""
