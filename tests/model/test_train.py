from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.checkpoint import load_model
from model.loading import open_checkpoint
from model.lora import LoraPolicy, add_lora
from model.train import Trainer, TrainPolicy, loss_of, rate_at
from model.training.examples import Batch, Encoded, batches

POLICY = TrainPolicy(
    epochs=3, batch_tokens=128, learning_rate=0.02, autocast=False, seed=3, evaluate_every=4, save_every=0
)
#: Each completion repeats its prompt's first token.
EXAMPLES = [Encoded((3 + n % 8, 20, 21, 3 + n % 8, 3 + n % 8), 3) for n in range(24)]


def trainer(folder: Path, state: Path | None = None, policy: TrainPolicy = POLICY) -> Trainer:
    model = load_model(open_checkpoint(folder))
    add_lora(model, LoraPolicy(rank=4, alpha=8.0), seed=0)
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    return Trainer(model, parameters, EXAMPLES, EXAMPLES[:6], policy, state)


def test_the_rate_warms_up_and_falls_along_a_cosine() -> None:
    policy = TrainPolicy(learning_rate=0.1, warmup=0.1, final_rate=0.1)
    rates = [rate_at(step, 100, policy) for step in range(100)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == rates[9] == pytest.approx(0.1)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[99] == pytest.approx(0.01, abs=1e-3)
    assert rates[55] == pytest.approx(0.055)


def test_it_learns(tiny_folder: Path) -> None:
    history = trainer(tiny_folder).run()
    assert len(history) == trainer(tiny_folder).steps
    assert history[-1].loss < 0.5 * history[0].loss
    held = [point for point in history if point.held_loss is not None]
    assert [point.step for point in held] == [*range(4, len(history), 4), len(history)]
    assert held[-1].held_loss < held[0].held_loss  # type: ignore[operator]
    assert 0.0 <= held[-1].held_first <= 1.0  # type: ignore[operator]


def test_a_stopped_run_goes_on_bit_for_bit(tiny_folder: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.pt"
    whole = trainer(tiny_folder)
    expected = whole.run()
    policy = replace(POLICY, save_every=1)
    trainer(tiny_folder, state, policy).run(until=4)
    resumed = trainer(tiny_folder, state, policy)
    history = resumed.run()
    assert [(p.step, p.loss, p.gradient_norm, p.held_loss) for p in history] == [
        (p.step, p.loss, p.gradient_norm, p.held_loss) for p in expected
    ]
    for name, parameter in whole._parameters.items():
        assert torch.equal(parameter, resumed._parameters[name]), name


def test_a_finished_run_is_not_run_again(tiny_folder: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.pt"
    first = trainer(tiny_folder, state).run()
    seen: list[object] = []
    assert trainer(tiny_folder, state).run(seen.append) == first
    assert seen == []


def test_the_state_of_another_run_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.pt"
    trainer(tiny_folder, state).run(until=1)
    trainer(tiny_folder, state, replace(POLICY, save_every=1)).run(until=1)
    with pytest.raises(ValueError, match="other options or examples"):
        trainer(tiny_folder, state, replace(POLICY, learning_rate=0.01))


def test_accumulated_batches_make_one_step(tiny_folder: Path) -> None:
    one, two = trainer(tiny_folder), trainer(tiny_folder, policy=replace(POLICY, accumulate=2))
    assert two.steps == sum(math.ceil(one.steps / POLICY.epochs / 2) for _ in range(POLICY.epochs))


def test_only_completions_count(tiny_folder: Path) -> None:
    model = load_model(open_checkpoint(tiny_folder))
    batch = next(iter(batches([EXAMPLES[0]], 64, 0, 1.0)))
    loss, weight = loss_of(model, batch, torch.device("cpu"))
    logits = model.logits(model(torch.tensor([EXAMPLES[0].tokens])))[0].log_softmax(-1)
    tokens = EXAMPLES[0].tokens
    assert float(weight) == 2.0
    assert float(loss) == pytest.approx(-float(logits[2, tokens[3]] + logits[3, tokens[4]]), abs=1e-4)


def test_a_heavier_first_token_counts_more(tiny_folder: Path) -> None:
    batch: Batch = next(iter(batches([EXAMPLES[0]], 64, 0, 3.0)))
    assert batch.weights[0, 2:4].tolist() == [3.0, 1.0]
    assert float(batch.weights.sum()) == 4.0


def test_nothing_to_train_on_is_said(tiny_folder: Path) -> None:
    model = load_model(open_checkpoint(tiny_folder))
    with pytest.raises(ValueError, match="no example"):
        Trainer(model, dict(model.named_parameters()), [], [], POLICY)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch_tokens": 3}, {"learning_rate": 0.0}, {"warmup": 1.0}])
def test_a_policy_says_what_it_expects(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        TrainPolicy(**wrong)  # type: ignore[arg-type]
