"""`tradewind config`: every setting, its value, and where it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer

from tradewind.cli.shared import load_settings, print_json
from tradewind.settings import Settings


def add_to(app: typer.Typer) -> None:
    """Add this command to the root."""
    app.command()(config)


def config(
    as_json: bool = typer.Option(False, "--json", help="One JSON array."),
    env: bool = typer.Option(False, "--env", help="A commented .env file with all defaults."),
) -> None:
    """Show every setting, its value, and where the value comes from. Secrets are not shown.

    They are looked for in the environment, .env, the files of TRADEWIND_SECRETS_DIR, and a running local stack.
    The first one counts.

    Try it: tradewind config --env > .env
    """
    if env:
        typer.echo(env_template(), nl=False)
        return
    settings = load_settings()
    rows = described(settings)
    if as_json:
        print_json(rows)
        return
    from tradewind.cli.text import cell, new_table, print_table

    table = new_table("variable", "value", "from", "what it is")
    for row in rows:
        style = "dim" if row["from"] == "default" else ""
        table.add_row(*(cell(row[name]) for name in ("variable", "value", "from", "description")), style=style)
    print_table(table)


def described(settings: Settings) -> list[dict[str, Any]]:
    """Each setting as variable, value with secrets masked, origin and description."""
    where = origins()
    return [
        {
            "variable": variable(name),
            "value": shown(getattr(settings, name)),
            "from": where.get(name, "default"),
            "description": field.description or "",
        }
        for name, field in Settings.model_fields.items()
    ]


def variable(name: str) -> str:
    """The setting's environment variable."""
    return f"TRADEWIND_{name.upper()}"


def shown(value: Any) -> Any:
    """The value as it may be shown: no secret, and no password in a URL."""
    from pydantic import SecretStr

    from tradewind.cli.text import HIDDEN, without_password

    if isinstance(value, SecretStr):
        return HIDDEN if value.get_secret_value() else ""
    if isinstance(value, Path):
        return str(value)
    return without_password(value) if isinstance(value, str) else value


def origins() -> dict[str, str]:
    """Where each setting that is not a default comes from, in words; asks the same sources as `Settings` does."""
    from pydantic_settings import (
        DotEnvSettingsSource,
        EnvSettingsSource,
        InitSettingsSource,
        SecretsSettingsSource,
    )

    from tradewind.settings import LocalStackSource

    words = {
        EnvSettingsSource: "environment",
        DotEnvSettingsSource: ".env",
        SecretsSettingsSource: "secret file",
        LocalStackSource: "local stack",
    }
    sources = Settings.settings_customise_sources(
        Settings,
        InitSettingsSource(Settings, {}),
        EnvSettingsSource(Settings),
        DotEnvSettingsSource(Settings),
        SecretsSettingsSource(Settings),
    )
    found: dict[str, str] = {}
    for source in sources:
        for name in source():
            found.setdefault(name, words.get(type(source), type(source).__name__))
    return found


def env_template() -> str:
    """A `.env` file that says nothing until a line is uncommented."""
    from pydantic import SecretStr

    blocks = ["# Settings of Tradewind. Take the # off a line to change it. See them all: tradewind config\n"]
    for name, field in Settings.model_fields.items():
        default = field.default
        if isinstance(default, SecretStr):
            default = default.get_secret_value()
        choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
        words = f" One of: {', '.join(choices)}." if choices else ""
        value = "" if default is None else str(default)
        blocks.append(f"# {field.description}{words}\n#{variable(name)}={value}\n")
    return "\n".join(blocks)
