from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.tradewind.cli.conftest import Cli
from tradewind.cli.follow import follow
from tradewind.settings import Settings
from tradewind.stack.local import LocalStack

pytestmark = pytest.mark.integration
DEADLINE_S = 60.0
Tail = Callable[..., list[dict[str, Any]]]

LISTINGS = """\
{"merchant_id": "m-1", "listing_id": "%(id)s-1", "title": "Wool scarf", "price": 19.90, "currency": "EUR"}

{"merchant_id": "m-1", "listing_id": "%(id)s-2", "title": "", "price": "cheap"}
not JSON
{"merchant_id": "m-2", "listing_id": "%(id)s-5", "title": "羊毛围巾"}
"""
QUESTIONS = """\
merchant_id,listing_id,question_id,text,channel
m-1,l-1,%(id)s-1,Call me on 030 1234567,WEB
m-1,l-1,%(id)s-2,,WEB
m-1,l-1,%(id)s-3,My secret address,PIGEON
"""


def _write(name: str, text: str) -> str:
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    return str(path)


def _of(messages: list[dict[str, Any]], field: str, prefix: str) -> list[dict[str, Any]]:
    return [each["event"] for each in messages if each["event"][field].startswith(prefix)]


def test_good_rows_go_and_each_bad_one_is_told_with_its_line(cli: Cli, stack: LocalStack, tail: Tail) -> None:
    result = cli("publish", "listings", _write("new.jsonl", LISTINGS % {"id": "good"}))
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "new.jsonl:3: title: expected text that is not empty, found ''; fill it in",
        (
            "new.jsonl:3: price: expected an amount with at most 2 decimals, found 'cheap'; "
            "write it like 19.99, without a currency sign"
        ),
        (
            "new.jsonl:4: line: expected one JSON object, found broken JSON at character 1 (Expecting value); "
            "write one object a line"
        ),
    ]
    assert result.stdout.startswith("sent 2 rows to listings.v1 in ")
    assert result.stdout.rstrip().endswith("; 2 bad")
    sent = _of(tail("listings"), "listing_id", "good-")
    assert sorted((each["listing_id"], each["title"], each["price"]) for each in sent) == [
        ("good-1", "Wool scarf", "19.90"),
        ("good-5", "羊毛围巾", None),
    ]


def test_publishing_twice_makes_the_same_ids(cli: Cli, stack: LocalStack, tail: Tail) -> None:
    file = _write("twice.jsonl", '{"merchant_id": "m", "listing_id": "twice", "title": "Scarf", "price": 5.00}\n')
    csv = _write("twice.csv", "Listing_ID,merchant_id,price,title\ntwice,m,5.00,Scarf\n")
    for each in (file, file, csv):
        assert cli("publish", "listings", each).exit_code == 0
    sent = _of(tail("listings"), "listing_id", "twice")
    assert len(sent) == 3
    assert len({each["event_id"] for each in sent}) == 1


def test_json_outcome_and_no_buyers_text_in_it(cli: Cli, stack: LocalStack) -> None:
    result = cli("publish", "questions.v1", _write("q.csv", QUESTIONS % {"id": "js"}), "--json")
    assert result.exit_code == 1
    assert result.stderr == ""
    outcome = json.loads(result.stdout)
    problems = outcome.pop("problems")
    assert outcome.pop("seconds") >= 0
    assert outcome == {
        "topic": "questions.v1",
        "file": "q.csv",
        "format": "csv",
        "dry_run": False,
        "rows": 3,
        "good": 1,
        "sent": 1,
        "bad": 2,
        "refused": 0,
        "skipped": 0,
        "skipped_why": {},
        "problems_in_all": 2,
    }
    assert [(each["line"], each["field"]) for each in problems] == [(3, "text"), (4, "channel")]
    assert set(problems[0]) == {"line", "field", "expected", "found", "mend"}
    assert "secret address" not in result.output


def test_dry_run_sends_nothing_and_needs_no_broker(cli: Cli, nothing_listens: None) -> None:
    result = cli("publish", "questions", _write("q.csv", QUESTIONS % {"id": "dry"}), "--dry-run", "--json")
    assert result.exit_code == 1
    outcome = json.loads(result.stdout)
    assert (outcome["dry_run"], outcome["good"], outcome["sent"], outcome["bad"]) == (True, 1, 0, 2)


def test_problems_are_capped_and_the_count_is_right(cli: Cli) -> None:
    file = _write("bad.jsonl", "[]\n" * 7)
    result = cli("publish", "orders", file, "--dry-run", "--max-problems", "2")
    assert result.exit_code == 1
    assert len([line for line in result.stderr.splitlines() if line.startswith("bad.jsonl:")]) == 2
    assert "and 5 more problems" in result.stderr
    assert "7 bad" in result.stdout
    assert len(cli("publish", "orders", file, "--dry-run", "--max-problems", "0").stderr.splitlines()) == 7


