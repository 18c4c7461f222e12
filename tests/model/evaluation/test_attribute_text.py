from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.evaluation.attribute_text import flatten


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            "item_weight:  { unit:pounds, normalized_value:{ unit:pounds, value:1.50 }, value:1.5 }",
            "item weight: 1.5 pounds",
        ),
        (
            "item_weight:  { unit:grams, normalized_value:{ unit:pounds, value:0.1 }, value:45. }",
            "item weight: 0.1 pounds (45 grams)",
        ),
        ("capacity:  { unit:milliliters, value:300 }", "capacity: 300 milliliters"),
        ('material:  { value:"oak" }; { value:"solid_brass" }; { value:"oak" }', "material: oak, solid_brass"),
        ("is_foldable:  { value:false }", "is foldable: no"),
        ("is_foldable:  { value:true }", "is foldable: yes"),
        ('color:  { standardized_values:[ "brown", "brown" ], value:"mocha" }', "color: mocha (brown)"),
        ('color:  { standardized_values:[ "blue" ], value:"sky blue" }', "color: sky blue"),
        ('brand:  { brand_seq_id:null.int, value:"northfenn" }', "brand: northfenn"),
        ('band:  { material:[ { value:"wool" } ] }', "band material: wool"),
        ('neck:  { neck_style:[ { value:"crew" } ] }', "neck style: crew"),
        (
            'case:  { diameter:[ { unit:millimeters, value:31. } ], material:[ { value:"tin" } ] }',
            "case: diameter 31 millimeters, material tin",
        ),
        ("num_batteries:  { quantity:3, type:lithium_ion }", "num batteries: 3 lithium ion"),
        ("num_batteries:  { quantity:1, type:unknown }", "num batteries: 1 of unknown type"),
        ('contributor:  { role:author, name:"A. Writer" }', "contributor: A. Writer (author)"),
        ('item_diameter:  { unit:inches, string_value:"12", decimal_value:12 }', "item diameter: 12 inches"),
        ('size:  { value:"9|" x 12|"" }', 'size: 9" x 12"'),
        ("outer: { }", "outer: not stated"),
        ("list_price:  { currency:usd, value:14.90 }", "list price: 14.9 usd"),
    ],
)
def test_attributes_read_as_a_seller_writes(written: str, said: str) -> None:
    assert flatten(written) == said


def _sides(*sides: tuple[str, str, str]) -> str:
    inner = ", ".join(
        f"{name}:{{ unit:centimeters, normalized_value:{{ unit:inches, value:{inches} }}, value:{cm} }}"
        for name, inches, cm in sides
    )
    return f"item_dimensions:  {{ {inner} }}"


def test_dimensions_keep_which_side_is_which() -> None:
    text = flatten(_sides(("width", "2", "5.08"), ("length", "10", "25.4")))
    assert text == "item dimensions: width 2 inches, length 10 inches (width 5.08 centimeters, length 25.4 centimeters)"


def test_sides_that_were_sorted_by_the_normaliser_lose_their_second_names() -> None:
    text = flatten(_sides(("width", "10", "5.08"), ("length", "2", "25.4")))
    assert text == "item dimensions: width 10 inches, length 2 inches (5.08 centimeters x 25.4 centimeters)"


def test_plain_text_passes_with_its_white_space_collapsed() -> None:
    assert flatten("  it folds:\n {flat}, they  say ") == "it folds: {flat}, they say"


def test_the_question_of_the_community_follows_in_brackets() -> None:
    assert flatten("yes it does. Question: does it fold? ") == "yes it does. (asked: does it fold?)"


@pytest.mark.parametrize("broken", ["size:  { value:", "size:  { value:1 } }", "size: [", "a: {b}", 'a: { value:"x }'])
def test_what_only_looks_like_an_attribute_passes_too(broken: str) -> None:
    assert flatten(broken) == " ".join(broken.split())


@given(st.text(alphabet="ab1 :{}[],;\"|'_.\\", max_size=60))
def test_never_raises_and_leaves_one_line(text: str) -> None:
    said = flatten(f"a: {{{text}")
    assert said == " ".join(said.split())


@given(st.text(max_size=80))
def test_any_text_may_come(text: str) -> None:
    assert "\n" not in flatten(text)


@settings(deadline=None)
@given(
    st.recursive(st.just("{ value:1 }"), lambda inner: inner.map(lambda s: f"{{ a:[ {s} ], b:{s} }}"), max_leaves=30)
)
def test_any_depth_may_come(text: str) -> None:
    assert flatten(f"x: {text}").startswith("x")
