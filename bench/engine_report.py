"""From what the processes measured to the figures that are written, and to the table that is shown. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from statistics import fmean, median
from typing import Any

from rich.table import Table

Figures = dict[str, Any]

#: Engines by the name that their figures have, and how a table calls them.
TITLES = {
    "ours": "ours",
    "ours_no_prefix": "ours, no prefix cache",
    "transformers": "transformers",
    "llamacpp": "llama.cpp",
}


def figures_at(outputs: Sequence[Mapping[str, Any]], size: int, prompt_tokens: int, new_tokens: int) -> Figures | None:
    """One engine at one size: medians over the repeats, and the best of the speeds.

    Args:
        outputs: what `bench.peers.worker.measure` gave, one for each repeat.
        size: requests sent at once.
        prompt_tokens: of all their prompts together, instructions included.
        new_tokens: generated for each request.

    `prefill_s` ends with the last request's first token; `decode_tok_s` counts the tokens after everyone's first over
    the time that is left. Memory is in 2**20 bytes: `peak` and `resident` are the whole process's during and after the
    run, `growth` is what it holds beyond its libraries. None where nothing was measured.
    """
    runs = [(output, run) for output in outputs for run in output["runs"] if run["requests"] == size]
    if not runs:
        return None
    speeds = [size * new_tokens / run["seconds"] for _, run in runs]
    prefills = [max(run["first_tokens"]) for _, run in runs]
    decoded = size * (new_tokens - 1)
    return {
        "tok_s": round(median(speeds), 1),
        "tok_s_best": round(max(speeds), 1),
        "seconds": round(median(run["seconds"] for _, run in runs), 3),
        "prefill_s": round(median(prefills), 3),
        "prefill_tok_s": round(median(prompt_tokens / prefill for prefill in prefills), 1),
        "decode_tok_s": round(
            median(decoded / (run["seconds"] - prefill) for (_, run), prefill in zip(runs, prefills, strict=True)),
            1,
        ),
        "first_token_p50_ms": round(median(wait for _, run in runs for wait in run["first_tokens"]) * 1e3, 1),
        "memory_mb": {
            "growth": round(median(run["resident_mb"] - output["before_mb"] for output, run in runs)),
            "resident": round(median(run["resident_mb"] for _, run in runs)),
            "peak": round(max(run["peak_mb"] for _, run in runs)),
        },
    }


def row(requests: int, engines: Mapping[str, Figures | None]) -> Figures:
    """One size: the speeds, how many times the peers' ours is, the memory of each, and all figures of each."""
    speed: dict[str, float | None] = {name: figures["tok_s"] if figures else None for name, figures in engines.items()}
    return {
        "requests": requests,
        "ours_tok_s": speed["ours"],
        "ours_no_prefix_tok_s": speed["ours_no_prefix"],
        "transformers_tok_s": speed["transformers"],
        "llamacpp_tok_s": speed["llamacpp"],
        "ratio_transformers": ratio(speed["ours"], speed["transformers"]),
        "ratio_llamacpp": ratio(speed["ours"], speed["llamacpp"]),
        "memory_mb": {name: figures and figures["memory_mb"] for name, figures in engines.items()},
        "engines": {
            name: figures and {key: value for key, value in figures.items() if key != "memory_mb"}
            for name, figures in engines.items()
        },
    }


def ratio(ours: float | None, peer: float | None) -> float | None:
    """How many times as fast as the peer; None where one of them was not measured."""
    return round(ours / peer, 2) if ours and peer else None


def common_prefix(first: str, second: str) -> int:
    """How many leading characters are the same."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


def mean_common_prefix(ours: Sequence[str], theirs: Sequence[str]) -> float:
    """Characters that two engines' texts have in common before they part, averaged over the prompts."""
    return round(fmean(common_prefix(*pair) for pair in zip(ours, theirs, strict=True)), 1)


def tokens_before(ends: frozenset[int], tokens: Sequence[Sequence[int]]) -> float:
    """How many tokens come before the first of `ends`, averaged; all, where there is none."""
    return round(fmean(next((n for n, token in enumerate(row) if token in ends), len(row)) for row in tokens), 1)


_COLUMNS = ("requests", "engine", "tok/s", "best", "ours is", "prefill s", "prefill tok/s", "decode tok/s",
            "first token ms", "memory MB", "peak MB")  # fmt: skip


def table(rows: Sequence[Figures]) -> Table:
    """All engines at all sizes, for a terminal."""
    shown = Table(*_COLUMNS, title="New tokens a second, prefill counted")
    for column in shown.columns[2:]:
        column.justify = "right"
    for size in rows:
        for number, cells in enumerate(cells_of(size)):
            shown.add_row(str(size["requests"]) if number == 0 else "", *cells)
        shown.add_section()
    return shown


def lines(rows: Sequence[Figures]) -> list[str]:
    """The same, for a file: fields with tabs between them."""
    body = ["\t".join([str(size["requests"]), *cells]) for size in rows for cells in cells_of(size)]
    return ["\t".join(_COLUMNS), *body]


def cells_of(size: Figures) -> list[list[str]]:
    """A line of texts for each engine that was measured, without the number of requests."""
    made = []
    for name, title in TITLES.items():
        figures, memory = size["engines"][name], size["memory_mb"][name]
        if figures:
            times = ratio(size["ours_tok_s"], figures["tok_s"])
            made.append([
                title, f"{figures['tok_s']:.0f}", f"{figures['tok_s_best']:.0f}",
                "" if name == "ours" or times is None else f"{times:.2f} x",
                f"{figures['prefill_s']:.2f}", f"{figures['prefill_tok_s']:.0f}", f"{figures['decode_tok_s']:.0f}",
                f"{figures['first_token_p50_ms']:.0f}", f"{memory['growth']}", f"{memory['peak']}",
            ])  # fmt: skip
    return made
