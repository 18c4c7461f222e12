"""Adapters that come with the product: a folder for each, with the weights, their card for machines and one for people.

`shipped` finds the one for a checkpoint. How they were made stands in their cards.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WEIGHTS, CARD = "adapter.safetensors", "card.json"


def shipped(base_sha256: str) -> Path | None:
    """The adapter file for the checkpoint of that SHA-256; None where there is none."""
    for folder, card in _cards():
        if card["base"]["sha256"] == base_sha256:
            return folder / WEIGHTS
    return None


def shipped_by_name(name: str) -> Path | None:
    """The folder of the adapter that an engine names so: its name, @, and the beginning of its SHA-256."""
    for folder, card in _cards():
        if name == engine_name(card["name"], card["sha256"]):
            return folder
    return None


def engine_name(name: str, sha256: str) -> str:
    """How engines, provenance and logs name an adapter."""
    return f"{name}@{sha256[:12]}"


def _cards() -> list[tuple[Path, dict[str, Any]]]:
    found = sorted(Path(__file__).parent.glob(f"*/{CARD}"))
    return [(path.parent, json.loads(path.read_text(encoding="utf-8"))) for path in found]
