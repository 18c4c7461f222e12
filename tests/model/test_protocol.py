"""The seam's values refuse what makes no sense, and importing it costs no torch."""

from __future__ import annotations

import subprocess
import sys

import pytest

from model.protocol import ChatPrompt, EngineError, GenerationRequest, Priority, PromptTooLong

PROMPT = ChatPrompt("Be brief.", "Hello")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_new_tokens", 0),
        ("temperature", -0.1),
        ("temperature", float("nan")),
        ("temperature", float("inf")),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("stop", ("end", "")),
        ("deadline_s", 0.0),
        ("deadline_s", float("nan")),
    ],
)
def test_request_out_of_range_names_the_field(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        GenerationRequest(**{"prompt": PROMPT, "max_new_tokens": 8, field: value})


def test_answers_come_before_descriptions() -> None:
    assert sorted([Priority.DESCRIPTION, Priority.ANSWER])[0] is Priority.ANSWER


def test_permanent_errors_are_told_from_transient_ones() -> None:
    assert issubclass(PromptTooLong, EngineError)
    transient = {kind.__name__ for kind in EngineError.__subclasses__() if kind.transient}
    assert transient == {"EngineOverloaded", "EngineDeadline", "EngineClosed", "EngineUnavailable", "EngineOutOfMemory"}


def test_protocol_and_fetch_import_no_torch() -> None:
    code = "import sys, model.protocol, model.fetch; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
