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
from equipoise.estimators.classifier import ImageClassifier
from equipoise.estimators.fit_request import FitRequest
from equipoise.estimators.scoring import features_in_chunks, validation_scores
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
from equipoise.training.loop import LossStep

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
def fit_request(toy: ImageDataset) -> FitRequest:
    classifier = ImageClassifier(
        n_steps=80, second_stage_steps=30, batch_size=8, augmentation="none"
    )
    return FitRequest(
        images=toy.images,
        codes=toy.labels,
        synthetic=np.arange(len(toy)) % 4 == 3,
        validation=(toy.images[::5], toy.labels[::5]),
        span=(0.0, 255.0),
        device=torch.device("cpu"),
        backbone=toy_backbone("6"),
        settings=classifier.settings,
    )


def body_of(fitted: nn.Sequential) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in fitted[:-1].state_dict().items()}


@pytest.mark.parametrize("name", STAGES)
def test_nothing_but_the_last_layer_changes(fit_request: FitRequest, name: str) -> None:
    fitted = network()
    before = body_of(fitted)
    bias = linear(fitted[6]).bias.clone()
    STAGES[name].run(fitted, LOSS, fit_request)
    assert not fitted.training
    for key, value in body_of(fitted).items():
        assert torch.equal(value, before[key]), key  # running statistics too
    assert not torch.equal(linear(fitted[6]).bias, bias)


@pytest.mark.parametrize("name", RELEARNING)
def test_a_new_last_layer_separates_the_classes(fit_request: FitRequest, name: str) -> None:
    fitted = network(head=CosineLinear)
    second = STAGES[name].run(fitted, LOSS, fit_request)
    features = features_in_chunks(
        fit_request.backbone, fitted, fit_request.images, fit_request.span
    )
    logits = linear(fitted[6])(features).detach()
    assert validation_scores(logits, fit_request.codes, LOSS)["balanced_accuracy"] > 0.9
    assert [step for step, _ in second.histories["head"].column("loss")] == [10, 20, 30]


