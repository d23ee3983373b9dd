import math
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from equipoise.exceptions import DivergedError
from equipoise.training.checkpoint import Checkpoint
from equipoise.training.loop import AccumulatingStep, Batch, History, LossStep, train
from equipoise.training.optimizers import make_schedule
from equipoise.training.progress import listening


def scalars(value: float) -> dict[str, Tensor]:
    return {"loss": torch.tensor(value)}


def empty_batch(_step: int) -> Batch:
    return torch.zeros(1), torch.zeros(1)


class NoisyStep:
    """Adds noise to a weight: each step depends on all earlier noise; may die at its n-th call."""

    def __init__(self, dies_at: int | None = None) -> None:
        self.model = nn.Linear(3, 1)
        nn.init.zeros_(self.model.weight)
        self.calls, self.dies_at = 0, dies_at

    def __call__(self, images: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        self.calls += 1
        if self.calls == self.dies_at:
            raise KeyboardInterrupt
        with torch.no_grad():
            self.model.weight.mul_(0.9).add_(torch.randn(1, 3))
        return {"loss": self.model.weight.sum()}


def test_batches_come_in_order_and_every_step_is_counted() -> None:
    batch_steps: list[int] = []

    def batches(step: int) -> Batch:
        batch_steps.append(step)
        return empty_batch(step)

    done: list[int] = []
    train(
        lambda images, labels: scalars(1.0),
        batches,
        n_steps=5,
        seed=0,
        hooks=[lambda d, history: done.append(d)],
    )
    assert batch_steps == [0, 1, 2, 3, 4]
    assert done == [1, 2, 3, 4, 5]


def test_history_holds_means_over_the_steps_of_a_row() -> None:
    values = iter(range(25))
    history = train(
        lambda images, labels: scalars(float(next(values))), empty_batch, n_steps=25, seed=0
    )
    assert history.column("loss") == [(10, 4.5), (20, 14.5), (25, 22.0)]


def test_a_hook_stops_the_fit_and_others_still_run() -> None:
    later: list[int] = []
    hooks = [lambda done, history: done == 3, lambda done, history: later.append(done)]
    history = train(
        lambda images, labels: scalars(1.0), empty_batch, n_steps=10, seed=0, hooks=hooks
    )
    assert later == [1, 2, 3]
    assert history.rows[-1]["step"] == 3


@pytest.mark.parametrize("bad_step", [1, 7, 10, 13])
def test_divergence_names_the_scalar_and_its_step(bad_step: int) -> None:
    values = (math.inf if step == bad_step else 0.0 for step in range(1, 100))
    history = History(advice="Do less.")
    with pytest.raises(DivergedError, match=rf"loss .*inf at step {bad_step}\. Do less\."):
        train(
            lambda images, labels: scalars(next(values)),
            empty_batch,
            n_steps=15,
            seed=0,
            history=history,
        )


def test_chance_of_a_step_depends_on_seed_name_and_step_alone() -> None:
    def random_numbers(**settings: object) -> list[float]:
        values: list[float] = []

        def step(images: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
            values.append(float(torch.rand(())))
            return scalars(0.0)

        train(step, empty_batch, **{"n_steps": 3, "seed": 0, "name": "a", **settings})  # type: ignore[arg-type]
        return values

    first = random_numbers()
    torch.rand(7)
    assert random_numbers(n_steps=2) == first[:2]
    assert len({*first, *random_numbers(seed=1), *random_numbers(name="b")}) == 9


def test_chance_outside_is_untouched() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    train(lambda images, labels: {"loss": torch.rand(())}, empty_batch, n_steps=2, seed=0)
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize("dies_at", [1, 9, 11, 21, 25])
def test_a_killed_fit_goes_on_to_the_same_bits(tmp_path: Path, dies_at: int) -> None:
    whole = NoisyStep()
    expected = train(whole, empty_batch, n_steps=25, seed=0)

    def checkpoint(step: NoisyStep) -> Checkpoint:
        return Checkpoint(tmp_path / "fit.pt", {"model": step.model}, every_seconds=0)

    killed, second = NoisyStep(dies_at), NoisyStep()
    with pytest.raises(KeyboardInterrupt):
        train(killed, empty_batch, n_steps=25, seed=0, checkpoint=checkpoint(killed))
    history = train(second, empty_batch, n_steps=25, seed=0, checkpoint=checkpoint(second))
    assert torch.equal(second.model.weight, whole.model.weight)
    assert history.rows == expected.rows
    assert second.calls == 25 - (dies_at - 1) // 10 * 10


def test_a_fit_that_had_stopped_early_stays_stopped(tmp_path: Path) -> None:
    step = NoisyStep()
    for calls in (10, 10):
        checkpoint = Checkpoint(tmp_path / "fit.pt", {"model": step.model}, every_seconds=0)
        train(
            step,
            empty_batch,
            n_steps=50,
            seed=0,
            checkpoint=checkpoint,
            hooks=[lambda done, history: done == 10],
        )
        assert step.calls == calls


def test_progress_is_reported() -> None:
    heard: list[tuple[str, int, int]] = []
    with listening(lambda *said: heard.append(said)):
        train(lambda images, labels: scalars(0.0), empty_batch, n_steps=2, seed=0, name="net")
    assert heard == [("net", 1, 2), ("net", 2, 2)]


def test_history_puts_what_a_hook_adds_into_the_row_of_its_step() -> None:
    history = History(log_every=2)
    settled = []
    for done, value in ((1, 1.0), (2, 3.0)):
        history.record(done, scalars(value))
        settled.append(history.settled)
    assert settled == [False, True]
    history.add(2, {"score": 0.5})
    history.add(3, {"score": 0.7})
    assert history.rows == [{"step": 2, "loss": 2.0, "score": 0.5}, {"step": 3, "score": 0.7}]
    assert history.column("score") == [(2, 0.5), (3, 0.7)]


def test_one_step_is_one_plain_update() -> None:
    weight = nn.Parameter(torch.tensor([2.0]))
    optimizer = torch.optim.SGD([weight], lr=0.1)

    def loss(images: Tensor, labels: Tensor) -> Tensor:
        return ((weight * images - labels) ** 2).mean()

    step = LossStep(loss=loss, optimizer=optimizer, schedule=make_schedule("step", optimizer, 2))
    scalars = step(torch.tensor([1.0]), torch.tensor([0.0]))
    assert scalars["loss"] == 4.0
    assert not scalars["loss"].requires_grad
    torch.testing.assert_close(weight.data, torch.tensor([2.0 - 0.1 * 4.0]))
    # the gradient of the first step is gone, the rate is a tenth
    step(torch.tensor([1.0]), torch.tensor([0.0]))
    torch.testing.assert_close(weight.data, torch.tensor([1.6 - 0.01 * 3.2]))


def test_an_accumulating_step_is_one_update_by_the_sum_of_its_parts() -> None:
    weight = nn.Parameter(torch.tensor([2.0]))
    gradients: list[float] = []

    def parts(images: Tensor, labels: Tensor) -> Iterator[Tensor]:
        for image in images:
            gradients.append(0.0 if weight.grad is None else weight.grad.item())
            yield (weight * image).sum() / len(images)

    optimizer = torch.optim.SGD([weight], lr=0.1)
    bfloat16 = partial(torch.autocast, "cpu", dtype=torch.bfloat16)
    step = AccumulatingStep(
        loss=lambda images, labels: torch.zeros(1), parts=parts, optimizer=optimizer
    )
    for expected in (2.0 - 0.1 * 2.0, 1.8 - 0.1 * 2.0):
        scalars = step(torch.tensor([1.0, 3.0]), torch.zeros(2))
        torch.testing.assert_close(weight.data, torch.tensor([expected]))
    assert scalars["loss"] == pytest.approx(3.6)
    assert not scalars["loss"].requires_grad
    assert gradients == [0.0, 0.5, 0.0, 0.5]  # one graph at a time, emptied before each batch
    assert not torch.is_autocast_enabled("cpu")
    step.autocast = bfloat16
    step(torch.tensor([1.0, 3.0]), torch.zeros(2))
    assert not torch.is_autocast_enabled("cpu")


def test_the_loss_runs_in_the_given_precision() -> None:
    layer = nn.Linear(2, 2)
    dtypes: list[torch.dtype] = []

    def loss(images: Tensor, labels: Tensor) -> Tensor:
        outputs: Tensor = layer(images)
        dtypes.append(outputs.dtype)
        return outputs.float().sum()

    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    bfloat16 = partial(torch.autocast, "cpu", dtype=torch.bfloat16)
    LossStep(loss=loss, optimizer=optimizer, autocast=bfloat16)(torch.rand(1, 2), torch.zeros(1))
    assert dtypes == [torch.bfloat16]
    assert layer.weight.dtype == torch.float32
