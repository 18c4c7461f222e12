"""Every state that a batch can be in after a failure, as docs/delivery.md lists them."""

from __future__ import annotations

import ast
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import OperationalError

from consumers.clickhouse.backoff import Backoff, Cancelled
from consumers.clickhouse.batch import Batch
from consumers.clickhouse.client import open_client
from consumers.clickhouse.migrate import migrate
from consumers.clickhouse.positions import Log, stored_offsets
from consumers.clickhouse.reject import DeadLettersUndelivered, Refusal
from consumers.clickhouse.settle import TIERS, SettlePolicy, settle
from schemas.codec import Codec
from schemas.registry import CommittedRegistry
from tests.consumers.clickhouse.test_sink_faults import Server
from tests.consumers.events import order
from tests.consumers.harness import settings_for
from tests.consumers.messages import FakeMessage
from tests.consumers.storing import Letters, store, store_of
from tests.support.stack import ClickHouseEndpoint

pytestmark = pytest.mark.integration

CODEC = Codec(CommittedRegistry())
LOG = Log("orders.v1", "topic_1")
BROKEN = b"\x00\x00\x00\x00\x03broken"


def messages(numbers: Sequence[int], first_offset: int | None = None) -> list[FakeMessage]:
    """Orders of these numbers; each at the offset of its number, or one after the other from an offset."""
    return [
        FakeMessage(
            offset=number if first_offset is None else first_offset + at, value=CODEC.encode_event(order(number))
        )
        for at, number in enumerate(numbers)
    ]


@pytest.fixture
def client(database: ClickHouseEndpoint) -> Iterator[Client]:
    """Empty tables."""
    settings = settings_for("localhost:1", database, "unused")
    migrate(settings)
    with open_client(settings) as client:
        yield client


