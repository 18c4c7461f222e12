"""SECURITY.md: the tests that it names are there, under those names."""

from __future__ import annotations

import re

from tests.tradewind.deployment import ROOT

PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_every_test_that_the_page_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)
    assert len(named) > 15
    for path, test in named:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert not test or re.search(rf"^(async )?def {test}\(", text, re.MULTILINE), f"{path}::{test}"


def test_the_page_names_each_attacker_and_nobody_in_person() -> None:
    for attacker in (
        "hostile text",
        "hostile producer",
        "stolen device",
        "curious merchant",
        "stolen consumer password",
    ):
        assert attacker in PAGE
    assert "@" not in PAGE
