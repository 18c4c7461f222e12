from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from model.evaluation.claims import Vocabulary, source_of, unsupported
from model.evaluation.copy import Written, evaluate
from model.evaluation.coverage import appears, asked_for
from model.evaluation.measures import read
from schemas.events import CopyRoute, ListingEnriched, ListingPublished, Method, Provenance, Timings

_AT = datetime(2024, 1, 1, tzinfo=timezone.utc)
_WORDS = Vocabulary.of()
LISTING = ListingPublished(
    uuid.UUID(int=1),
    _AT,
    "m",
    "l-1",
    "Quillbrook Oak Tray, 12 in",
    description="A tray for two mugs.",
    brand="Quillbrook",
    attributes={"material": "oak", "dimensions": "30.5 x 20 x 3 cm", "dishwasher safe": "no", "sku": "QB-1"},
)
COPY = ListingEnriched(
    uuid.UUID(int=2),
    _AT,
    "m",
    "l-1",
    LISTING.event_id,
    "en",
    Provenance(Method.MODEL),
    Timings(),
    description="The Quillbrook tray is made of oak. It measures 12 x 7.9 x 1.2 inches.",
    route=CopyRoute.PUBLISH,
    reason="grounded",
)
SOURCE = source_of(LISTING)


@pytest.mark.parametrize(
    ("text", "category", "span"),
    [
        ("It is 33 cm long.", "number", "33 cm"),
        ("It is 12 cm long.", "number", "12 cm"),
        ("It holds 750ml.", "number", "750ml"),
        ("It carries six mugs.", "number", "six"),
        ("It is made of walnut.", "material", "walnut"),
        ("A teal tray.", "colour", "teal"),
        ("It goes with Northfenn mugs.", "name", "Northfenn"),
        ("It has USB-C.", "name", "USB-C"),
        ("这是一个红色托盘", "colour", "红色"),
        ("采用不锈钢制成", "material", "不锈钢"),
    ],
)
def test_what_the_seller_did_not_say_is_found(text: str, category: str, span: str) -> None:
    assert [(claim.category, claim.span) for claim in unsupported(text, SOURCE, _WORDS)] == [(category, span)]


@pytest.mark.parametrize(
    "text",
    [
        "The tray measures 12 x 7.9 x 1.2 inches.",  # 30.5 x 20 x 3 cm
        "It is 1 foot long and carries two mugs.",
        "Quillbrook's tray of oak. It is no dishwasher tray.",
        "305 mm",
        "- Oak: it is of oak\n= Mugs find their place",
        "",
    ],
)
def test_what_the_seller_said_passes_in_any_unit(text: str) -> None:
    assert unsupported(text, SOURCE, _WORDS) == []


def test_a_unit_may_be_written_apart_from_its_number() -> None:
    assert unsupported("It has 128 GB.", "storage: 64GB, 128GB", _WORDS) == []
    assert unsupported("It shows 4 K.", "resolution: 4K", _WORDS) == []
    assert [claim.span for claim in unsupported("It has 128 TB.", "storage: 128GB", _WORDS)] == ["128 TB"]


def test_words_of_the_taxonomy_count_too(tmp_path: Path) -> None:
    (tmp_path / "en.attribute_values.txt").write_text(
        "# a list\ngid://t/1 : Glaucous [Color]\ngid://t/2 : Lyocell [Fabric]\ngid://t/3 : Round [Shape]\n", "utf-8"
    )
    words = Vocabulary.of(tmp_path)
    assert [c.span for c in unsupported("a round glaucous tray of lyocell", SOURCE, words)] == ["glaucous", "lyocell"]


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("15 x 13 x 22 cm", [150, 130, 220]),
        ("9/16 inch", [14.2875]),
        ("1,250.5 g", [1250.5]),
        ("three kilos", [3000]),
        ("a 5-in-1 tool", [5, 1]),
        ("750毫升", [750]),
        ("32GB", [32000]),
    ],
)
def test_numbers_with_units(text: str, sizes: list[float]) -> None:
    assert [measure.size for measure in read(text)] == pytest.approx(sizes)


def test_what_a_buyer_asks_for_has_the_brand_and_no_stock_numbers() -> None:
    assert [name for name, _ in asked_for(LISTING)] == ["material", "dimensions", "dishwasher safe", "brand"]


@pytest.mark.parametrize(
    ("name", "value", "text", "found"),
    [
        ("weight", "1.5 kg", "It weighs 3.3 lb.", True),
        ("weight", "1.5 kg", "It weighs 2 kg.", False),
        ("colors", "red, blue", "It comes in red or blue.", True),
        ("colors", "red, blue, green", "It comes in red.", False),
        ("dishwasher safe", "no", "It is not dishwasher safe.", True),
        ("dishwasher safe", "no", "It is made of oak.", False),
        ("材质", "不锈钢", "采用不锈钢制成。", True),
    ],
)
def test_whether_an_attribute_appears(name: str, value: str, text: str, found: bool) -> None:
    assert appears(name, value, text) is found


def _values(report_of: list[Written]) -> dict[str, float]:
    report = evaluate([LISTING] * len(report_of), {"ours": report_of}, _WORDS, seed=0, about={})
    return {figure.metric: figure.interval.value for figure in report.figures}


def test_true_copy_by_the_model() -> None:
    raw = ("The Quillbrook tray is made of oak.",)
    values = _values([Written(COPY, raw)])
    assert values["published with an unsupported claim"] == 0
    assert values["description sentences by the model"] == 50
    assert values["attributes that appear"] == 75  # nothing of the dishwasher
    assert values["template fallback, of those asked for"] == 0


def test_a_false_claim_is_counted_and_shown_wherever_it_stands() -> None:
    false = replace(COPY, highlights=("material: oak", "weight: 2 kg"), route=CopyRoute.REVIEW)
    report = evaluate([LISTING], {"ours": [Written(false)]}, _WORDS, seed=0, about={})
    (finding,) = report.findings
    assert (finding.place, finding.category, finding.span) == ("l-1 highlights[1] [8:12]", "number", "2 kg")
    values = _values([Written(false)])
    assert values["listings with an unsupported claim"] == 100
    assert values["routed publish"] == 0


def test_templates_are_fallbacks_only_where_the_model_was_asked_in_vain() -> None:
    template = replace(COPY, provenance=Provenance(Method.TEMPLATE), reason="template")
    other = replace(COPY, provenance=Provenance(Method.TEMPLATE), reason="template_language")
    values = _values([Written(template, ("It is made of walnut.",)), Written(other)])
    assert values["template fallback, model asked in vain"] == 50
    assert values["template for whatever reason"] == 100
    assert values["model's text with one, before the guards"] == 100
