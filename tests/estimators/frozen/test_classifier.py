"""`FrozenClassifier` with an untrained network, which needs no file of weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import estimator_checks

from equipoise.arrays import LabeledImages
from equipoise.data.dataset import ImageDataset
from equipoise.estimators.classifier import ImageClassifier
from equipoise.estimators.frozen.classifier import FrozenClassifier
from equipoise.estimators.frozen.extractor import FrozenExtractor
from equipoise.estimators.frozen.head import FROZEN_HEADS
from equipoise.estimators.grad_cam import grad_cam, map_side
from equipoise.estimators.loading import load_classifier
from equipoise.estimators.second_stage import SECOND_STAGES
from equipoise.exceptions import DataError, SettingError, WeightsError
from equipoise.losses import LOSSES
from equipoise.training.batches import to_unit

MASK = np.arange(52) % 4 == 3  # some images of both classes are synthetic


def quick(**settings: Any) -> FrozenClassifier:
    defaults = {"network": "small_cnn", "pretrained": "random", "n_views": 2, "device": "cpu"}
    return FrozenClassifier(**{**defaults, **settings})


@pytest.fixture
def validation(toy: ImageDataset) -> LabeledImages:
    rows = np.r_[0:8, 44:52]
    return toy.images[rows], toy.labels[rows]


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
    getattr(estimator_checks, check)("FrozenClassifier", FrozenClassifier())


def test_a_clone_is_not_fitted(toy: ImageDataset) -> None:
    fitted = quick().fit(toy.images, toy.labels)
    with pytest.raises(NotFittedError):
        clone(fitted).predict(toy.images)


def test_learns_an_obvious_difference(toy: ImageDataset) -> None:
    fitted = quick().fit(toy.images, toy.labels)
    assert fitted.score(toy.images, toy.labels) > 0.95
    scores = fitted.predict_proba(toy.images)
    assert scores.dtype == np.float64
    assert_allclose(scores.sum(axis=1), 1.0, atol=1e-12)


@pytest.mark.parametrize("loss", [*LOSSES])
@pytest.mark.parametrize("head", [*FROZEN_HEADS])
def test_every_loss_and_head_survive_saving(
    toy: ImageDataset, validation: LabeledImages, loss: str, head: str, tmp_path: Path
) -> None:
    fitted = quick(loss=loss, head=head)
    fitted.fit(toy.images, toy.labels, validation=validation, synthetic=MASK)
    scores = fitted.predict_proba(toy.images)
    assert np.ptp(scores, axis=0).max() > 0
    fitted.save(tmp_path / "net")
    loaded = load_classifier(tmp_path / "net", device="cpu")
    assert isinstance(loaded, FrozenClassifier)
    np.testing.assert_array_equal(loaded.predict_proba(toy.images), scores)
    assert loaded.predict_proba_other(toy.images) is None
    assert fitted.predict_proba_other(toy.images) is not None


@pytest.mark.parametrize("stage", [name for name, stage in SECOND_STAGES.items() if stage])
@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_every_second_stage_survives_saving(
    toy: ImageDataset, validation: LabeledImages, stage: str, head: str, tmp_path: Path
) -> None:
    fitted = quick(second_stage=stage, head=head)
    fitted.fit(toy.images, toy.labels, validation=validation, synthetic=MASK)
    scores = fitted.predict_proba(toy.images)
    fitted.save(tmp_path / "net")
    np.testing.assert_array_equal(
        load_classifier(tmp_path / "net").predict_proba(toy.images), scores
    )


def test_crt_learns_from_real_images_alone(toy: ImageDataset) -> None:
    labels = toy.labels.copy()
    labels[MASK] = 1 - labels[MASK]  # synthetic images have the wrong labels
    plain = quick().fit(toy.images, labels, synthetic=MASK)
    crt = quick(second_stage="crt").fit(toy.images, labels, synthetic=MASK)
    assert crt.score(toy.images, toy.labels) > plain.score(toy.images, toy.labels)


def test_cells_of_a_study_share_features_and_get_the_same_bytes(
    toy: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = quick().fit(toy.images, toy.labels).predict_proba(toy.images)
    first = quick().fit(toy.images[10:], toy.labels[10:], workspace=tmp_path)
    first.predict_proba(toy.images)

    def refuse(*_arguments: object) -> None:
        raise AssertionError("features were computed again")

    monkeypatch.setattr(FrozenExtractor, "_compute", refuse)
    shared = quick(loss="focal").fit(toy.images, toy.labels, workspace=tmp_path)
    shared.predict_proba(toy.images[::-1])
    plain = quick().fit(toy.images, toy.labels, workspace=tmp_path).predict_proba(toy.images)
    np.testing.assert_array_equal(plain, fresh)


def test_features_of_an_image_do_not_depend_on_the_others(toy: ImageDataset) -> None:
    fitted = quick().fit(toy.images, toy.labels)
    together = fitted.features(toy.images[:11])
    np.testing.assert_array_equal(fitted.features(toy.images[4:5]), together[4:5])


def test_preparation_is_what_fits_look_for(toy: ImageDataset, tmp_path: Path) -> None:
    n = quick().prepare(toy.images, (0.0, 255.0), tmp_path)
    assert n == 2 * len(toy)  # two views
    assert quick(loss="ldam").prepare(toy.images, (0.0, 255.0), tmp_path) == 0
    assert quick(n_views=3).prepare(toy.images, (0.0, 255.0), tmp_path) == len(toy)
    assert quick().preparation == quick(loss="ldam").preparation
    assert quick().preparation != quick(n_views=3).preparation


def test_the_range_is_that_of_the_real_training_images() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(1000, 1200, (24, 1, 16, 16)).astype(np.uint16)
    images[0] = 60_000
    fitted = quick().fit(images, np.arange(24) % 2, synthetic=np.arange(24) == 0)
    assert fitted.span_ == (images[1:].min(), images[1:].max())


def test_logits_are_means_over_the_views(toy: ImageDataset) -> None:
    fitted = quick().fit(toy.images, toy.labels)
    by_view = []
    for view in fitted.settings.views:
        unit = view(to_unit(torch.from_numpy(toy.images), fitted.span_))
        with torch.no_grad():
            by_view.append(fitted.network_(unit))
    mean = torch.stack(by_view).mean(dim=0).softmax(dim=1).numpy()
    assert_allclose(fitted.predict_proba(toy.images), mean, atol=5e-3)  # features are in float16
    assert not torch.equal(by_view[0], by_view[1])


def test_validation_images_choose_the_weight_decay(
    toy: ImageDataset, validation: LabeledImages
) -> None:
    best = quick(keep_best="loss").fit(toy.images, toy.labels, validation=validation)
    losses = [row["validation_loss"] for row in best.history_.rows]
    decays = [row["weight_decay"] for row in best.history_.rows]
    assert decays == sorted(decays, reverse=True)
    assert best.weight_decay_ == decays[int(np.argmin(losses))]
    fixed = quick(keep_best="averaged", weight_decay=0.5)
    fixed.fit(toy.images, toy.labels, validation=validation)
    assert fixed.weight_decay_ == 0.5
    other = best.set_params(weight_decay=0.5).fit(toy.images, toy.labels, validation=validation)
    np.testing.assert_array_equal(
        other.predict_proba_other(toy.images), fixed.predict_proba(toy.images)
    )


def test_the_weight_decay_that_ranks_best_is_chosen_unless_told_otherwise(
    toy: ImageDataset, validation: LabeledImages
) -> None:
    fitted = quick().fit(toy.images, toy.labels, validation=validation)
    scores = [row["validation_auroc"] for row in fitted.history_.rows]
    decays = [row["weight_decay"] for row in fitted.history_.rows]
    assert fitted.weight_decay_ == decays[int(np.argmax(scores))]


def test_nothing_depends_on_the_seed_with_a_linear_head(toy: ImageDataset) -> None:
    first = quick(random_state=1).fit(toy.images, toy.labels).predict_proba(toy.images)
    second = quick(random_state=2).fit(toy.images, toy.labels).predict_proba(toy.images)
    np.testing.assert_array_equal(first, second)


def test_small_images_are_enlarged_for_pretrained_networks_only() -> None:
    pretrained = quick(network="mobilenet_v2", pretrained="imagenet").settings
    assert pretrained.features(32).side == 128
    assert pretrained.features(160).side is None
    assert quick().settings.features(32).side is None
    assert quick(side=48).settings.features(32).side == 48


def test_several_networks_survive_saving_and_are_mapped(toy: ImageDataset, tmp_path: Path) -> None:
    fitted = quick(network="small_cnn+mobilenet_v2", n_views=1).fit(toy.images, toy.labels)
    fitted.save(tmp_path / "net")
    loaded = load_classifier(tmp_path / "net", device="cpu")
    np.testing.assert_array_equal(
        loaded.predict_proba(toy.images), fitted.predict_proba(toy.images)
    )
    alone = quick(n_views=1).fit(toy.images, toy.labels)
    assert map_side(loaded) == map_side(alone)
    assert fitted.features(toy.images).shape[1] > alone.features(toy.images).shape[1]


def test_grad_cam_reads_the_frozen_network(toy: ImageDataset) -> None:
    fitted = quick().fit(toy.images, toy.labels)
    rows = np.r_[0:3, 49:52]
    maps = grad_cam(fitted, toy.images[rows], toy.labels[rows])
    assert maps.shape == (6, *toy.images.shape[2:])
    assert maps.max() == 1.0
    assert min(map_side(fitted)) >= 2


@pytest.mark.parametrize(
    ("settings", "error", "name"),
    [
        ({"pretrained": None}, SettingError, "random"),
        ({"pretrained": "nothing.pth"}, SettingError, "no pretrained weights"),
        ({"network": "mobilenet_v2", "pretrained": "nothing.pth"}, WeightsError, "nothing.pth"),
        ({"layers": ("midle",)}, SettingError, "middle"),
        ({"layers": ()}, SettingError, "layers"),
        ({"head": "linaer"}, SettingError, "linear"),
        ({"augmentation": "films"}, SettingError, "film"),
        ({"n_views": 0}, SettingError, "n_views"),
        ({"synthetic_share": 0.5}, SettingError, "synthetic_mix"),
        ({"weight_decay": -1.0}, SettingError, "weight_decay"),
        ({"second_stage": "tau_norm", "loss": "ldam"}, SettingError, "crt"),
        ({"network": "smal_cnn"}, SettingError, "small_cnn"),
    ],
)
def test_bad_settings(settings: dict[str, Any], error: type[Exception], name: str) -> None:
    with pytest.raises(error, match=name):
        quick(**settings).check_settings(32)


def test_other_weights_than_in_the_fit_are_refused(toy: ImageDataset, tmp_path: Path) -> None:
    quick().fit(toy.images, toy.labels).save(tmp_path / "net")
    text = (tmp_path / "net" / "model.json").read_text()
    digest = quick().fit(toy.images, toy.labels)._extractor.weights_digest
    (tmp_path / "net" / "model.json").write_text(text.replace(digest, "0" * 64))
    (tmp_path / "net" / "checksums.json").unlink()
    with pytest.raises(WeightsError, match="same file"):
        load_classifier(tmp_path / "net")


def test_images_of_another_kind_are_refused(toy: ImageDataset) -> None:
    fitted = quick().fit(toy.images, toy.labels)
    with pytest.raises(DataError, match="Convert all images"):
        fitted.predict_proba(toy.pixels.astype(np.float32))


def test_folders_are_told_by_their_kind(toy: ImageDataset, tmp_path: Path) -> None:
    ImageClassifier(n_steps=1, batch_size=4, device="cpu").fit(toy.images, toy.labels).save(
        tmp_path / "net"
    )
    assert isinstance(load_classifier(tmp_path / "net"), ImageClassifier)
    with pytest.raises(DataError, match="frozen classifier"):
        FrozenClassifier.load(tmp_path / "net")
    with pytest.raises(DataError, match=r"model\.json"):
        load_classifier(tmp_path)


def test_a_loaded_classifier_finds_the_features_in_its_workspace(
    toy: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = quick().fit(toy.images, toy.labels, workspace=tmp_path / "workspace")
    fitted.save(tmp_path / "saved")
    expected = fitted.features(toy.images)
    loaded = load_classifier(tmp_path / "saved", device="cpu", workspace=tmp_path / "workspace")

    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(FrozenExtractor, "_compute", refuse)
    assert (loaded.features(toy.images) == expected).all()
