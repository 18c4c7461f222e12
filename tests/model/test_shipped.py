"""What ships as weights: it is what its card says, and the adapter does its job on facts made up here."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from model import adapters
from model.confidence import calibration_of
from model.engine import EngineSettings, LocalEngine
from model.fetch import locate
from model.lora import read_adapter
from model.provenance import DEFAULT
from model.tasks.answer_draft import Draft, DraftPolicy, draft
from schemas.events import Evidence, EvidenceSource

MODEL = Path(adapters.__file__).parents[1]
CARDS = sorted(
    path
    for folder in ("data", "guards/data", "adapters/smollm2-135m-shop")
    for path in (MODEL / folder).glob("*.json")
    if "sha256" in json.loads(path.read_text(encoding="utf-8"))
)
ADAPTER = MODEL / "adapters" / "smollm2-135m-shop"


@pytest.mark.parametrize("card", CARDS, ids=lambda path: path.parent.name + "/" + path.stem)
def test_a_card_names_its_weights_by_their_checksum(card: Path) -> None:
    told = json.loads(card.read_text(encoding="utf-8"))
    weights = card.with_name(adapters.WEIGHTS) if card.name == adapters.CARD else card.with_suffix(".safetensors")
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == told["sha256"]


def test_the_adapter_is_the_default_checkpoints_and_small() -> None:
    weights = ADAPTER / adapters.WEIGHTS
    assert weights.stat().st_size <= 20_000_000
    assert read_adapter(weights).base_sha256 == DEFAULT.sha256
    assert adapters.shipped(DEFAULT.sha256) == weights
    card = json.loads((ADAPTER / adapters.CARD).read_text(encoding="utf-8"))
    assert all(source["licence"] != "your own data" for source in card["trained_on"])


def test_it_has_a_calibration() -> None:
    card = json.loads((ADAPTER / adapters.CARD).read_text(encoding="utf-8"))
    calibration = calibration_of(adapters.engine_name(card["name"], card["sha256"]))
    assert calibration is not None
    assert 0.5 < calibration.auto < 1.0


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    running = LocalEngine.open(locate(None, None), EngineSettings(adapter="shipped", slots=8, threads=1))
    yield running
    running.close()


def ask(engine: LocalEngine, question: str, name: str, value: str) -> Draft:
    evidence = Evidence(value, EvidenceSource.ATTRIBUTE, name, 0, len(value), 0.9)
    return asyncio.run(draft(engine, question, "en", (evidence,), DraftPolicy(), seed=1))


@pytest.mark.model
@pytest.mark.parametrize(
    ("question", "name", "value", "said"),
    [
        ("What is the frame made of?", "frame material", "solid oak", "oak"),
        ("How much does it weigh?", "item weight", "2.4 pounds", "2.4 pounds"),
        ("What color is it?", "color", "olive green", "olive green"),
    ],
)
def test_it_answers_from_the_fact(engine: LocalEngine, question: str, name: str, value: str, said: str) -> None:
    drafted = ask(engine, question, name, value)
    assert said in drafted.text.lower()
    assert drafted.calibrated
    assert drafted.confidence > 0.5


@pytest.mark.model
@pytest.mark.parametrize(
    ("question", "name", "value"),
    [
        ("What color is it?", "warranty", "2 years"),
        ("How long is the cable?", "brand", "Northfell"),
        ("Does it come with batteries?", "color", "olive green"),
    ],
)
def test_it_refuses_where_the_fact_does_not_answer(engine: LocalEngine, question: str, name: str, value: str) -> None:
    drafted = ask(engine, question, name, value)
    assert drafted.verdict == "none"
    assert drafted.text == ""
    assert drafted.confidence < 0.5
