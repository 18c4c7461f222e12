"""The shipped tagger on the public sets, where they lie beside the checkout. The Presidio texts were fitted to."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from model.guards import pii
from model.guards.fit import pii as fit
from model.guards.fit import pii_corpus

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
LABELLED = DATA / "guard" / "presidio_generated_large.json"

pytestmark = pytest.mark.skipif(not LABELLED.exists(), reason="the public sets are not beside the checkout")


def test_recall_on_every_fifth_labelled_text() -> None:
    rows = json.loads(LABELLED.read_text(encoding="utf-8"))[::5]
    figures = fit.compare([pii.find(row["full_text"]) for row in rows], rows)
    for entity in ("PHONE_NUMBER", "EMAIL_ADDRESS", "CREDIT_CARD", "IBAN_CODE", "IP_ADDRESS", "DOMAIN_NAME", "US_SSN"):
        assert figures.recall(entity) >= 0.9, entity
    assert figures.recall("PERSON") >= 0.85
    assert figures.recall("ADDRESS") >= 0.85
    assert figures.precision("name") >= 0.8
    assert figures.precision("address") >= 0.8


def test_few_questions_about_products_have_anything_replaced() -> None:
    texts = pii_corpus.unseen_product_texts(DATA, random.Random(0))["questions"]
    assert sum(bool(pii.find(text)) for text in texts) <= 0.01 * len(texts)
