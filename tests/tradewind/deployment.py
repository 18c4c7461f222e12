"""The files that production is started from, read as Compose, Docker and the command line would read them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
import yaml

from tradewind.cli.main import app

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"

#: A variable in a Compose file, with what follows it: `:-` and a default, or `:?` and why it is required.
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")
_ASSIGNMENT = re.compile(r"^(?:# )?(?P<name>[A-Z][A-Z_]*)=(?P<value>.*)$", re.MULTILINE)


def compose() -> dict[str, Any]:
    """docker-compose.yml, its variables not yet filled in."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return found


def services() -> dict[str, dict[str, Any]]:
    """The services, their variables filled in as with an untouched copy of the example file."""
    found: dict[str, dict[str, Any]] = filled(compose()["services"], example_environment())
    return found


def variables(value: Any) -> set[str]:
    """Names of all variables in a part of a Compose file."""
    return {match["name"] for text in _texts(value) for match in _VARIABLE.finditer(text)}


def filled(value: Any, environment: Mapping[str, str]) -> Any:
    """The same part with its variables filled in.

    Raises:
        KeyError: a required one is missing.
    """
    if isinstance(value, dict):
        return {name: filled(each, environment) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, environment) for each in value]
    if not isinstance(value, str):
        return value
    return _VARIABLE.sub(
        lambda match: (
            environment.get(match["name"]) or match["rest"] if match["kind"] == "-" else environment[match["name"]]
        ),
        value,
    )


def example_environment(*, commented: bool = False) -> dict[str, str]:
    """What deploy/.env.example sets; with `commented` also what it names behind a #."""
    text = (DEPLOY / ".env.example").read_text(encoding="utf-8")
    return {
        match["name"]: match["value"]
        for match in _ASSIGNMENT.finditer(text)
        if commented or not match[0].startswith("#")
    }


def dockerfile(path: Path = ROOT / "Dockerfile") -> list[tuple[str, str]]:
    """The instructions of a Dockerfile: keyword and the rest, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", path.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(keyword, rest) for keyword, _, rest in (line.partition(" ") for line in lines)]


class NoSuchCommand(Exception):
    """The command line has no such command or option, or a value is missing or wrong."""


def resolve(arguments: Sequence[str]) -> dict[str, Any]:
    """What the `tradewind` command would run with, parameter by parameter, without running it.

    Raises:
        NoSuchCommand: it would refuse.
    """
    command: Any = typer.main.get_command(app)
    rest, context = list(arguments), None
    try:
        while True:
            context = command.make_context(command.name, list(rest), parent=context)
            if not hasattr(command, "commands"):
                return dict(context.params)
            _, command, rest = command.resolve_command(context, rest)
    except Exception as error:  # Typer's own copy of click has no public names for them
        raise NoSuchCommand(f"tradewind {shlex.join(arguments)}: {type(error).__name__} {error}") from error


def shell_commands(markdown: str) -> Iterator[list[str]]:
    """The words of each command in the shell blocks of a page."""
    for block in re.findall(r"^```sh\n(.*?)^```", markdown, re.DOTALL | re.MULTILINE):
        code = re.sub(r"\s+#.*", "", block.replace("\\\n", " "))
        lexer = shlex.shlex(code, posix=True, punctuation_chars="\n")
        lexer.whitespace, lexer.whitespace_split = " \t", True
        words: list[str] = []
        for token in [*lexer, "\n"]:
            if token.strip("\n"):
                words.append(token)
            elif words:
                yield words
                words = []


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value
