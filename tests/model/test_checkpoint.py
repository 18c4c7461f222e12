"""Broken, foreign and tampered files are refused in one line that names what is wrong."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from model.checkpoint import load_model
from model.gguf_file import unpermute
from model.loading import load, open_checkpoint
from model.provenance import CheckpointError, file_sha256
from tests.support.tiny_model import make_model, make_tokenizer, write_folder, write_gguf


def refused(path: Path, *expected: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        load_model(open_checkpoint(path))
    message = str(caught.value)
    assert "\n" not in message
    for part in (path.name, *expected):
        assert part in message


def edit_json(path: Path, **changes: object) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | changes), encoding="utf-8")


def edit_tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_folder(tmp_path / "tiny")
    return tmp_path / "tiny"


@pytest.fixture
def gguf_path(tmp_path: Path) -> Path:
    tokenizer = make_tokenizer()
    write_gguf(tmp_path / "tiny.gguf", make_model("llama", tokenizer.get_vocab_size()), "llama", tokenizer)
    return tmp_path / "tiny.gguf"


def test_missing_path(tmp_path: Path) -> None:
    refused(tmp_path / "none.gguf", "missing")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"])
def test_folder_without_a_file_names_it(folder: Path, name: str) -> None:
    (folder / name).unlink()
    refused(folder, name, "missing")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"])
def test_folder_with_a_file_cut_short_names_it(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    refused(folder, name)


def test_pickled_weights_are_not_loaded(folder: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return (pytest.fail, ("a pickle was loaded",))

    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    refused(folder, "model.safetensors", "never pickled")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"model_type": "gpt2"}, "model_type is 'gpt2'"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
        ({"attention_bias": True}, "attention_bias is True"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "rope_type is 'yarn'"),
        ({"use_sliding_window": True}, "use_sliding_window is True"),
        ({"hidden_size": None}, "hidden_size is missing"),
    ],
)
def test_unsupported_configuration_names_the_key(folder: Path, changes: dict[str, object], expected: str) -> None:
    edit_json(folder / "config.json", **changes)
    refused(folder, "config.json", expected)


def test_missing_tensor_is_named(folder: Path) -> None:
    edit_tensors(folder, lambda tensors: tensors.pop("model.layers.1.self_attn.k_proj.weight"))
    refused(folder, "model.layers.1.self_attn.k_proj.weight", "missing")


def test_misshapen_tensor_is_named(folder: Path) -> None:
    edit_tensors(folder, lambda tensors: tensors.update({"model.norm.weight": torch.ones(7)}))
    refused(folder, "model.norm.weight", "(7,)", "(48,)")
    edit_tensors(folder, lambda tensors: tensors.update({"model.layers.0.mlp.up_proj.weight": torch.ones(80, 7)}))
    edit_tensors(folder, lambda tensors: tensors.update({"model.norm.weight": torch.ones(48)}))
    refused(folder, "model.layers.0.mlp.up_proj.weight", "(80, 7)")


def test_tensor_without_a_place_is_named(folder: Path) -> None:
    edit_tensors(folder, lambda tensors: tensors.update({"model.layers.0.self_attn.q_proj.bias": torch.ones(64)}))
    refused(folder, "model.layers.0.self_attn.q_proj.bias", "no place")


def test_sharded_folder_is_read_and_stays_inside(folder: Path) -> None:
    whole = load_model(open_checkpoint(folder)).state_dict()
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    shards = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for shard, members in shards.items():
        save_file({name: tensors[name] for name in members}, folder / shard)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {name: shard for shard in shards for name in shards[shard]}}))
    checkpoint = open_checkpoint(folder)
    found = load_model(checkpoint).state_dict()
    assert all(torch.equal(found[name], whole[name]) for name in whole)
    assert len(checkpoint.sha256) == 64
    index.write_text(json.dumps({"weight_map": {"x": "../outside.safetensors"}}))
    refused(folder, "weight_map leads out")


# ---- GGUF


def test_hash_is_checked_before_the_file_is_read(gguf_path: Path) -> None:
    good = file_sha256(gguf_path)
    assert load(gguf_path, "fp32", sha256=good).sha256 == good
    content = bytearray(gguf_path.read_bytes())
    content[-100] ^= 1
    gguf_path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"SHA-256 .* expected {good}"):
        load(gguf_path, "fp32", sha256=good)


def test_hash_of_a_folder_is_checked(folder: Path) -> None:
    assert open_checkpoint(folder, file_sha256(folder / "model.safetensors")).config.layers == 3
    with pytest.raises(CheckpointError, match="SHA-256"):
        open_checkpoint(folder, "0" * 64)


def test_cut_gguf_names_the_tensor(gguf_path: Path) -> None:
    content = gguf_path.read_bytes()
    gguf_path.write_bytes(content[:-1000])
    refused(gguf_path, "tensor", "cut short")


@given(share=st.floats(0, 0.999))
def test_gguf_cut_anywhere_is_refused(cut_gguf: tuple[Path, bytes], share: float) -> None:
    path, content = cut_gguf
    path.write_bytes(content[: int(len(content) * share)])
    refused(path)


@pytest.fixture(scope="module")
def cut_gguf(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    path = tmp_path_factory.mktemp("cut") / "tiny.gguf"
    tokenizer = make_tokenizer()
    write_gguf(path, make_model("llama", tokenizer.get_vocab_size(), num_hidden_layers=1), "llama", tokenizer)
    return path, path.read_bytes()


@pytest.mark.parametrize("content", [b"", b"GGUF", b"not a model at all, but a text file\n" * 50])
def test_no_gguf_at_all(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.gguf").write_bytes(content)
    refused(tmp_path / "model.gguf", "get the file again")


def test_foreign_architecture_is_named(gguf_path: Path) -> None:
    content = gguf_path.read_bytes()
    gguf_path.write_bytes(
        content.replace(b"\x05\x00\x00\x00\x00\x00\x00\x00llama", b"\x05\x00\x00\x00\x00\x00\x00\x00bloom", 1)
    )
    refused(gguf_path, "general.architecture is 'bloom'", "llama, qwen2, qwen3")


def test_missing_key_is_named(gguf_path: Path) -> None:
    content = gguf_path.read_bytes()
    gguf_path.write_bytes(content.replace(b"llama.block_count", b"llama.block_kount"))
    refused(gguf_path, "llama.block_count")


@given(heads=st.integers(1, 4), half=st.integers(1, 4), columns=st.integers(1, 3))
def test_unpermute_undoes_the_converter(heads: int, half: int, columns: int) -> None:
    rows = torch.arange(heads * 2 * half * columns).view(-1, columns)
    permuted = rows.view(heads, 2, half, columns).transpose(1, 2).reshape(rows.shape)
    assert torch.equal(unpermute(permuted, heads, 2 * half), rows)
    assert torch.equal(unpermute(permuted[:, 0], heads, 2 * half), rows[:, 0])
