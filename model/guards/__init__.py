"""What may leave the model, and what may reach it: pure functions from text to findings.

`pii` finds and replaces personal data (`pii_patterns` by form, `pii_tagger` by what it learned), `moderation` finds
what must not be published or needs a person (word lists, and the classifiers of `abuse`), `grounding` holds every claim
of a text against its sources, `polarity` tells what a yes or no says; `quantities`, `lexicon`, `facts` and `bindings`
are what the claims are made of. Nothing here calls the Transformer, keeps state or does I/O, apart from reading its own
lists and weights once. What fits those weights is in `fit`, and is not needed to serve.
"""
