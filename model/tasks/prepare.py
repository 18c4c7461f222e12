"""What the tasks read at first use, read ahead of it."""

from __future__ import annotations

from model.guards import abuse, pii
from model.ranking import ranker


def prepare() -> None:
    """Load the ranker's and the guards' weights, so that a missing file stops a worker when it starts, not at an event.

    Takes about a tenth of a second. Raises OSError or ValueError.
    """
    ranker()
    pii.find("A text.")
    for language in abuse.LANGUAGES:
        abuse.probability("A text.", language)
