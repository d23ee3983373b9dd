from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from torch import Tensor

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.data.volumes.labels import LabelScheme
from equipoise.estimators.patches.balanced import BalancedPatches
from equipoise.estimators.patches.hard_example import HardExamplePatches
from equipoise.estimators.patches.random import RandomPatches
from equipoise.estimators.prior_correction import prior_offset
from equipoise.estimators.segmenter import Segmenter, training_notes
from equipoise.exceptions import DataError, DivergedError, SettingError
from equipoise.metrics.segmentation import dice, overlap
from equipoise.networks.heads import CosineLinear
from equipoise.networks.patch_networks import PATCH_NETWORKS
from equipoise.testing.volumes import volumes_of
from equipoise.training.checkpoint import Checkpoint
from equipoise.training.loop import History, LossStep
from equipoise.training.persistence import save_fitted

SCHEME = LabelScheme(
    name="blobs",
    values=(0, 1, 2),
    class_names=("healthy", "edema", "core"),
    regions={"whole": (1, 2), "core": (2,)},
    source="this test",
)
Codes = NDArray[np.int64]


def blob(seed: int, side: int = 32) -> Codes:
    """Five slices (z, y, x) with a ball of edema around a core."""
    rng = np.random.default_rng(seed)
    z, y, x = np.mgrid[:5, :side, :side]
    center = rng.integers(10, side - 10, size=2)
    distance = np.hypot(y - center[0], x - center[1]) + 2 * np.abs(z - 2)
    codes: Codes = np.digitize(-distance, [-7, -4])
    return codes


@pytest.fixture
def train(tmp_path: Path) -> VolumeDataset:
    mask = np.ones((5, 32, 32), dtype=bool)
    mask[:, :3] = False
    return volumes_of([blob(0), blob(1)], tmp_path / "train", masks=[mask, mask], scheme=SCHEME)


@pytest.fixture
def validation(tmp_path: Path) -> VolumeDataset:
    return volumes_of([blob(2)], tmp_path / "validation", scheme=SCHEME, seed=7)


def quick(**settings: Any) -> Segmenter:
    few = {"n_steps": 3, "epoch_steps": 2, "batch_size": 6, "evaluate_every": 3, "n_slices": 2}
    small = {"width": 2, "patch_size": 32, "learning_rate": 1e-2, "device": "cpu"}
    return Segmenter(**{**few, **small, **settings})


def weights(fitted: Segmenter) -> dict[str, Tensor]:
    return {**fitted.network_.state_dict(), **fitted.loss_.state_dict(prefix="loss.")}


def same(first: Segmenter, second: Segmenter) -> bool:
    tensors, expected = weights(first), weights(second)
    if tensors.keys() != expected.keys():
        return False
    return all(torch.equal(tensors[name], expected[name]) for name in tensors)


# --- predictions ---


def test_a_clone_has_the_settings_and_is_not_fitted(train: VolumeDataset) -> None:
    fitted = quick(random_state=3).fit(train)
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    images, _, mask = train.arrays(0)
    for predict in (copy.predict, copy.probabilities):
        with pytest.raises(NotFittedError):
            predict(images, mask)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"network": "center_cnn", "patch_size": 24, "stride": 6},
        {"mode": "dense", "loss": "ce_dice", "jitter": 2},
        {"loss": "ldam_drw"},
        {"patch_sampler": RandomPatches(), "prior_correction": True},
        {"precision": "bf16-mixed", "patch_size": 40},
    ],
)
def test_probabilities_sum_to_1_and_predictions_are_the_largest(
    train: VolumeDataset, validation: VolumeDataset, settings: dict[str, Any]
) -> None:
    fitted = quick(**settings).fit(train, validation=validation)
    images, _, mask = train.arrays(0)
    scores = fitted.probabilities(images, mask)
    codes = fitted.predict(images, mask)
    assert (scores.dtype.name, scores.shape) == ("float32", (3, 5, 32, 32))
    assert (codes.dtype.name, codes.shape) == ("uint8", (5, 32, 32))
    np.testing.assert_allclose(scores.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(codes, np.where(mask, scores.argmax(axis=0), 0))
    assert (scores[0][~mask] == 1).all()
    assert fitted.history_.column("loss")
    assert fitted.history_.column("validation_dice_core")


def test_slices_without_a_mask_are_skipped(train: VolumeDataset) -> None:
    fitted = quick().fit(train)
    images, _, mask = train.arrays(0)
    few = mask.copy()
    few[[0, 3]] = False
    scores = fitted.probabilities(images, mask)
    for z, box, slice_scores in fitted.slices(images, few):
        assert box == (slice(3, 32), slice(0, 32))
        np.testing.assert_array_equal(slice_scores, scores[:, z, *box])
    assert [z for z, *_ in fitted.slices(images, few)] == [1, 2, 4]


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"mode": "dense", "loss": "ce_dice"}])
def test_learns_obvious_tumors(
    train: VolumeDataset, validation: VolumeDataset, settings: dict[str, Any]
) -> None:
    fitted = quick(
        n_steps=100, evaluate_every=20, batch_size=24, width=4, prior_correction=True, **settings
    )
    images, codes, mask = validation.arrays(0)
    guess = fitted.fit(train, validation=validation).predict(images, mask)
    both = overlap(truth=codes > 0, prediction=guess > 0)
    assert dice(both["tp"], both["fp"], both["fn"]) > 0.8
    assert fitted.notes_ == ()


