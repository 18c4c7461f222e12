from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.language import detect, fold, primary, sentences, stem, terms


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("Solid oak dining table", "en"),
        ("Is it waterproof?", "en"),
        ("纯棉T恤 男款 短袖", "zh"),
        ("Nike 运动鞋男款透气跑步鞋", "zh"),
        ("Tasse aus Porzellan mit Henkel", "und"),
        ("Mesa de roble para el salón", "und"),
        ("これは何ですか", "und"),
        ("이 제품은 무엇입니까", "und"),
        ("Что это такое?", "und"),
        ("12345", "und"),
        ("", "und"),
    ],
)
def test_detects_english_and_chinese_and_nothing_else(text: str, tag: str) -> None:
    assert detect(text) == tag


@pytest.mark.parametrize(
    ("text", "declared", "tag"),
    [
        ("Tasse aus Porzellan", "de", "de"),  # plausible script: the seller knows better
        ("纯棉T恤", "zh-Hant-TW", "zh-Hant-TW"),
        ("纯棉T恤", "en", "zh"),  # implausible
        ("Solid oak table", "zh-CN", "en"),
        ("12345", "en-GB", "en-GB"),
        ("漢字とかな", "ja", "ja"),
    ],
)
def test_a_declared_language_wins_when_its_script_is_plausible(text: str, declared: str, tag: str) -> None:
    assert detect(text, declared) == tag


def test_primary_subtag() -> None:
    assert primary("zh-Hans-CN") == "zh"


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


def test_english_sentences_end_at_a_full_stop_before_a_new_beginning() -> None:
    text = "Holds 2.5 l. Approx. 12 in. wide. Made by J. Smith. Dishwasher safe! Really?"
    assert split(text) == ["Holds 2.5 l.", "Approx. 12 in. wide.", "Made by J. Smith.", "Dishwasher safe!", "Really?"]


def test_chinese_sentences_and_bullets() -> None:
    assert split("纯棉面料。透气吸汗！\n- 可机洗\n- 不褪色") == ["纯棉面料。", "透气吸汗！", "- 可机洗", "- 不褪色"]


@given(st.text())
def test_sentences_are_in_range_in_order_and_lose_only_white_space(text: str) -> None:
    spans = sentences(text)
    assert all(0 <= a < b <= len(text) for a, b in spans)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    assert "".join("".join(split(text)).split()) == "".join(text.split())


@given(st.text())
def test_fold_keeps_places(text: str) -> None:
    assert len(fold(text)) == len(text)


def test_fold_makes_full_width_ascii() -> None:
    assert fold("ＡＢＣ１２３") == "abc123"


@pytest.mark.parametrize("words", [("wash", "washes", "washed", "washing"), ("table", "tables"), ("zip", "zipped")])
def test_inflections_share_a_stem(words: tuple[str, ...]) -> None:
    assert len({stem(word) for word in words}) == 1


def test_terms_drop_stop_words_and_make_bigrams() -> None:
    assert terms("How heavy is the oak table?") == ["heavy", "oak", "tabl"]
    assert terms("请问这个杯子的材质是什么？") == ["杯子", "材质"]
    assert terms("纯棉面料") == ["纯棉", "棉面", "面料"]
