"""What may be written about a listing and what may be published, and the reasons that copy is routed by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from model.guards import moderation


class CopyReason(str, Enum):
    """Why copy is routed as it is."""

    GROUNDED = "grounded"  # the model's description passed every guard; PUBLISH where the policy lets it
    TRIMMED = "trimmed"  # likewise, after sentences were left out
    TEMPLATE = "template"  # PUBLISH: built from the seller's facts alone, because the model's text did not pass
    TEMPLATE_LANGUAGE = "template_language"  # PUBLISH: likewise, because the model does not write this language
    SELLERS_PROSE = "sellers_prose"  # REVIEW: sentences of the seller's own, which nobody has read, are or may be in it
    SPARSE_LISTING = "sparse_listing"  # REVIEW: the seller says too little for a page
    BANNED_CONTENT = "banned_content"  # REVIEW: the seller's own text has what may not be published
    UNSERVED_LANGUAGE = "unserved_language"  # REVIEW: neither English nor Chinese
    REFUSED = "refused"  # REVIEW: not even a text from the facts passed


@dataclass(frozen=True, slots=True)
class DescribePolicy:
    """How hard to try, and what may go to the page without a look.

    Attributes:
        model_languages: languages that the checkpoint writes; listings in others get templates.
        attempts: requests to the model for one listing, the first greedy; a sparse listing gets none.
        max_new_tokens: length of one copy; `attempts` times this is the most that a listing costs.
        deadline_s: longest wait for one completion; None waits as long as it takes.
        min_facts: attributes, brand and description sentences that a listing must have to be published.
        min_words: a shorter description (words, or pairs of Chinese characters) is none.
        min_support: least share of a sentence's content words that must stand in the listing.
        publish_model_text: whether a description of the model's own may go to the page without a look. The guards see
            what a text says, not what it mixes up between two true facts.
        allow_superlatives: whether copy may say 'best in the world' and the like.
    """

    model_languages: tuple[str, ...] = ("en",)
    attempts: int = 2
    max_new_tokens: int = 160
    deadline_s: float | None = None
    min_facts: int = 3
    min_words: int = 10
    min_support: float = 0.9
    publish_model_text: bool = False
    allow_superlatives: bool = False

    @property
    def banned(self) -> frozenset[str]:
        """Moderation categories that copy may not have."""
        banned = moderation.HARMFUL | moderation.COPY_BANS
        return banned if self.allow_superlatives else banned | {moderation.SUPERLATIVE}
