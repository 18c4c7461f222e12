"""An evaluation's report on standard output, as a table or as JSON; notes and warnings on standard error."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Optional

import typer

from tradewind.cli.shared import Exit, err, fail, print_json
from tradewind.cli.text import cell, cut, new_table, print_table

if TYPE_CHECKING:
    from model.evaluation.report import Report

_FINDINGS = 20  # a terminal is for a look; the JSON has all


def show(report: Report, json_out: Optional[Path]) -> None:
    """The table, and with a path the JSON beside it; '-' is standard output, then without a table."""
    for line in report.warnings:
        err.print(f"[bold yellow]warning:[/] {line}", soft_wrap=True)
    if json_out is not None and str(json_out) == "-":
        print_json(report.as_json())
        return
    typer.echo(f"{report.title}: {', '.join(f'{name} {_told(value)}' for name, value in report.about.items())}")
    table = new_table("metric", "system", "value [95% interval]", "on", right=("value [95% interval]",))
    before = ""
    for figure in report.figures:
        table.add_row(
            cell(figure.metric if figure.metric != before else ""), figure.system, figure.text(), cell(figure.over)
        )
        before = figure.metric
    print_table(table)
    if report.findings:
        found = new_table("where", "kind", "span", "text")
        for finding in report.findings[:_FINDINGS]:
            found.add_row(*map(cell, (finding.place, finding.category, finding.span, cut(finding.text, 100))))
        print_table(found)
        if len(report.findings) > _FINDINGS:
            err.print(f"{len(report.findings) - _FINDINGS} more; all of them: --json FILE", markup=False)
    for line in report.notes:
        err.print(line, markup=False, soft_wrap=True)
    if json_out is not None:
        _write(report, json_out)


def write_text(path: Path, text: str) -> None:
    """The text as a file; a path that can't be written ends the command in one line."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{path}: can't be written ({error.strerror}); name another file", Exit.USAGE)


def _write(report: Report, path: Path) -> None:
    import json

    write_text(path, json.dumps(report.as_json(), ensure_ascii=False, indent=2, default=str) + "\n")
    err.print(f"written: {path}", markup=False, soft_wrap=True)


def _told(value: object) -> str:
    if isinstance(value, dict):
        return "/".join(f"{name} {count}" for name, count in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)
