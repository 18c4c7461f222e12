"""How fast the engine is, beside `transformers` and llama.cpp: same weights, same prompts, same threads, one run.

    python -m bench.engine [--quick] [--sizes 1,8,16,32] [--repeats 3] [--threads N] [--format auto]
                           [--llama-python PATH]

Every engine runs in a process of its own, one after the other and then all over again, so that each has the machine
for itself and a disturbance meets all. A process loads, warms up, and is given real prompts of both tasks, 1, 8, 16 and
32 at once; each must generate the same number of tokens, the end of a turn does not count. The instructions that a
task's prompts share are in all of them: our engine is the only one that keeps them from request to request, and runs
once more without doing so.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from statistics import fmean, median
from typing import Any

from rich.console import Console

from bench import engine_machine as machine
from bench import engine_report as report
from bench.engine_processes import measure_all, workers_for
from bench.engine_prompts import EncodedPrompt, choose_prompts, encode_all, prompt_of_length, task_requests
from model.fetch import locate
from model.loading import open_checkpoint

RESULTS = Path(__file__).parent / "results" / "engine.json"
ROOT = Path(__file__).parent.parent
WARM_UP, SINGLE_TOKENS, QUIET_LOAD = 6, 94, 0.5


def main() -> None:
    """Measure, print and write the figures."""
    args, out = _arguments(), Console(highlight=False, soft_wrap=True)
    load = machine.load_average()
    out.print(f"load before the start: {load}, {machine.cores()} cores, {args.threads} threads for each engine")
    if load > QUIET_LOAD:
        out.print(f"[yellow]the machine is not idle (load above {QUIET_LOAD}): the figures will be too low[/]")
    path = locate(None)
    checkpoint = open_checkpoint(path)
    answers, descriptions = (encode_all(requests, checkpoint.chat) for requests in task_requests())
    prompts, warm_up = choose_prompts(answers, descriptions, max(args.sizes), WARM_UP)
    single = prompt_of_length(SINGLE_TOKENS, checkpoint.chat)
    about = _about_prompts(prompts)
    out.print(
        f"{len(prompts)} prompts, answers and descriptions in turn: {about['mean_tokens']} tokens on average, of which "
        f"{about['mean_shared_tokens']} are the task's instructions; {args.new_tokens} new tokens each"
    )
    job = {
        "checkpoint": str(path), "threads": args.threads, "new_tokens": args.new_tokens, "sizes": args.sizes,
        "prompts": [prompt.as_json() for prompt in prompts], "warm_up": [prompt.as_json() for prompt in warm_up],
        "single": single.as_json(),
    }  # fmt: skip
    outputs, missing = measure_all(workers_for(args.format, args.llama_python), job, args.repeats, out)
    rows = []
    for size in args.sizes:
        tokens = sum(len(prompt.ids) for prompt in prompts[:size])
        at = {name: report.figures_at(found, size, tokens, args.new_tokens) for name, found in outputs.items()}
        rows.append(report.row(size, at))
    figures = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": _command(args),
        "machine": {**machine.processor(), "cores": machine.cores(), "threads": args.threads, "load_before": load},
        "checkpoint": {"name": checkpoint.name, "sha256": checkpoint.sha256},
        "prompts": about,
        "new_tokens": args.new_tokens,
        "repeats": args.repeats,
        "engines": {name: _about_engine(found) for name, found in outputs.items()},
        "not_measured": missing,
        "first_token": {
            "prompt_tokens": len(single.ids),
            "of_which_instructions": single.shared,
            "ours_without_prefix_ms": _single_ms(outputs["ours_no_prefix"]),
            "ours_with_prefix_ms": _single_ms(outputs["ours"]),
        },
        "texts": _texts(outputs, checkpoint),
        "sizes": rows,
    }
    _show(figures, out)
    if args.output:
        args.output.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        out.print(f"written to {args.output}")


def _about_prompts(prompts: Sequence[EncodedPrompt]) -> dict[str, float]:
    return {
        "count": len(prompts),
        "mean_tokens": round(fmean(len(prompt.ids) for prompt in prompts), 1),
        "shortest": min(len(prompt.ids) for prompt in prompts),
        "longest": max(len(prompt.ids) for prompt in prompts),
        "mean_shared_tokens": round(fmean(prompt.shared for prompt in prompts), 1),
    }


def _about_engine(outputs: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    if not outputs:
        return None
    return {**outputs[0]["about"], "load_seconds": round(median(output["load_seconds"] for output in outputs), 2)}


def _single_ms(outputs: Sequence[dict[str, Any]]) -> float:
    waits: list[float] = [output["single_first_token"] for output in outputs]
    return round(median(waits) * 1e3, 1)


def _texts(outputs: dict[str, list[dict[str, Any]]], checkpoint: Any) -> dict[str, Any]:
    """That all engines write about the same, and how much of it comes before the end of the turn."""
    last = {name: found[0]["runs"][-1] for name, found in outputs.items() if found}
    peers = [name for name in ("transformers", "llamacpp") if name in last]
    return {
        f"{name}_{what}": value
        for name in peers
        for what, value in (
            (
                "common_prefix_chars",
                report.mean_common_prefix(
                    last["ours"]["texts"], [checkpoint.tokenizer.decode(ids) for ids in last[name]["tokens"]]
                ),
            ),
            ("tokens_before_end_of_turn", report.tokens_before(checkpoint.end_tokens, last[name]["tokens"])),
        )
    }


def _command(args: argparse.Namespace) -> str:
    """How to do this again; without paths, which are this machine's."""
    sizes = ",".join(map(str, args.sizes))
    return (
        f"python -m bench.engine --sizes {sizes} --new-tokens {args.new_tokens} --repeats {args.repeats} "
        f"--threads {args.threads} --format {args.format}"
    )