class Flaky:
    """A connection that fails as it is told, before an insert reaches ClickHouse or after."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.inserts = 0
        self.before: set[int] = set()
        self.after: set[int] = set()

    def raw_insert(self, *arguments: Any, **named: Any) -> None:
        self.inserts += 1
        if self.inserts in self.before:
            raise OperationalError("connection refused")
        self._client.raw_insert(*arguments, **named)
        if self.inserts in self.after:
            raise OperationalError("the connection broke before the answer came")


def check(client: Client, numbers: Sequence[int], raw: int | None = None) -> None:
    """Each order is there once, and the roll-up says the same before and after it is settled.

    Args:
        raw: how many rows are stored, copies among them; None where merges may have dropped some.
    """
    assert client.query("SELECT count(), uniqExact(event_id) FROM orders FINAL").result_rows == [
        (len(numbers), len(numbers))
    ]
    if raw is not None:
        assert client.query("SELECT count() FROM orders").result_rows == [(raw,)]
    for _ in range(2):
        assert client.query("SELECT sum(lines), sum(sales) = sum(lines) * 12.34 FROM merchant_sales").result_rows == [
            (len(numbers), 1)
        ]
        settle(client, TIERS[0], SettlePolicy(margin_s=0.0, pause_s=0.0))


def keep_copies(client: Client) -> None:
    """Keep merges from dropping what is stored twice, so that it can be seen."""
    client.command("SYSTEM STOP MERGES orders")


def test_a_new_batch_is_stored_and_says_where_to_go_on(client: Client) -> None:
    store(store_of("orders", client, Letters()), LOG, messages(range(10)))
    check(client, range(10), raw=10)
    assert stored_offsets(client, "orders", LOG) == {0: 9}


def test_an_insert_that_does_not_arrive_is_tried_again(client: Client) -> None:
    flaky = Flaky(client)
    flaky.before = {1, 2}
    store(store_of("orders", flaky, Letters()), LOG, messages(range(10)))
    assert flaky.inserts == 3
    check(client, range(10), raw=10)


def test_an_insert_whose_answer_is_lost_is_ignored_the_second_time(client: Client) -> None:
    keep_copies(client)
    flaky = Flaky(client)
    flaky.after = {1, 2}
    store(store_of("orders", flaky, Letters()), LOG, messages(range(10)))
    assert flaky.inserts == 3
    check(client, range(10), raw=10)


def test_a_batch_that_another_sink_stored_with_the_same_boundaries_is_ignored(client: Client) -> None:
    keep_copies(client)
    for _ in range(2):
        store(store_of("orders", client, Letters()), LOG, messages(range(10)))
    check(client, range(10), raw=10)


def test_a_batch_that_overlaps_with_a_stored_one_makes_copies_that_count_once(client: Client) -> None:
    keep_copies(client)
    store(store_of("orders", client, Letters()), LOG, messages(range(10)))
    settle(client, TIERS[0], SettlePolicy(margin_s=0.0, pause_s=0.0))
    store(store_of("orders", client, Letters()), LOG, messages(range(5, 15)))
    check(client, range(15), raw=20)
    assert stored_offsets(client, "orders", LOG) == {0: 14}


def test_a_batch_within_a_stored_one_moves_nothing_back(client: Client) -> None:
    keep_copies(client)
    store(store_of("orders", client, Letters()), LOG, messages(range(10)))
    store(store_of("orders", client, Letters()), LOG, messages(range(3, 6)))
    check(client, range(10), raw=13)
    assert stored_offsets(client, "orders", LOG) == {0: 9}


def test_a_zombies_late_insert_counts_once_even_after_its_minute_was_settled(client: Client) -> None:
    """It was stopped with 3 to 8 in its hands; its successor stored all from 3 on in batches of its own."""
    keep_copies(client)
    store(store_of("orders", client, Letters()), LOG, messages(range(3)))
    successor = store_of("orders", client, Letters())
    store(successor, LOG, messages(range(3, 7)))
    store(successor, LOG, messages(range(7, 20)))
    settle(client, TIERS[0], SettlePolicy(margin_s=0.0, pause_s=0.0))
    store(store_of("orders", client, Letters()), LOG, messages(range(3, 9)))
    check(client, range(20), raw=26)
    assert stored_offsets(client, "orders", LOG) == {0: 19}


def test_what_a_zombie_stores_ahead_of_its_successor_is_whole(client: Client) -> None:
    """Its insert lands when its successor has begun and not yet stored: the third reads on after the highest offset."""
    store(store_of("orders", client, Letters()), LOG, messages(range(3)))
    store(store_of("orders", client, Letters()), LOG, messages(range(3, 9)))
    store(store_of("orders", client, Letters()), LOG, messages(range(3, 5)))
    assert stored_offsets(client, "orders", LOG) == {0: 8}
    check(client, range(9))


def test_what_a_producer_sends_again_counts_once_even_after_its_minute_was_settled(client: Client) -> None:
    keep_copies(client)
    sink = store_of("orders", client, Letters())
    store(sink, LOG, messages(range(10)))
    settle(client, TIERS[0], SettlePolicy(margin_s=0.0, pause_s=0.0))
    store(sink, LOG, messages(range(4, 8), first_offset=10))
    check(client, range(10), raw=14)
    assert stored_offsets(client, "orders", LOG) == {0: 13}


def test_a_topic_made_anew_begins_at_zero_and_its_rows_are_not_taken_for_the_old_ones(client: Client) -> None:
    keep_copies(client)
    sink, anew = store_of("orders", client, Letters()), Log("orders.v1", "topic_2")
    store(sink, LOG, messages(range(10)))
    assert stored_offsets(client, "orders", anew) == {}
    # The same offsets, so but for the log's identity the same token.
    store(sink, anew, messages(range(100, 110), first_offset=0))
    check(client, [*range(10), *range(100, 110)], raw=20)


class Refusing:
    """A dead letter queue that can't deliver for a while, and looks what is stored by then."""

    def __init__(self, client: Client, times: int) -> None:
        self._client = client
        self._left = times
        self.stored_by_then: list[int] = []
        self.letters = Letters()

    def put(self, refusals: Sequence[Refusal]) -> None:
        self.stored_by_then.append(self._client.query("SELECT count() FROM orders").result_rows[0][0])
        if self._left:
            self._left -= 1
            raise DeadLettersUndelivered("no broker")
        self.letters.put(refusals)


@pytest.mark.parametrize("value", [BROKEN, b"\x01", None])
def test_no_row_is_stored_before_the_dead_letters_of_its_batch_are_safe(client: Client, value: bytes | None) -> None:
    batch = messages(range(10))
    batch[5] = FakeMessage(offset=5, value=value)
    letters = Refusing(client, times=3)
    store(store_of("orders", client, letters), LOG, batch)
    assert letters.stored_by_then == [0, 0, 0, 0]
    assert [letter.source_value for letter in letters.letters.found] == [value]
    check(client, [number for number in range(10) if number != 5], raw=9)


