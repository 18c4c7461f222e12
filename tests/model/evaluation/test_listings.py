from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from model.evaluation.data_error import DataError
from model.evaluation.listings import read_listings

DUMMY = {
    "id": 4,
    "title": "Enamel Mug",
    "description": "A mug for the trail.",
    "category": "kitchen",
    "price": 8.5,
    "tags": ["mug"],
    "brand": "Northfenn",
    "weight": 5,
    "dimensions": {"width": 8.0, "height": 9.25, "depth": 8},
    "warrantyInformation": "1 year warranty",
    "shippingInformation": "Ships in 1 week",
    "returnPolicy": "30 days return policy",
    "minimumOrderQuantity": 1,
}


def _file(folder: Path, value: object, name: str = "listings.json") -> Path:
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


def test_a_product_with_attributes(tmp_path: Path) -> None:
    path = _file(tmp_path, [DUMMY])
    (listing,) = read_listings(path)
    assert listing.attributes == {
        "dimensions": "8 x 9.25 x 8 cm",
        "weight": "5 oz",
        "warranty": "1 year warranty",
        "shipping": "Ships in 1 week",
        "return policy": "30 days return policy",
    }
    assert (listing.brand, listing.price, listing.currency) == ("Northfenn", Decimal("8.50"), "USD")
    assert [listing] == read_listings(path)  # the same ids again


def test_variants_become_what_a_product_comes_in(tmp_path: Path) -> None:
    variants = {
        "1": {"options": {"capacity": "1000ml", "color": "red"}, "price": 9.9},
        "2": {"options": {"capacity": "500ml", "color": "blue"}, "price": 9.9},
    }
    (listing,) = read_listings(_file(tmp_path, {"55": {"name": "Bottle", "product_id": "55", "variants": variants}}))
    assert listing.attributes == {"capacity": "500ml, 1000ml", "color": "blue, red"}
    assert (listing.price, listing.currency) == (Decimal("9.90"), "USD")


def test_variants_of_several_prices_state_none(tmp_path: Path) -> None:
    variants = {str(n): {"options": {"size": "M"}, "price": n} for n in (1, 2)}
    (listing,) = read_listings(_file(tmp_path, {"5": {"name": "Cap", "product_id": "5", "variants": variants}}))
    assert (listing.price, listing.currency) == (None, None)


def test_two_languages_are_two_listings(tmp_path: Path) -> None:
    line = json.dumps({"model": "Rain Cape", "en": "Keeps dry.", "zh-Hant": "保持干燥。"})
    english, chinese = read_listings(_file(tmp_path, line + "\n", "models.jsonl"))
    assert (english.language, chinese.language) == ("en", "zh")
    assert english.event_id != chinese.event_id


def test_yaml_products(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    text = (
        "- id: a-1\n  name: Reed Basket\n  category: homedecor\n  style: basket\n  description: Woven.\n  price: 20.0\n"
    )
    (listing,) = read_listings(_file(tmp_path, text, "shop.yaml"))
    assert (listing.listing_id, listing.attributes) == ("aws-a-1", {"style": "basket"})


def test_our_own_shape_with_and_without_ids(tmp_path: Path) -> None:
    rows = [
        {"listing_id": "l-1", "title": "Tin Box", "price": "3.20", "currency": "EUR", "attributes": {"height": 4}},
        {
            "listing_id": "l-2",
            "title": "锡盒",
            "event_id": "6f0d6cf0-3c4f-5c0e-9d9e-3f2a54f6f7b1",
            "occurred_at": "2024-01-02T03:04:05Z",
        },
    ]
    first, second = read_listings(_file(tmp_path, "\n".join(map(json.dumps, rows)), "own.jsonl"))
    assert (first.attributes, first.price, first.language) == ({"height": "4"}, Decimal("3.20"), "en")
    assert (str(second.event_id)[:8], second.occurred_at.year, second.language) == ("6f0d6cf0", 2024, "zh")


def test_a_folder_is_all_of_its_files(tmp_path: Path) -> None:
    _file(tmp_path, [DUMMY], "a.json")
    _file(tmp_path, json.dumps({"listing_id": "l", "title": "Tin Box"}), "b.jsonl")
    assert [listing.title for listing in read_listings(tmp_path)] == ["Enamel Mug", "Tin Box"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[]", "holds no listing"),
        ("{", "not readable as .json"),
        ("[1]", "expected a list of objects"),
        ('[{"sku": 1}]', "its first item has sku; expected listing_id, title; or"),
        ('[{"listing_id": "l", "title": " "}]', "item 1: .*title is empty"),
        ('[{"listing_id": "l", "title": "Tin", "price": "much"}]', "item 1: .*mend it"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, content: str, told: str) -> None:
    with pytest.raises(DataError, match=told) as caught:
        read_listings(_file(tmp_path, content))
    assert "\n" not in str(caught.value)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no \.json"):
        read_listings(tmp_path)
