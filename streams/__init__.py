"""The agents: Faust apps that take platform events, call the model, and hand on what it wrote.

`delivery.py` decides what becomes of an error, `window.py` in which order events may be acknowledged, `lane.py` runs
one topic through both. `enrich.py` and `answer.py` are the agents, `worker.py` the process. `book.py` keeps topics in
memory: in `listing_book.py` a question finds its listing, in `approved_book.py` what people approved for it before.
`policies.py` reads what merchants promise. `pulse.py` and `health.py` say whether a worker is alive and ready,
`reach.py` and `handshake.py` why a broker does not let us in, `access.py` what each role may do there. The insights
agent looks at counts instead of a topic and lives in `insights/`, the one place here that asks ClickHouse. `gateway/`
is HTTP in front of the topics, and `edge/` what a device talks to it with. What the text says is decided in `model/`;
ClickHouse is filled in `consumers/`.
"""
