"""Rows drawn at random."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

RowT = TypeVar("RowT")


def drawn(rows: Sequence[RowT], limit: int | None, seed: int) -> list[RowT]:
    """At most `limit` rows (None: all), drawn from the seed without repeats, in the order that they had."""
    if limit is None or limit >= len(rows):
        return list(rows)
    return [rows[i] for i in sorted(random.Random(seed).sample(range(len(rows)), limit))]
