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
from equipoise.training.loop import History
from equipoise.training.persistence import save_fitted
from equipoise.training.steps import LossStep

SCHEME = LabelScheme(
    name="blobs",
    values=(0, 1, 2),
    class_names=("healthy", "edema", "core"),
    regions={"whole": (1, 2), "core": (2,)},
    source="this test",
)
Codes = NDArray[np.int64]


def blob(seed: int, side: int = 32) -> Codes:
    """Five slices with a ball of edema that has a core in it, (z, y, x)."""
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
def held(tmp_path: Path) -> VolumeDataset:
    return volumes_of([blob(2)], tmp_path / "held", scheme=SCHEME, seed=7)


def quick(**settings: Any) -> Segmenter:
    few = {"n_steps": 3, "epoch_steps": 2, "batch_size": 6, "evaluate_every": 3, "n_slices": 2}
    small = {"width": 2, "patch_size": 32, "learning_rate": 1e-2, "device": "cpu"}
    return Segmenter(**{**few, **small, **settings})


def weights(fitted: Segmenter) -> dict[str, Tensor]:
    return {**fitted.network_.state_dict(), **fitted.loss_.state_dict(prefix="loss.")}


def same(first: Segmenter, second: Segmenter) -> bool:
    ours, theirs = weights(first), weights(second)
    return ours.keys() == theirs.keys() and all(
        torch.equal(ours[name], theirs[name]) for name in ours
    )


# --- what it is -------------------------------------------------------------------------------------------


def test_a_clone_has_the_settings_and_is_not_fitted(train: VolumeDataset) -> None:
    fitted = quick(seed=3).fit(train)
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    images, _, mask = train.arrays(0)
    for ask in (copy.predict, copy.probabilities):
        with pytest.raises(NotFittedError):
            ask(images, mask)


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
    train: VolumeDataset, held: VolumeDataset, settings: dict[str, Any]
) -> None:
    fitted = quick(**settings).fit(train, validation=held)
    images, _, mask = train.arrays(0)
    chances, codes = fitted.probabilities(images, mask), fitted.predict(images, mask)
    assert (chances.dtype.name, chances.shape) == ("float32", (3, 5, 32, 32))
    assert (codes.dtype.name, codes.shape) == ("uint8", (5, 32, 32))
    np.testing.assert_allclose(chances.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(codes, np.where(mask, chances.argmax(axis=0), 0))
    assert (chances[0][~mask] == 1).all()
    assert (
        len(
            {name for row in fitted.history_.rows for name in row}
            & {"loss", "validation_dice_core"}
        )
        == 2
    )


def test_slices_come_one_by_one(train: VolumeDataset) -> None:
    fitted = quick().fit(train)
    images, _, mask = train.arrays(0)
    few = mask.copy()
    few[[0, 3]] = False
    chances = fitted.probabilities(images, mask)
    for z, box, found in fitted.slices(images, few):
        assert box == (slice(3, 32), slice(0, 32))
        np.testing.assert_array_equal(found, chances[:, z, *box])
    assert [z for z, *_ in fitted.slices(images, few)] == [1, 2, 4]


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"mode": "dense", "loss": "ce_dice"}])
def test_learns_what_is_plain_to_see(
    train: VolumeDataset, held: VolumeDataset, settings: dict[str, Any]
) -> None:
    fitted = quick(
        n_steps=100, evaluate_every=20, batch_size=24, width=4, prior_correction=True, **settings
    )
    images, codes, mask = held.arrays(0)
    guess = fitted.fit(train, validation=held).predict(images, mask)
    both = overlap(truth=codes > 0, prediction=guess > 0)
    assert dice(both["tp"], both["fp"], both["fn"]) > 0.8
    assert fitted.notes_ == ()


# --- what it is told --------------------------------------------------------------------------------------


def test_the_loss_is_told_the_counts_of_what_is_drawn(train: VolumeDataset) -> None:
    """Balanced draws of 3 steps of 6 patches are 6 of each class; those of the data are 18 by their shares."""
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


def test_in_dense_mode_drawn_are_the_pixels_of_the_brain(train: VolumeDataset) -> None:
    """A balanced batch has as many centers of each class, but still mostly healthy pixels."""
    fitted = quick(mode="dense", jitter=0).fit(train)
    drawing = BalancedPatches().start(train, n=6, size=32, jitter=0, seed=0)
    pairs = [train.patches(drawing(step).centers, 32) for step in range(3)]
    counts = sum(
        np.bincount(target[(images != 0).any(axis=1)], minlength=3) for images, target in pairs
    )
    np.testing.assert_allclose(fitted.drawn_, counts / np.sum(counts))
    assert fitted.drawn_[0] > 0.5
    assert fitted.frequencies_.drawn.tolist() == [6, 6, 6]


