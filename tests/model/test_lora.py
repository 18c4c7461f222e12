from __future__ import annotations

from pathlib import Path

import pytest
import torch

from model.checkpoint import load_model
from model.engine import EngineSettings, LocalEngine
from model.loading import load, open_checkpoint
from model.lora import LoraPolicy, adapter_tensors, add_lora, begin_at, merge, read_adapter, save_adapter
from model.provenance import CheckpointError
from model.transformer import Transformer

TOKENS = torch.tensor([[5, 9, 3, 7, 11, 2]])


def bare(folder: Path) -> Transformer:
    return load_model(open_checkpoint(folder))


def adapted(folder: Path, seed: int = 0) -> Transformer:
    """A model whose adapter has been pushed away from nothing, as training does."""
    model = bare(folder)
    add_lora(model, LoraPolicy(rank=4, alpha=8.0), seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("lora_b"):
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.05)
    return model


def saved(folder: Path, path: Path) -> str:
    return save_adapter(adapter_tensors(adapted(folder)), path, open_checkpoint(folder).sha256, {"name": "small"})


def test_training_begins_at_the_checkpoint_and_trains_the_factors_only(tiny_folder: Path) -> None:
    model = bare(tiny_folder)
    before = model(TOKENS)
    factors = add_lora(model, LoraPolicy(rank=4), seed=0)
    assert torch.equal(model(TOKENS), before)
    assert {id(p) for p in model.parameters() if p.requires_grad} == {id(p) for p in factors}
    assert len(factors) == 2 * 4 * model.config.layers


def test_a_merged_adapter_says_what_it_said_in_training(tiny_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    saved(tiny_folder, path)
    merged = bare(tiny_folder)
    merge(merged, read_adapter(path))
    torch.testing.assert_close(merged(TOKENS), adapted(tiny_folder)(TOKENS), rtol=0, atol=0.02)  # kept in bf16
    assert not torch.allclose(merged(TOKENS), bare(tiny_folder)(TOKENS), atol=0.02)


def test_a_full_fine_tune_changes_whole_matrices(tiny_folder: Path, tmp_path: Path) -> None:
    model, path = bare(tiny_folder), tmp_path / "full.safetensors"
    name = "blocks.0.attention.qkv.weight"
    before = model.state_dict()[name].clone()
    save_adapter({name: torch.full_like(before, 0.25)}, path, "", {})
    merge(model, read_adapter(path))
    assert torch.equal(model.state_dict()[name], before + 0.25)


def test_an_adapter_of_any_rank_begins_with_the_change_of_another(tiny_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    saved(tiny_folder, path)
    for rank in (4, 9):
        model = bare(tiny_folder)
        add_lora(model, LoraPolicy(rank, 3.0), seed=1)
        begin_at(model, read_adapter(path))
        torch.testing.assert_close(model(TOKENS), adapted(tiny_folder)(TOKENS), rtol=0, atol=0.02)
    model = bare(tiny_folder)
    add_lora(model, LoraPolicy(1), seed=1)
    begin_at(model, read_adapter(path))  # the largest part of the change
    near = (model(TOKENS) - adapted(tiny_folder)(TOKENS)).norm()
    assert 0 < near < (bare(tiny_folder)(TOKENS) - adapted(tiny_folder)(TOKENS)).norm()


def test_an_engine_loads_it_and_names_it(tiny_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    sha256 = saved(tiny_folder, path)
    engine = LocalEngine.open(tiny_folder, EngineSettings(number_format="fp32", positions=64, adapter=path))
    try:
        assert engine.info.adapter == f"small@{sha256[:12]}"
    finally:
        engine.close()
    with_it = load(tiny_folder, "fp32", adapter=path).model
    torch.testing.assert_close(with_it(TOKENS), adapted(tiny_folder)(TOKENS), rtol=0, atol=0.02)


def test_no_adapter_ships_for_a_checkpoint_of_ones_own(tiny_folder: Path) -> None:
    assert load(tiny_folder, "fp32", adapter="shipped").adapter == ""


def test_one_of_another_checkpoint_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_adapter(adapter_tensors(adapted(tiny_folder)), path, "0" * 64, {"name": "small"})
    with pytest.raises(CheckpointError, match="was trained on the checkpoint with SHA-256 000000000000"):
        load(tiny_folder, "fp32", adapter=path)


def test_files_that_are_none_are_told_in_a_line(tiny_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="missing"):
        read_adapter(tmp_path / "none.safetensors")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"\x08\0\0\0\0\0\0\0nonsense")
    with pytest.raises(CheckpointError, match="get the file again"):
        read_adapter(broken)
    with pytest.raises(CheckpointError, match="is no adapter"):
        read_adapter(next(tiny_folder.glob("*.safetensors")))
    odd = tmp_path / "odd.safetensors"
    save_adapter({"blocks.9.attention.qkv.weight": torch.ones(2, 2)}, odd, "", {})
    with pytest.raises(CheckpointError, match="has no place in this model"):
        merge(bare(tiny_folder), read_adapter(odd))
    half = tmp_path / "half.safetensors"
    save_adapter({"blocks.0.attention.qkv.lora_a": torch.ones(2, 2)}, half, "", {})
    with pytest.raises(CheckpointError, match="no counterpart"):
        merge(bare(tiny_folder), read_adapter(half))


@pytest.mark.parametrize(("rank", "alpha"), [(0, 8.0), (4, 0.0)])
def test_a_policy_says_what_it_expects(rank: int, alpha: float) -> None:
    with pytest.raises(ValueError, match="expected at least 1"):
        LoraPolicy(rank, alpha)
