import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from imblearn.pipeline import Pipeline
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import estimator_checks
from tests.fixtures.pretrained import TINY
from torch import Tensor

from equipoise.arrays import Images, Labels
from equipoise.data.dataset import ImageDataset
from equipoise.estimators.classifier import ImageClassifier
from equipoise.estimators.scoring import logits_of
from equipoise.estimators.second_stage import SECOND_STAGES
from equipoise.exceptions import DataError, DivergedError, SettingError, WeightsError
from equipoise.losses import LOSSES
from equipoise.losses.base import ImbalanceLoss, LossFactory
from equipoise.losses.cross_entropy import CrossEntropy
from equipoise.networks.backbones import find_backbone
from equipoise.networks.dropout import ByteDropout
from equipoise.networks.heads import HEADS
from equipoise.resampling.random import RandomOversampler
from equipoise.training.batches import ResidentBatches
from equipoise.training.checkpoint import Checkpoint
from equipoise.training.loop import LossStep

Weights = dict[str, Tensor]
MASK = np.arange(52) % 4 == 3  # some images of both classes are synthetic


def quick(**settings: Any) -> ImageClassifier:
    return ImageClassifier(
        **{"n_steps": 4, "batch_size": 8, "evaluate_every": 2, "device": "cpu", **settings}
    )


def weights(fitted: ImageClassifier) -> Weights:
    return fitted.network_.state_dict()


def same(first: Weights, second: Weights) -> bool:
    if first.keys() != second.keys():
        return False
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture
def validation(toy: ImageDataset) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    rows = np.r_[0:8, 44:52]
    return toy.images[rows], toy.labels[rows]


# --- the estimator ---


@pytest.mark.parametrize(
    "check",
    [
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_get_params_invariance",
        "check_set_params",
        "check_estimator_cloneable",
        "check_estimator_repr",
    ],
)
def test_follows_the_conventions_of_scikit_learn(check: str) -> None:
    getattr(estimator_checks, check)("ImageClassifier", ImageClassifier())


def test_a_clone_is_the_same_and_not_fitted(toy: ImageDataset) -> None:
    fitted = quick(random_state=3).fit(toy.images, toy.labels)
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        copy.predict(toy.images)


def test_learns_an_obvious_difference(toy: ImageDataset) -> None:
    fitted = quick(n_steps=120, augmentation="none", learning_rate=3e-3, batch_sampler="balanced")
    assert fitted.fit(toy.images, toy.labels).score(toy.images, toy.labels) > 0.95


def test_probabilities_are_float64_and_sum_to_1(toy: ImageDataset) -> None:
    scores = quick().fit(toy.images, toy.labels).predict_proba(toy.images)
    assert scores.dtype == np.float64
    assert scores.shape == (52, 2)
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, atol=1e-12)


def test_labels_may_be_any_integers(toy: ImageDataset) -> None:
    plain = quick().fit(toy.images, toy.labels)
    named = quick().fit(toy.images, np.where(toy.labels == 0, -7, 30))
    assert named.classes_.tolist() == [-7, 30]
    np.testing.assert_array_equal(named.predict_proba(toy.images), plain.predict_proba(toy.images))
    assert set(named.predict(toy.images)) <= {-7, 30}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_every_storage_type_is_accepted_and_not_written(toy: ImageDataset, dtype: type) -> None:
    images: Images = toy.pixels.astype(dtype) * (10 if dtype == np.uint16 else 1)
    before = images.copy()
    fitted = quick().fit(images, toy.labels, validation=(images[-20:], toy.labels[-20:]))
    assert fitted.predict_proba(images).shape == (52, 2)
    np.testing.assert_array_equal(images, before)


def test_the_range_is_that_of_the_training_images() -> None:
    images = np.random.default_rng(0).integers(1000, 1200, (24, 1, 16, 16)).astype(np.uint16)
    fitted = quick().fit(images, np.arange(24) % 2)
    assert fitted.span_ == (images.min(), images.max())
    bright = np.full_like(images[:1], images.max())
    brighter = np.full_like(images[:1], 60_000)
    np.testing.assert_array_equal(fitted.predict_proba(brighter), fitted.predict_proba(bright))


def test_works_as_the_last_step_of_a_pipeline(toy: ImageDataset) -> None:
    pipeline = Pipeline([("balance", RandomOversampler()), ("classify", quick())]).fit(
        toy.images, toy.labels
    )
    assert pipeline.predict(toy.images).shape == (52,)


