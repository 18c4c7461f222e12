"""Dead letters: look at them, and put them back.

- `browse.py`: read them from their topic, choose among them, show the bytes.
- `where.py`: the language of `--where`, which chooses by fields.
- `replay.py`: put the original bytes back on their topic, at most twice, and write down that it was done.

Not here: what makes dead letters (`streams` and the sink), and the command line (`tradewind deadletters`).
"""