class GivesUp(Backoff):
    """A sink that loses its partitions while it waits."""

    def wait(self, *_: Any) -> None:
        raise Cancelled


def test_a_sink_that_ends_between_the_parts_of_a_refused_batch_leaves_no_hole(client: Client) -> None:
    """ClickHouse refuses what decodes: the batch goes in by halves from the left, and the sink ends amid them."""
    good = CODEC.encode_event(order(6))
    at = good.index(b"\x04\x04\xd2")
    too_wide = good[:at] + b"\x12" + b"\x00" * 7 + b"\x04\xd2" + good[at + 3 :]
    batch = messages(range(8))
    batch[6] = FakeMessage(offset=6, value=too_wide)
    flaky, letters = Flaky(client), Letters()
    flaky.before = {4}  # the whole twice, the left half, and here the right half
    with pytest.raises(Cancelled):
        store_of("orders", flaky, letters, backoff=GivesUp(0.01, 0.01)).store(
            Batch(LOG, 0.0, list(batch)), threading.Event()
        )
    after = stored_offsets(client, "orders", LOG)
    stored = client.query("SELECT _offset FROM orders ORDER BY _offset").result_rows
    assert stored == [(offset,) for offset in range(after[0] + 1)], "a hole before the highest offset"
    assert 0 < len(stored) < 7, "it ended too early or too late to show anything"
    store(store_of("orders", client, letters), LOG, batch[after[0] + 1 :])
    check(client, [number for number in range(8) if number != 6], raw=7)
    assert {letter.source_value for letter in letters.found} == {too_wide}
    assert len({letter.event_id for letter in letters.found}) == 1


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A running server of the test's own."""
    server = Server(tmp_path / "clickhouse")
    server.start()
    try:
        yield server
    finally:
        server.kill()


def test_a_token_is_remembered_by_a_clickhouse_that_was_killed(server: Server) -> None:
    """The answer is lost with the server: what it had stored is ignored when it is sent again."""
    settings = settings_for("localhost:1", server.endpoint, "unused")
    migrate(settings)
    for _ in range(2):
        with open_client(settings) as client:
            keep_copies(client)
            store(store_of("orders", client, Letters()), LOG, messages(range(10)))
        server.kill()
        server.start()
    with open_client(settings) as client:
        check(client, range(10), raw=10)


def test_what_a_killed_clickhouse_left_half_written_is_no_part_of_the_table(server: Server) -> None:
    """A part is written under a temporary name and then renamed; killed before that, its folder is left."""
    settings = settings_for("localhost:1", server.endpoint, "unused")
    migrate(settings)
    with open_client(settings) as client:
        store(store_of("orders", client, Letters()), LOG, messages(range(10)))
        (part,) = client.query(
            "SELECT path FROM system.parts WHERE active AND database = currentDatabase() AND table = 'orders'"
        ).result_rows[0]
    server.kill()
    left = Path(part).parent / "tmp_insert_202601_7_7_0"
    shutil.copytree(part, left)
    (left / "count.txt").unlink()
    server.start()
    with open_client(settings) as client:
        check(client, range(10), raw=10)
        assert not left.exists()
        store(store_of("orders", client, Letters()), LOG, messages(range(10, 20)))
        check(client, range(20), raw=20)


PAGE = Path(__file__).parents[3] / "docs" / "delivery.md"


def names_of_tests(file: Path) -> set[str]:
    """Names of the tests in a file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_test_that_the_page_names_exists() -> None:
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", PAGE.read_text(encoding="utf-8"))
    there: Callable[[str], set[str]] = lambda name: names_of_tests(Path(__file__).parent / name)  # noqa: E731
    assert len(named) > 10
    assert [f"{file}::{test}" for file, test in named if test not in there(file)] == []


def test_every_test_of_a_state_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    states = {name for name in names_of_tests(Path(__file__)) if "page" not in name}
    assert [name for name in sorted(states) if f"`test_delivery_states.py::{name}`" not in text] == []
