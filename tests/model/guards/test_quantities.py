from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.guards.quantities import codes, find, same


def amounts(text: str) -> list[tuple[float, str]]:
    return [(round(q.value, 3), q.dimension) for q in find(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("750 ml", [(750, "volume")]),
        ("0.75 l", [(750, "volume")]),
        ("750毫升", [(750, "volume")]),
        ("1,500 W or 1.5kW", [(1500, "power"), (1500, "power")]),
        ("9/16 in.", [(14.287, "length")]),
        ("7-1/4 in (184 mm)", [(184.15, "length"), (184, "length")]),
        ("1-9/16 inch", [(39.688, "length")]),
        ('1 9/16" wide', [(39.688, "length")]),
        ("1½ cups", [(354.882, "volume")]),
        ("120x80x40 cm", [(1200, "length"), (800, "length"), (400, "length")]),
        ("10-15 kg", [(10000, "mass"), (15000, "mass")]),
        ("three to five years", [(36, "months"), (60, "months")]),
        ("set of 6 mugs", [(6, "count")]),
        ("this one is one of a kind", []),
        ("one year", [(12, "months")]),
        ("一个杯子", []),
        ("三件套，十二厘米，两升", [(3, "count"), (120, "length"), (2000, "volume")]),
        ("-5 °C to 40°C", [(-5, "celsius"), (40, "celsius")]),
        ("12V 2A", [(12, "voltage"), (2000, "current")]),
        ("available in 5 in stock", [(5, "count")]),
        ("$19.99 or 199元", [(19.99, "money"), (199, "money cny")]),
        ("100% cotton", [(100, "percent")]),
        ("5'10\" tall", [(1524, "length"), (254, "length")]),
        ("25 fl oz", [(739.338, "volume")]),
        ("2 square metres", [(2_000_000, "length^2")]),
    ],
)
def test_reads_amounts_in_base_units(text: str, expected: list[tuple[float, str]]) -> None:
    assert amounts(text) == expected


def test_codes_are_no_amounts() -> None:
    assert [code for code, _, _ in codes("XR-500, 4K, USB3.0, IP67, 2-in-1 and 500 g")] == [
        "xr500",
        "4k",
        "usb3.0",
        "ip67",
        "2in1",
    ]
    assert amounts("XR-500 and IP67") == []


@pytest.mark.parametrize(
    ("claim", "source", "equal"),
    [
        ("750 ml", "0.75 l", True),
        ("12 in", "30.5 cm", True),  # rounded conversion
        ("12 in.", "12.1 in.", False),  # not within one system
        ("30 cm", "300 mm", True),
        ("9/16 inch", "1-9/16 inch", False),
        ("68 °F", "20 °C", True),
        ("6 pieces", "6 kg", False),
        ("2 years", "24 months", True),
        ("5 kg", "5 lb", False),
        ("500克", "0.5 kg", True),
    ],
)
def test_sameness(claim: str, source: str, equal: bool) -> None:
    (a,), (b,) = find(claim)[:1], find(source)[:1]
    assert same(a, b) is equal


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    for quantity in find(text):
        assert 0 <= quantity.start < quantity.end <= len(text)
    for _, start, end in codes(text):
        assert 0 <= start < end <= len(text)


@given(st.text(alphabet="0123456789 -/.x½十两cm'\"in", max_size=40))
def test_any_jumble_of_numbers_can_be_read(text: str) -> None:
    find(text)