def test_the_new_last_layer_starts_small_whatever_the_old_one_was(
    fit_request: FitRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[nn.Linear] = []

    def watch(_step: Any, *_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    wide = nn.Sequential(nn.Flatten(), nn.Linear(256, 400)).eval()
    monkeypatch.setattr(LossStep, "__call__", watch)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            crt(wide, LOSS, replace(fit_request, backbone=toy_backbone("1")))
        starts.append(linear(wide[1]))
    weight = starts[0].weight.detach().clone()
    assert weight.std() == pytest.approx(0.01, rel=0.02)  # N(0, 0.01), 102,400 draws
    assert weight.mean().abs() < 4 * 0.01 / 320
    assert not starts[0].bias.any()
    assert torch.equal(starts[1].weight, weight)  # from the seed alone


def test_crt_learns_from_balanced_batches_of_real_images(
    fit_request: FitRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    marked = fit_request.images[:].copy()
    marked[fit_request.synthetic] = 255
    seen: list[Tensor] = []
    original = LossStep.__call__

    def spy(step: LossStep, images: Tensor, codes: Tensor) -> Any:
        assert not (images == 1).flatten(1).all(dim=1).any()
        seen.append(codes)
        return original(step, images, codes)

    monkeypatch.setattr(LossStep, "__call__", spy)
    crt(network(), LOSS, replace(fit_request, images=marked))
    assert len(seen) == 30
    assert all(codes.bincount().tolist() == [4, 4] for codes in seen)


@pytest.mark.parametrize(
    ("second_stage_steps", "n_steps", "expected"), [(None, 400, 100), (None, 3, 1), (7, 400, 7)]
)
def test_a_quarter_of_the_steps_by_default(
    second_stage_steps: int | None, n_steps: int, expected: int
) -> None:
    classifier = ImageClassifier(n_steps=n_steps, second_stage_steps=second_stage_steps)
    assert classifier.settings.n_second_steps == expected


# --- tau-normalization ---


def test_lengths_are_raised_to_1_minus_tau() -> None:
    weight = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    assert torch.equal(rescaled(weight, 0.0), weight)  # tau = 0 is the identity
    torch.testing.assert_close(rescaled(weight, 1.0), torch.tensor([[0.6, 0.8], [0.0, 1.0]]))
    torch.testing.assert_close(rescaled(weight, 0.5).norm(dim=1), torch.tensor([5.0, 2.0]).sqrt())


class Score(nn.Module):
    """A linear layer on the first two pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(2, 2)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(images.flatten(1)[:, :2])
        return logits


def test_tau_is_the_first_that_is_best_on_the_validation_images(fit_request: FitRequest) -> None:
    # class 0 has a long weight and wins always: x_0 L > x_1 unless L^(1 - tau) < 2
    fitted = Score()
    with torch.no_grad():
        fitted.head.weight.copy_(torch.tensor([[8.0, 0.0], [0.0, 1.0]]))
        fitted.head.bias.copy_(torch.tensor([5.0, 0.0]))
    images = np.zeros((2, 1, 1, 2), dtype=np.float32)
    images[:, 0, 0] = [[0.9, 0.1], [0.4, 0.8]]
    validation = (images, np.array([0, 1]))
    fit_request = replace(
        fit_request, validation=validation, span=(0.0, 1.0), backbone=toy_backbone("head")
    )
    second = tau_norm(fitted.eval(), LOSS, fit_request)
    expected = min(tau for tau in TAUS if 8 ** (1 - tau) * 0.4 < 0.8)
    assert second.findings == {"tau": pytest.approx(expected)}
    assert expected == pytest.approx(0.7)  # 8^(1/3) = 2, so more than 2/3 on a grid of twentieths
    torch.testing.assert_close(fitted.head.weight.norm(dim=1), torch.tensor([8.0**0.3, 1.0]))
    assert not fitted.head.bias.any()


# --- points between features ---


@pytest.mark.parametrize("name", ["smote", "borderline_smote", "adasyn"])
def test_classes_are_filled_up_with_points_between_features(
    fit_request: FitRequest, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    rng = np.random.default_rng(0)
    # permuted images, so that the classes overlap
    overlapping = replace(fit_request, images=rng.permutation(fit_request.images))
    fitted = network()
    features = features_in_chunks(
        fit_request.backbone, fitted, overlapping.images, overlapping.span
    )
    pools: list[Tensor] = []
    original = LossStep.__call__

    def spy(step: LossStep, points: Tensor, codes: Tensor) -> Any:
        pools.append(torch.cat([points, codes[:, None]], dim=1))
        return original(step, points, codes)

    monkeypatch.setattr(LossStep, "__call__", spy)
    settings = replace(fit_request.settings, second_stage_steps=10)  # a pass over 80 points
    second = interpolated_features(name, fitted, LOSS, replace(overlapping, settings=settings))
    assert second.findings == {"interpolation": {"1": name}}
    points = features.numpy()
    new, _ = interpolate(name, points, fit_request.codes, {1: 28}, 0)
    expected = np.concatenate([np.c_[points, fit_request.codes], np.c_[new, np.ones(28)]])
    rows = torch.cat(pools).numpy()
    np.testing.assert_allclose(
        rows[np.lexsort(rows.T)], expected[np.lexsort(expected.T)], rtol=1e-6
    )


def test_a_class_without_a_border_is_filled_up_with_smote(fit_request: FitRequest) -> None:
    images = np.where(fit_request.codes == 1, 250, 5).astype(np.uint8)[:, None, None, None]
    separated = replace(
        fit_request, images=np.broadcast_to(images, fit_request.images.shape).copy()
    )
    second = interpolated_features("borderline_smote", network(), LOSS, separated)
    assert second.findings == {"interpolation": {"1": "smote"}}


def test_smote_replaces_a_method_only_where_it_cannot_start(
    fit_request: FitRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str, *_: Any) -> Any:
        if name == "smote":
            pytest.fail("Another error was treated as a class without a border.")
        raise DataError("features overflowed")

    monkeypatch.setattr(second_stage, "interpolate", fail)
    with pytest.raises(DataError, match="features overflowed"):
        interpolated_features("adasyn", network(), LOSS, fit_request)


def test_equal_classes_need_no_points(fit_request: FitRequest) -> None:
    rows = np.r_[0:12, 40:52]
    equal = replace(fit_request, images=fit_request.images[rows], codes=fit_request.codes[rows])
    assert interpolated_features("smote", network(), LOSS, equal).findings == {"interpolation": {}}


# --- bad data ---


def test_bad_data_is_refused_before_anything_is_trained(fit_request: FitRequest) -> None:
    with pytest.raises(DataError, match=r"validation.*second_stage='tau_norm'"):
        STAGES["tau_norm"].check(replace(fit_request, validation=None))
    with pytest.raises(DataError, match=r"real.*second_stage='crt'"):
        STAGES["crt"].check(replace(fit_request, synthetic=fit_request.codes == 1))
    with pytest.raises(DataError, match=r"Class 1 has 1 .*interpolation"):
        STAGES["smote_features"].check(
            replace(fit_request, codes=(np.arange(52) == 9).astype(np.int64))
        )
    for stage in STAGES.values():
        stage.check(fit_request)


@pytest.mark.parametrize("name", RELEARNING)
def test_the_checkpoint_of_the_second_stage_stays_until_the_fit_is_complete(
    fit_request: FitRequest, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("equipoise.training.checkpoint.Checkpoint.due", lambda self: True)
    STAGES[name].run(network(), LOSS, replace(fit_request, file=tmp_path / "fit"))
    assert [path.name for path in tmp_path.glob("*.pt")] == ["fit-head.pt"]