def _show(figures: dict[str, Any], out: Console) -> None:
    if out.is_terminal:
        out.print(report.table(figures["sizes"]), soft_wrap=False)
    else:
        for line in report.lines(figures["sizes"]):
            out.print(line)
    first = figures["first_token"]
    out.print(
        f"first token of ours alone, after {first['prompt_tokens']} tokens: {first['ours_without_prefix_ms']} ms; "
        f"with {first['of_which_instructions']} of them kept: {first['ours_with_prefix_ms']} ms"
    )
    for size in figures["sizes"]:
        times = [(size["ratio_transformers"], "transformers"), (size["ratio_llamacpp"], "llama.cpp")]
        compared = " and ".join(
            f"{times_as_fast} times the speed of {name}" for times_as_fast, name in times if times_as_fast
        )
        if compared:
            out.print(f"{size['requests']} requests: ours has {compared}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=lambda text: sorted(map(int, text.split(","))), default=[1, 8, 16, 32])
    parser.add_argument("--new-tokens", type=int, default=48, help="generated for each request, at least 2")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=machine.cores(), help="of each engine; default: all cores")
    parser.add_argument("--format", default="auto", help="number format of ours: auto, fp32, bf16 or int8")
    parser.add_argument(
        "--llama-python",
        default=os.environ.get("LLAMA_PYTHON"),
        help="a Python that has llama-cpp-python, or a folder of packages (also: LLAMA_PYTHON in the environment)",
    )
    parser.add_argument("--output", type=Path, help=f"default: {RESULTS.relative_to(ROOT)}; none with --quick")
    parser.add_argument("--quick", action="store_true", help="try it: 1 and 8 requests, 8 new tokens, once")
    args = parser.parse_args()
    if args.quick:
        args.sizes, args.new_tokens, args.repeats = [1, 8], 8, 1
    elif args.output is None:
        args.output = RESULTS
    return args


if __name__ == "__main__":
    main()
