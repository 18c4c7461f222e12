from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.confidence import Calibration, Signals, calibration_of, read, signals_of


def logs(**p: float) -> tuple[float, ...]:
    return tuple(math.log(p[word]) for word in ("yes", "no", "info", "none"))


def test_a_sure_yes_speaks_for_itself() -> None:
    sure = signals_of("yes", logs(yes=0.9, no=0.02, info=0.05, none=0.03), (-0.1, 0.0, -0.2), 1.0, 40, 0.8)
    torn = signals_of("yes", logs(yes=0.4, no=0.35, info=0.05, none=0.2), (-0.9, 0.0, -0.2), 1.0, 40, 0.8)
    assert sure.answers == pytest.approx(math.log(0.97 / 0.03))
    assert sure.polar == pytest.approx(math.log(0.9 / 0.02), rel=1e-3)
    assert sure.answers > torn.answers
    assert sure.polar > torn.polar
    assert sure.wording == pytest.approx(-0.2)  # the verdict and its colon do not count
    assert sure.is_polar == 1.0


def test_none_speaks_against_a_draft() -> None:
    found = signals_of("none", logs(yes=0.05, no=0.02, info=0.05, none=0.88), (-0.1,), 0.0, 40, 0.8)
    assert found.answers < 0
    assert found.polar == 0.0


@given(st.lists(st.floats(-40, 0), min_size=4, max_size=4), st.lists(st.floats(-40, 0), max_size=5))
def test_signals_are_finite_and_probabilities_are_probabilities(openings: list[float], tokens: list[float]) -> None:
    signals = signals_of("no", tuple(openings), tuple(tokens), 0.5, 10, 1.0)
    assert all(math.isfinite(getattr(signals, field.name)) for field in fields(Signals))
    calibration = Calibration(Signals(*[1.0] * 9), 0.0, 0.5)
    assert 0.0 <= calibration.probability(signals) <= 1.0


def test_a_calibration_is_kept_in_a_file(tmp_path: Path) -> None:
    calibration = Calibration(Signals(*map(float, range(9))), -1.5, 0.9)
    file = tmp_path / "calibration.json"
    file.write_text(calibration.to_json(), encoding="utf-8")
    assert read(file) == calibration
    file.write_text(calibration.to_json().replace("wording", "wordings"), encoding="utf-8")
    with pytest.raises(ValueError, match="wordings"):
        read(file)


def test_other_models_have_none() -> None:
    assert calibration_of("") is None
    assert calibration_of("somebody's@000000000000") is None