def test_in_center_mode_drawn_is_what_was_asked(train: VolumeDataset) -> None:
    fitted = quick(patch_sampler=RandomPatches()).fit(train)
    np.testing.assert_allclose(fitted.drawn_, train.counts / train.counts.sum())
    np.testing.assert_allclose(fitted.prior_, fitted.drawn_)
    assert fitted.frequencies_.drawn.sum() == 18


def test_patches_and_labels_of_the_steps_are_those_of_the_sampler(
    train: VolumeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Tensor, Tensor]] = []
    original = LossStep.__call__

    def call(self: LossStep, patches: Tensor, target: Tensor) -> Mapping[str, Tensor]:
        seen.append((patches, target))
        return original(self, patches, target)

    monkeypatch.setattr(LossStep, "__call__", call)
    quick(seed=5).fit(train)
    drawing = BalancedPatches().start(train, n=6, size=32, jitter=0, seed=5)
    for step, (patches, target) in enumerate(seen):
        drawn = drawing(step)
        np.testing.assert_array_equal(patches, train.patches(drawn.voxels, 32)[0])
        np.testing.assert_array_equal(target, drawn.classes)


def test_the_sampler_learns_after_every_epoch(train: VolumeDataset) -> None:
    fitted = quick(n_steps=7, epoch_steps=3, patch_sampler=HardExamplePatches(candidates=9)).fit(
        train
    )
    assert [step for step, _ in fitted.history_.column("hard share of class 2")] == [3, 6]


def test_a_class_that_no_training_case_has_does_not_break_the_fit(
    train: VolumeDataset, tmp_path: Path
) -> None:
    cases = volumes_of([np.minimum(blob(0), 1)], tmp_path / "no core", scheme=SCHEME)
    for mode in ("center", "dense"):
        fitted = quick(mode=mode, prior_correction=True, loss="class_weights").fit(
            cases, validation=train
        )
        images, _, mask = train.arrays(0)
        assert np.isfinite(fitted.probabilities(images, mask)).all()


def test_a_view_of_the_tumor_alone_is_learned(train: VolumeDataset, held: VolumeDataset) -> None:
    parts = {"edema": (1,), "core": (2,)}
    for mode in ("center", "dense"):
        fitted = quick(mode=mode, prior_correction=True, loss="cross_entropy")
        fitted.fit(train.merged(parts), validation=held.merged(parts))
        assert fitted.class_names_ == ("edema", "core")
        assert {"validation_dice_edema", "validation_dice_core"} <= fitted.history_.rows[-1].keys()


# --- validation -------------------------------------------------------------------------------------------


def test_the_score_is_the_dice_of_what_would_be_predicted(
    train: VolumeDataset, held: VolumeDataset
) -> None:
    fitted = quick(n_steps=6, learning_rate=0.05, keep_best="last", n_slices=5).fit(
        train, validation=held
    )
    images, codes, mask = held.arrays(0)
    guess, scores = fitted.predict(images, mask), fitted.history_.rows[-1]
    found = []
    for name, region in SCHEME.regions.items():
        both = overlap(truth=np.isin(codes, region), prediction=np.isin(guess, region))
        found.append(float(dice(both["tp"], both["fp"], both["fn"])))
        assert scores[f"validation_dice_{name}"] == pytest.approx(found[-1])
    assert scores["validation_mean_dice"] == pytest.approx(np.mean(found))
    assert max(found) > 0


