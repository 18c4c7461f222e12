"""How near our narrow number formats are to our own fp32, on the default checkpoint and real texts.

    python -m bench.accuracy [--formats bf16 int8] [--texts 200] [--prompts 40] [--threads N]

With the texts given (teacher forcing): perplexity and its ratio to fp32, the share of positions with fp32's first
choice, and the mean Kullback-Leibler divergence from fp32. The texts of `tasks` are what the model reads and should
write in service: a real prompt and a person's text; its instruction, the same in all, is not counted. `en` and `zh`
are short texts without any context, where even the second choice is often as good as the first. Left to itself: how
many of 64 greedy tokens come before the first that differs. Exits with 1 when int8 misses its bounds on `tasks`, with 2
when the texts are not there.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from torch import Tensor

from bench.held import DataMissing, chinese_texts, english_texts, task_texts
from model.engine import EngineSettings, LocalEngine
from model.fetch import locate
from model.loading import LoadedModel, load, use_threads
from model.protocol import ChatPrompt, GenerationRequest

RESULTS = Path(__file__).parent / "results" / "accuracy.json"
MOST_TOKENS = 320  # of a text
NEW_TOKENS = 64
SLOTS = 8

#: What int8 must keep on the tasks' texts.
MOST_PERPLEXITY_RATIO, LEAST_AGREEMENT = 1.02, 0.95


def logits_of(loaded: LoadedModel, ids: list[int]) -> Tensor:
    """Logits [T, V] in fp32 after each of the tokens `ids` [T], as the engine would compute them."""
    hidden = loaded.model(torch.tensor([ids], device=loaded.device))  # [1, T, C]
    logits: Tensor = loaded.model.logits(hidden)[0].float()
    return logits


@dataclass(slots=True)
class Sums:
    """Sums over predicted tokens, all in nats: of their surprise, of the divergence from fp32; and equal choices."""

    tokens: int = 0
    surprise: float = 0.0
    divergence: float = 0.0
    equal: int = 0

    def add(self, logits: Tensor, exact: Tensor, ids: list[int], first: int) -> None:
        """Compare logits [T, V] of the text `ids` with fp32's log-probabilities [T, V], for tokens from `first` on."""
        found, expected = logits[first - 1 : -1].log_softmax(-1), exact[first - 1 : -1]
        following = torch.tensor(ids[first:])
        self.tokens += len(following)
        self.surprise -= float(found.gather(1, following[:, None]).sum())
        self.divergence += float((expected.exp() * (expected - found)).sum())
        self.equal += int((found.argmax(-1) == expected.argmax(-1)).sum())

    @property
    def perplexity(self) -> float:
        return math.exp(self.surprise / self.tokens)


def plain(loaded: LoadedModel, texts: Sequence[str]) -> list[tuple[list[int], int]]:
    """Token ids of each text, and the first that counts: the one after the first."""
    return [(loaded.tokenizer.encode(text)[:MOST_TOKENS], 1) for text in texts]


def prompted(loaded: LoadedModel, texts: Sequence[tuple[ChatPrompt, str]]) -> list[tuple[list[int], int]]:
    """Token ids of each prompt with its answer, and the first behind the instruction."""
    found = []
    for prompt, written in texts:
        ids = [*loaded.chat.encode(prompt), *loaded.tokenizer.encode(written)][:MOST_TOKENS]
        found.append((ids, common_prefix(ids, loaded.chat.encode(ChatPrompt(prompt.system, "")))))
    return found


def forced(
    models: dict[str, LoadedModel], texts: Sequence[tuple[list[int], int]], progress: Progress
) -> dict[str, dict[str, float]]:
    """Figures of each format with the texts given; fp32 is computed once a text and not kept."""
    sums = {name: Sums() for name in models}
    with torch.inference_mode():
        for ids, first in progress.track(texts, description="texts"):
            exact = logits_of(models["fp32"], ids).log_softmax(-1)
            for name, loaded in models.items():
                sums[name].add(exact if name == "fp32" else logits_of(loaded, ids), exact, ids, first)
    return {
        name: {
            "tokens": of.tokens,
            "perplexity": round(of.perplexity, 4),
            "perplexity_ratio": round(of.perplexity / sums["fp32"].perplexity, 5),
            "top1_agreement": round(of.equal / of.tokens, 5),
            "mean_kl_nats": round(max(0.0, of.divergence) / of.tokens, 6),
        }
        for name, of in sums.items()
    }


def greedy(loaded: LoadedModel, prompts: Sequence[ChatPrompt], threads: int | None, progress: Progress) -> list[Any]:
    """The 64 greedy tokens of each prompt, through the engine. No token ends a text, so that all are as long."""
    settings = EngineSettings(threads=threads, slots=SLOTS, answer_slots=0, queue_size=len(prompts), positions=768)
    engine = LocalEngine(lambda: replace(loaded, end_tokens=frozenset()), settings)
    try:
        futures = [engine.submit(GenerationRequest(prompt, NEW_TOKENS)) for prompt in prompts]
        done = [
            f.result() for f in progress.track(futures, description=f"{NEW_TOKENS} tokens in {loaded.number_format}")
        ]
    finally:
        engine.close()
    return [one.tokens for one in done]


