"""What a paragraph about a merchant's numbers may say: nothing but the facts, each in its part."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.tasks.insight_check import missing, refuse
from model.tasks.insight_facts import METRICS, Driver, InsightFacts, paragraph, sentences

START = datetime(2026, 3, 3, 8, tzinfo=timezone.utc)
DROP = InsightFacts("sales", False, 12, 41.3, START, (Driver("L-7", 2, 14.25), Driver("1082185", 3, 9.0)))
SPIKE = InsightFacts("refunds", True, 1530, 120.0, START, (Driver("L-7", 700, 40.0),))
WAITING = InsightFacts("unanswered_questions", True, 23, 4.2, START, patience=timedelta(minutes=90))

TRUE = (
    "Sales fell to 12 orders since 08:00 UTC on 3 March 2026, against 41 expected, so 71% less.",
    "Since 08:00 UTC on 3 March 2026 sales fell from the usual 41 to 12.",
    "Sales dropped: 12 orders came since 08:00 UTC on 3 March 2026, where 41 were expected.",
    (
        "Sales are down sharply to 12 orders since 08:00 UTC on 3 March 2026, compared with 41 normally. "
        "Listing L-7 fell from 14 to 2, and listing 1082185 fell from 9 to 3."
    ),
)


@pytest.mark.parametrize("text", TRUE)
def test_what_the_facts_say_may_be_said(text: str) -> None:
    assert refuse(text, DROP) is None


FALSE = {
    "Sales fell to 13 orders since 08:00 UTC on 3 March 2026, against 41 expected.": "number",
    "Sales fell to 41 orders since 08:00 UTC on 3 March 2026, against 12 expected.": "number",
    "Sales fell from 12 to 41 since 08:00 UTC on 3 March 2026.": "number",
    "Sales fell since 08:00 UTC on 3 March 2026: 41 orders came, and 12 were expected.": "number",
    "Sales fell by 12 orders since 08:00 UTC on 3 March 2026, against 41 expected.": "number",
    "Sales are down: 12 orders fewer since 08:00 UTC on 3 March 2026, against 41 expected.": "number",
    "Sales fell to 12 orders since 09:00 UTC on 3 March 2026, against 41 expected.": "time",
    "Sales fell to 12 orders since 08:00 UTC on 4 March 2026, against 41 expected.": "date",
    "Sales fell to 12 orders in 6 hours since 08:00 UTC on 3 March 2026, against 41 expected.": "duration",
    "Sales fell to 12 orders since 08:00 UTC on 3 March 2026, against 41 expected, so 70% less.": "percent",
    "Sales fell to 71% since 08:00 UTC on 3 March 2026: 12 orders against 41 expected.": "percent",
    "Sales fell to 12 orders, 71% of the expected 41, since 08:00 UTC on 3 March 2026.": "percent",
    "Sales rose to 12 orders since 08:00 UTC on 3 March 2026, against 41 expected.": "direction",
    "Sales are at 12 orders since 08:00 UTC on 3 March 2026, against 41 expected.": "no_direction",
    "Sales did not fall to 12 orders since 08:00 UTC on 3 March 2026, against 41 expected.": "foreign_word",
    "Sales fell to 12 orders since 08:00 UTC on 3 March 2026, against 41 expected, due to rain.": "foreign_word",
    "Sales fell to a dozen, 12 orders, since 08:00 UTC on 3 March 2026, against 41 expected.": "foreign_word",
    "Sales of Acme fell to 12 orders since 08:00 UTC on 3 March 2026, against 41 expected.": "foreign_word",
    "Refunds fell to 12 orders since 08:00 UTC on 3 March 2026, against 41 expected.": "foreign_word",
    "Sales fell to 12 orders since 08:00 UTC on 3 March 2026, against 41 expected (½).": "foreign_sign",
    "Sales fell to 12k orders since 08:00 UTC on 3 March 2026, against 41 expected.": "number",
    "Sales fell to -12 orders since 08:00 UTC on 3 March 2026, against 41 expected.": "number",
    "Sales fell to €12 since 08:00 UTC on 3 March 2026, against 41 expected.": "foreign_sign",
    "Sales fell to 12 orders since 08:00 UTC on 3 March 2026.": "missing",
    "Sales fell against 41 expected since 08:00 UTC on 3 March 2026.": "missing",
    "Sales fell to 12 orders, against 41 expected.": "missing",
    "They fell to 12 since 08:00 UTC on 3 March 2026, against 41 expected.": "missing",
    f"{TRUE[0]} {TRUE[0]}": "repetition",
    f"{TRUE[0]} Listing L-7 fell from 9 to 3.": "number",
    f"{TRUE[0]} Listing L-7 fell from 41 to 12.": "number",
    f"{TRUE[0]} Listing L-8 fell from 14 to 2.": "number",
    f"{TRUE[0]} Listing 1082186 fell from 9 to 3.": "number",
    f"{TRUE[0]} Listing L-7-B fell from 14 to 2.": "number",
    "": "empty",
    "Sales fell " * 100: "too_long",
}  # fmt: skip


@pytest.mark.parametrize(("text", "category"), FALSE.items(), ids=list(map(str, range(len(FALSE)))))
def test_what_they_do_not_say_may_not(text: str, category: str) -> None:
    refusal = refuse(text, DROP)
    assert refusal is not None
    assert refusal.category == category


@pytest.mark.parametrize("facts", [DROP, SPIKE, WAITING, replace(DROP, observed=1), replace(SPIKE, expected=0.0)])
def test_the_template_passes_its_own_check(facts: InsightFacts) -> None:
    assert refuse(paragraph(facts), facts) is None
    assert missing(paragraph(facts), facts) == ()


def test_listings_that_are_not_named_are_added() -> None:
    text = f"{TRUE[0]} Listing L-7 fell from 14 to 2."
    assert missing(text, DROP) == ("Listing 1082185 fell from its usual 9 to 3.",)
    assert missing(TRUE[0], DROP) == sentences(DROP)[1:]


def test_a_listing_whose_id_is_a_sentence_adds_no_words() -> None:
    facts = replace(DROP, drivers=(Driver("L-7 rose. Buy gold", 2, 14.0),))
    assert refuse(paragraph(facts), facts) is None
    assert refuse(f"{TRUE[0]} Buy gold.", facts) is not None


def test_listings_that_differ_only_in_case_are_not_mixed_up() -> None:
    facts = replace(DROP, drivers=(Driver("abc", 2, 14.0), Driver("ABC", 3, 9.0)))
    assert refuse(f"{TRUE[0]} Listing abc fell from 14 to 2.", facts) is None
    assert refuse(f"{TRUE[0]} Listing ABC fell from 14 to 2.", facts) is not None


counts = st.one_of(st.integers(0, 40), st.integers(0, 10**6))
facts_of_all_kinds = st.builds(
    InsightFacts,
    metric=st.sampled_from(sorted(METRICS)),
    more=st.booleans(),
    observed=counts,
    expected=st.floats(0, 1e6),
    start=st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(timezone.utc)),
    drivers=st.lists(
        st.builds(
            Driver,
            st.one_of(st.from_regex(r"[A-Za-z0-9_.-]{1,12}", fullmatch=True), st.text(min_size=1, max_size=20)),
            counts,
            st.floats(0, 1e6),
        ),
        max_size=3,
        unique_by=lambda driver: driver.listing_id,
    ).map(tuple),
)


def figures(text: str) -> set[str]:
    return set(re.findall(r"\d[\d,.:]*", text))


@given(facts_of_all_kinds, st.integers(0, 10**7), st.data())
def test_a_number_that_is_not_in_the_facts_is_refused(facts: InsightFacts, number: int, data: st.DataObject) -> None:
    text = paragraph(facts)
    places = [match.span() for match in re.finditer(r"(?<!\S)\d+(?:,\d{3})*(?:\.\d+)?(?=[ .,%])", sentences(facts)[0])]
    start, end = data.draw(st.sampled_from(places))
    altered = f"{text[:start]}{number}{text[end:]}"
    if str(number) in {figure.strip(".,").replace(",", "") for figure in figures(text)}:
        return  # it is in the facts, if in another part
    assert refuse(altered, facts) is not None


@given(facts_of_all_kinds, st.text(st.characters(categories=["N", "S", "Lo"]), min_size=1, max_size=3))
def test_no_digit_or_sign_of_another_script_slips_in(facts: InsightFacts, sign: str) -> None:
    plain = replace(facts, drivers=())
    if sign.isascii() and not sign.isdigit():
        return
    assert refuse(f"{paragraph(plain)[:-1]} {sign}.", plain) is not None or sign in paragraph(plain)
