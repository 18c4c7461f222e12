"""What may leave the model, and what may reach it: pure functions from text to findings.

`pii` finds and replaces personal data, `moderation` finds what must not be published or needs a person, `grounding`
holds every claim of a text against its sources; `quantities` and `lexicon` are what the claims are made of. Nothing
here calls a model, keeps state or does I/O, apart from reading its own word lists once.
"""