def common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens come before the first that differs."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(first), len(second)))


def compare(
    formats: Sequence[str], texts: int, prompts: int, threads: int | None, progress: Progress
) -> dict[str, Any]:
    """All figures by format. Raises DataMissing."""
    english, chinese, tasks = english_texts(texts), chinese_texts(texts // 5), task_texts(max(texts, prompts))
    asked = [prompt for prompt, _ in tasks[:prompts]]
    path = locate(None)
    models = {name: load(path, name) for name in ("fp32", *formats)}  # type: ignore[arg-type]
    groups = {
        "tasks": prompted(models["fp32"], tasks[:texts]),
        "en": plain(models["fp32"], english),
        "zh": plain(models["fp32"], chinese),
    }
    by_group = {group: forced(models, given, progress) for group, given in groups.items()}
    figures: dict[str, Any] = {name: {group: of[name] for group, of in by_group.items()} for name in models}
    exact = greedy(models["fp32"], asked, threads, progress) if asked else []
    for name in formats if asked else ():
        same = [
            common_prefix(*pair) for pair in zip(exact, greedy(models[name], asked, threads, progress), strict=True)
        ]
        figures[name]["mean_common_prefix"] = round(sum(same) / len(same), 2)
        figures[name]["identical"] = sum(of == NEW_TOKENS for of in same)
    return {
        "checkpoint": models["fp32"].name,
        "texts": {group: len(given) for group, given in groups.items()},
        "prompts": len(asked),
        "new_tokens": NEW_TOKENS,
        "formats": figures,
    }


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    info = Path("/proc/cpuinfo")
    name = re.search(r"^model name\s*: (.*)$", info.read_text(), re.MULTILINE) if info.exists() else None
    return {
        "cpu": name[1] if name else platform.processor(),
        "isa": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
    }


def table(result: dict[str, Any]) -> Table:
    """The figures, one line a format and language."""
    shown = Table(title=f"{result['checkpoint']}: nearness to fp32")
    for heading in ("format", "texts", "perplexity", "ratio", "top-1", "KL (nats)", f"prefix of {NEW_TOKENS}", "same"):
        shown.add_column(heading, justify="left" if heading in ("format", "texts") else "right")
    for name, figures in result["formats"].items():
        for language, count in result["texts"].items():
            of = figures[language]
            same = figures.get("mean_common_prefix") if language == "tasks" else None
            shown.add_row(
                name, f"{count} {language}", f"{of['perplexity']:.3f}", f"{of['perplexity_ratio']:.4f}",
                f"{of['top1_agreement']:.2%}", f"{of['mean_kl_nats']:.5f}",
                *(["", ""] if same is None else [f"{same:.1f}", f"{figures['identical']}/{result['prompts']}"]),
            )  # fmt: skip
    return shown


def misses(result: dict[str, Any]) -> list[str]:
    """What int8, if it was measured, fails to keep."""
    found = result["formats"].get("int8", {}).get("tasks")
    if found is None:
        return []
    missed = []
    if abs(found["perplexity_ratio"] - 1) > MOST_PERPLEXITY_RATIO - 1:
        missed.append(
            f"int8 perplexity is {found['perplexity_ratio']} times fp32's, allowed is {MOST_PERPLEXITY_RATIO}"
        )
    if found["top1_agreement"] < LEAST_AGREEMENT:
        missed.append(f"int8 agrees with fp32 in {found['top1_agreement']:.2%}, expected is {LEAST_AGREEMENT:.0%}")
    return missed


def main() -> int:
    """Compare, print and write the figures; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--formats", nargs="+", choices=["bf16", "int8"], default=["bf16", "int8"])
    parser.add_argument("--texts", type=int, default=200, help="of each kind; of Chinese ones a fifth")
    parser.add_argument("--prompts", type=int, default=40, help="0 leaves the greedy texts out")
    parser.add_argument("--threads", type=int, help="default: one less than there are cores")
    args = parser.parse_args()
    use_threads(args.threads)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console) as progress:
            result = compare(args.formats, args.texts, args.prompts, args.threads, progress)
    except DataMissing as missing:
        console.print(str(missing), markup=False, soft_wrap=True)
        return 2
    about = {
        "command": shlex.join(["python", "-m", "bench.accuracy", *sys.argv[1:]]),
        "date": datetime.now(timezone.utc).date().isoformat(),
        "machine": machine(),
    }
    RESULTS.write_text(json.dumps(about | result, indent=2) + "\n", encoding="utf-8")
    Console().print(table(result))
    missed = misses(result)
    for line in missed:
        console.print(line, markup=False, soft_wrap=True)
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
