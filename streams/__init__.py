"""The agents: Faust apps that take platform events, call the model, and hand on what it wrote.

`delivery.py` decides what becomes of an error, `window.py` in which order events may be acknowledged, `lane.py` runs
one topic through both. `enrich.py` and `answer.py` are the agents, `listing_book.py` is where a question finds its
listing, `worker.py` the process. What the text says is decided in `model/`; ClickHouse is read in `consumers/`.
"""
