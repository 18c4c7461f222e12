"""`tradewind model eval`: what goes wrong ends in one line; the commands run end to end on rows made up here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.tiny_model import write_folder
from tests.tradewind.cli.conftest import Cli

ANSWERS = (
    "ASIN\tquestion\tcandidate\tanswer\tsource\n"
    "B1\tis it foldable?\tis_foldable:  { value:true }\tyes, it is foldable.\tattribute\n"
    "B2\thow heavy is it?\tthe tray weighs 2 pounds.\tit weighs 2 pounds.\treview\n"
)
RANKING = (
    "qid\tqa_pair_id\tquestion\tcandidate\tlabel\n"
    "1\t1\thow heavy is it?\tweight: 2 pounds\t1\n"
    "1\t2\thow heavy is it?\tcolor: red\t0\n"
)


@pytest.fixture
def tiny_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    write_folder(folder, max_position_embeddings=2048)
    monkeypatch.setenv("TRADEWIND_MODEL", str(folder))
    monkeypatch.setenv("TRADEWIND_MODEL_FORMAT", "fp32")
    monkeypatch.setenv("TRADEWIND_MODEL_ADAPTER", "none")


def _file(folder: Path, text: str, name: str = "rows.csv") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("command", ["answers", "copy", "ranking", "guards"])
def test_a_missing_file(cli: Cli, tmp_path: Path, command: str) -> None:
    result = cli("model", "eval", command, "--data", str(tmp_path / "none.csv"))
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert "no such file" in line


@pytest.mark.parametrize(
    ("command", "text", "told"),
    [
        ("answers", RANKING, "is of the kind ranking; expected hetpqa"),
        ("answers", "one,two\n1,2\n", "none of the sets known here"),
        ("ranking", ANSWERS, "is of the kind hetpqa; expected ranking"),
        ("guards", RANKING, "is of the kind ranking; expected one of presidio"),
        ("copy", ANSWERS, "not readable as .csv"),
    ],
)
def test_a_file_of_another_kind(cli: Cli, tmp_path: Path, command: str, text: str, told: str) -> None:
    result = cli("model", "eval", command, "--data", _file(tmp_path, text))
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())


def test_ranking_prints_both_rankers_and_writes_the_figures(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    result = cli("model", "eval", "ranking", "--data", _file(tmp_path, RANKING), "--json", str(out))
    assert result.exit_code == 0, result.output
    assert "BM25" in result.stdout
    found = json.loads(out.read_text(encoding="utf-8"))
    assert {figure["system"] for figure in found["figures"]} == {"ours", "BM25", "chance"}


def test_guards_on_an_answers_file_plant_faults(cli: Cli, tmp_path: Path) -> None:
    result = cli("model", "eval", "guards", "--data", _file(tmp_path, ANSWERS), "--json", "-")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert "planted faults refused" in {figure["metric"] for figure in found["figures"]}


@pytest.mark.usefixtures("tiny_model")
def test_answers_end_to_end_with_samples(cli: Cli, tmp_path: Path) -> None:
    for module in ("sacrebleu", "rouge_score"):
        pytest.importorskip(module)
    page = tmp_path / "samples.md"
    result = cli(
        "model", "eval", "answers", "--data", _file(tmp_path, ANSWERS), "--samples", "2", "--samples-out", str(page)
    )
    assert result.exit_code == 0, result.output
    assert "copied evidence" in result.stdout
    assert page.read_text(encoding="utf-8").count("- **Route**:") == 2


@pytest.mark.usefixtures("tiny_model")
def test_copy_end_to_end(cli: Cli, tmp_path: Path) -> None:
    listing = {
        "listing_id": "l-1",
        "title": "Quillbrook Oak Tray",
        "description": "A tray for two mugs. It hangs on a nail.",
        "brand": "Quillbrook",
        "attributes": {"material": "oak", "weight": "2 lb"},
    }
    result = cli("model", "eval", "copy", "--data", _file(tmp_path, json.dumps([listing]), "own.json"), "--json", "-")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    values = {(figure["metric"], figure["system"]): figure["value"] for figure in found["figures"]}
    assert values["listings with an unsupported claim", "template only"] == 0
    assert values["attributes that appear", "ours"] == 100
