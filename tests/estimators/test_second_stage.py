from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from equipoise.data.dataset import ImageDataset
from equipoise.data.smote import interpolate
from equipoise.estimators import second_stage
from equipoise.estimators.fit_request import Task
from equipoise.estimators.relearning import steps_of
from equipoise.estimators.scoring import features_in_chunks, held_out_scores
from equipoise.estimators.second_stage import (
    SECOND_STAGES,
    TAUS,
    SecondStage,
    crt,
    interpolated_features,
    rescaled,
    tau_norm,
)
from equipoise.exceptions import DataError
from equipoise.losses.cross_entropy import CrossEntropy
from equipoise.networks.backbone import Backbone
from equipoise.networks.heads import CosineLinear
from equipoise.training.steps import LossStep

STAGES: dict[str, SecondStage] = {
    name: stage for name, stage in SECOND_STAGES.items() if stage is not None
}
RELEARNING = [name for name, stage in STAGES.items() if stage.relearns]
LOSS = CrossEntropy()


def network(head: Callable[[int, int], nn.Module] = nn.Linear) -> nn.Sequential:
    torch.manual_seed(1)
    norm = nn.BatchNorm2d(6)
    norm.running_var = torch.full((6,), 0.003)  # features of a trained network are not small
    body = (nn.Conv2d(1, 6, 3, 2), norm, nn.ReLU(), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1))
    return nn.Sequential(*body, nn.Flatten(), head(6, 2)).eval()


def linear(layer: nn.Module) -> nn.Linear:
    assert type(layer) is nn.Linear
    return layer


def toy_backbone(head: str) -> Backbone:
    return Backbone(
        name="toy",
        summary="",
        source="",
        build=lambda *_: network(),
        trunk=lambda fitted: fitted,
        head=head,
        last_map="2",
    )


@pytest.fixture
def task(toy: ImageDataset) -> Task:
    asked = {"second_stage_steps": 30, "n_steps": 80, "batch_size": 8, "seed": 0}
    return Task(
        images=toy.images,
        codes=toy.labels,
        synthetic=np.arange(len(toy)) % 4 == 3,
        held=(toy.images[::5], toy.labels[::5]),
        span=(0.0, 255.0),
        device=torch.device("cpu"),
        backbone=toy_backbone("6"),
        asked={**asked, "augmentation": "none", "precision": "32-true"},
        file=None,
    )


def body_of(fitted: nn.Sequential) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in fitted[:-1].state_dict().items()}


@pytest.mark.parametrize("name", STAGES)
def test_nothing_but_the_last_layer_changes(task: Task, name: str) -> None:
    fitted = network()
    before, bias = body_of(fitted), linear(fitted[6]).bias.clone()
    STAGES[name].run(fitted, LOSS, task)
    assert not fitted.training
    for key, value in body_of(fitted).items():
        assert torch.equal(value, before[key]), key  # running statistics too
    assert not torch.equal(linear(fitted[6]).bias, bias)


@pytest.mark.parametrize("name", RELEARNING)
def test_a_new_last_layer_learns_to_tell_the_classes_apart(task: Task, name: str) -> None:
    fitted = network(head=CosineLinear)
    second = STAGES[name].run(fitted, LOSS, task)
    features = features_in_chunks(task.backbone, fitted, task.images, task.span)
    logits = linear(fitted[6])(features).detach()
    assert held_out_scores(logits, task.codes, LOSS)["balanced_accuracy"] > 0.9
    assert [step for step, _ in second.histories["head"].column("loss")] == [10, 20, 30]


