from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from model.evaluation import bm25
from model.evaluation.metrics import average_precision
from model.evaluation.sets import read_rankings
from model.ranking import Ranker, ranker, scores
from model.ranking_features import FEATURES, named, see
from model.word_table import word_table

_DATA = Path(__file__).parents[3] / "shared" / "data" / "cpqa"
LAMP = [
    "age range description: adult",
    "batteries required: no",
    "brand: Harbor",
    "color: brass",
    "item dimensions: 12 inches length, 9 inches width",
    "item weight: 1.8 pounds",
    "light source: led",
    "mounting type: wall mount",
    "It brightens a room without a sound.",
]


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("how old should the user be?", LAMP[0]),
        ("who makes it?", LAMP[2]),
        ("how heavy is the lamp?", LAMP[5]),
        ("what kind of bulb does it use?", LAMP[6]),
        ("can i hang it on the wall?", LAMP[7]),
    ],
)
def test_finds_an_attribute_that_is_asked_for_in_other_words(question: str, text: str) -> None:
    found = scores(question, LAMP[:-1])
    assert LAMP[int(np.argmax(found))] == text


def test_scores_are_probabilities_one_for_each_text() -> None:
    found = scores("how heavy is it?", [*LAMP, "", "1,000", "材质: 陶瓷"])
    assert len(found) == len(LAMP) + 3
    assert all(0.0 <= score <= 1.0 for score in found)
    assert scores("how heavy is it?", []) == []
    assert len(scores("", ["a"])) == 1


def test_the_order_of_candidates_does_not_matter() -> None:
    forward, backward = scores("is it brass?", LAMP), scores("is it brass?", LAMP[::-1])
    assert np.allclose(forward, backward[::-1], atol=1e-5)


def test_bm25_prefers_rare_shared_words() -> None:
    found = bm25.scores("is the lamp made of brass", ["a lamp", "a lamp of brass", "a lamp of oak"])
    assert found[1] > found[0] > 0
    assert bm25.scores("oak", ["brass", ""]) == [0.0, 0.0]
    assert bm25.scores("oak", []) == []


def test_a_name_stands_before_a_value() -> None:
    assert named("item weight: 2 pounds") == ("item weight", "2 pounds")
    assert named("It is heavy. Note: wall mount only") == ("", "It is heavy. Note: wall mount only")


def test_sees_every_feature_once() -> None:
    seen = see("how big is it?", LAMP, word_table())
    assert seen.features.shape == (len(LAMP), len(FEATURES))
    assert len(set(FEATURES)) == len(FEATURES)
    assert np.isfinite(seen.features).all()


def test_weights_of_other_features_are_refused() -> None:
    with pytest.raises(ValueError, match=r"run python -m model\.fit_ranker"):
        Ranker.of(word_table(), {"mean": np.zeros(3, np.float32)})


@pytest.mark.parametrize("name", ["hetPQA_evidence_ranking_dev.csv", "semiPQA_attribute_ranking_dev.csv"])
def test_ranks_better_than_bm25(name: str) -> None:
    if not (_DATA / name).exists():
        pytest.skip(f"no ../shared/data/cpqa/{name}")
    groups: dict[str, tuple[str, list[str], list[bool]]] = {}
    for row in read_rankings(_DATA / name):
        group = groups.setdefault(row.qid, (row.question, [], []))
        group[1].append(row.candidate)
        group[2].append(row.relevant)
    precision: dict[str, list[float]] = {"ours": [], "bm25": []}
    for question, texts, relevant in list(groups.values())[:100]:
        if any(relevant):
            for system, scorer in (("ours", scores), ("bm25", bm25.scores)):
                order = np.argsort(-np.array(scorer(question, texts)), kind="stable")
                precision[system].append(average_precision([relevant[place] for place in order]))
    assert np.mean(precision["ours"]) > np.mean(precision["bm25"]) + 0.05


def test_the_card_names_these_weights() -> None:
    folder = files("model.data")
    for name in ("ranker", "word_table"):
        card = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        assert card["sha256"] == hashlib.sha256((folder / f"{name}.safetensors").read_bytes()).hexdigest()
    assert ranker().mean.shape == (len(FEATURES),)
