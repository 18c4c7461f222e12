"""`tradewind doctor`: what is not as it should be, and how to mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from tradewind.cli.guard import quiet_libraries
from tradewind.cli.shared import Exit, load_settings, out, print_json

if TYPE_CHECKING:
    from tradewind.doctor import Finding


def add_to(app: typer.Typer) -> None:
    """Add this command to the root."""
    app.command()(doctor)


def doctor(as_json: bool = typer.Option(False, "--json", help="One JSON array.")) -> None:
    """Check Python, services, topics, schemas, migrations, model, policies, disk and clock, and say how to mend each.

    Ends with 3 when a service can't be reached, with 1 when anything else failed.

    Try it: tradewind doctor
    """
    from tradewind.doctor import examine

    settings = load_settings()
    quiet_libraries()
    findings = examine(settings)
    if as_json:
        print_json(
            [{"check": each.name, "state": each.state, "detail": each.detail, "mend": each.mend} for each in findings]
        )
    else:
        _show(findings)
    if any(each.unreachable for each in findings):
        raise typer.Exit(int(Exit.UNREACHABLE))
    if any(each.state == "failed" for each in findings):
        raise typer.Exit(int(Exit.FAILED))


def _show(findings: list[Finding]) -> None:
    from rich.text import Text

    from tradewind.cli.text import printable

    styles = {"ok": "green", "warning": "yellow", "failed": "bold red"}
    widest = max(len(each.name) for each in findings)
    for each in findings:
        line = Text.assemble(
            (f"{each.state:<8}", styles[each.state]), f"{each.name:<{widest}}  ", printable(each.detail)
        )
        out.print(line, soft_wrap=True)
        if each.mend:
            out.print(Text(f"{'':<{8 + widest}}  → {printable(each.mend)}"), soft_wrap=True)
