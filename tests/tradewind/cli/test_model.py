from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.provenance import DEFAULT
from tests.support.openai_server import OpenAIServer, chunk, drops, refuses, says, serving
from tests.support.tiny_model import write_folder
from tests.tradewind.cli.conftest import Cli


@pytest.mark.parametrize("arguments", [("info",), ("generate", "Hello"), ("bench",)])
def test_a_wrong_path_names_the_setting_in_one_line(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("TRADEWIND_MODEL", str(tmp_path / "none.gguf"))
    result = cli("model", *arguments)
    assert result.exit_code == 3
    (line,) = result.stderr.splitlines()
    assert "TRADEWIND_MODEL" in line
    assert "none.gguf" in line


def test_a_file_that_is_no_model(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "some.gguf"
    path.write_bytes(b"not a model")
    monkeypatch.setenv("TRADEWIND_MODEL", str(path))
    result = cli("model", "info")
    assert result.exit_code == 3
    assert len(result.stderr.splitlines()) == 1


def test_an_empty_prompt(cli: Cli) -> None:
    assert cli("model", "generate", "-", stdin=" \n").exit_code == 2


def test_fetch_does_nothing_where_the_file_is_damaged(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / DEFAULT.filename).write_bytes(b"half of it")
    monkeypatch.setenv("TRADEWIND_MODEL_CACHE_DIR", str(tmp_path))
    result = cli("model", "fetch")
    assert result.exit_code == 3
    assert "SHA-256" in result.stderr


@pytest.mark.model
def test_info_of_the_default(cli: Cli) -> None:
    result = cli("model", "info", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["sha256"], found["from"], found["layers"]) == (DEFAULT.sha256, "the default", 30)


@pytest.mark.model
def test_generate_prints_the_text_alone_on_standard_output(cli: Cli) -> None:
    result = cli("model", "generate", "-", "--max-tokens", "4", stdin="Say hello.")
    assert result.exit_code == 0, result.output
    assert 0 < len(result.stdout.strip()) < 80
    (timings,) = result.stderr.splitlines()
    assert re.search(r"[1-4] written in", timings)


# ---- measured


@pytest.mark.parametrize("levels", ["", "0", "1,-2", "one", "1;8"])
def test_levels_that_are_none(cli: Cli, levels: str) -> None:
    result = cli("model", "bench", "--requests", levels)
    assert result.exit_code == 2
    assert "1,8,32" in result.stderr


def test_bench_of_a_model_here(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_folder(tmp_path, max_position_embeddings=2048)
    monkeypatch.setenv("TRADEWIND_MODEL", str(tmp_path))
    monkeypatch.setenv("TRADEWIND_MODEL_FORMAT", "fp32")
    monkeypatch.setenv("TRADEWIND_MODEL_POSITIONS", "2048")
    result = cli("model", "bench", "--requests", "1,6", "--max-tokens", "3", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["dtype"], found["url"], found["max_tokens"]) == ("fp32", None, 3)
    assert found["load_seconds"] > 0
    assert [(level["at_once"], level["requests"]) for level in found["levels"]] == [(1, 4), (6, 6)]
    for level in found["levels"]:
        assert 0 < level["new_tokens"] <= 3 * level["requests"]
        assert 0 < level["first_token_p50_ms"] <= level["first_token_p95_ms"]
        assert min(level["prefill_tok_s"], level["decode_tok_s"], level["tok_s"]) > 0


# ---- on a server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    with serving(says("Yes, ", "it ", "is.")) as running:
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setenv("TRADEWIND_MODEL_URL", running.url)
        monkeypatch.setenv("TRADEWIND_MODEL", "tiny")
        yield running


def test_info_names_the_server(cli: Cli, server: OpenAIServer) -> None:
    result = cli("model", "info", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["name"], found["url"], found["context_length"]) == ("tiny", server.url, 512)
    assert "TRADEWIND_MODEL_URL" in cli("model", "info").stdout


@pytest.mark.parametrize("option", [(), ("--stream",), ("--no-stream",)])
def test_a_text_is_the_same_streamed(cli: Cli, server: OpenAIServer, option: tuple[str, ...]) -> None:
    result = cli("model", "generate", "Is it?", *option)
    assert result.exit_code == 0, result.output
    assert result.stdout == "Yes, it is.\n"
    (timings,) = result.stderr.splitlines()
    assert timings.startswith(f"tiny at {server.url}; 10 tokens read in ")


def test_what_came_before_a_break_stays_and_the_error_is_one_line(cli: Cli, server: OpenAIServer) -> None:
    server.then(drops(chunk("Yes, ")))
    result = cli("model", "generate", "Is it?", "--stream")
    assert result.exit_code == 1
    assert result.stdout == "Yes, \n"
    assert len(result.stderr.splitlines()) == 1


def test_bench_of_a_server(cli: Cli, server: OpenAIServer) -> None:
    result = cli("model", "bench", "--requests", "5")
    assert result.exit_code == 0, result.output
    assert "end to end tok/s" in result.stdout
    assert f"tiny at {server.url}" in result.stderr
    assert {body.get("max_tokens") or body.get("max_completion_tokens") for body in server.bodies} == {2, 48}


def test_a_request_that_the_server_refuses_ends_it_in_one_line(cli: Cli, server: OpenAIServer) -> None:
    server.then(refuses(404, {"message": "no such model"}))
    result = cli("model", "bench", "--requests", "4")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