def test_the_weights_with_the_best_score_are_kept(
    train: VolumeDataset, held: VolumeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(scores: list[float], **settings: Any) -> Segmenter:
        script = iter([1.0, *scores])  # the first call asks whether there is anything to score
        monkeypatch.setattr(
            "equipoise.estimators.patch_training.mean_dice", lambda *_args: next(script)
        )
        return quick(evaluate_every=1, **settings).fit(train, validation=held)

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


def test_validation_of_another_kind_is_refused(train: VolumeDataset, held: VolumeDataset) -> None:
    with pytest.raises(
        DataError, match="Expected validation cases with the modalities and classes"
    ):
        quick().fit(train, validation=held.merged({"healthy": (0,), "tumor": (1, 2)}))


@pytest.mark.parametrize(
    ("scores", "note"),
    [
        ([0.1, 0.4, 0.8, 0.41], None),
        ([0.0, 0.0], "found no part of any region"),
        ([0.7, 0.8, 0.0002], "fell from 0.80 to 0.00"),
        ([], None),
    ],
)
def test_a_collapse_is_told(scores: list[float], note: str | None) -> None:
    """Anchors 19: all classes learned after 55 epochs, Dice 0.0002 after 1,000."""
    history = History(
        rows=[{"step": i, "validation_mean_dice": score} for i, score in enumerate(scores)]
    )
    notes = training_notes(history)
    assert notes == () if note is None else note in notes[0]


# --- prior correction -------------------------------------------------------------------------------------


def test_corrected_logits_are_those_of_the_same_network_plus_tau_times_the_offset(
    train: VolumeDataset, held: VolumeDataset, tmp_path: Path
) -> None:
    plain = quick().fit(train, validation=held, workspace=tmp_path / "work")
    (stored,) = (tmp_path / "work").glob("patch-training-*/model.json")
    written = stored.stat().st_mtime_ns
    corrected = quick(prior_correction=True).fit(
        train, validation=held, workspace=tmp_path / "work"
    )
    assert stored.stat().st_mtime_ns == written, "the network was trained once"
    assert same(plain, corrected)
    assert corrected.history_.rows == plain.history_.rows
    assert plain.tau_ == 0.0
    corrected.tau_ = 0.7
    images, _, mask = held.arrays(0)
    before, after = (np.log(one.probabilities(images, mask)) for one in (plain, corrected))
    offset = 0.7 * (np.log(train.counts / train.counts.sum()) - np.log(1 / 3))
    moved = np.moveaxis(after - before, 0, -1)  # log softmax: up to what all classes share
    np.testing.assert_allclose(
        moved - moved[..., :1], np.broadcast_to(offset - offset[0], moved.shape), atol=1e-4
    )


def test_where_the_draw_has_the_shares_of_the_data_nothing_is_corrected(
    train: VolumeDataset, held: VolumeDataset
) -> None:
    plain, corrected = (
        quick(patch_sampler=RandomPatches(), prior_correction=asked).fit(train, validation=held)
        for asked in (False, True)
    )
    images, _, mask = held.arrays(0)
    np.testing.assert_array_equal(prior_offset(corrected.prior_, corrected.drawn_), 0)
    np.testing.assert_allclose(
        corrected.probabilities(images, mask), plain.probabilities(images, mask)
    )
    assert quick(prior_correction=True).fit(train).tau_ == 1.0, "without validation"


# --- kill, save, share ------------------------------------------------------------------------------------


def interrupt(monkeypatch: pytest.MonkeyPatch, at: int, fit: Callable[[], object]) -> None:
    """Run a fit that is interrupted at its `at`-th step and saves its state as often as it can."""
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
    held: VolumeDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
) -> None:
    def fit(workspace: Path | None = None) -> Segmenter:
        asked = {
            "n_steps": 12,
            "epoch_steps": 4,
            "evaluate_every": 6,
            "prior_correction": True,
            **settings,
        }
        return quick(**asked).fit(train, validation=held, workspace=workspace)

    whole, work = fit(), tmp_path / "work"
    interrupt(monkeypatch, 11, lambda: fit(work))
    assert len(list(work.glob("patch-training-*.pt"))) == 1
    interrupt(monkeypatch, 2, lambda: fit(work))  # the 12th step: ten were not repeated
    again = fit(work)
    assert same(again, whole)
    assert again.history_.rows == whole.history_.rows
    for name, counts in whole.frequencies_.state_dict().items():
        assert torch.equal(counts, again.frequencies_.state_dict()[name])
    assert (again.tau_, again.drawn_.tolist()) == (whole.tau_, whole.drawn_.tolist())
    assert not list(work.glob("*.pt"))


