"""`tradewind model eval`: how good answers, copy, ranking and guards are, on public sets or on rows of your own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import typer

from tradewind.cli.engine_use import open_engine, progress, waiting
from tradewind.cli.eval_report import show, write_text
from tradewind.cli.shared import Exit, err, fail, load_settings

if TYPE_CHECKING:
    from model.evaluation.answers import Outcome
    from model.evaluation.copy import Written
    from model.evaluation.report import Report
    from model.evaluation.sets import AnswerRow
    from model.protocol import EngineInfo, GenerationRequest
    from schemas.events import ListingPublished
    from tradewind.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    help="Measure the model and its guards: each metric with its baselines and a 95% confidence interval.",
)

_DATA = typer.Option(..., "--data", help="The file of rows; its header says which set it is.")
_LIMIT = typer.Option(None, "--limit", min=1, help="Only so many, drawn at random.")
_SEED = typer.Option(0, "--seed", help="Of what is drawn at random: rows, resamples, samples.")
_JSON = typer.Option(None, "--json", help="Write the figures as JSON here too; - prints them instead of the table.")
_BASELINES = typer.Option(True, "--baselines/--no-baselines", help="Ask the checkpoint without our adapter as well.")


@app.command()
def answers(
    data: Path = _DATA,
    limit: Optional[int] = _LIMIT,
    seed: int = _SEED,
    json_out: Optional[Path] = _JSON,
    baselines: bool = _BASELINES,
    samples: int = typer.Option(0, "--samples", min=0, help="Drafts to draw at random for a reader."),
    samples_out: Path = typer.Option(Path("samples.md"), "--samples-out", help="Where those go, as Markdown."),
) -> None:
    """Drafts on questions with evidence (hetPQA, ePQA), or on facts (semiPQA data-to-text).

    Try it: tradewind model eval answers --data hetPQA_answer_generation_dev.csv --limit 100
    """
    settings = load_settings()
    from model.evaluation import answers as evaluation
    from model.evaluation import sets, systems
    from model.evaluation.drawing import drawn
    from model.guards.polarity import answer_polarity

    with _one_line():
        facts = sets.kind_of(data) == "sentences"
        rows = systems.fact_rows(sets.read_sentences(data)) if facts else sets.read_answers(data)
        rows = drawn(evaluation.without_twins(rows), limit, seed)
        outcomes, requests, info = _drafted(settings, rows, seed)
        others = {"copied evidence": [row.evidence for row in rows]}
        if facts:
            others["template"] = [systems.from_template(row) for row in rows]
        if baselines and info.adapter:
            others["zero-shot"] = _asked(_bare(settings), requests)
        report = evaluation.evaluate(
            rows, outcomes, others, polarity=answer_polarity, seed=seed, about=_about(data, seed, info)
        )
    _show(report, data, json_out)
    if samples:
        from model.evaluation.samples import as_markdown

        chosen = evaluation.sample(rows, outcomes, samples, polarity=answer_polarity, seed=seed)
        about = [f"{len(chosen)} of {len(rows)} rows of {data.name}, drawn at random with seed {seed}."]
        write_text(
            samples_out,
            as_markdown(chosen, [*about, f"Drafts by {info.model}, {info.dtype}, adapter {info.adapter or 'none'}."]),
        )
        err.print(f"written: {samples_out}", markup=False, soft_wrap=True)


def _drafted(
    settings: Settings, rows: list[AnswerRow], seed: int
) -> tuple[list[Outcome], list[Optional[GenerationRequest]], EngineInfo]:
    from model.evaluation import systems
    from model.evaluation.runs import run_all
    from model.tasks.answer import AnswerPolicy

    policy = AnswerPolicy()
    with open_engine(settings) as engine, progress("drafts", len(rows)) as step:
        found = run_all(rows, lambda n, row: systems.draft(engine, row, policy, seed + n), step)
        return [outcome for outcome, _ in found], [request for _, request in found], engine.info


def _asked(settings: Settings, requests: list[Optional[GenerationRequest]]) -> list[str]:
    """The same requests, to the checkpoint as it came."""
    from model.evaluation import systems
    from model.evaluation.runs import run_all

    with open_engine(settings) as engine, progress("zero-shot", len(requests)) as step:
        return run_all(requests, lambda _, request: systems.ask(engine, request), step)


@app.command(name="copy")
def copy_(
    data: list[Path] = typer.Option(..., "--data", help="Listings: a file or a folder of them; may be repeated."),
    limit: int = typer.Option(200, "--limit", min=1, help="So many listings, drawn at random."),
    seed: int = _SEED,
    json_out: Optional[Path] = _JSON,
    baselines: bool = _BASELINES,
    taxonomy: Optional[Path] = typer.Option(
        None, "--taxonomy", help="Folder of Shopify's value lists, for more colours and materials to look for."
    ),
) -> None:
    """Copy for listings: what it claims that the seller did not, what it leaves out, and who wrote it.

    Try it: tradewind model eval copy --data listings.json --limit 50
    """
    settings = load_settings()
    from model.evaluation import copy as evaluation
    from model.evaluation.claims import Vocabulary
    from model.evaluation.drawing import drawn
    from model.evaluation.sets import read_listings
    from model.evaluation.systems import TEMPLATES_ONLY

    with _one_line():
        listings = drawn([listing for path in data for listing in read_listings(path)], limit, seed)
        written, info = _written(settings, listings, "copy")
        systems = {"ours": written, "template only": _written(settings, listings, "templates", TEMPLATES_ONLY)[0]}
        if baselines and info.adapter:
            systems["zero-shot"] = _written(_bare(settings), listings, "zero-shot")[0]
        vocabulary = Vocabulary.of(taxonomy or _beside(data[0]))
        report = evaluation.evaluate(
            listings, systems, vocabulary, seed=seed, about=_about(", ".join(p.name for p in data), seed, info)
        )
    for path in data[1:]:
        report = replace(report, warnings=(*report.warnings, *_warnings(path)))
    _show(report, data[0], json_out)


def _beside(data: Path) -> Optional[Path]:
    """The taxonomy's folder where it lies beside that of the listings."""
    folder = (data if data.is_dir() else data.parent).parent / "taxonomy"
    return folder if folder.is_dir() else None