@pytest.mark.parametrize(
    "settings",
    [
        {"network": "resnet18"},
        {"network": "mobilenet_v2"},
        {"optimizer": "sgd", "schedule": "step"},
        {"precision": "bf16-mixed"},
        {"augmentation": "cell"},
        {"loss": "class_weights"},
        {"batch_sampler": "synthetic_mix"},
        {"batch_sampler": "synthetic_mix", "synthetic_share": 0.5},
        {"synthetic_weight": 0.5},
        {"mixing": "mixup"},
        {"mixing": "remix"},
        {"second_stage": "crt"},
    ],
)
def test_settings_change_the_fit(toy: ImageDataset, settings: dict[str, str]) -> None:
    plain = quick().fit(toy.images, toy.labels, synthetic=MASK)
    other = quick(**settings).fit(toy.images, toy.labels, synthetic=MASK)
    assert not same(weights(plain), weights(other))
    assert np.isfinite(other.predict_proba(toy.images)).all()


# --- losses ---


def test_the_loss_receives_the_counts_of_the_training_images(
    toy: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    received: list[list[int]] = []

    def build(counts: Tensor) -> ImbalanceLoss:
        received.append(counts.tolist())
        return CrossEntropy()

    spy = LossFactory(name="spy", summary="", build=build, source="")
    monkeypatch.setitem(LOSSES, "spy", spy)
    quick(loss="spy").fit(toy.images, toy.labels)
    quick(loss="spy").fit(*RandomOversampler().fit_resample(toy.images, toy.labels))
    assert received == [[40, 12], [40, 40]]


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_determines_head_and_probabilities(
    toy: ImageDataset, validation: Any, tmp_path: Path, name: str
) -> None:
    fitted = quick(loss=name).fit(toy.images, toy.labels, validation=validation)
    assert type(fitted.head_) is HEADS[LOSSES[name].head]
    scores = fitted.predict_proba(toy.images)
    logits = logits_of(fitted.network_, toy.images, fitted.span_).double()
    np.testing.assert_array_equal(scores, fitted.loss_.probabilities(logits).numpy())
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, atol=1e-12)
    fitted.save(tmp_path / "net")
    loaded = ImageClassifier.load(tmp_path / "net", device="cpu")
    np.testing.assert_array_equal(loaded.predict_proba(toy.images), scores)
    assert same(loaded.loss_.state_dict(), fitted.loss_.state_dict())


