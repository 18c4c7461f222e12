from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tradewind.cli.ctrl_c import until_ctrl_c


def test_while_an_item_is_used_it_waits_for_the_next() -> None:
    before = signal.getsignal(signal.SIGINT)
    used = []

    def use_all() -> None:
        with until_ctrl_c(iter(range(5))) as items:
            for item in items:
                if item == 2:
                    signal.raise_signal(signal.SIGINT)
                used.append(item)

    with pytest.raises(KeyboardInterrupt):
        use_all()
    assert used == [0, 1, 2]
    assert signal.getsignal(signal.SIGINT) is before


def test_while_an_item_is_waited_for_it_comes_at_once() -> None:
    def silent() -> Iterator[int]:
        yield 1
        signal.raise_signal(signal.SIGINT)
        yield 2

    with until_ctrl_c(silent()) as items:
        assert next(items) == 1
        with pytest.raises(KeyboardInterrupt):
            next(items)


def test_without_it_nothing_changes() -> None:
    with until_ctrl_c(iter("abc")) as items:
        assert list(items) == ["a", "b", "c"]
