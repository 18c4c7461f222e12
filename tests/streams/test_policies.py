"""The file with what merchants promise: whose texts hold, and what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model.evidence import MerchantPolicy
from streams.policies import PoliciesError, load_policies

RETURNS, SHIPPING = MerchantPolicy("returns", "Within 30 days."), MerchantPolicy("shipping", "Two days.")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "policies.json"


def test_a_merchants_own_comes_before_everyones(file: Path) -> None:
    everyones = {"returns": "Within 14 days.", "shipping": "Two days."}
    file.write_text(json.dumps({"*": everyones, "m-1": {"returns": "Within 30 days."}}))
    policies = load_policies(file)
    assert set(policies.of("m-1")) == {RETURNS, SHIPPING}
    assert set(policies.of("m-2")) == {MerchantPolicy("returns", "Within 14 days."), SHIPPING}
    assert policies.summary == "2 for all merchants, others for 1 of them"


def test_another_merchants_are_not_told(file: Path) -> None:
    file.write_text(json.dumps({"m-1": {"returns": "Within 30 days."}, "m-3": {}}))
    policies = load_policies(file)
    assert policies.of("m-1") == (RETURNS,)
    assert policies.of("m-2") == policies.of("m-3") == ()


def test_without_a_file_there_are_none() -> None:
    assert load_policies(None).of("m-1") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"m-1": {"returns": "a",}}', ["line 1 column 25", "expected {"]),
        ('{"m-1": {"returns": "a", "returns": "b"}}', ['"returns" stands twice']),
        ('{"m-1": {}, "m-1": {}}', ['"m-1" stands twice']),
        ("[]", ["a list at the top", "expected {"]),
        ('{"m-1": "a"}', ['["m-1"] is a text', "an object of name and text"]),
        ('{"m-1": {"returns": 30}}', ['["m-1"]["returns"] is a number', "write its text"]),
        ('{"m-1": {"returns": null}}', ['["m-1"]["returns"] is a null', "write its text"]),
        ('{"店": {"退货": "  "}}', ['["店"]["退货"] is empty', "take it out"]),
        ('{" ": {}}', ["a merchant id is empty"]),
        ('{"m-1": {"": "a"}}', ['["m-1"] has a policy without a name']),
    ],
)
def test_what_is_wrong_is_told_in_one_line(file: Path, text: str, said: list[str]) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(PoliciesError) as caught:
        load_policies(file)
    line = str(caught.value)
    assert "\n" not in line
    assert all(each in line for each in [str(file), *said]), line


def test_a_file_that_cannot_be_read(file: Path) -> None:
    with pytest.raises(PoliciesError, match=r"policies\.json: No such file.*TRADEWIND_POLICIES"):
        load_policies(file)
    file.write_bytes(b'{"m-1": {"returns": "caf\xe9"}}')
    with pytest.raises(PoliciesError, match="is no JSON"):
        load_policies(file)
