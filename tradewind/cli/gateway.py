"""The HTTP gateway as a command."""

from __future__ import annotations

from typing import Optional

import typer

from tradewind.cli.guard import one_line_errors
from tradewind.cli.shared import Exit, load_settings


def add_to(app: typer.Typer) -> None:
    """Add this command to the root."""
    app.command()(gateway)


def gateway(
    host: Optional[str] = typer.Option(None, "--host", help="Listen on this address; else TRADEWIND_GATEWAY_HOST."),
    port: Optional[int] = typer.Option(
        None, "--port", min=0, max=65535, help="Listen on this port, 0 for any free one; else TRADEWIND_GATEWAY_PORT."
    ),
) -> None:
    """Take events over HTTP and answer when Kafka has them; push to merchants what came of them.

    Runs until Ctrl-C or SIGTERM; then it finishes the requests that it has. Make a key first: tradewind keys create.
    Its page /docs says what it takes. Try it: tradewind gateway --port 8080, then curl http://127.0.0.1:8080/readyz
    """
    settings = load_settings(gateway_host=host, gateway_port=port)
    from tradewind.gateway_process import run_gateway

    with one_line_errors():
        if not run_gateway(settings):
            raise typer.Exit(int(Exit.UNFINISHED))
