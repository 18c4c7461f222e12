from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.tasks.attributes import in_order, normalise, normalise_units


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("350ML", "350 ml"),
        ("2.5KG", "2.5 kg"),
        ("120x80 centimetres", "120x80 cm"),
        ("500毫升", "500 ml"),
        ("100-240v 50/60hz", "100-240 V 50/60 Hz"),
        ("12 inches", "12 in"),
        ("5000mAh", "5000 mAh"),
        ("304不锈钢", "304不锈钢"),
        ("size 40 L", "size 40 L"),  # a litre or a size?
        ("XR-500g2", "XR-500g2"),
        ("2.4G, 5G", "2.4G, 5G"),
        ("cotton", "cotton"),
    ],
)
def test_units_get_their_symbol(value: str, expected: str) -> None:
    assert normalise_units(value) == expected


@given(st.text())
def test_units_are_normal_after_one_pass(value: str) -> None:
    once = normalise_units(value)
    assert normalise_units(once) == once


def test_names_become_canonical_and_keep_apart() -> None:
    raw = {"Colour": "Blue", "颜色": "蓝", " Frame  Material ": " steel ", "Empty": " ", "What's new (2026)": "x"}
    assert normalise(raw, "Harbor") == {
        "color": "Blue",
        "颜色": "蓝",
        "frame_material": "steel",
        "what_s_new_2026": "x",
        "brand": "Harbor",
    }


def test_what_a_reader_wants_first_comes_first() -> None:
    names = [name for name, _ in in_order({"warranty": "1", "foo": "2", "Weight": "3", "材质": "4", "x": " "})]
    assert names == ["材质", "Weight", "warranty", "foo"]
