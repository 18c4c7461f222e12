"""The words that a paragraph about numbers may use, and those that give a number its part in it.

The list is closed: a name, a cause or a number in words that the facts don't have can't be said with it.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


RISE = _words(
    "rose rise rises rising risen increased increase increases increasing up grew grow grows growing grown climbed "
    "jumped spiked spike surged surge higher more above exceeded exceeds exceeding"
)
FALL = _words(
    "fell fall falls falling fallen dropped drop drops dropping decreased decrease decreases decreasing declined "
    "decline declines declining down lower fewer less below under sank slipped dipped plunged reduced"
)

#: Before a count: what follows is what was to be expected.
EXPECTED_AHEAD = _words(
    "expected usual usually normal normally typical typically instead against versus than from compared rather baseline"
)
#: After a count: what went before is what was to be expected.
EXPECTED_BEHIND = _words("expected usual usually normal normally typical typically")
#: A comparison begins here: what comes after no longer says anything about the count before.
TURNS = _words("against instead than versus compared from rather where while and but which to since so")

#: What every paragraph may say. Not among them: negations, causes, numbers, and words for all, most or none.
WORDS = (
    RISE
    | FALL
    | _words(
        "a an and are as at be been being but by for from had has have in is it its of on or so than that the their "
        "them then there these they this those to was were when where which while with your"
    )
    | _words(
        "about against among also around approximately baseline began beginning behind biggest came change changed "
        "changes clear clearly come compared count currently drive driven driver drivers drives each expected far "
        "greatest has here include included includes including instead just largest led level levels listing listings "
        "main mainly marks meaning means much normal normally now number numbers only over period rather reached "
        "roughly same saw see seen sharp sharply show showed showing shows since start started starting still strong "
        "strongest strongly total totalled typical typically unusual unusually usual usually utc versus well went what"
    )
)
