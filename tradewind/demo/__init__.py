"""The demo: its real input (listings, questions, orders, broken messages), the run, the count and the show.

The counts come from ClickHouse and from the topics, never from what the demo believes it has sent. Only the demo's own
input and screens live here; what it runs is what everybody runs.
"""
