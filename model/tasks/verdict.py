"""The word that a drafted answer begins with: does the buyer hear yes, no, something else, or can't it be told?

The model says it first, so that its probability is that of the decision and not of a wording.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

Verdict = Literal["yes", "no", "info", "none"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

_FIRST = re.compile(rf"\s*({'|'.join(VERDICTS)})\s*(?::|$)\s*", re.IGNORECASE)
_WORDS: dict[str, Verdict] = {verdict: verdict for verdict in VERDICTS}


def split(text: str) -> tuple[Verdict | None, str]:
    """The verdict and the answer behind it; no verdict where the model gave none."""
    found = _FIRST.match(text)
    return (_WORDS[found[1].lower()], text[found.end() :]) if found else (None, text)


def join(verdict: Verdict, answer: str) -> str:
    """What the model is trained to write."""
    return "none" if verdict == "none" else f"{verdict}: {answer}"
