from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tradewind.report.facts import PERIOD, empty_facts, full_facts
from tests.tradewind.report.reading import Page
from tradewind.report.page import page
from tradewind.report.period import Period

FULL = page(full_facts())
TITLES = [
    "Key figures", "Sales by day", "Orders and units", "From question to order", "Refunds",
    "Answers: how many, which way, how fast", "Copy for listings", "Insights",
]  # fmt: skip
TAGS = {
    "html", "head", "meta", "title", "style", "body", "header", "main", "section", "h1", "h2", "h3", "p", "ul", "li",
    "figure", "figcaption", "article", "details", "summary", "div", "table", "thead", "tbody", "tr", "th", "td",
    "svg", "g", "path", "rect", "text", "line",
}  # fmt: skip
NASTY = [
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'-alert(1)-'", "</svg><script>",
    "</title><script>",
    "]]><script>", "{{ 7 * 7 }}", "{% raw %}", "&lt;script&gt;", "<!-- ", "</style><script>", "javascript:alert(1)",
    "\u202egnp.exe", "a\x00b", "line\u2028break", "\\\"; alert(1)//", "datum.v", "紅茶茶葉禮盒" * 12, " ",
]  # fmt: skip


def test_it_loads_nothing_and_runs_nothing() -> None:
    found = Page(FULL)
    assert {tag for tag, _ in found.tags} <= TAGS
    pairs = [(name, value) for _, attributes in found.tags for name, value in attributes.items()]
    assert not [name for name, _ in pairs if name.startswith("on") or name in ("src", "href", "xlink:href", "srcset")]
    assert not re.search(r"url\(|@import|@font-face|https?:|//", FULL)
    policy = next(attributes["content"] for _, attributes in found.tags if "http-equiv" in attributes)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_a_phone_can_show_it() -> None:
    found = Page(FULL)
    viewport = next(attributes["content"] for _, attributes in found.tags if attributes.get("name") == "viewport")
    assert viewport == "width=device-width, initial-scale=1"
    sizes = [float(size) for size in re.findall(r"font(?:-size)?:\s*(?:bold )?([0-9.]+)px", FULL)]
    assert len(sizes) > 5
    assert min(sizes) >= 14
    drawings = [attributes for tag, attributes in found.tags if tag == "svg"]
    phones = [drawing for drawing in drawings if drawing["class"] == "phone"]
    assert len(phones) * 2 == len(drawings)
    assert "prefers-color-scheme: dark" in FULL
    for drawing in phones:
        width = float(drawing["viewbox"].split()[2])
        # 320 px less the margins of the page; texts on the canvas are 15 px.
        assert 15 * (320 - 2 * 12) / width >= 14
    assert set(re.findall(r'font-size="([0-9.]+)px"', FULL)) == {"15"}


def test_each_chart_is_told_in_words_and_stands_alone() -> None:
    found = Page(FULL)
    for tag, attributes in found.tags:
        assert "id" not in attributes, f"two drawings could share the id of this {tag}"
        if tag == "svg":
            assert attributes["role"] == "img"
            assert len(attributes["aria-label"]) > 20
    assert set(found.tables) == {
        "Sales by day and currency", "Listings", "Refunds by day and currency", "Answers by day",
        "Copy by route and method",
    }  # fmt: skip


def test_sections_without_data_say_so() -> None:
    found = Page(page(empty_facts()))
    headings = [text for text in found.texts if text in TITLES]
    assert headings == TITLES
    for said in (
        "There is nothing of this merchant in this period.", "There are no sales in this period.",
        "There are no orders in this period.", "There are no questions and no orders in this period.",
        "There are no sales and no refunds in this period.", "There are no drafted answers in this period.",
        "There are no listings of this merchant.", "Nothing stood out in this period.",
        "Orders: 0, the same as before.",
    ):  # fmt: skip
        assert said in found.texts
    assert "svg" not in {tag for tag, _ in found.tags}


def test_currencies_are_never_added_up() -> None:
    facts = full_facts(currencies=("EUR", "JPY"))
    found = Page(page(facts))
    by_currency = {
        currency: sum(row.sales for row in facts.sales if row.currency == currency and row.day in PERIOD)
        for currency in ("EUR", "JPY")
    }
    for currency, amount in by_currency.items():
        assert f"Sales in {currency}: {amount:,.2f} {currency}," in found.text
        assert f"Sales in {currency}" in found.texts
    assert f"{sum(by_currency.values()):,.2f}" not in FULL


def test_many_currencies_are_all_in_the_table() -> None:
    facts = full_facts(currencies=tuple(f"C{n:02d}" for n in range(9)))
    found = Page(page(facts))
    assert "3 more currencies are in the table only." in found.texts
    assert {row[1] for row in found.tables["Sales by day and currency"][1:]} == {row.currency for row in facts.sales}
    assert sum(text.startswith("Sales in C") and len(text) == len("Sales in C00") for text in found.texts) == 6


def test_insights_are_marked_by_their_numbers() -> None:
    facts = full_facts(currencies=("EUR",))
    found = Page(page(facts))
    drawn = re.findall(r'var\(--mark\)"[^>]*>([^<]+)</text>', page(facts))
    assert drawn == ["1", "2–3"] * 2, "once for a phone, once for a wide screen"
    assert "1. sales, drop" in found.texts
    assert found.texts.count("Suggestion: Check the price.") == 3
    cut_off = Page(page(replace(facts, insights_found=99)))
    assert "The newest 50 of 99." in cut_off.texts


@pytest.mark.parametrize("text", NASTY)
def test_what_others_wrote_stays_text(text: str) -> None:
    _stays_text(text)


@settings(deadline=None, max_examples=15)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200))
def test_any_text_stays_text(text: str) -> None:
    _stays_text(text)


def _stays_text(text: str) -> None:
    short = Period(PERIOD.last, 2)
    facts = full_facts(text, short, currencies=(text[:3],), listing_ids=(text, "other"), text=text)
    found = Page(page(facts))
    assert {tag for tag, _ in found.tags} <= TAGS
    assert not [
        name for _, attributes in found.tags for name in attributes if name.startswith("on") or name in ("src", "href")
    ]
    seen = " ".join("".join(c if c.isprintable() else " " for c in text).split()) or "–"
    assert seen in found.texts
    assert [row[0] for row in found.tables["Listings"][1:]] == [seen, "other"]


@pytest.mark.parametrize("days", [1, 2, 366])
def test_short_and_long_periods(days: int) -> None:
    facts = full_facts(period=Period(date(2026, 11, 24), days), currencies=("EUR",))
    found = Page(page(facts))
    told = {row[0] for row in found.tables["Sales by day and currency"][1:]}
    assert told == {str(row.day) for row in facts.sales if row.day in facts.period}


def test_an_unfinished_day_is_told() -> None:
    said = "The last day is not over yet, and the period before is whole."
    assert said in Page(FULL).texts
    assert said not in Page(page(full_facts(period=Period(date(2026, 11, 23), 3)))).texts
