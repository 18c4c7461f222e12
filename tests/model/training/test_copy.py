from __future__ import annotations

import uuid
from datetime import datetime, timezone

from model.guards import grounding
from model.tasks import copy_format
from model.training import copy
from schemas.events import ListingPublished

FACTS = [
    ("ring size: 7", "This ring is size 7."),
    ("hose length: 50 feet", "The hose is 50 feet long."),
    ("room type: Office, Kitchen", "It can be used in the office and kitchen."),
    ("brand: Northfell", "It is made of gold."),  # says something else: must not be learned
]


def listing(number: int) -> ListingPublished:
    return ListingPublished(
        uuid.UUID(int=number), datetime(2026, 1, 1, tzinfo=timezone.utc), "m", f"l{number}", "Linen Kitchen Towel",
        description="This soft linen towel dries dishes quickly. It features a woven loop for hanging.",
        category="kitchen",
    )  # fmt: skip


def facts_of(user: str) -> list[str]:
    return user.split("---")[1].strip().splitlines()


def test_products_from_facts_say_their_facts_and_nothing_else() -> None:
    examples = copy.from_facts(FACTS, ["Garden Hose Reel", "Silver Ring"], 60, seed=1)
    assert len(examples) == 60
    for example in examples:
        facts = facts_of(example.prompt.user)
        written = copy_format.parse(example.completion)
        assert facts[0].startswith("title: ")
        assert grounding.check(written.description, facts, "en") == ()
        assert len(written.highlights) <= 3
        assert written.short_line
        assert "gold" not in written.description


def test_sellers_sentences_are_kept_whole_or_written_out_from_fragments() -> None:
    examples = copy.from_listings([listing(n) for n in range(30)], FACTS, 30, seed=2, source="shop")
    assert examples
    whole = [e for e in examples if any("dries dishes quickly." in fact for fact in facts_of(e.prompt.user))]
    assert 0 < len(whole) < len(examples)
    for example in examples:
        assert example.source == "shop"
        assert "soft linen towel" in copy_format.parse(example.completion).description


def test_the_same_seed_makes_the_same_examples() -> None:
    titles = ["Garden Hose Reel"]
    assert copy.from_facts(FACTS, titles, 9, seed=1) == copy.from_facts(FACTS, titles, 9, seed=1)
    assert copy.from_facts(FACTS, titles, 9, seed=1) != copy.from_facts(FACTS, titles, 9, seed=2)
