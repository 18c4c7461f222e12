from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.guards.grounding import check, support

MUG = (
    "Harbor Stoneware Mug 350 ml, blue",
    "material: stoneware",
    "capacity: 350 ml",
    "dishwasher safe: yes",
    "microwave safe: no",
    "height: 9.5 cm",
    "diameter: 8 cm",
    "brand: Harbor",
    "weight (g): 320",
    "Set of 2 mugs with a wide handle. Not suitable for induction hobs. Handmade in Portugal.",
)
CUP = ("材质: 304不锈钢", "容量: 500毫升", "颜色: 黑色", "品牌: 晨露", "保温杯，不可放入微波炉。可手洗。")


def categories(text: str, sources: tuple[str, ...] = MUG, language: str = "en", question: str = "") -> set[str]:
    return {violation.category for violation in check(text, sources, language, question)}


@pytest.mark.parametrize(
    "text",
    [
        "This stoneware mug holds 0.35 l and is dishwasher safe.",
        "It holds 11.8 fl oz.",
        "It is not microwave safe.",
        "It is 9.5 cm high and 8 cm in diameter.",
        "Height 9.5 cm, diameter 8 cm.",
        "It weighs 320 g, that is 0.32 kg.",
        "Two mugs with a handle, handmade in Portugal.",
        "A ceramic mug by Harbor.",  # stoneware is a ceramic
        "A lovely mug for every day.",
        "",
    ],
)
def test_what_the_sources_say_passes(text: str) -> None:
    assert categories(text) == set()


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("The copper mug.", "unsupported_material"),
        ("A mug made of sea water.", "unsupported_material"),
        ("Holds 12 oz.", "unsupported_number"),  # a mass, where the source has a volume
        ("Holds 305 ml.", "unsupported_number"),
        ("Set of 2 bowls.", "unsupported_count"),
        ("A red mug.", "unsupported_colour"),
        ("Made in Italy.", "unsupported_origin"),
        ("A mug by Nike.", "unsupported_brand"),
        ("From the Borealis range.", "unsupported_name"),
        ("Available in size XL.", "unsupported_size"),
        ("Model XR-500.", "unsupported_code"),
        ("With a lid.", "unsupported_part"),
        ("It is waterproof.", "unsupported_claim"),
        ("It is BPA-free.", "unsupported_claim"),
        ("It is peanut-free.", "unsupported_claim"),
        ("It is microwave safe.", "contradiction"),
        ("It is not dishwasher safe.", "contradiction"),
        ("Suitable for induction hobs.", "contradiction"),
        ("It never chips.", "unsupported_negation"),
        ("It comes without a box.", "unsupported_negation"),
        ("It is 8 cm tall.", "swapped_measure"),
        ("It is 9.5 cm wide.", "swapped_measure"),
        ("Yes.", "unsupported_yes_no"),
    ],
)
def test_what_they_do_not_say_is_refused(text: str, category: str) -> None:
    assert category in categories(text)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Copper kettle", "A steel kettle"),
        ("size: 9/16 in", "A 1-9/16 in hose"),
        ("size: 1-9/16 in", "A 9/16 in hose"),
        ("material: oak veneer finish", "An oak table"),  # an oak finish is no oak
        ("faux leather bag", "A leather bag"),
        ("steel pan", "A stainless steel pan"),  # more than was said
        ("120 x 80 cm", "It is 120 cm long."),  # which side is the long one?
        ("sizes: S, M, L", "Sizes S, M, L and XL"),
        ("pack of 12", "A pack of 24"),
        ("Lid not included.", "The lid is included."),
        ("A stainless steel lining keeps tomatoes and lemon off the copper wall.", "With a copper lining."),
        (
            "The sheet in the picture is not included. One pillowcase.",
            "One pillowcase, which is not included.",
        ),
    ],
)
def test_known_failures_of_such_systems(source: str, text: str) -> None:
    assert categories(text, (source,))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("750 ml bottle", "A bottle of 0.75 l"),
        ("stainless steel pan", "A steel pan"),
        ("aluminum lamp", "An aluminium lamp"),
        ("Farbe: grey", "In gray"),
        ("材质: 橡木", "Made of oak"),
        ("no parabens", "Without parabens."),
    ],
)
def test_other_words_for_the_same_pass(source: str, text: str) -> None:
    assert categories(text, (source,)) == set()


def test_materials_stay_with_their_part() -> None:
    sources = (
        "handle material: cast brass",
        "lid: copper lid included",
        "lining: stainless steel",
        "Copper Pan",
    )
    assert categories("A copper pan with a copper lid and a brass handle.", sources) == set()
    assert "swapped_material" in categories("A pan with a brass lid.", sources)
    assert "swapped_material" in categories("The handle is made of copper.", sources)
    assert "swapped_material" in categories("A pan with copper lining.", sources)
    assert "unsupported_part" in categories("A copper pan with a copper strap.", sources)


def test_merged_brands() -> None:
    sources = ("brand: Anker", "Anker charger. Works with Sony headphones.")
    assert categories("The Anker charger works with Sony headphones.", sources) == set()
    assert "merged_brand" in categories("The Anker Sony charger.", sources)


