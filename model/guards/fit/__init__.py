"""Fits the learned guards from public sets: prints what they reach out of fold, writes `model/guards/data` and cards.

`python -m model.guards.fit.pii` (names and addresses) and `python -m model.guards.fit.moderation` (abuse). Nothing here
is imported when the guards run; it needs the extra `train`.
"""