def test_the_loss_receives_the_progress_of_the_training(
    toy: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    received: list[float] = []

    class Listening(CrossEntropy):
        def advance(self, progress: float) -> None:
            received.append(progress)

    spy = LossFactory(name="spy", summary="", build=lambda _counts: Listening(), source="")
    monkeypatch.setitem(LOSSES, "spy", spy)
    quick(loss="spy").fit(toy.images, toy.labels)
    assert received == [0.25, 0.5, 0.75, 1.0]  # each before the next step


# --- synthetic images ---


def prices(fitted: ImageClassifier) -> NDArray[np.float64]:
    weights: NDArray[np.float64] = fitted.loss_.state_dict()["w_fn"].numpy().astype(np.float64)
    return weights


def test_prices_by_real_images_survive_rebalancing(toy: ImageDataset, tmp_path: Path) -> None:
    added = (toy.labels == toy.rare_class) & (np.arange(len(toy)) % 2 == 0)
    real = np.bincount(toy.labels[~added])
    fitted = quick(loss="rwwce_real", n_steps=2).fit(toy.images, toy.labels, synthetic=added)
    assert_allclose(prices(fitted), real.max() / real, rtol=1e-6)
    assert not np.allclose(prices(fitted), fitted.counts_.max() / fitted.counts_)
    fitted.save(tmp_path / "saved")
    assert_allclose(prices(ImageClassifier.load(tmp_path / "saved")), prices(fitted))


def test_synthetic_images_of_weight_0_have_no_effect(toy: ImageDataset) -> None:
    """Other synthetic images give the same weights in a network without batch norm."""
    settings = {"synthetic_weight": 0.0, "n_steps": 6}
    first = quick(**settings).fit(toy.images, toy.labels, synthetic=MASK)
    inverted = toy.pixels.copy()
    inverted[MASK] = 255 - inverted[MASK]
    second = quick(**settings).fit(inverted, toy.labels, synthetic=MASK)
    assert same(weights(first), weights(second))
    assert not same(
        weights(first), weights(quick(n_steps=6).fit(toy.images, toy.labels, synthetic=MASK))
    )


def test_without_a_mask_all_images_are_real(toy: ImageDataset) -> None:
    settings = {"synthetic_weight": 0.3, "batch_sampler": "synthetic_mix"}
    plain = quick().fit(toy.images, toy.labels)
    assert same(weights(plain), weights(quick(**settings).fit(toy.images, toy.labels)))


@pytest.mark.parametrize("mask", [MASK[:5], MASK.astype(int), MASK[:, None]])
def test_a_mask_of_another_kind_is_refused(toy: ImageDataset, mask: Any) -> None:
    with pytest.raises(DataError, match="52 booleans"):
        quick().fit(toy.images, toy.labels, synthetic=mask)


# --- second stage ---


STAGES = [name for name in SECOND_STAGES if name != "none"]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("loss", ["posthoc_logit_adjustment", "ldam"])
def test_a_second_stage_follows_the_first(
    toy: ImageDataset, validation: Any, tmp_path: Path, stage: str, loss: str
) -> None:
    if (stage, loss) == ("tau_norm", "ldam"):
        return  # refused, see test_wrong_settings_are_named
    first = quick(loss=loss).fit(toy.images, toy.labels, validation=validation, synthetic=MASK)
    both = quick(loss=loss, second_stage=stage, second_stage_steps=12)
    both.fit(toy.images, toy.labels, validation=validation, synthetic=MASK)
    trunk = find_backbone(both.network).trunk
    assert same(trunk(both.network_).state_dict(), trunk(first.network_).state_dict())
    assert both.history_.rows == first.history_.rows
    relearns = stage != "tau_norm"
    assert list(both.histories_) == (["", "head"] if relearns else [""])
    assert type(both.loss_) is type(LOSSES["cross_entropy" if relearns else loss](torch.ones(2)))
    assert type(both.head_) is torch.nn.Linear
    both.save(tmp_path / "net")
    loaded = ImageClassifier.load(tmp_path / "net", device="cpu")
    np.testing.assert_array_equal(loaded.predict_proba(toy.images), both.predict_proba(toy.images))


def test_findings_of_the_second_stage_are_stored(toy: ImageDataset, validation: Any) -> None:
    assert quick().fit(toy.images, toy.labels).second_stage_ == {}
    fitted = quick(second_stage="tau_norm").fit(toy.images, toy.labels, validation=validation)
    tau = fitted.second_stage_["tau"]
    assert isinstance(tau, float)
    assert 0 <= tau <= 1


def test_data_that_the_second_stage_cannot_use_are_refused_first(toy: ImageDataset) -> None:
    fitted = quick(second_stage="tau_norm")
    with pytest.raises(DataError, match=r"validation.*second_stage='tau_norm'"):
        fitted.fit(toy.images, toy.labels)
    assert not hasattr(fitted, "network_")


# --- pieces of a batch ---


def test_pieces_accumulate_the_gradients_of_the_batch(
    toy: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without batch norm and dropout, pieces end in nearly the same weights as whole batches."""
    monkeypatch.setattr(ByteDropout, "forward", lambda _layer, values: values)
    settings = {"augmentation": "none", "optimizer": "sgd", "synthetic_weight": 0.5}
    whole = quick(**settings).fit(toy.images, toy.labels, synthetic=MASK)
    pieces = quick(**settings, micro_batch_size=3).fit(toy.images, toy.labels, synthetic=MASK)
    assert not same(weights(pieces), weights(whole))
    for name, tensor in weights(pieces).items():
        assert_allclose(tensor.numpy(), weights(whole)[name].numpy(), atol=1e-6)


def test_batch_norm_sees_the_pieces(toy: ImageDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    original = torch.nn.BatchNorm2d.forward

    def forward(norm: torch.nn.BatchNorm2d, images: Tensor) -> Tensor:
        if norm.training:
            sizes.append(len(images))
        return original(norm, images)

    monkeypatch.setattr(torch.nn.BatchNorm2d, "forward", forward)
    settings = {"network": TINY, "n_steps": 1, "micro_batch_size": 3}
    quick(**settings).fit(toy.images, toy.labels)
    assert set(sizes) == {2, 3}


def test_a_parameter_that_changes_nothing_is_not_stored(tmp_path: Path, toy: ImageDataset) -> None:
    assert not {*ImageClassifier.added_params} & {*quick().stored_params()}
    assert {*ImageClassifier.added_params} <= {*quick().get_params()}
    assert quick(micro_batch_size=2).stored_params()["micro_batch_size"] == 2
    quick(n_steps=1).fit(toy.images, toy.labels).save(tmp_path / "net")
    stored = json.loads((tmp_path / "net" / "model.json").read_text())
    assert "micro_batch_size" not in stored["facts"]["settings"]


# --- randomness ---


def test_same_seed_same_weights_and_global_random_states_are_unchanged(toy: ImageDataset) -> None:
    torch.manual_seed(9)
    expected = torch.rand(3)
    first = quick().fit(toy.images, toy.labels)
    torch.manual_seed(9)
    second = quick().fit(toy.images, toy.labels)
    assert torch.equal(torch.rand(3), expected)
    assert same(weights(first), weights(second))
    assert not same(weights(first), weights(quick(random_state=1).fit(toy.images, toy.labels)))


def test_validation_does_not_change_the_training(toy: ImageDataset, validation: Any) -> None:
    without = quick(keep_best="last").fit(toy.images, toy.labels)
    with_validation = quick(keep_best="last").fit(toy.images, toy.labels, validation=validation)
    assert same(weights(without), weights(with_validation))


# --- validation ---


def test_validation_is_scored_at_intervals_and_at_the_end(
    toy: ImageDataset, validation: Any
) -> None:
    history = quick(n_steps=5).fit(toy.images, toy.labels, validation=validation).history_
    for name in ("loss", "balanced_accuracy", "accuracy", "auroc"):
        assert [step for step, _ in history.column(f"validation_{name}")] == [2, 4, 5]
    assert history.column("loss")[-1][0] == 5


def test_without_validation_nothing_is_held_out(
    toy: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    original = ResidentBatches.__init__

    def spy(self: ResidentBatches, images: Images, *args: Any, **settings: Any) -> None:
        seen.append(len(images))
        original(self, images, *args, **settings)

    monkeypatch.setattr(ResidentBatches, "__init__", spy)
    fitted = quick().fit(toy.images, toy.labels)
    assert seen == [52]
    assert not any("validation" in name for row in fitted.history_.rows for name in row)


@pytest.mark.parametrize(
    ("metric", "best"),
    [("balanced_accuracy", max), ("accuracy", max), ("auroc", max), ("loss", min)],
)
def test_the_best_weights_are_kept(
    toy: ImageDataset, validation: Any, metric: str, best: Any
) -> None:
    # at this learning rate the scores fluctuate
    fitted = quick(n_steps=12, keep_best=metric, learning_rate=0.02, schedule="constant")
    fitted.fit(toy.images, toy.labels, validation=validation)
    column = fitted.history_.column(f"validation_{metric}")
    best_value = best(value for _, value in column)
    at_best = max(step for step, value in column if value == best_value)  # the last of ties
    # constant rate: the same fit cut off at that step ends in those weights
    again = quick(n_steps=at_best, learning_rate=0.02, schedule="constant").fit(
        toy.images, toy.labels
    )
    assert same(weights(fitted), weights(again))


def test_patience_stops_the_fit(toy: ImageDataset, validation: Any) -> None:
    settings = {"n_steps": 50, "patience": 2, "learning_rate": 1e-12, "augmentation": "none"}
    fitted = quick(**settings).fit(toy.images, toy.labels, validation=validation)
    assert fitted.history_.rows[-1]["step"] == 6  # best at 2, no gain at 4 and 6


def test_a_class_missing_from_validation_has_no_auroc(toy: ImageDataset, validation: Any) -> None:
    images, labels = validation[0][:8], validation[1][:8]
    fitted = quick().fit(toy.images, toy.labels, validation=(images, labels))
    assert fitted.history_.column("validation_balanced_accuracy")
    assert not fitted.history_.column("validation_auroc")
    with pytest.raises(DataError, match=r"\[0, 1\].*keep_best='auroc'.*\[0\]"):
        quick(keep_best="auroc").fit(toy.images, toy.labels, validation=(images, labels))


def test_validation_images_of_unknown_classes_are_left_out(
    toy: ImageDataset, validation: Any
) -> None:
    images, labels = validation
    labels = np.where(np.arange(16) == 3, 7, labels)
    with_stranger = quick().fit(toy.images, toy.labels, validation=(images, labels))
    rows = labels != 7
    without = quick().fit(toy.images, toy.labels, validation=(images[rows], labels[rows]))
    assert with_stranger.history_.rows == without.history_.rows


# --- resume ---


def interrupt(monkeypatch: pytest.MonkeyPatch, at: int, fit: Callable[[], object]) -> None:
    """Run a fit that is interrupted at step `at` and writes a checkpoint after every step."""
    original, calls = LossStep.__call__, iter(range(1, 10**6))

    def call(self: LossStep, images: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        if next(calls) == at:
            raise KeyboardInterrupt
        return original(self, images, labels)

    with monkeypatch.context() as patch:
        patch.setattr(LossStep, "__call__", call)
        patch.setattr(Checkpoint, "due", lambda self: True)
        with pytest.raises(KeyboardInterrupt):
            fit()


@pytest.mark.parametrize(
    "settings",
    [
        {"keep_best": "balanced_accuracy", "patience": 5},
        {"keep_best": "last", "optimizer": "sgd", "precision": "bf16-mixed"},
        {"keep_best": "averaged"},
        {
            "network": TINY,  # has batch norm
            "keep_best": "loss",
            "augmentation": "cell",
            "batch_sampler": "balanced",
        },
        {"loss": "class_weights", "mixing": "remix", "synthetic_weight": 0.5},
        {"mixing": "mixup", "batch_sampler": "synthetic_mix", "synthetic_share": 0.3},
        {"batch_sampler": "progressive", "second_stage": "tau_norm"},
        {"micro_batch_size": 3, "mixing": "mixup", "layer_decay": 0.5},
        {"layer_decay": 0.5, "head_warmup": 0.5},  # saved after 10 steps, in the middle: after 7
    ],
)
def test_a_killed_fit_repeated_gives_the_same_bits(
    toy: ImageDataset,
    validation: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
) -> None:
    def fit(workspace: Path | None = None) -> ImageClassifier:
        lengths = {"n_steps": 15, "evaluate_every": 4, "learning_rate": 0.01}
        return quick(**lengths, **settings).fit(
            toy.images, toy.labels, validation=validation, workspace=workspace, synthetic=MASK
        )

    whole = fit()
    interrupt(monkeypatch, 13, lambda: fit(tmp_path))
    assert len(list(tmp_path.glob("classifier-*.pt"))) == 1
    interrupt(monkeypatch, 3, lambda: fit(tmp_path))  # the 13th step again: ten were not repeated
    again = fit(tmp_path)
    assert same(weights(again), weights(whole))
    assert again.other_network_ is not None
    assert whole.other_network_ is not None
    assert same(again.other_network_.state_dict(), whole.other_network_.state_dict())
    assert again.history_.rows == whole.history_.rows
    np.testing.assert_array_equal(again.predict_proba(toy.images), whole.predict_proba(toy.images))
    assert not list(tmp_path.iterdir())


def test_a_deferred_weighting_survives_a_kill(
    toy: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(workspace: Path | None = None) -> ImageClassifier:
        return quick(loss="ldam_drw", n_steps=24).fit(toy.images, toy.labels, workspace=workspace)

    # saved after 20 steps; the class weights change after 19.2
    interrupt(monkeypatch, 22, lambda: fit(tmp_path))
    whole, again = fit(), fit(tmp_path)
    assert same(weights(again), weights(whole))
    assert same(again.loss_.state_dict(), whole.loss_.state_dict())
    assert again.loss_.state_dict()["weights"].min() < 0.9


RELEARNING = [name for name in STAGES if name != "tau_norm"]


@pytest.mark.parametrize("stage", RELEARNING)
def test_a_fit_killed_in_either_stage_gives_the_same_bits(
    toy: ImageDataset, validation: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    def fit(workspace: Path | None = None) -> ImageClassifier:
        classifier = quick(n_steps=12, second_stage=stage, second_stage_steps=13)
        return classifier.fit(
            toy.images, toy.labels, validation=validation, workspace=workspace, synthetic=MASK
        )

    whole = fit()
    # the last step of the first stage; 10 are saved
    interrupt(monkeypatch, 12, lambda: fit(tmp_path))
    interrupt(monkeypatch, 14, lambda: fit(tmp_path))  # the 12th of the second; 10 are saved
    assert len(list(tmp_path.glob("*.pt"))) == 2
    # steps 11 and 12, then 11 and 12 of the second stage, and its last
    interrupt(monkeypatch, 5, lambda: fit(tmp_path))
    again = fit(tmp_path)
    assert same(weights(again), weights(whole))
    assert again.histories_.keys() == whole.histories_.keys()
    for name, history in whole.histories_.items():
        assert again.histories_[name].rows == history.rows
    assert again.second_stage_ == whole.second_stage_
    assert not list(tmp_path.iterdir())


def test_another_fit_does_not_use_the_checkpoint(
    toy: ImageDataset, validation: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits: list[tuple[ImageClassifier, Labels, Any, Any]] = [
        (quick(n_steps=20), toy.labels, validation, None),
        (quick(n_steps=20), toy.labels, validation, MASK),
        (quick(n_steps=20, random_state=1), toy.labels, validation, None),
        (quick(n_steps=20, learning_rate=0.1), toy.labels, validation, None),
        (quick(n_steps=20), toy.labels[::-1].copy(), validation, None),
        (quick(n_steps=20), toy.labels * 5, None, None),
        (quick(n_steps=20), toy.labels, (validation[0], 1 - validation[1]), None),
    ]
    for classifier, labels, held_out, mask in fits:
        fit = partial(classifier.fit, toy.images, labels, validation=held_out, synthetic=mask)
        interrupt(monkeypatch, 12, partial(fit, workspace=tmp_path))
    assert len(list(tmp_path.glob("*.pt"))) == len(fits)


# --- save and load ---


def test_a_saved_classifier_predicts_the_same_bits(toy: ImageDataset, tmp_path: Path) -> None:
    fitted = quick().fit(toy.images, toy.labels + 3, workspace=str(tmp_path / "work"))
    fitted.save(str(tmp_path / "net"))
    loaded = ImageClassifier.load(str(tmp_path / "net"), device="cpu")
    np.testing.assert_array_equal(
        loaded.predict_proba(toy.images), fitted.predict_proba(toy.images)
    )
    np.testing.assert_array_equal(loaded.predict(toy.images), fitted.predict(toy.images))
    assert loaded.get_params() == fitted.get_params()
    stored = json.loads((tmp_path / "net" / "model.json").read_text())["facts"]
    assert (stored["classes"], stored["shape"], stored["dtype"]) == ([3, 4], [1, 16, 16], "uint8")


def test_an_unfitted_classifier_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        quick().save(tmp_path / "net")


# --- pretrained weights ---


def test_pretrained_weights_are_where_the_training_starts(
    shared: Path, toy: ImageDataset, tmp_path: Path
) -> None:
    file = shared / "weights/mobilenet_v2-b0353104.safetensors"
    fitted = quick(network="mobilenet_v2", pretrained=file, learning_rate=1e-9, n_steps=1)
    fitted.fit(toy.images, toy.labels)
    from safetensors.torch import load_file

    stem = weights(fitted)["1.features.0.0.weight"]
    torch.testing.assert_close(stem, load_file(file)["features.0.0.weight"], atol=1e-7, rtol=0)
    fitted.save(tmp_path / "net")
    loaded = ImageClassifier.load(tmp_path / "net")  # needs no file of weights
    np.testing.assert_array_equal(
        loaded.predict_proba(toy.images), fitted.predict_proba(toy.images)
    )


def test_absent_weights_are_named(toy: ImageDataset, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone\.pth"):
        quick(network="resnet18", pretrained=tmp_path / "gone.pth").fit(toy.images, toy.labels)
    with pytest.raises(SettingError, match="'small_cnn'"):
        quick(pretrained="imagenet").fit(toy.images, toy.labels)


# --- bad input ---


def test_one_class_is_refused(toy: ImageDataset) -> None:
    with pytest.raises(DataError, match=r"2 classes.*\[0\]"):
        quick().fit(toy.images[:40], toy.labels[:40])


def test_volumes_and_flat_data_are_refused(toy: ImageDataset) -> None:
    with pytest.raises(DataError, match=r"\(52, 1, 16, 16, 1\)"):
        quick().fit(toy.images[..., None], toy.labels)
    with pytest.raises(DataError, match="channel axis"):
        quick().fit(toy.images[:, 0], toy.labels)


@pytest.mark.parametrize(
    "change", [lambda x: x[:, :, :8], lambda x: x.repeat(3, axis=1), lambda x: x.astype("f4")]
)
def test_images_unlike_those_fitted_are_refused(toy: ImageDataset, change: Any) -> None:
    fitted = quick().fit(toy.images, toy.labels)
    with pytest.raises(DataError, match=r"uint8 of shape \(n, 1, 16, 16\)"):
        fitted.predict(change(toy.images))
    with pytest.raises(DataError, match="validation images"):
        quick().fit(toy.images, toy.labels, validation=(change(toy.images), toy.labels))


def test_no_image_gives_no_row(toy: ImageDataset) -> None:
    fitted = quick().fit(toy.images, toy.labels)
    assert fitted.predict_proba(toy.images[:0]).shape == (0, 2)
    assert fitted.predict(toy.images[:0]).shape == (0,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": "resnet17"}, "'resnet17'.*'resnet18'"),
        ({"loss": "focall"}, "loss .*'focall'"),
        ({"batch_sampler": "equal"}, "batch sampler .*'equal'"),
        ({"optimizer": "adamw2"}, "'adamw2'.*'adamw'"),
        ({"schedule": "linear"}, "schedule .*'linear'"),
        ({"augmentation": "xray"}, "augmentation .*'xray'"),
        ({"precision": "16"}, "precision .*'16'"),
        ({"keep_best": "f1"}, "keep_best .*'f1'"),
        ({"device": "tpu"}, "'tpu'"),
        ({"n_steps": 0}, "n_steps.* 1,.* 0"),
        ({"n_steps": 2.5}, r"n_steps.* 1,.* 2\.5"),
        ({"batch_size": 1}, "batch_size.* 2,.* 1"),
        ({"layer_decay": 0.0}, r"layer_decay.* 0\.0 "),
        ({"layer_decay": 1.5}, r"layer_decay.* 1\.5 "),
        ({"head_warmup": 1.0}, r"head_warmup.* 1\.0"),
        ({"head_warmup": -0.1}, r"head_warmup.* -0\.1"),
        ({"batch_norm": "freezed"}, "batch norm .*'freezed'.*'frozen'"),
        ({"batch_norm": "frozen"}, "pretrained weights.*batch_norm='live'"),
        ({"micro_batch_size": 1}, "micro_batch_size.* 2,.* 1"),
        ({"evaluate_every": None}, "evaluate_every.* 1,.* None"),
        ({"patience": 0}, "patience.* 1,.* 0"),
        ({"patience": 3, "keep_best": "last"}, "patience.*keep_best='last'"),
        ({"patience": 3, "keep_best": "averaged"}, "patience.*keep_best='averaged'"),
        ({"learning_rate": 0.0}, r"learning_rate.* 0\.0\."),
        ({"learning_rate": float("nan")}, r"learning_rate.* nan\."),
        ({"weight_decay": -1.0}, r"weight_decay.* -1\.0"),
        ({"mixing": "mixupp"}, "'mixupp'.*'mixup'"),
        ({"second_stage": "cRT2"}, "second stage .*'cRT2'"),
        ({"second_stage_steps": 0}, "second_stage_steps.* 1,.* 0"),
        ({"second_stage": "tau_norm", "loss": "ldam"}, "second_stage='tau_norm'.*'ldam'"),
        ({"synthetic_weight": -0.5}, r"synthetic_weight.* 0,.* -0\.5"),
        ({"synthetic_weight": float("nan")}, "synthetic_weight.* 0,.* nan"),
        ({"synthetic_share": 1.0, "batch_sampler": "synthetic_mix"}, r"synthetic_share.* 1\.0"),
        ({"synthetic_share": 0.5}, r"batch_sampler='synthetic_mix'.*synthetic_share=0\.5"),
    ],
)
def test_wrong_settings_are_named(
    toy: ImageDataset, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        quick(**settings).fit(toy.images, toy.labels)


@pytest.mark.parametrize("with_validation", [True, False])
def test_divergence_names_the_learning_rate(
    toy: ImageDataset, validation: Any, with_validation: bool
) -> None:
    fast = quick(learning_rate=1e30, optimizer="sgd", n_steps=12)
    with pytest.raises(DivergedError, match=r"[Ll]earning.rate"):
        fast.fit(toy.images, toy.labels, validation=validation if with_validation else None)