@pytest.mark.parametrize(
    ("question", "text", "passes"),
    [
        ("Is it dishwasher safe?", "Yes, it is dishwasher safe.", True),
        ("Is it dishwasher safe?", "No, it is not dishwasher safe.", False),
        ("Can I put it in the microwave?", "No, it is not microwave safe.", True),
        ("Can I put it in the microwave?", "Yes.", False),
        ("Is it made of stoneware?", "Yes, it is made of stoneware.", True),
        ("Is it made of glass?", "Yes.", False),
        ("Is it 9.5 cm high?", "Yes.", True),
        ("Is it 12 cm high?", "Yes.", False),
        ("Will my cat like it?", "Yes.", False),
        ("Does it have a wide handle?", "Yes, it has a wide handle.", True),
        ("Does it have a wide lid?", "Yes.", False),
        ("Is it not dishwasher safe?", "Yes.", False),  # which of the two does it mean?
        ("", "Yes.", False),
    ],
)
def test_a_yes_or_no_is_held_against_the_question(question: str, text: str, passes: bool) -> None:
    assert (categories(text, question=question) == set()) is passes


@pytest.mark.parametrize(
    ("text", "question", "passes"),
    [
        ("容量0.5升，304不锈钢材质。", "", True),
        ("不可放入微波炉。", "", True),
        ("316不锈钢，白色。", "", False),
        ("可放入微波炉。", "", False),
        ("是的，可以放微波炉。", "可以放微波炉吗？", False),
        ("不可以。", "可以放微波炉吗？", True),
        ("晨露保温杯 Nike 500ml", "", False),
        ("黑色，500ml", "", True),
    ],
)
def test_chinese(text: str, question: str, passes: bool) -> None:
    assert (categories(text, CUP, "zh", question) == set()) is passes


def test_a_unit_or_a_no_may_stand_in_the_attribute_name() -> None:
    assert categories("It weighs 2.5 kg.", ("weight_kg: 2.5",)) == set()
    assert "contradiction" in categories("Batteries included.", ("batteries included: false",))


def test_violations_say_where() -> None:
    text = "A copper mug of 999 ml."
    assert [(v.category, text[v.start : v.end], v.span) for v in check(text, MUG)] == [
        ("unsupported_material", "copper", "copper"),
        ("unsupported_number", "999 ml", "999 ml"),
    ]


def test_support_is_the_share_of_words_that_are_found() -> None:
    assert support("A stoneware mug of 350 ml", MUG).share == 1.0
    half = support("stoneware spaceship", MUG)
    assert half.share == pytest.approx(0.5)
    assert half.missing == ("spaceship",)
    assert support("A lovely mug", MUG, neutral=False).share < 1.0
    assert support("spaceship", MUG, question="Is it a spaceship?").share == 1.0


def test_a_quotation_of_a_source_passes_whatever_its_grammar() -> None:
    sources = ("三岁以下不能玩,也不要水洗。", "绝缘: 不绝缘")
    assert check("三岁以下不能玩,也不要水洗。绝缘：不绝缘；", sources, "zh") == ()
    assert check("According to the listing, “Lid not included”.", ("Lid not included.",)) == ()
    assert check("Suitable for children.", ("Not suitable for children.",))  # a part of a sentence is none


@given(st.text(), st.lists(st.text(), max_size=3), st.text(), st.sampled_from(["en", "zh", "und"]))
def test_any_text_can_be_checked(text: str, sources: list[str], question: str, language: str) -> None:
    end_of_last = 0
    for violation in check(text, sources, language, question):
        assert 0 <= violation.start <= violation.end <= len(text)
        assert violation.span == text[violation.start : violation.end]
        assert violation.start >= end_of_last
        end_of_last = violation.start
    assert 0.0 <= support(text, sources, question).share <= 1.0


@pytest.mark.parametrize("source", [source for source in MUG if not source.endswith(("yes", "no", "320"))])
def test_a_source_supports_itself(source: str) -> None:
    assert categories(source) == set()


@pytest.mark.parametrize(
    ("source", "text", "passes"),
    [
        ("材质: 纯棉", "纯棉材质", True),
        ("材质: 纯棉", "真丝材质", False),
        ("颜色: 灰色", "灰色款", True),
        ("颜色: 灰色", "红色款", False),
        ("重量: 1.5公斤", "重3斤", True),
        ("重量: 1.5公斤", "重1500克", True),
        ("重量: 1.5公斤", "重1.5斤", False),
        ("容量: 750毫升", "容量0.75升", True),
        ("容量: 750毫升", "容量750升", False),
        ("长度: 120厘米", "长度1.2米", True),
        ("长度: 120厘米", "长度120米", False),
        ("一盒6个", "一盒6个", True),
        ("一盒6个", "一盒8个", False),
        ("不含电池", "含电池", False),
        ("没有盖子", "有盖子", False),
        ("无需安装", "需安装", False),
        ("尺寸: 大号", "小号", False),
    ],
)
def test_chinese_claims(source: str, text: str, passes: bool) -> None:
    assert (check(text, (source,), "zh") == ()) is passes


@pytest.mark.parametrize(
    ("source", "question", "text", "passes"),
    [
        ("it has upgrade cards for ships", "does it have upgrade cards?", "yes, it has upgrade cards.", True),
        ("it has upgrade cards for ships", "does it have upgrade cards?", "no, it has upgrade cards.", False),
        ("is electric: no", "is the train motorized?", "this train is electric.", False),
        ("requires 2 aa batteries (not included)", "what batteries?", "you need 2 aa batteries.", True),
        ("requires 2 aa batteries (not included)", "what batteries?", "it comes with 2 aa batteries.", False),
        ("includes remote: no", "did a remote come?", "no remote is included.", True),
        ("ages: three and up", "what age?", "it is for 3 year olds.", True),
        ("plus two joker tiles", "are there jokers?", "it comes with two joker tiles.", True),
        ("works with Sony headphones", "what is in the box?", "it comes with Sony headphones.", False),
        ("bed size: queen", "", "a king size bed.", False),
    ],
)
def test_answers(source: str, question: str, text: str, passes: bool) -> None:
    assert (check(text, (source,), question=question) == ()) is passes