def test_the_new_last_layer_starts_small_whatever_the_old_one_was(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[nn.Linear] = []

    def watch(_step: Any, *_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    wide = nn.Sequential(nn.Flatten(), nn.Linear(256, 400)).eval()
    monkeypatch.setattr(LossStep, "__call__", watch)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            crt(wide, LOSS, replace(task, backbone=toy_backbone("1")))
        starts.append(linear(wide[1]))
    weight = starts[0].weight.detach().clone()
    assert weight.std() == pytest.approx(0.01, rel=0.02)  # methods A.8: N(0, 0.01), 102,400 draws
    assert weight.mean().abs() < 4 * 0.01 / 320
    assert not starts[0].bias.any()
    assert torch.equal(starts[1].weight, weight)  # from the seed alone


def test_crt_learns_from_balanced_batches_of_real_images(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    marked = task.images.copy()
    marked[task.synthetic] = 255
    seen: list[Tensor] = []
    original = LossStep.__call__

    def spy(step: LossStep, images: Tensor, codes: Tensor) -> Any:
        assert not (images == 1).flatten(1).all(dim=1).any()
        seen.append(codes)
        return original(step, images, codes)

    monkeypatch.setattr(LossStep, "__call__", spy)
    crt(network(), LOSS, replace(task, images=marked))
    assert len(seen) == 30
    assert all(codes.bincount().tolist() == [4, 4] for codes in seen)


@pytest.mark.parametrize(
    ("asked", "n_steps", "expected"), [(None, 400, 100), (None, 3, 1), (7, 400, 7)]
)
def test_a_quarter_of_the_steps_unless_asked(
    task: Task, asked: int | None, n_steps: int, expected: int
) -> None:
    assert (
        steps_of(replace(task, asked={"second_stage_steps": asked, "n_steps": n_steps})) == expected
    )


# --- tau-normalization --------------------------------------------------------------------------------------


def test_lengths_are_raised_to_1_minus_tau() -> None:
    weight = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    assert torch.equal(rescaled(weight, 0.0), weight)  # methods 2.7: tau = 0 is the identity
    torch.testing.assert_close(rescaled(weight, 1.0), torch.tensor([[0.6, 0.8], [0.0, 1.0]]))
    torch.testing.assert_close(rescaled(weight, 0.5).norm(dim=1), torch.tensor([5.0, 2.0]).sqrt())


class Score(nn.Module):
    """Logits of three classes that are given pixel by pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(2, 2)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(images.flatten(1)[:, :2])
        return logits


def test_tau_is_the_first_that_is_best_on_the_validation_images(task: Task) -> None:
    # class 0 has a long weight and takes all: x_0 L > x_1 unless L^(1 - tau) < 2
    fitted = Score()
    with torch.no_grad():
        fitted.head.weight.copy_(torch.tensor([[8.0, 0.0], [0.0, 1.0]]))
        fitted.head.bias.copy_(torch.tensor([5.0, 0.0]))
    images = np.zeros((2, 1, 1, 2), dtype=np.float32)
    images[:, 0, 0] = [[0.9, 0.1], [0.4, 0.8]]
    held = (images, np.array([0, 1]))
    task = replace(task, held=held, span=(0.0, 1.0), backbone=toy_backbone("head"))
    second = tau_norm(fitted.eval(), LOSS, task)
    expected = min(tau for tau in TAUS if 8 ** (1 - tau) * 0.4 < 0.8)
    assert second.facts == {"tau": pytest.approx(expected)}
    assert expected == pytest.approx(0.7)  # 8^(1/3) = 2, so more than 2/3 on a grid of twentieths
    torch.testing.assert_close(fitted.head.weight.norm(dim=1), torch.tensor([8.0**0.3, 1.0]))
    assert not fitted.head.bias.any()


# --- points between features --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["smote", "borderline_smote", "adasyn"])
def test_classes_are_filled_up_with_points_between_features(
    task: Task, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    rng = np.random.default_rng(0)
    mixed_up = replace(
        task, images=rng.permutation(task.images)
    )  # so that classes lie among one another
    fitted = network()
    features = features_in_chunks(task.backbone, fitted, mixed_up.images, mixed_up.span).numpy()
    pools: list[Tensor] = []
    original = LossStep.__call__

    def spy(step: LossStep, points: Tensor, codes: Tensor) -> Any:
        pools.append(torch.cat([points, codes[:, None]], dim=1))
        return original(step, points, codes)

    monkeypatch.setattr(LossStep, "__call__", spy)
    asked = {**task.asked, "second_stage_steps": 10}  # a pass over 80 points
    second = interpolated_features(name, fitted, LOSS, replace(mixed_up, asked=asked))
    assert second.facts == {"interpolation": {"1": name}}
    new, _ = interpolate(name, features, task.codes, {1: 28}, 0)
    expected = np.concatenate([np.c_[features, task.codes], np.c_[new, np.ones(28)]])
    found = torch.cat(pools).numpy()
    np.testing.assert_allclose(
        found[np.lexsort(found.T)], expected[np.lexsort(expected.T)], rtol=1e-6
    )


def test_a_class_without_a_border_is_filled_up_with_smote(task: Task) -> None:
    images = np.where(task.codes == 1, 250, 5).astype(np.uint8)[:, None, None, None]
    apart = replace(task, images=np.broadcast_to(images, task.images.shape).copy())
    second = interpolated_features("borderline_smote", network(), LOSS, apart)
    assert second.facts == {"interpolation": {"1": "smote"}}


def test_only_where_it_cannot_start_is_a_method_replaced_by_smote(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str, *_: Any) -> Any:
        if name == "smote":
            pytest.fail("Another error was taken for a class without a border.")
        raise DataError("features overflowed")

    monkeypatch.setattr(second_stage, "interpolate", fail)
    with pytest.raises(DataError, match="features overflowed"):
        interpolated_features("adasyn", network(), LOSS, task)


def test_equal_classes_need_no_points(task: Task) -> None:
    rows = np.r_[0:12, 40:52]
    equal = replace(task, images=task.images[rows], codes=task.codes[rows])
    assert interpolated_features("smote", network(), LOSS, equal).facts == {"interpolation": {}}


# --- what cannot work is said first ---------------------------------------------------------------------------


def test_bad_data_is_refused_before_anything_is_trained(task: Task) -> None:
    with pytest.raises(
        DataError, match=r"validation images for second_stage='tau_norm'.* got none"
    ):
        STAGES["tau_norm"].check(replace(task, held=None))
    with pytest.raises(
        DataError, match="real training images of every class for second_stage='crt'"
    ):
        STAGES["crt"].check(replace(task, synthetic=task.codes == 1))
    with pytest.raises(
        DataError, match="Class 1 has 1 training image and interpolation of features needs"
    ):
        STAGES["smote_features"].check(replace(task, codes=(np.arange(52) == 9).astype(np.int64)))
    for stage in STAGES.values():
        stage.check(task)


@pytest.mark.parametrize("name", RELEARNING)
def test_the_checkpoint_of_the_second_stage_stays_until_all_is_done(
    task: Task, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("equipoise.training.checkpoint.Checkpoint.due", lambda self: True)
    STAGES[name].run(network(), LOSS, replace(task, file=tmp_path / "fit"))
    assert [path.name for path in tmp_path.iterdir()] == ["fit-head.pt"]
