"""`tradewind model train`: an adapter from a handful of rows, and what goes wrong in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model.lora import read_adapter
from tests.support.tiny_model import write_folder
from tests.tradewind.cli.conftest import Cli

ANSWERS = "ASIN\tquestion\tcandidate\tanswer\tsource\n" + "".join(
    f"B{n}\tis it foldable?\tfoldable: yes, model {n}\tyes, it is foldable.\treview\n" for n in range(8)
)


@pytest.fixture(autouse=True)
def tiny_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    write_folder(folder, max_position_embeddings=2048)
    monkeypatch.setenv("TRADEWIND_MODEL", str(folder))
    monkeypatch.setenv("TRADEWIND_MODEL_ADAPTER", "none")
    return folder


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    path = tmp_path / "answers.csv"
    path.write_text(ANSWERS, encoding="utf-8")
    return path


def test_a_run_leaves_weights_cards_and_a_curve(cli: Cli, tmp_path: Path, answers: Path) -> None:
    out = tmp_path / "mine"
    command = ["model", "train", "--data", str(answers), "--out", str(out), "--rank", "2", "--epochs", "1"]
    command += ["--held", str(answers), "--threads", "1"]
    refused = cli(*command)
    assert refused.exit_code == 2
    assert "gives nothing to train on" in refused.stderr  # everything is asked in the held file too
    result = cli(*command[:-4], "--threads", "1")
    assert result.exit_code == 0, result.stderr
    assert "loss" in result.stdout
    card = json.loads((out / "card.json").read_text(encoding="utf-8"))
    assert card["sha256"] == read_adapter(out / "adapter.safetensors").sha256
    assert card["trained_on"][0]["file"] == "answers.csv"
    assert card["trained_on"][0]["licence"] == "your own data"
    assert card["method"] == {"kind": "LoRA", "rank": 2, "alpha": 4.0}
    assert (out / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert "# mine" in (out / "README.md").read_text(encoding="utf-8")
    again = cli(*command[:-4], "--threads", "1")  # finished: says so again, and changes nothing
    assert again.exit_code == 0
    assert json.loads((out / "card.json").read_text(encoding="utf-8"))["sha256"] == card["sha256"]


@pytest.mark.parametrize("method", ["lora", "full"])
def test_it_goes_on_from_another_adapter(cli: Cli, tmp_path: Path, answers: Path, method: str) -> None:
    base = ["model", "train", "--data", str(answers), "--epochs", "1", "--threads", "1"]
    assert cli(*base, "--out", str(tmp_path / "a"), "--rank", "2", "--method", method).exit_code == 0
    start = str(tmp_path / "a" / "adapter.safetensors")
    assert cli(*base, "--out", str(tmp_path / "b"), "--rank", "4", "--start", start).exit_code == 0
    card = json.loads((tmp_path / "b" / "card.json").read_text(encoding="utf-8"))
    assert card["start"] == read_adapter(Path(start)).sha256


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--method", "magic"], "expected one of lora, full"),
        (["--learning-rate", "2"], "learning_rate must lie in"),
        (["--leave-out", "3/2"], "expected K/N"),
    ],
)
def test_options_that_make_no_sense(cli: Cli, tmp_path: Path, answers: Path, options: list[str], told: str) -> None:
    result = cli("model", "train", "--data", str(answers), "--out", str(tmp_path / "o"), *options)
    assert result.exit_code == 2
    assert told in result.stderr


def test_files_that_make_no_sense(cli: Cli, tmp_path: Path, answers: Path) -> None:
    out = ["--out", str(tmp_path / "o")]
    for data, told in ((str(tmp_path / "none.csv"), "no such file"), (f"{answers}:1.5", "share 1.5 is not above 0")):
        result = cli("model", "train", "--data", data, *out)
        assert result.exit_code == 2
        assert told in result.stderr
