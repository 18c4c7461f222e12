"""What the shipped weights were fitted on, from the cards beside them, so that nobody takes a fit for a test."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

_MOST = 8  # figures of a card; the line must stay a line


@dataclass(frozen=True, slots=True)
class Fit:
    """A shipped artefact that was fitted on a file."""

    card: str  # path of the card from the repository
    file: str  # as the card names it
    figures: str  # what the card says of rows that were held out; empty where it says nothing


def fitted_on(path: Path, cards: Sequence[Path] | None = None) -> list[Fit]:
    """The artefacts whose cards name a file with the same bytes, by SHA-256; `cards` are the shipped ones unless given.

    A folder was fitted on if a file in it was.
    """
    paths = sorted(path.iterdir()) if path.is_dir() else [path]
    sums = {hashlib.sha256(p.read_bytes()).hexdigest() for p in paths if p.is_file()}
    found: list[Fit] = []
    for card in _shipped() if cards is None else cards:
        try:
            content = json.loads(card.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # no card: word lists and merges lie in the same folders
        if not isinstance(content, dict):
            continue
        for source in content.get("trained_on") or ():
            if isinstance(source, dict) and source.get("sha256") in sums:
                file = str(source.get("file", path.name))
                found.append(Fit(_named(card), file, _held_out(content, file)))
    return found


def trained_on(paths: Iterable[Path]) -> list[dict[str, str]]:
    """What a card says of the files that its weights were fitted on."""
    return [{"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()} for path in paths]


def warning(fit: Fit) -> str:
    """One line that says so."""
    where = f"; held out: {fit.figures}" if fit.figures else ""
    return f"in-sample: {fit.card} was fitted on {fit.file}, so its figures here flatter{where} (see the card)"


def _shipped() -> Iterator[Path]:
    root = Path(__file__).resolve().parents[1]
    for pattern in ("adapters/**/*.json", "guards/data/*.json", "data/*.json", "*.card.json", "*_card.json"):
        yield from sorted(root.glob(pattern))


def _named(card: Path) -> str:
    return "/".join(card.parts[-3:])


def _held_out(content: dict[str, Any], file: str) -> str:
    """What the card says of that file, or of all where it does not tell them apart."""
    figures = content.get("out_of_fold") or content.get("figures") or ()
    if isinstance(figures, dict):
        figures = figures.get(file, figures)
    return ", ".join(islice(_told(figures), _MOST))


def _told(value: object, name: str = "") -> Iterator[str]:
    """Each figure with the names that lead to it: 'COLD macro F1 0.9'."""
    if isinstance(value, dict):
        for inner, figure in value.items():
            yield from _told(figure, f"{name} {inner}".strip())
    elif isinstance(value, (str, int, float)):
        yield f"{name} {value}".strip()