# --- losses and samplers ---


def test_the_loss_receives_the_counts_of_the_sampled_voxels(train: VolumeDataset) -> None:
    """3 steps of 6 balanced patches are 6 of each class; 18 random ones follow the data."""
    balanced = quick(loss="class_weights").fit(train)
    assert balanced.counts_.tolist() == [6, 6, 6]
    np.testing.assert_allclose(balanced.loss_.state_dict()["weights"], 1)
    natural = quick(loss="class_weights", patch_sampler=RandomPatches()).fit(train)
    np.testing.assert_array_equal(
        natural.counts_, np.maximum(1, np.rint(18 * train.counts / train.counts.sum()))
    )


def test_a_loss_brings_its_last_layer(train: VolumeDataset, tmp_path: Path) -> None:
    fitted = quick(loss="ldam_drw").fit(train)
    assert isinstance(fitted.network_.head, CosineLinear)
    fitted.save(tmp_path / "model")
    assert same(Segmenter.load(tmp_path / "model", device="cpu"), fitted)


def test_in_dense_mode_training_shares_are_those_of_brain_pixels(train: VolumeDataset) -> None:
    """A balanced batch has equally many centers of each class, but mostly healthy pixels."""
    fitted = quick(mode="dense", jitter=0).fit(train)
    stream = BalancedPatches().start(train, n=6, size=32, jitter=0, seed=0)
    pairs = [train.patches(stream(step).centers, 32) for step in range(3)]
    counts = sum(
        np.bincount(target[(images != 0).any(axis=1)], minlength=3) for images, target in pairs
    )
    np.testing.assert_allclose(fitted.training_shares_, counts / np.sum(counts))
    assert fitted.training_shares_[0] > 0.5
    assert fitted.frequencies_.voxels.tolist() == [6, 6, 6]


def test_in_center_mode_training_shares_are_those_of_the_sampler(train: VolumeDataset) -> None:
    fitted = quick(patch_sampler=RandomPatches()).fit(train)
    np.testing.assert_allclose(fitted.training_shares_, train.counts / train.counts.sum())
    np.testing.assert_allclose(fitted.prior_, fitted.training_shares_)
    assert fitted.frequencies_.voxels.sum() == 18


def test_patches_and_labels_of_the_steps_are_those_of_the_sampler(
    train: VolumeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Tensor, Tensor]] = []
    original = LossStep.__call__

    def call(self: LossStep, patches: Tensor, target: Tensor) -> Mapping[str, Tensor]:
        seen.append((patches, target))
        return original(self, patches, target)

    monkeypatch.setattr(LossStep, "__call__", call)
    quick(random_state=5).fit(train)
    stream = BalancedPatches().start(train, n=6, size=32, jitter=0, seed=5)
    for step, (patches, target) in enumerate(seen):
        batch = stream(step)
        np.testing.assert_array_equal(patches, train.patches(batch.voxels, 32)[0])
        np.testing.assert_array_equal(target, batch.classes)


def test_the_sampler_adapts_after_every_epoch(train: VolumeDataset) -> None:
    fitted = quick(n_steps=7, epoch_steps=3, patch_sampler=HardExamplePatches(candidates=9)).fit(
        train
    )
    assert [step for step, _ in fitted.history_.column("hard share of class 2")] == [3, 6]


