"""Variables that look like settings of ours and are none: nobody would notice that they do nothing."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable

from dotenv import dotenv_values

from tradewind.settings import Settings

_PREFIX = "TRADEWIND_"


def misspelt(names: Iterable[str]) -> dict[str, str | None]:
    """Those of the variables that are no setting though they begin like one, each with the setting that is nearest."""
    known = [f"{_PREFIX}{name.upper()}" for name in Settings.model_fields]
    found: dict[str, str | None] = {}
    for name in sorted({name.upper() for name in names if name.upper().startswith(_PREFIX)} - set(known)):
        found[name] = next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.75)), None)
    return found


def variables(dotenv: str = ".env") -> set[str]:
    """Names of all variables that settings are read from by name."""
    return {*os.environ, *dotenv_values(dotenv)}


def told(name: str, nearest: str | None) -> str:
    """One line about such a variable."""
    mend = f"did you mean {nearest}?" if nearest else "tradewind config lists them"
    return f"{name} is no setting and does nothing; {mend}"
