"""A model on a server: from the settings to the engine, the doctor's finding, and the line that a command ends with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError
from rich.console import Console

from model.protocol import ChatPrompt, EngineRefused, EngineUnavailable, GenerationRequest
from model.remote import RemoteEngine
from tests.support.openai_server import PATIENCE_S, OpenAIServer, says, serving
from tradewind.assembly import make_engine, remote_settings
from tradewind.cli.config import described
from tradewind.cli.shared import Exit
from tradewind.demo.run import _fetch_model
from tradewind.doctor import check_model
from tradewind.settings import Settings
from tradewind.trouble import explain


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with serving(says("Yes."), key="hunter2") as running:
        yield running


def settings(server: OpenAIServer, **more: object) -> Settings:
    return Settings(**{"model_url": server.url, "model": "tiny", "model_api_key": "hunter2"} | more)


def test_the_settings_choose_the_engine(server: OpenAIServer) -> None:
    engine = make_engine(settings(server, model_concurrency=3, model_queue=7))
    try:
        assert isinstance(engine, RemoteEngine)
        done = engine.submit(GenerationRequest(ChatPrompt("", "Is it?"), 4)).result(PATIENCE_S)
    finally:
        engine.close()
    assert done.text == "Yes."
    remote = remote_settings(settings(server, model_concurrency=3, model_queue=7))
    assert remote is not None
    assert (remote.concurrency, remote.queue_size) == (3, 7)
    assert remote_settings(Settings(model="large.gguf")) is None


def test_a_variable_that_compose_passes_empty_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MODEL", "MODEL_URL", "MODEL_API_KEY"):
        monkeypatch.setenv(f"TRADEWIND_{name}", "")
    found = Settings()
    assert (found.model, found.model_url, found.model_api_key) == (None, None, None)


@pytest.mark.parametrize("url", ["vllm:8000/v1", "http://me:hunter2@vllm/v1", "http://vllm/v1?key=hunter2"])
def test_an_address_that_is_none_or_holds_a_password_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="model_url"):
        Settings(model_url=url)


def test_the_key_does_not_show(server: OpenAIServer) -> None:
    found = settings(server)
    assert "hunter2" not in repr(found) + str(described(found)) + repr(remote_settings(found))


def test_the_doctor_asks_the_server(server: OpenAIServer) -> None:
    (sound,) = check_model(settings(server))
    assert (sound.state, sound.detail) == ("ok", f"{server.url} has tiny, context 512 tokens")
    (refused,) = check_model(settings(server, model_api_key="wrong"))
    assert (refused.state, refused.mend) == ("failed", "set TRADEWIND_MODEL_API_KEY")
    (other,) = check_model(settings(server, model="large"))
    assert (other.state, other.mend) == ("failed", "set TRADEWIND_MODEL to one of them")
    (unnamed,) = check_model(settings(server, model=None))
    assert "TRADEWIND_MODEL " in unnamed.mend


def test_the_doctor_says_when_nobody_answers() -> None:
    with serving(says("Yes.")) as server:
        pass
    (found,) = check_model(settings(server))
    assert (found.state, found.unreachable) == ("failed", True)
    assert "TRADEWIND_MODEL_URL" in found.mend


@pytest.mark.parametrize("error", [EngineUnavailable("no connection"), EngineRefused("no such model")])
def test_a_command_ends_in_one_line(error: Exception) -> None:
    told = explain(error)
    assert told is not None
    assert (told.message, told.code) == (str(error), Exit.UNREACHABLE)


def test_the_demo_fetches_no_checkpoint_for_a_server(server: OpenAIServer) -> None:
    out = Console(record=True)
    _fetch_model(settings(server, model="no-such-file"), out)
    assert out.export_text() == ""