def test_a_class_without_training_voxels_does_not_break_the_fit(
    train: VolumeDataset, tmp_path: Path
) -> None:
    cases = volumes_of([np.minimum(blob(0), 1)], tmp_path / "no core", scheme=SCHEME)
    for mode in ("center", "dense"):
        fitted = quick(mode=mode, prior_correction=True, loss="class_weights").fit(
            cases, validation=train
        )
        images, _, mask = train.arrays(0)
        assert np.isfinite(fitted.probabilities(images, mask)).all()


def test_a_view_of_the_tumor_alone_is_learned(
    train: VolumeDataset, validation: VolumeDataset
) -> None:
    parts = {"edema": (1,), "core": (2,)}
    for mode in ("center", "dense"):
        fitted = quick(mode=mode, prior_correction=True, loss="cross_entropy")
        fitted.fit(train.merged(parts), validation=validation.merged(parts))
        assert fitted.class_names_ == ("edema", "core")
        assert {"validation_dice_edema", "validation_dice_core"} <= fitted.history_.rows[-1].keys()


# --- validation ---


def test_the_score_is_the_dice_of_what_would_be_predicted(
    train: VolumeDataset, validation: VolumeDataset
) -> None:
    fitted = quick(n_steps=6, learning_rate=0.05, keep_best="last", n_slices=5).fit(
        train, validation=validation
    )
    images, codes, mask = validation.arrays(0)
    guess = fitted.predict(images, mask)
    scores = fitted.history_.rows[-1]
    expected = []
    for name, region in SCHEME.regions.items():
        both = overlap(truth=np.isin(codes, region), prediction=np.isin(guess, region))
        expected.append(float(dice(both["tp"], both["fp"], both["fn"])))
        assert scores[f"validation_dice_{name}"] == pytest.approx(expected[-1])
    assert scores["validation_mean_dice"] == pytest.approx(np.mean(expected))
    assert max(expected) > 0


