"""What a run leaves beside its weights: a card for machines, one for people, and the curve."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from model.train import Point

CARD, README, CURVE = "card.json", "README.md", "curve.png"


def write(folder: Path, card: Mapping[str, Any], history: Sequence[Point]) -> None:
    """Write all three. `card` has name, sha256, base, method, training, trained_on, and perhaps made_by and figures."""
    (folder / CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    (folder / README).write_text(as_text(card), encoding="utf-8")
    draw(history, folder / CURVE)


def as_text(card: Mapping[str, Any]) -> str:
    """The model card for people, in Markdown."""
    base = card["base"]
    lines = [
        f"# {card['name']}",
        "",
        f"A {card['method']['kind']} adapter for {base['name']} ({base['license'] or 'licence not stated'}).",
        "",
        f"- weights: SHA-256 `{card['sha256']}`, {card['bytes']:,} bytes, {card['parameters']:,} parameters",
        f"- base: SHA-256 `{base['sha256']}`",
        f"- {card['steps']:,} steps, {card['tokens']:,} tokens an epoch, {card['seconds']:,.0f} s on {card['device']}",
        f"- final loss {card['loss']:.3f} nats a token"
        + (f"; on held examples {card['held_loss']:.3f}" if card.get("held_loss") is not None else ""),
        *([f"- continued from `{card['start']}`"] if card.get("start") else []),
        "",
        "## Data",
        "",
        "| file | licence | examples | SHA-256 |",
        "|---|---|---:|---|",
        *(f"| {s['file']} | {s['licence']} | {s['examples']:,} | `{s['sha256'][:16]}` |" for s in card["trained_on"]),
        "",
        "## Hyper-parameters",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in {**card["method"], **card["training"]}.items()),
        "",
        f"![loss]({CURVE})",
    ]
    if card.get("made_by"):
        lines += ["", "## Commands", "", "```console", *(f"$ {command}" for command in card["made_by"]), "```"]
    for title, name in (("Figures", "figures"), ("Confidence, out of fold", "confidence")):
        if card.get(name):
            lines += ["", f"## {title}", "", "| | |", "|---|---|", *_rows(card[name])]
    return "\n".join(lines) + "\n"


def _rows(figures: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from _rows(value, f"{before}{name}: ")
        else:
            yield f"| {before}{name} | {value} |"


def draw(history: Sequence[Point], file: Path) -> None:
    """Loss and share of right first tokens over the steps, as PNG. Needs matplotlib, of the extra `train`."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(8, 4.5))
    axis.plot([p.step for p in history], _smooth([p.loss for p in history]), label="training loss (smoothed)")
    held = [
        (p.step, p.held_loss, p.held_first) for p in history if p.held_loss is not None and p.held_first is not None
    ]
    if held:
        steps, losses, firsts = zip(*held, strict=True)
        axis.plot(steps, losses, marker="o", label="held loss")
        other = axis.twinx()
        other.plot(steps, firsts, color="tab:green", linestyle="--", label="held first token right")
        other.set_ylim(0, 1)
        other.set_ylabel("share right")
        other.legend(loc="lower right")
    axis.set_xlabel("step")
    axis.set_ylabel("nats a token")
    axis.legend(loc="upper right")
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def _smooth(values: Sequence[float], keep: float = 0.95) -> list[float]:
    """Exponential moving average, unbiased at its beginning."""
    smoothed, mean, weight = [], 0.0, 0.0
    for value in values:
        mean, weight = keep * mean + (1 - keep) * value, keep * weight + 1 - keep
        smoothed.append(mean / weight)
    return smoothed
