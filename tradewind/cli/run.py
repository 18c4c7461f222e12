"""What runs: the demo, the local stack, and the processes one by one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Optional

import typer

from tradewind import logs
from tradewind.cli.guard import one_line_errors
from tradewind.cli.shared import Exit, err, fail, load_settings, out, print_json

if TYPE_CHECKING:
    from consumers.clickhouse.tables import Table
    from tradewind.settings import Settings


def add_to(app: typer.Typer) -> None:
    """Add these commands to the root."""
    for command in (demo, up, status, worker, sink):
        app.command()(command)


def demo(
    report: Path = typer.Option(Path("demo-report.json"), help="Where the figures go, as JSON."),
    orders: int = typer.Option(20_000, min=1, help="Real order lines to replay."),
    speed: Optional[float] = typer.Option(
        None, min=0.001, help="Replay orders this many times faster than they happened; as fast as possible without."
    ),
    questions_per_s: float = typer.Option(4.0, min=0.1, help="Pace of the buyers' questions."),
    timeout: float = typer.Option(420.0, min=10, help="Give up after so many seconds."),
) -> None:
    """Run the whole product on real input: listings, questions and orders in, copy, drafts and tables out.

    Starts a local stack of its own in TRADEWIND_DATA_DIR/demo, and stops it at the end. Try it: tradewind demo
    """
    from tradewind.demo.run import DemoFailed, DemoPlan, run_demo

    settings = load_settings()
    logs.only_warnings()
    plan = DemoPlan(report=report, orders=orders, speed=speed, questions_per_s=questions_per_s, timeout_s=timeout)
    with one_line_errors():
        try:
            complete = run_demo(settings, plan, out)
        except DemoFailed as error:
            fail(str(error))
    if not complete:
        fail(f"not everything arrived; {report} has the counts, {settings.data_dir}/demo/logs the reasons")


def up(
    no_worker: bool = typer.Option(False, "--no-worker", help="Without the agents and their model."),
    no_sink: bool = typer.Option(False, "--no-sink", help="Without the sink to ClickHouse."),
    no_gateway: bool = typer.Option(False, "--no-gateway", help="Without the HTTP gateway."),
) -> None:
    """Run a local stack: broker, ClickHouse, schema registry, worker, sink and gateway, until Ctrl-C.

    Tables are kept in TRADEWIND_DATA_DIR; the broker keeps its topics in memory. While it runs, the other commands
    use it without further settings. Try it: tradewind up
    """
    from tradewind.local_run import LocalRun
    from tradewind.stack.local import StackError

    settings = load_settings()
    logs.only_warnings()
    with one_line_errors(), LocalRun(settings) as run:
        run.start(worker=not no_worker, sink=not no_sink, gateway=not no_gateway, tell=err.print)
        endpoints = run.stack.endpoints
        out.print(f"Kafka            {endpoints.bootstrap_servers}")
        out.print(f"schema registry  {endpoints.schema_registry_url}")
        out.print(f"ClickHouse       {endpoints.clickhouse_url}  database {endpoints.clickhouse_database}")
        out.print(f"                 user {endpoints.clickhouse_user}, password in {settings.data_dir / 'stack.json'}")
        if endpoints.gateway_url is not None:
            out.print(
                f"gateway          {endpoints.gateway_url}  its documentation at /docs, keys by tradewind keys create"
            )
        out.print(f"logs             {run.stack.log_dir}")
        out.print("Ctrl-C stops everything.")
        if not run.stack.run_until_stopped():
            raise StackError(f"a process is down for good; {run.stack.log_dir} says why")


def status(as_json: bool = typer.Option(False, "--json", help="One JSON object.")) -> None:
    """Show what is where: topics with their messages, groups with their lag, tables with their rows."""
    from tradewind.status import gather, show

    settings = load_settings()
    with one_line_errors():
        found = gather(settings)
    if as_json:
        print_json(found)
    else:
        show(found, out)


def worker(
    agents: str = typer.Option(
        "enrich,answer,insights", help="Agents to run, parted by commas: enrich, answer, insights."
    ),
) -> None:
    """Run agents: listings and questions in, copy and drafts out, and what stands out in the merchants' numbers.

    Runs until Ctrl-C or SIGTERM. Start as many as there are partitions; Kafka spreads the work. Insights are read in
    ClickHouse and said by one worker at a time. Try it: tradewind worker --agents answer
    """
    from streams.stages import STAGES

    names = [name.strip() for name in agents.split(",") if name.strip()]
    if not names or set(names) - set(STAGES):
        fail(f"--agents {agents}: expected names out of {', '.join(STAGES)}", Exit.USAGE)
    settings = load_settings()
    from tradewind.processes import run_worker

    with one_line_errors():
        if not run_worker(settings, names):
            raise typer.Exit(int(Exit.UNFINISHED))


def sink(
    accept_gap: bool = typer.Option(
        False, "--accept-gap", help="Go on where Kafka no longer has messages that were not stored; they are lost."
    ),
    from_beginning: bool = typer.Option(
        False, "--from-beginning", help="Fill one table anew from the beginning of its topic, swap it in, and end."
    ),
    table: Optional[str] = typer.Option(None, "--table", help="The table to fill anew, such as orders."),
    drop_old: bool = typer.Option(
        False, "--drop-old", help="Drop the table that was replaced, instead of keeping it as _before_ and its name."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what --from-beginning would do, and do nothing."),
) -> None:
    """Store all topics in ClickHouse, until Ctrl-C or SIGTERM. Applies pending migrations first.

    With --from-beginning another sink may, and should, be at work: nothing that it stores is lost. When it was
    interrupted, the same command goes on. Try it: tradewind sink --from-beginning --table orders --dry-run
    """
    if from_beginning != (table is not None):
        fail("--from-beginning and --table go together", Exit.USAGE)
    if not from_beginning and (drop_old or dry_run):
        fail("--drop-old and --dry-run go with --from-beginning", Exit.USAGE)
    if from_beginning and accept_gap:
        fail("--accept-gap is for the sink that stays; --from-beginning copies what Kafka no longer has", Exit.USAGE)
    settings = load_settings()
    from consumers.clickhouse.migrate import migrate_if_allowed
    from consumers.clickhouse.tables import TABLES
    from tradewind.preflight import check_sink
    from tradewind.processes import run_backfill_process, run_sink_process

    known = {each.name: each for each in TABLES}
    if table is not None and table not in known:
        fail(f"--table {table}: expected one of {', '.join(known)}", Exit.USAGE)
    with one_line_errors():
        if table is not None and dry_run:
            _show_outlook(settings, known[table], drop_old)
            return
        check_sink(settings)
        migrate_if_allowed(settings)
        if table is None:
            if not run_sink_process(settings, accept_gap=accept_gap):
                raise typer.Exit(int(Exit.UNFINISHED))
        elif not run_backfill_process(settings, known[table], drop_old=drop_old, tell=_tell):
            err.print("interrupted; the same command goes on from here")
            raise typer.Exit(int(Exit.INTERRUPTED))


def _tell(line: str) -> None:
    err.print(line, markup=False, soft_wrap=True)


def _show_outlook(settings: Settings, table: Table, drop_old: bool) -> None:
    from consumers.clickhouse.backfill import outlook
    from consumers.clickhouse.fresh_table import Stage

    found = outlook(settings, table)
    name = table.name
    if found.stage is Stage.SWAPPED:
        out.print(f"an earlier run has swapped {name} already; would clear up after it")
        return
    if found.stage is not Stage.MIRRORED:
        did = "go on reading" if found.stage is Stage.FILLING else "read"
        out.print(f"would {did} {found.messages:,} messages of {table.topic.name} into _fresh_{name}", highlight=False)
    out.print(
        f"would copy what of the {found.stored:,} rows of {name} that lacks, among it {found.older:,} of which Kafka "
        "no longer has the message",
        highlight=False,
        soft_wrap=True,
    )
    kept = "drop the replaced table" if drop_old else f"keep the replaced table as _before_{name}"
    out.print(f"would then swap the two and {kept}; {name} takes {found.size:,} bytes on disk", highlight=False)
