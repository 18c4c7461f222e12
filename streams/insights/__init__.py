"""Insights: what stands out in merchants' numbers, and who says it to them, once.

`series.py` is what the detector reads, `detect.py` what stands out in it now; `baseline.py` is what is usual, made of
`profile.py` (hours of the week), `factor.py` (what moves everyone) and `spread.py` (how much counts vary), and
`tails.py` how likely the rest is. `episodes.py` puts alarms about the same thing together. All of that is pure: no
clock, no I/O. Around it, `source.py` reads the roll-ups, `said.py` decides what is news, `owner.py` who speaks,
`agent.py` runs it. The words are written and checked in `model/`.
"""