def _written(
    settings: Settings, listings: list[ListingPublished], what: str, languages: Optional[tuple[str, ...]] = None
) -> tuple[list[Written], EngineInfo]:
    from model.evaluation import systems
    from model.evaluation.runs import run_all
    from model.tasks.copy_policy import DescribePolicy

    policy = DescribePolicy() if languages is None else DescribePolicy(model_languages=languages)
    with open_engine(settings) as engine, progress(what, len(listings)) as step:
        found = run_all(listings, lambda _, listing: systems.write(engine, listing, policy), step)
        return found, engine.info


@app.command()
def ranking(
    data: Path = _DATA, limit: Optional[int] = _LIMIT, seed: int = _SEED, json_out: Optional[Path] = _JSON
) -> None:
    """The evidence ranker against BM25, on questions with judged candidates (hetPQA, semiPQA, ePQA).

    Try it: tradewind model eval ranking --data hetPQA_evidence_ranking_dev.csv
    """
    from model import ranking as ours
    from model.evaluation import bm25, sets
    from model.evaluation import ranking as evaluation
    from model.evaluation.drawing import drawn

    with _one_line():
        asked = drawn(evaluation.questions(sets.read_rankings(data)), limit, seed)
        scorers = {evaluation.OURS: ours.scores, evaluation.BM25: bm25.scores}
        with progress("ranking", len(asked) * len(scorers)) as step:
            report = evaluation.evaluate(asked, scorers, seed=seed, about=_about(data, seed), step=step)
    _show(report, data, json_out)


@app.command()
def guards(
    data: Path = _DATA, limit: Optional[int] = _LIMIT, seed: int = _SEED, json_out: Optional[Path] = _JSON
) -> None:
    """Personal data (Presidio's JSON), abuse (COLD, Davidson), or grounding (an answers file, with planted faults).

    Personal data in Chinese is tried on numbers made up for it, beside the file.
    Try it: tradewind model eval guards --data presidio_generated_large.json
    """
    from model.evaluation import guard_sets, sets

    evaluate = {
        "presidio": guard_sets.personal_data,
        "cold": guard_sets.moderation,
        "davidson": guard_sets.moderation,
        "hetpqa": guard_sets.grounding,
        "epqa": guard_sets.grounding,
        "sentences": guard_sets.grounding,
    }
    with _one_line():
        kind = sets.kind_of(data)
        if kind not in evaluate:
            fail(f"{data}: is of the kind {kind}; expected one of {', '.join(evaluate)}", Exit.USAGE)
        with waiting("judging texts"):
            report = evaluate[kind](data, limit, seed)
        report = replace(report, about=_about(data, seed) | report.about)
    _show(report, data, json_out)


def _bare(settings: Settings) -> Settings:
    """The settings of the same checkpoint without an adapter."""
    return settings.model_copy(update={"model_adapter": "none"})


def _about(data: Path | str, seed: int, info: Optional[EngineInfo] = None) -> dict[str, Any]:
    about: dict[str, Any] = {"data": data.name if isinstance(data, Path) else data, "seed": seed}
    if info is not None:
        about |= {"model": info.model, "format": info.dtype, "adapter": info.adapter or "none"}
    return about


def _show(report: Report, data: Path, json_out: Optional[Path]) -> None:
    show(replace(report, warnings=(*_warnings(data), *report.warnings)), json_out)


def _warnings(data: Path) -> tuple[str, ...]:
    from model.evaluation.cards import fitted_on, warning

    return tuple(warning(fit) for fit in fitted_on(data))


@contextmanager
def _one_line() -> Iterator[None]:
    """What a user can mend ends in one line: a wrong file, a missing library, an engine that gives up."""
    from model.evaluation.data_error import DataError
    from model.evaluation.libraries import LibraryMissing
    from model.protocol import EngineError

    try:
        yield
    except DataError as error:
        fail(str(error), Exit.USAGE)
    except (LibraryMissing, EngineError) as error:
        fail(str(error))
