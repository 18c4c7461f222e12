"""`tradewind up` as a user has it: the README's code against it, Ctrl-C, and a second start."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from tradewind.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

README = Path(__file__).parents[2] / "README.md"


def readme_code() -> dict[str, str]:
    """The README's tested Python, by name."""
    found = re.findall(r"<!-- tested: (\w+) -->\n```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    return dict(found)


@pytest.fixture
def environment(tmp_path: Path, tiny_model: Path) -> dict[str, str]:
    """A user's own: nothing set but the folder and a small model."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRADEWIND_")}
    return clean | {
        "TRADEWIND_DATA_DIR": str(tmp_path / "data"),
        "TRADEWIND_MODEL": str(tiny_model),
        "TRADEWIND_MODEL_POSITIONS": "4096",
        "TRADEWIND_STACK_KAFKA_PORT": "0",
        "TRADEWIND_STACK_CLICKHOUSE_PORT": "0",
        "TRADEWIND_STACK_REGISTRY_PORT": "0",
        "TRADEWIND_STACK_GATEWAY_PORT": "0",
    }


def until(reached: Callable[[], bool], what: str, deadline_s: float = 90.0) -> None:
    give_up = time.monotonic() + deadline_s
    while not reached():
        assert time.monotonic() < give_up, f"not within {deadline_s} s: {what}"
        time.sleep(0.05)


@contextmanager
def up(environment: dict[str, str], *options: str) -> Iterator[subprocess.Popen[str]]:
    """`tradewind up` until it says that it runs; ended with Ctrl-C."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tradewind", "up", *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if "Ctrl-C" in line:
            break
    assert process.poll() is None, "".join(said)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        process.wait(timeout=60)


def descendants(pid: int) -> set[int]:
    """Every process below this one."""
    found: set[int] = set()
    parents = [pid]
    while parents:
        parent = parents.pop()
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            children = {int(child) for child in task.read_text().split()}
            parents += children - found
            found |= children
    return found


def run(code: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask_over_http(environment: dict[str, str]) -> None:
    """Ask a question through the gateway that `up` runs, with a key made for it."""
    made = subprocess.run(
        [sys.executable, "-m", "tradewind", "keys", "create", "--merchant", "m-1", "--publish"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    body = json.dumps({"listing_id": "kettle-1", "question_id": "q-2", "text": "How heavy is it?"}).encode()
    headers = {"Authorization": f"Bearer {made.stdout.strip()}", "Content-Type": "application/json"}
    with urlopen(Request(f"{Settings().edge_url}/v1/questions", body, headers), timeout=30) as answer:
        assert answer.status == 202


def drafted(client: Client) -> set[str]:
    """Questions with a draft in ClickHouse."""
    return {question_id for (question_id,) in client.query("SELECT question_id FROM answers_drafted").result_rows}


def test_the_readme_works_and_ctrl_c_leaves_nothing(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code = readme_code()
    assert set(code) == {"publish", "consume", "query"}
    data = Path(environment["TRADEWIND_DATA_DIR"])
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    with up(environment) as process:
        children = descendants(process.pid)
        assert len(children) >= 6
        run(code["publish"], environment)
        consumed = run(code["consume"], environment)
        assert "1.2 kg" in consumed
        client = clickhouse_connect.get_client(dsn=Settings().clickhouse_dsn())
        until(
            lambda: client.query("SELECT count() FROM answers_drafted").result_rows == [(1,)],
            "the answer in ClickHouse",
        )
        assert "REVIEW" in run(code["query"], environment)
        ask_over_http(environment)
        until(lambda: drafted(client) == {"q-1", "q-2"}, "the draft for what was asked over HTTP in ClickHouse")
        second = subprocess.run(
            [sys.executable, "-m", "tradewind", "up"], env=environment, capture_output=True, text=True, check=False
        )
        assert second.returncode == 1
        assert "already runs" in second.stderr
        password = json.loads((data / "stack.json").read_text())["clickhouse_password"]
        for command in (["config"], ["config", "--json"], ["status"], ["doctor"]):
            told = subprocess.run(
                [sys.executable, "-m", "tradewind", *command],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert password not in told.stdout + told.stderr
            assert told.returncode == 0, (command, told.stdout, told.stderr)

    assert process.returncode == 0
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert not (data / "stack.json").exists()

    with up(environment, "--no-worker", "--no-sink"):
        client = clickhouse_connect.get_client(dsn=Settings().clickhouse_dsn())
        assert drafted(client) == {"q-1", "q-2"}
