"""The `tradewind` command."""

from __future__ import annotations

import sys

import typer

from tradewind import __version__
from tradewind.cli import config, data, db, deadletters, doctor, edge, gateway, keys, model, run, schemas, topics
from tradewind.cli.shared import Exit, err
from tradewind.stack.signals import signals_as_interrupts

app = typer.Typer(
    name="tradewind",
    help="A marketplace's merchant operations as event streams: Kafka in, a Transformer in the middle, ClickHouse out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (run, gateway, data, doctor, config):
    module.add_to(app)
app.add_typer(topics.app, name="topics")
app.add_typer(schemas.app, name="schemas")
app.add_typer(db.app, name="db")
app.add_typer(deadletters.app, name="deadletters")
app.add_typer(keys.app, name="keys")
app.add_typer(edge.app, name="edge")
app.add_typer(model.app, name="model")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit()


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", help="Print the version and end.", callback=_version, is_eager=True
    ),
) -> None:
    pass


def main() -> None:
    """Run the command; Ctrl-C ends it without a traceback."""
    try:
        # SIGTERM and SIGHUP stop what was started as Ctrl-C does, also while it is starting.
        with signals_as_interrupts():
            app()
    except KeyboardInterrupt:
        err.print("interrupted")
        sys.exit(int(Exit.INTERRUPTED))


if __name__ == "__main__":
    main()
