"""A tiny random model, written once, for the tests of what runs on top of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from model.loading import LoadedModel, load
from tests.support.tiny_model import write_folder

torch.set_num_threads(1)  # the models are tiny, and on a busy machine several threads wait for each other


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny-llama")
    write_folder(folder, "llama")
    return folder


@pytest.fixture
def tiny(tiny_folder: Path) -> LoadedModel:
    """Loaded afresh, so that a test may break it. It never ends a turn by itself."""
    return load(tiny_folder, "fp32")
