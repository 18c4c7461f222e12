from __future__ import annotations

import csv
import hashlib
import json
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.guards import abuse, moderation
from tests.support.market_talk import ABUSIVE_EN, ABUSIVE_ZH, CIVIL_EN, CIVIL_ZH, FRESH_ABUSIVE

COLD = Path(__file__).parents[4] / "shared" / "data" / "guard" / "cold_dev.csv"


def share_found(texts: tuple[str, ...]) -> float:
    return sum(bool(moderation.classify(text, moderation.HARMFUL)) for text in texts) / len(texts)


@pytest.mark.parametrize("texts", [ABUSIVE_EN, ABUSIVE_ZH], ids=["en", "zh"])
def test_finds_abuse_in_the_wording_of_a_market(texts: tuple[str, ...]) -> None:
    assert share_found(texts) >= 0.85


def test_finds_abuse_that_it_was_not_made_for() -> None:
    assert share_found(FRESH_ABUSIVE) >= 0.45


@pytest.mark.parametrize("text", CIVIL_EN + CIVIL_ZH)
def test_leaves_civil_messages_alone(text: str) -> None:
    assert moderation.classify(text, moderation.HARMFUL) == ()


@pytest.mark.parametrize(
    ("text", "language", "word"),
    [
        ("Hello, does the lamp dim? Answer me, you dumb fucking bitch", "en", "bitch"),
        ("这个台灯能调光吗？回答我，你这个贱人", "zh", "贱人"),
    ],
)
def test_points_at_the_guilty_words(text: str, language: str, word: str) -> None:
    start, end = abuse.guiltiest(text, language)
    assert word in text[start:end]
    assert end - start < len(text) * 0.7


def test_one_foul_line_does_not_drown_in_a_long_description() -> None:
    line = "you are all stupid fucking bitches."
    long = "The mug is made of stoneware and holds 350 ml. " * 40
    assert abuse.probability(long, "en") < abuse.THRESHOLD <= abuse.probability(f"{long}{line} {long}", "en")


@pytest.mark.parametrize(
    "other", ["FUCK off", "ｆｕｃｋ　off", "fuck   off", "fuck off https://example.org/a", "rt @shop fuck off"]
)
def test_disguises_and_addresses_change_nothing(other: str) -> None:
    assert abuse.probability(other, "en") == abuse.probability("fuck off", "en")


def test_stretched_letters_count_twice_at_most() -> None:
    assert abuse.probability("fuuuuuuck", "en") == abuse.probability("fuuck", "en")


def test_an_unknown_language_is_named() -> None:
    with pytest.raises(ValueError, match="'de'"):
        abuse.probability("Hallo", "de")


@settings(deadline=None)  # the first call reads the weights
@given(st.text(), st.sampled_from(abuse.LANGUAGES))
def test_any_text_has_a_probability_and_a_place(text: str, language: str) -> None:
    assert all(0 <= value <= 1 for value in abuse.probabilities(text, language).values())
    start, end = abuse.guiltiest(text, language)
    assert 0 <= start <= end <= len(text)
    assert start < end or not text


@settings(deadline=None)
@given(st.text(min_size=1), st.sampled_from(abuse.LANGUAGES))
def test_grams_lie_in_the_text(text: str, language: str) -> None:
    found = abuse.grams(text, language)
    assert len(found.bucket) == len(found.value) == len(found.start) == len(found.end)
    assert (found.bucket < 1 << abuse.BITS).all()
    assert ((found.start >= 0) & (found.start < found.end) & (found.end <= len(text))).all()


@settings(deadline=None)
@given(st.lists(st.sampled_from(["Nice mug. ", "x" * 300, "很好。", "\n"]), max_size=30).map("".join))
def test_stretches_leave_no_letter_out(text: str) -> None:
    covered = {at for start, end in abuse.stretches(text) for at in range(start, end)}
    assert all(at in covered for at, character in enumerate(text) if not character.isspace())
    assert all(end - start <= abuse.STRETCH for start, end in abuse.stretches(text))


@pytest.mark.parametrize("language", abuse.LANGUAGES)
def test_the_card_belongs_to_the_weights(language: str) -> None:
    folder = files("model.guards") / "data"
    content = (folder / f"abuse_{language}.safetensors").read_bytes()
    card = json.loads((folder / f"abuse_{language}.json").read_text(encoding="utf-8"))
    assert card["sha256"] == hashlib.sha256(content).hexdigest()
    assert card["threshold"] == abuse.THRESHOLD
    assert len(content) < 2_000_000


@pytest.mark.skipif(not COLD.exists(), reason="the public sets are not beside the project")
def test_a_sample_of_cold_dev() -> None:
    with COLD.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))[::10]
    pairs = [(row["label"] == "1", abuse.probability(row["TEXT"], "zh") >= abuse.THRESHOLD) for row in rows]
    f1 = []
    for side in (True, False):
        hits = sum(truth is side and guess is side for truth, guess in pairs)
        f1.append(2 * hits / (sum(truth is side for truth, _ in pairs) + sum(guess is side for _, guess in pairs)))
    assert sum(f1) / 2 >= 0.8
