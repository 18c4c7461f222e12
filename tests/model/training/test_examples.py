from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from model.loading import open_checkpoint
from model.protocol import ChatPrompt
from model.training.examples import Encoded, Example, batches, encode, turn_end

PROMPT = ChatPrompt("Answer.", "material: wood")


def test_a_completion_follows_what_the_engine_would_read(tiny_folder: Path) -> None:
    checkpoint = open_checkpoint(tiny_folder)
    item = encode(Example(PROMPT, "yes: it is"), checkpoint, 512)
    assert item is not None
    assert list(item.tokens[: item.begin]) == checkpoint.chat.encode(PROMPT)
    assert checkpoint.tokenizer.decode(list(item.tokens[item.begin : -1])) == "yes: it is"
    assert item.tokens[-1] == turn_end(checkpoint)
    assert turn_end(checkpoint) in checkpoint.end_tokens


def test_an_open_example_does_not_teach_to_stop(tiny_folder: Path) -> None:
    checkpoint = open_checkpoint(tiny_folder)
    item = encode(Example(PROMPT, "yes:", ended=False), checkpoint, 512)
    assert item is not None
    assert item.tokens[-1] not in checkpoint.end_tokens


def test_long_examples_are_left_out(tiny_folder: Path) -> None:
    assert encode(Example(PROMPT, "yes"), open_checkpoint(tiny_folder), 4) is None


LENGTHS = st.lists(st.integers(3, 90), min_size=1, max_size=60)


@given(LENGTHS, st.integers(0, 5))
def test_every_example_is_in_one_batch_of_limited_size(lengths: list[int], seed: int) -> None:
    items = [Encoded(tuple([number + 1] * length), length - 2) for number, length in enumerate(lengths)]
    seen: list[int] = []
    for batch in batches(items, 256, seed, 2.0):
        assert batch.tokens.shape == batch.targets.shape == batch.weights.shape
        assert batch.tokens.numel() <= 256
        seen += [int(row[0]) for row in batch.tokens]
        assert batch.weights.sum(1).tolist() == [3.0] * len(batch.tokens)
        assert bool((batch.tokens[:, 1:] == batch.targets[:, :-1]).all())
    assert sorted(seen) == list(range(1, len(items) + 1))


def test_the_order_follows_from_the_seed() -> None:
    items = [Encoded((n, n, n, n), 2) for n in range(1, 200)]

    def order(seed: int) -> list[int]:
        return [int(row[0]) for batch in batches(items, 64, seed, 1.0) for row in batch.tokens]

    assert order(1) == order(1)
    assert order(1) != order(2)