def test_other_settings_or_cases_have_a_training_of_their_own(
    train: VolumeDataset, held: VolumeDataset, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    quick().fit(train, validation=held, workspace=work)
    quick(seed=1).fit(train, validation=held, workspace=work)
    quick(patch_sampler=RandomPatches()).fit(train, validation=held, workspace=work)
    quick().fit(train.subset([0]), validation=held, workspace=work)
    quick().fit(train, workspace=work)
    assert len(list(work.glob("patch-training-*/model.json"))) == 5


@pytest.mark.parametrize("mode", ["center", "dense"])
def test_a_saved_segmenter_predicts_the_same(
    train: VolumeDataset, held: VolumeDataset, tmp_path: Path, mode: str
) -> None:
    fitted = quick(mode=mode, prior_correction=True, patch_sampler=HardExamplePatches(candidates=9))
    fitted.fit(train, validation=held).save(tmp_path / "model")
    loaded = Segmenter.load(tmp_path / "model", device="cpu")
    images, _, mask = held.arrays(0)
    np.testing.assert_array_equal(
        loaded.probabilities(images, mask), fitted.probabilities(images, mask)
    )
    for name in ("class_names_", "modalities_", "regions_", "tau_", "notes_"):
        assert getattr(loaded, name) == getattr(fitted, name)
    assert loaded.patch_sampler == str(HardExamplePatches(candidates=9))
    with pytest.raises(SettingError, match="that was loaded predicts only"):
        loaded.fit(train)
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again" / "model.json").read_text() == (
        tmp_path / "model" / "model.json"
    ).read_text()


def test_only_a_segmenter_is_loaded(tmp_path: Path) -> None:
    save_fitted(tmp_path / "model", "classifier", {"weight": torch.zeros(1)}, {})
    with pytest.raises(DataError, match="Expected a saved segmenter"):
        Segmenter.load(tmp_path / "model")


def test_a_fit_leaves_no_trace_in_the_global_generators(train: VolumeDataset) -> None:
    before = torch.get_rng_state(), np.random.get_state(legacy=False)["state"]["key"].copy()  # noqa: NPY002
    first = quick(patch_sampler=HardExamplePatches(candidates=9)).fit(train)
    torch.rand(3)
    assert same(first, quick(patch_sampler=HardExamplePatches(candidates=9)).fit(train))
    torch.set_rng_state(before[0])
    np.testing.assert_array_equal(np.random.get_state(legacy=False)["state"]["key"], before[1])  # noqa: NPY002


def test_a_loss_that_diverges_says_what_to_do(train: VolumeDataset) -> None:
    with pytest.raises(DivergedError, match="Lower learning_rate"):
        quick(learning_rate=1e30, n_steps=30).fit(train)


# --- what it refuses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "centre"}, "No mode named 'centre'. Did you mean 'center'"),
        ({"network": "resnet18"}, "No network named 'resnet18'"),
        (
            {"network": "unet"},
            "Expected a network for mode='center', got 'unet'. Use one of: center_cnn,",
        ),
        ({"mode": "dense", "network": "center_cnn"}, "Use one of: unet"),
        ({"patch_size": 50}, "multiple of 8 and at least 32 px, got 50"),
        ({"patch_size": 28}, "at least 32 px, got 28"),
        ({"patch_size": 33.5}, "Expected patch_size as a whole number"),
        ({"width": 0}, "Expected width as a whole number of at least 1"),
        ({"n_steps": 0}, "Expected n_steps"),
        ({"epoch_steps": 0}, "Expected epoch_steps"),
        ({"batch_size": 1}, "Expected batch_size as a whole number of at least 2"),
        ({"evaluate_every": 0}, "Expected evaluate_every"),
        ({"n_slices": 0}, "Expected n_slices"),
        ({"stride": 0}, "Expected stride"),
        (
            {"stride": 6},
            "Expected a stride that is a multiple of 4 for the network 'center_cnn_valid', got 6",
        ),
        ({"jitter": 3}, "Expected jitter=0 with mode='center', got 3"),
        ({"mode": "dense", "jitter": -1}, "Expected jitter as a whole number of at least 0"),
        ({"loss": "dice"}, "got 'dice', which compares regions. Use mode='dense'"),
        ({"loss": "focus"}, "No loss named 'focus'"),
        ({"mode": "dense", "loss": "ldam_drw"}, "needs cosines"),
        ({"mode": "dense", "loss": "focus"}, "No loss named 'focus'"),
        ({"precision": "16"}, "No precision named '16'"),
        ({"keep_best": "loss"}, "No value for keep_best named 'loss'"),
        ({"device": "tpu9"}, "No device named 'tpu9'"),
        ({"learning_rate": 0.0}, "Expected a positive learning_rate"),
        (
            {"patch_sampler": "balanced"},
            "Expected patch_sampler as one of equipoise.estimators.patches",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused_before_any_work(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingError) as caught:
        quick(**settings).check_settings()
    assert message in str(caught.value)


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
        with pytest.raises(
            DataError, match="Expected images of the modalities channel 0, channel 1"
        ):
            fitted.predict(wrong, other)
