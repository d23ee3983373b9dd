from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.data.volumes.labels import LABEL_SCHEMES
from equipoise.estimators.cascade import THETAS, CascadeSegmenter, best_theta, tune_theta
from equipoise.estimators.segmenter import Segmenter
from equipoise.exceptions import DataError, SettingError
from equipoise.losses.regions import ItemLoss
from equipoise.metrics.segmentation import dice, measure_case
from equipoise.testing.volumes import volumes_of

TINY: dict[str, Any] = {
    "width": 2,
    "patch_size": 32,
    "batch_size": 6,
    "n_steps": 2,
    "evaluate_every": 2,
    "n_slices": 3,
    "keep_best": "last",
    "device": "cpu",
}


class FixedStage:
    """A fitted stage that predicts the same probabilities for any scan."""

    tau_, seconds_ = 0.0, 0.0
    notes_ = ()

    def __init__(self, scores: np.ndarray) -> None:
        self.scores = scores.astype(np.float32)

    def probabilities(self, images: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return self.scores

    def slices(self, images: np.ndarray, mask: np.ndarray) -> Any:
        whole = (slice(0, mask.shape[1]), slice(0, mask.shape[2]))
        return ((z, whole, self.scores[:, z]) for z in range(len(mask)) if mask[z].any())


def brains(folder: Path, n: int = 3) -> VolumeDataset:
    """Cases with edema around necrosis, and a few voxels of the other parts."""
    codes = np.zeros((3, 12, 12), dtype=np.int64)
    codes[1:, 3:9, 3:9] = 2
    codes[1:, 5:8, 5:8] = 1
    codes[2, 6, 5:7] = 3
    codes[2, 7, 5:7] = 4
    mask = np.zeros(codes.shape, dtype=bool)
    mask[:, 1:, 1:] = True
    maps = [np.roll(codes, i, axis=2) for i in range(n)]
    return volumes_of(maps, folder, masks=[mask] * n, scheme=LABEL_SCHEMES["brats2013"])


def cascade(**settings: Any) -> CascadeSegmenter:
    stages = {"detect": Segmenter(**TINY), "divide": Segmenter(**TINY)}
    return CascadeSegmenter(**{**stages, "device": "cpu", **settings})


def fixed_cascade(detect: np.ndarray, divide: np.ndarray, theta: float) -> CascadeSegmenter:
    segmenter = cascade(theta=theta)
    segmenter.detect_ = FixedStage(detect)  # type: ignore[assignment]
    segmenter.divide_ = FixedStage(divide)  # type: ignore[assignment]
    segmenter.theta_ = theta
    return segmenter


def random_scores(k: int, shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(k), size=shape).transpose(3, 0, 1, 2)


def test_probabilities_are_the_product_of_both_stages_and_sum_to_1(tmp_path: Path) -> None:
    images, _, mask = brains(tmp_path, 1).arrays(0)
    tumor = random_scores(2, mask.shape, 0)
    parts = random_scores(4, mask.shape, 1)
    scores = fixed_cascade(tumor, parts, 0.5).probabilities(images, mask)
    np.testing.assert_allclose(scores.sum(axis=0), 1, atol=1e-6)
    np.testing.assert_allclose(scores[0], tumor[0], atol=1e-6)
    np.testing.assert_allclose(scores[3], tumor[1] * parts[2], atol=1e-6)


@pytest.mark.parametrize("theta", [0.0, 0.75, 1.0])
def test_a_voxel_is_healthy_below_theta_else_its_likeliest_part(
    theta: float, tmp_path: Path
) -> None:
    images, _, mask = brains(tmp_path, 1).arrays(0)
    tumor = random_scores(2, mask.shape, 0).astype(np.float32)
    parts = random_scores(4, mask.shape, 1)
    tumor[:, 2] = [[[0.25]], [[0.75]]]  # exactly theta is tumor
    expected = np.where(mask & (tumor[1] >= np.float32(theta)), 1 + parts.argmax(axis=0), 0)
    codes = fixed_cascade(tumor, parts, theta).predict(images, mask)
    np.testing.assert_array_equal(codes, expected)


@pytest.mark.parametrize("seed", range(3))
def test_a_perfect_first_stage_finds_the_whole_tumor_whatever_the_second_predicts(
    seed: int, tmp_path: Path
) -> None:
    data = brains(tmp_path, 1)
    images, codes, mask = data.arrays(0)
    perfect = np.stack([codes == 0, codes > 0])
    segmenter = fixed_cascade(perfect, random_scores(4, mask.shape, seed), 0.5)
    prediction = segmenter.predict(images, mask)
    measures = measure_case(
        truth=codes, prediction=prediction, regions=data.regions, spacing_mm=(1, 1, 1)
    )
    assert dice(*(measures["whole"][name] for name in ("tp", "fp", "fn"))) == 1
    assert dice(*(measures["core"][name] for name in ("tp", "fp", "fn"))) < 1


def test_theta_has_the_best_mean_dice_of_the_whole_tumor(tmp_path: Path) -> None:
    """p1 is 0.62 for tumor and 0.4 for some healthy tissue: thresholds in between are perfect."""
    data = brains(tmp_path, 1).merged({"healthy": (0,), "tumor": (1, 2, 3, 4)})
    _, codes, _ = data.arrays(0)
    probability = np.where(codes == 1, 0.62, 0.1)
    probability[0, 3:6] = 0.4
    stage = FixedStage(np.stack([1 - probability, probability]))
    tuning = tune_theta(stage, data)  # type: ignore[arg-type]
    n = (codes == 1).sum()
    extra = 3 * 11  # the mask excludes the first column
    assert tuple(tuning) == THETAS
    assert tuning[0.4] == tuning[0.15] == pytest.approx(2 * n / (2 * n + extra))
    assert tuning[0.45] == tuning[0.6] == 1
    assert tuning[0.65] == 0
    assert best_theta(tuning) == 0.5
    assert best_theta({}) == 0.5
    assert best_theta({0.2: 0.7, 0.3: 0.7, 0.9: 0.6}) == 0.3


def test_dice_of_theta_is_averaged_over_cases(tmp_path: Path) -> None:
    data = brains(tmp_path, 2).merged({"healthy": (0,), "tumor": (1, 2, 3, 4)})
    truth = data.arrays(0).codes == 1
    tuning = tune_theta(FixedStage(np.stack([~truth, truth])), data)  # type: ignore[arg-type]
    other = data.arrays(1).codes == 1
    assert tuning[0.5] == pytest.approx(
        (1 + 2 * (truth & other).sum() / (truth.sum() + other.sum())) / 2
    )


def test_healthy_pixels_have_no_gradient_in_the_second_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its patches lie around tumor voxels; their healthy pixels have target -1 and gradient 0."""
    data = brains(tmp_path)
    original_patches = VolumeDataset.patches
    original_forward = ItemLoss.forward
    healthy: list[np.ndarray] = []
    gradients: list[Tensor] = []

    def patches(view: VolumeDataset, positions: np.ndarray, size: int) -> Any:
        images, targets = original_patches(view, positions, size)
        if view.class_names == data.class_names[1:]:
            healthy.append(original_patches(data, positions, size)[1] == 0)
            assert (targets.max(axis=(1, 2)) >= 0).all(), "a patch without tumor"
            np.testing.assert_array_equal(targets == -1, healthy[-1])
        return images, targets

    def forward(loss: ItemLoss, logits: Tensor, target: Tensor) -> Tensor:
        if logits.shape[1] == 4 and logits.requires_grad:
            logits.register_hook(gradients.append)  # type: ignore[no-untyped-call]
        return original_forward(loss, logits, target)

    monkeypatch.setattr(VolumeDataset, "patches", patches)
    monkeypatch.setattr(ItemLoss, "forward", forward)
    cascade(divide=Segmenter(mode="dense", **TINY), theta=0.5).fit(data)
    assert len(healthy) == len(gradients) == TINY["n_steps"]
    for where, gradient in zip(healthy, gradients, strict=True):
        size = gradient.abs().sum(dim=1)
        assert not size[torch.from_numpy(where)].any()
        assert size[torch.from_numpy(~where)].all()


def test_the_second_stage_is_scored_inside_the_tumor(tmp_path: Path) -> None:
    """Its predictions for healthy tissue do not count; all three slices are scored."""
    validation = brains(tmp_path / "validation", 1)
    segmenter = cascade(theta=0.5).fit(brains(tmp_path), validation=validation)
    images, codes, mask = validation.arrays(0)
    tumor = codes > 0
    guess = np.where(tumor, 1 + segmenter.divide_.predict(images, mask), 0)
    for code, name in enumerate(validation.class_names[1:], start=1):
        overlap = 2 * (tumor & (codes == code) & (guess == code)).sum()
        expected = overlap / ((codes == code).sum() + (guess == code).sum())
        scores = segmenter.histories_["divide"].column(f"validation_dice_{name}")
        assert dict(scores)[2] == pytest.approx(expected)
    assert segmenter.divide_.predict(images, mask)[~tumor & mask].any(), (
        "expected tumor predictions in healthy tissue"
    )


def test_seed_and_device_are_those_of_the_cascade(tmp_path: Path) -> None:
    detect = Segmenter(**TINY | {"device": "cuda:99"})
    segmenter = cascade(random_state=7, detect=detect).fit(brains(tmp_path))
    for stage in (segmenter.detect_, segmenter.divide_):
        assert (stage.random_state, stage.device) == (7, "cpu")
    assert segmenter.detect.random_state == 0
    assert segmenter.theta_ == 0.5
    assert "0.5" in segmenter.notes_[-1]
    n_rows = [len(frequencies.rows()) for frequencies in segmenter.frequencies_.values()]
    assert n_rows == [2, 4]


def test_stages_of_equal_content_are_trained_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another theta needs no training."""
    data = brains(tmp_path)
    first = cascade(theta=0.5).fit(data, workspace=str(tmp_path / "work"))
    monkeypatch.setattr("equipoise.estimators.segmenter.train_patches", None)
    again = cascade(theta=0.6).fit(data, workspace=tmp_path / "work")
    images, _, mask = data.arrays(0)
    np.testing.assert_array_equal(
        again.probabilities(images, mask), first.probabilities(images, mask)
    )


def test_bad_settings_and_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"theta.*1\.5"):
        cascade(theta=1.5).check_settings()
    with pytest.raises(SettingError, match=r"divide.*None"):
        cascade(divide=None).check_settings()
    with pytest.raises(SettingError, match=r"mode.*'edge'"):
        cascade(divide=Segmenter(mode="edge")).check_settings()
    two = brains(tmp_path).merged({"healthy": (0,), "tumor": (1, 2, 3, 4)})
    with pytest.raises(DataError, match=r" 2 .*'healthy', 'tumor'"):
        cascade().fit(two)
    healthy = volumes_of([np.zeros((1, 9, 9), dtype=np.int64)], tmp_path / "healthy", k=3)
    with pytest.raises(DataError, match=r"training cases.*tumor"):
        cascade().fit(healthy)
    with pytest.raises(DataError, match=r"cascade.*model\.json"):
        CascadeSegmenter.load(tmp_path, device="cpu")
