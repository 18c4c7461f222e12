"""`tradewind db`: the tables and views in ClickHouse."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from tradewind.cli.guard import one_line_errors
from tradewind.cli.shared import Exit, err, load_settings, out, print_json

if TYPE_CHECKING:
    from consumers.clickhouse.recount import Difference
    from consumers.clickhouse.retention import Kept

app = typer.Typer(no_args_is_help=True, help="Migrate ClickHouse's tables and views, check them, settle the roll-ups.")


@app.command()
def check(
    recount: bool = typer.Option(False, "--recount", help="Compare every roll-up with a recount of its events."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object."),
) -> None:
    """Say what migrations are missing, what is kept for how long, and which roles there are. Changes nothing.

    Ends with 1 when a migration is missing, a file was changed after it was applied, something is kept for another time
    than the settings say, or a roll-up is not as counted. Missing roles are told, and fail nothing.

    Try it: tradewind db check --recount
    """
    from consumers.clickhouse import access, retention
    from consumers.clickhouse.client import open_client
    from consumers.clickhouse.migrate import check as pending_migrations
    from consumers.clickhouse.recount import differences

    settings = load_settings()
    wanted = retention.wanted(settings)
    with one_line_errors():
        pending = [migration.file for migration in pending_migrations(settings)]
        with open_client(settings) as client:
            differing = [] if pending else retention.differing(client, wanted)
            missing = access.missing_roles(client)
            found = list(differences(client)) if recount and not pending else []
    if as_json:
        print_json(
            {
                "pending": pending,
                "kept": [asdict(each) for each in wanted],
                "kept_otherwise": [asdict(each) for each in differing],
                "missing_roles": missing,
                "recounted": recount and not pending,
                "differences": [asdict(each) for each in found],
            }
        )
    else:
        for name in pending:
            _say(f"{name} is not applied; apply it: tradewind db migrate")
        for each in differing:
            _say(f"{_kept(each)} is asked for, and not so in ClickHouse; set it: tradewind db migrate")
        for difference in found:
            _say(f"{_difference(difference)}; mend it: tradewind db settle --all")
        _say(_retention(settings.raw_days, settings.text_days))
        _show_roles(missing)
        if not (pending or differing or found):
            out.print("migrations are applied" + (", roll-ups are as counted" if recount else ""))
    if pending or differing or found:
        raise typer.Exit(int(Exit.FAILED))


@app.command()
def migrate(as_json: bool = typer.Option(False, "--json", help="One JSON object.")) -> None:
    """Bring tables, views, times to live and roles up to date; makes the database where there is none.

    Roles that ClickHouse does not let this user make are told, and fail nothing: see tradewind db access.

    Try it: tradewind db migrate
    """
    from consumers.clickhouse import access, retention
    from consumers.clickhouse.client import open_client
    from consumers.clickhouse.migrate import migrate as apply_migrations

    settings = load_settings()
    with one_line_errors():
        applied = [migration.file for migration in apply_migrations(settings)]
        with open_client(settings) as client:
            refused = access.grant_access(client, settings.clickhouse_database)
    if as_json:
        print_json(
            {
                "applied": applied,
                "kept": [asdict(each) for each in retention.wanted(settings)],
                "refused": [asdict(each) for each in refused],
            }
        )
        return
    _say(f"applied {', '.join(applied)}" if applied else "all migrations were applied already")
    _say(_retention(settings.raw_days, settings.text_days))
    if refused:
        err.print(
            f"roles: ClickHouse refused {len(refused)} statements, the first with {refused[0].error}; an administrator "
            "can run them: tradewind db access",
            soft_wrap=True,
        )


@app.command()
def access() -> None:
    """Print the statements that make our roles in ClickHouse, for an administrator to run.

    Try it: tradewind db access
    """
    from consumers.clickhouse.access import access_statements

    for statement in access_statements(load_settings().clickhouse_database):
        typer.echo(f"{statement};")


@app.command()
def settle(
    everything: bool = typer.Option(False, "--all", help="Recount all there is, not just what was touched."),
    as_json: bool = typer.Option(False, "--json", help="One JSON array."),
) -> None:
    """Settle the roll-ups now, as the sink does every few seconds; with --all a wrong one is mended.

    Try it: tradewind db settle
    """
    from consumers.clickhouse.client import open_client
    from consumers.clickhouse.settle import TIERS
    from consumers.clickhouse.settle import settle as settle_tier

    settings = load_settings()
    with one_line_errors(), open_client(settings) as client:
        settled = [settle_tier(client, tier, everything=everything) for tier in TIERS]
    if as_json:
        print_json([asdict(each) for each in settled])
        return
    for each in settled:
        _say(f"{each.chunk}s are settled through {each.through:%Y-%m-%d %H:%M:%S} UTC, {each.rows} rows")


def _say(line: str) -> None:
    out.print(line, markup=False, highlight=False, soft_wrap=True)


def _kept(kept: Kept) -> str:
    what = kept.table if kept.column is None else f"{kept.table}.{kept.column}"
    return f"{what}: kept {_time(kept.days)}"


def _time(days: int) -> str:
    return f"for {days} days" if days else "for ever"


def _retention(raw_days: int, text_days: int) -> str:
    return f"events are kept {_time(raw_days)}, texts {_time(min(filter(None, (raw_days, text_days)), default=0))}"


def _show_roles(missing: list[str] | None) -> None:
    if missing is None:
        _say("roles: ClickHouse does not show them to this user")
    elif missing:
        _say(f"roles: ClickHouse lacks {', '.join(missing)}; make them: tradewind db access")


def _difference(found: Difference) -> str:
    place = ", ".join(f"{name} {value}" for name, value in found.key.items())
    if found.told is None or found.counted is None:
        return f"{found.roll_up}: {place}: " + ("not there" if found.told is None else "there is no such event")
    unlike = (name for name in found.told if found.told[name] != found.counted[name])
    said = ", ".join(f"{name} {found.told[name]} instead of {found.counted[name]}" for name in unlike)
    return f"{found.roll_up}: {place}: {said or 'there twice'}"