def test_an_order_needs_its_own_time(cli: Cli) -> None:
    row = '{"merchant_id":"m","order_id":"o","listing_id":"l","kind":"placed","amount":1,"currency":"EUR"}'
    result = cli("publish", "orders", "-", "--dry-run", stdin=row)
    assert result.exit_code == 1
    assert result.stderr.startswith("stdin:1: occurred_at: expected a time with its zone, found nothing")


def test_standard_input(cli: Cli, stack: LocalStack, tail: Tail) -> None:
    result = cli("publish", "listings", "-", stdin=LISTINGS % {"id": "piped"})
    assert result.exit_code == 1
    assert len(_of(tail("listings"), "listing_id", "piped-")) == 2
    csv = "merchant_id,listing_id,title\nm,piped-csv,Scarf\n"
    assert cli("publish", "listings", "-", "--format", "csv", stdin=csv).exit_code == 0
    unnamed = cli("publish", "listings", "-", stdin=csv)
    assert unnamed.exit_code == 2
    assert "--format" in unnamed.stderr


def test_a_shopify_export(cli: Cli, stack: LocalStack, tail: Tail) -> None:
    export = "Handle,Title,Body (HTML),Variant Price,Status\n"
    export += "shop-scarf,Scarf,<p>Soft</p>,19.90,active\nshop-cup,Cup,,5,draft\n"
    file = _write("export.csv", export)
    assert cli("publish", "listings", file).exit_code == 2
    assert cli("publish", "orders", file, "--merchant", "m-7", "--currency", "EUR").exit_code == 2
    arguments = ("--merchant", "m-7", "--currency", "EUR", "--language", "en")
    result = cli("publish", "listings", file, *arguments)
    assert result.exit_code == 0, result.output
    assert "skipped 1 (its status is draft)" in result.stdout
    (sent,) = _of(tail("listings"), "listing_id", "shop-")
    assert (sent["merchant_id"], sent["price"], sent["currency"], sent["language"], sent["description"]) == (
        *("m-7", "19.90", "EUR", "en"),
        "Soft",
    )
    assert "2 rows fit" in cli("publish", "listings", file, *arguments, "--include-unpublished", "--dry-run").stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nothing", "new.jsonl"), "no topic named 'nothing'"),
        (("listings", "missing.jsonl"), "missing.jsonl: No such file"),
        (("listings", "."), "directory"),
        (("listings", "notes.txt"), "--format"),
        (("listings", "new.jsonl", "--merchant", "m-1"), "--format shopify"),
    ],
)
def test_wrong_use(cli: Cli, arguments: tuple[str, ...], says: str) -> None:
    _write("new.jsonl", "")
    _write("notes.txt", "just words")
    result = cli("publish", *arguments)
    assert result.exit_code == 2
    assert says in result.stderr


def test_kafka_that_is_away_is_told_before_the_file_is_read(cli: Cli, nothing_listens: None) -> None:
    result = cli("publish", "listings", _write("new.jsonl", LISTINGS % {"id": "x"}))
    assert result.exit_code == 3
    assert "no answer from Kafka at 127.0.0.1:1" in result.stderr
    assert "new.jsonl:" not in result.stderr


def test_a_registry_that_is_away(cli: Cli, stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEWIND_SCHEMA_REGISTRY_URL", "http://127.0.0.1:1")
    result = cli("publish", "listings", _write("new.jsonl", LISTINGS % {"id": "x"}))
    assert result.exit_code == 3
    assert "TRADEWIND_SCHEMA_REGISTRY_URL" in result.stderr


def test_ctrl_c_ends_with_the_right_counts(stack: LocalStack) -> None:
    """Rows come through a pipe that stays open, so that it is still reading when the signal comes."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command = (sys.executable, "-m", "tradewind", "publish", "listings", "-", "--json")
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment)
    try:
        assert process.stdin is not None
        process.stdin.write((LISTINGS % {"id": "open"}).encode())
        process.stdin.flush()
        _until_on_topic("open-5")
        process.send_signal(signal.SIGINT)
        told, errors = process.communicate(timeout=DEADLINE_S)
    finally:
        process.kill()
    assert process.returncode == 130
    assert errors.splitlines() == [b"error: interrupted"]
    outcome = json.loads(told)
    assert (outcome["good"], outcome["sent"], outcome["bad"], outcome["refused"]) == (2, 2, 2, 0)


def _until_on_topic(key: str) -> None:
    with closing(follow(Settings(), "listings.v1", 2, from_beginning=True, quiet_s=DEADLINE_S)) as messages:
        assert any(message.key() == key.encode() for message in messages)