def test_the_weights_with_the_best_score_are_kept(
    train: VolumeDataset, validation: VolumeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(scores: list[float], **settings: Any) -> Segmenter:
        script = iter([1.0, *scores])  # the first call checks that a region occurs
        monkeypatch.setattr(
            "equipoise.estimators.patch_training.mean_dice", lambda *_args: next(script)
        )
        return quick(evaluate_every=1, **settings).fit(train, validation=validation)

    second, third = fit([0.1, 0.9, 0.2]), fit([0.1, 0.2, 0.9])
    assert not same(second, third)
    assert same(third, fit([0.1, 0.9, 0.2], keep_best="last"))
    assert same(third, quick().fit(train)), "without validation the last weights are kept"


def test_validation_without_a_tumor_keeps_the_last_weights(
    train: VolumeDataset, tmp_path: Path
) -> None:
    healthy = volumes_of([0 * blob(0)], tmp_path / "healthy", scheme=SCHEME)
    fitted = quick(prior_correction=True).fit(train, validation=healthy)
    assert same(fitted, quick().fit(train))
    assert fitted.tau_ == 1.0


def test_validation_of_another_kind_is_refused(
    train: VolumeDataset, validation: VolumeDataset
) -> None:
    with pytest.raises(DataError, match=r"validation.*edema.*tumor"):
        quick().fit(train, validation=validation.merged({"healthy": (0,), "tumor": (1, 2)}))


@pytest.mark.parametrize(
    ("scores", "note"),
    [
        ([0.1, 0.4, 0.8, 0.41], None),
        ([0.0, 0.0], "no part of any region"),
        ([0.7, 0.8, 0.0002], "0.80 to 0.00"),
        ([], None),
    ],
)
def test_a_collapse_is_noted(scores: list[float], note: str | None) -> None:
    """nnU-Net issue 3048: all classes learned after 55 epochs, Dice 0.0002 after 1,000."""
    history = History(
        rows=[{"step": i, "validation_mean_dice": score} for i, score in enumerate(scores)]
    )
    notes = training_notes(history)
    assert notes == () if note is None else note in notes[0]


# --- prior correction ---


def test_corrected_logits_are_those_of_the_same_network_plus_tau_times_the_offset(
    train: VolumeDataset, validation: VolumeDataset, tmp_path: Path
) -> None:
    plain = quick().fit(train, validation=validation, workspace=tmp_path / "work")
    (stored,) = (tmp_path / "work").glob("patch-training-*/model.json")
    written = stored.stat().st_mtime_ns
    corrected = quick(prior_correction=True).fit(
        train, validation=validation, workspace=tmp_path / "work"
    )
    assert stored.stat().st_mtime_ns == written, "the network was trained once"
    assert same(plain, corrected)
    assert corrected.history_.rows == plain.history_.rows
    assert plain.tau_ == 0.0
    corrected.tau_ = 0.7
    images, _, mask = validation.arrays(0)
    before = np.log(plain.probabilities(images, mask))
    after = np.log(corrected.probabilities(images, mask))
    offset = 0.7 * (np.log(train.counts / train.counts.sum()) - np.log(1 / 3))
    moved = np.moveaxis(after - before, 0, -1)  # log softmax: up to a constant of all classes
    np.testing.assert_allclose(
        moved - moved[..., :1], np.broadcast_to(offset - offset[0], moved.shape), atol=1e-4
    )


def test_with_natural_training_shares_nothing_is_corrected(
    train: VolumeDataset, validation: VolumeDataset
) -> None:
    random = {"patch_sampler": RandomPatches()}
    plain = quick(**random).fit(train, validation=validation)
    corrected = quick(**random, prior_correction=True).fit(train, validation=validation)
    images, _, mask = validation.arrays(0)
    np.testing.assert_array_equal(prior_offset(corrected.prior_, corrected.training_shares_), 0)
    np.testing.assert_allclose(
        corrected.probabilities(images, mask), plain.probabilities(images, mask)
    )
    assert quick(prior_correction=True).fit(train).tau_ == 1.0, "without validation"


# --- resume, save, share ---


def interrupt(monkeypatch: pytest.MonkeyPatch, at: int, fit: Callable[[], object]) -> None:
    """Run a fit that is interrupted at step `at` and writes a checkpoint after every step."""
    original, calls = LossStep.__call__, iter(range(1, 10**6))

    def call(self: LossStep, images: Tensor, target: Tensor) -> Mapping[str, Tensor]:
        if next(calls) == at:
            raise KeyboardInterrupt
        return original(self, images, target)

    with monkeypatch.context() as patch:
        patch.setattr(LossStep, "__call__", call)
        patch.setattr(Checkpoint, "due", lambda self: True)
        with pytest.raises(KeyboardInterrupt):
            fit()


@pytest.mark.parametrize(
    "settings",
    [
        {"patch_sampler": HardExamplePatches(candidates=9)},
        pytest.param({"mode": "dense", "loss": "ce_dice"}, marks=pytest.mark.slow),
    ],
)
def test_a_killed_fit_repeated_gives_the_same_bits(
    train: VolumeDataset,
    validation: VolumeDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
) -> None:
    def fit(workspace: Path | None = None) -> Segmenter:
        lengths = {"n_steps": 12, "epoch_steps": 4, "evaluate_every": 6}
        segmenter = quick(**lengths, prior_correction=True, **settings)
        return segmenter.fit(train, validation=validation, workspace=workspace)

    whole = fit()
    work = tmp_path / "work"
    interrupt(monkeypatch, 11, lambda: fit(work))
    assert len(list(work.glob("patch-training-*.pt"))) == 1
    interrupt(monkeypatch, 2, lambda: fit(work))  # the 12th step: ten were not repeated
    again = fit(work)
    assert same(again, whole)
    assert again.history_.rows == whole.history_.rows
    for name, counts in whole.frequencies_.state_dict().items():
        assert torch.equal(counts, again.frequencies_.state_dict()[name])
    assert (again.tau_, again.training_shares_.tolist()) == (
        whole.tau_,
        whole.training_shares_.tolist(),
    )
    assert not list(work.glob("*.pt"))


def test_other_settings_or_cases_train_separately(
    train: VolumeDataset, validation: VolumeDataset, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    quick().fit(train, validation=validation, workspace=work)
    quick(random_state=1).fit(train, validation=validation, workspace=work)
    quick(patch_sampler=RandomPatches()).fit(train, validation=validation, workspace=work)
    quick().fit(train.subset([0]), validation=validation, workspace=work)
    quick().fit(train, workspace=work)
    assert len(list(work.glob("patch-training-*/model.json"))) == 5


@pytest.mark.parametrize("mode", ["center", "dense"])
def test_a_saved_segmenter_predicts_the_same(
    train: VolumeDataset, validation: VolumeDataset, tmp_path: Path, mode: str
) -> None:
    fitted = quick(mode=mode, prior_correction=True, patch_sampler=HardExamplePatches(candidates=9))
    fitted.fit(train, validation=validation).save(tmp_path / "model")
    loaded = Segmenter.load(tmp_path / "model", device="cpu")
    images, _, mask = validation.arrays(0)
    np.testing.assert_array_equal(
        loaded.probabilities(images, mask), fitted.probabilities(images, mask)
    )
    for name in ("class_names_", "modalities_", "regions_", "tau_", "notes_"):
        assert getattr(loaded, name) == getattr(fitted, name)
    assert loaded.patch_sampler == str(HardExamplePatches(candidates=9))
    with pytest.raises(SettingError, match="patch_sampler"):
        loaded.fit(train)
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again" / "model.json").read_text() == (
        tmp_path / "model" / "model.json"
    ).read_text()


def test_only_a_segmenter_is_loaded(tmp_path: Path) -> None:
    save_fitted(tmp_path / "model", "classifier", {"weight": torch.zeros(1)}, {})
    with pytest.raises(DataError, match=r"segmenter.*classifier"):
        Segmenter.load(tmp_path / "model")


def test_a_fit_leaves_the_global_random_states_unchanged(train: VolumeDataset) -> None:
    before = torch.get_rng_state(), np.random.get_state(legacy=False)["state"]["key"].copy()  # noqa: NPY002
    first = quick(patch_sampler=HardExamplePatches(candidates=9)).fit(train)
    torch.rand(3)
    assert same(first, quick(patch_sampler=HardExamplePatches(candidates=9)).fit(train))
    torch.set_rng_state(before[0])
    np.testing.assert_array_equal(np.random.get_state(legacy=False)["state"]["key"], before[1])  # noqa: NPY002


def test_divergence_names_the_learning_rate(train: VolumeDataset) -> None:
    with pytest.raises(DivergedError, match=r"learning_rate.*1e\+30"):
        quick(learning_rate=1e30, n_steps=30).fit(train)


# --- bad input ---


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "centre"}, "'center'"),
        ({"network": "resnet18"}, "'resnet18'"),
        ({"network": "unet"}, "mode='center'.*unet.*center_cnn"),
        ({"mode": "dense", "network": "center_cnn"}, "center_cnn.*unet"),
        ({"patch_size": 50}, "patch_size.* 8 .* 32 .* 50"),
        ({"patch_size": 28}, "patch_size.* 32 .* 28"),
        ({"patch_size": 33.5}, "patch_size.*33.5"),
        ({"width": 0}, "width.* 1,.* 0"),
        ({"n_steps": 0}, "n_steps"),
        ({"epoch_steps": 0}, "epoch_steps"),
        ({"batch_size": 1}, "batch_size.* 2,.* 1"),
        ({"evaluate_every": 0}, "evaluate_every"),
        ({"n_slices": 0}, "n_slices"),
        ({"stride": 0}, "stride"),
        ({"stride": 6}, "stride.* 4 .*'center_cnn_valid'.* 6"),
        ({"jitter": 3}, "jitter=0.*mode='center'.* 3"),
        ({"mode": "dense", "jitter": -1}, "jitter.* 0,.* -1"),
        ({"loss": "dice"}, "'dice'.*mode='dense'"),
        ({"loss": "focus"}, "'focus'"),
        ({"mode": "dense", "loss": "ldam_drw"}, "'ldam_drw'.*cosines"),
        ({"mode": "dense", "loss": "focus"}, "'focus'"),
        ({"precision": "16"}, "precision.*'16'"),
        ({"keep_best": "loss"}, "keep_best.*'loss'"),
        ({"device": "tpu9"}, "'tpu9'"),
        ({"learning_rate": 0.0}, "learning_rate.* 0.0"),
        ({"patch_sampler": "balanced"}, "patch_sampler.*'balanced'"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        quick(**settings).check_settings()


@pytest.mark.parametrize("network", PATCH_NETWORKS)
def test_every_network_has_a_mode_that_takes_it(network: str) -> None:
    mode = "dense" if PATCH_NETWORKS[network].dense else "center"
    quick(mode=mode, network=network).check_settings(32)


def test_scans_of_another_kind_are_refused(train: VolumeDataset) -> None:
    fitted = quick().fit(train)
    images, _, mask = train.arrays(0)
    cases: list[tuple[Any, Any]] = [
        (images[:1], mask),
        (images, mask[:2]),
        (images, mask.astype(np.uint8)),
    ]
    for wrong, other in cases:
        with pytest.raises(DataError, match=r"channel 0, channel 1.*\(2, \d"):
            fitted.predict(wrong, other)
