"""What users of scikit-learn and imbalanced-learn expect of a classifier of images."""

from typing import Any

import numpy as np
import pytest
import sklearn
import torch
from imblearn.base import SamplerMixin, is_sampler
from imblearn.pipeline import Pipeline
from monai.data.meta_tensor import MetaTensor
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV, cross_val_score
from sklearn.utils import get_tags

from equipoise.estimators.classifier import ImageClassifier
from equipoise.estimators.frozen.classifier import FrozenClassifier
from equipoise.exceptions import DataError, SettingError
from equipoise.image_rows import by_reference
from equipoise.marked_images import marked
from equipoise.resampling.gan.presets import from_preset
from equipoise.resampling.random import RandomOversampler
from equipoise.resampling.smote import SMOTEOversampler

NAMES = np.array(["ill", "normal"])
LABELS = np.repeat(NAMES, [8, 24])
NOISE = np.random.default_rng(0).integers(0, 120, size=(32, 1, 16, 16))
IMAGES = (NOISE + 100 * (LABELS == "ill")[:, None, None, None]).astype(np.uint8)


def quick(**changes: Any) -> ImageClassifier:
    return ImageClassifier(**{"n_steps": 2, "batch_size": 8, "device": "cpu", **changes})


def frozen() -> FrozenClassifier:
    return FrozenClassifier(network="small_cnn", pretrained="random", n_views=1, device="cpu")


@pytest.mark.parametrize("classifier", [quick(), frozen()], ids=lambda it: type(it).__name__)
@pytest.mark.parametrize(
    "classes",
    [NAMES, np.array([False, True]), np.array([-1.0, 3.0]), NAMES.astype(object)],
    ids=["text", "bool", "whole floats", "objects"],
)
def test_labels_come_back_as_they_were_given(
    classifier: Any, classes: NDArray[Any], tmp_path: Any
) -> None:
    codes = (LABELS == "normal").astype(int)
    validation = (IMAGES[::4], classes[codes[::4]])
    fitted = classifier.fit(IMAGES, classes[codes], validation=validation, workspace=tmp_path)
    assert fitted.classes_.dtype == classes.dtype
    assert fitted.classes_.tolist() == classes.tolist()
    assert set(fitted.predict(IMAGES).tolist()) <= set(classes.tolist())
    numbered = classifier.predict_proba(IMAGES)
    np.testing.assert_array_equal(
        numbered,
        classifier.fit(IMAGES, codes, validation=(IMAGES[::4], codes[::4])).predict_proba(IMAGES),
    )
    classifier.fit(IMAGES, classes[codes]).save(tmp_path / "model")
    assert type(classifier).load(tmp_path / "model").classes_.tolist() == classes.tolist()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.where(LABELS == "ill", 0.5, 1.0), "fractions or NaN"),
        (np.where(LABELS == "ill", np.nan, 1.0), "fractions or NaN"),
        ([None, *LABELS[1:]], "NoneType and str"),
        (LABELS.astype("S"), r"whole numbers, text or booleans, got \|S6"),
        (np.stack([LABELS, LABELS], axis=1), r"shape \(32,\)"),
        (None, "target y is None"),
    ],
)
def test_what_are_no_labels_is_refused(labels: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        quick().fit(IMAGES, labels)


def test_cross_validation_with_text_labels() -> None:
    for scoring in ("balanced_accuracy", "roc_auc", "neg_log_loss"):
        assert np.isfinite(cross_val_score(quick(), IMAGES, LABELS, cv=2, scoring=scoring)).all()


def test_a_grid_over_the_settings_of_a_gan() -> None:
    small = {"batch_size": 6, "learning_rate": 0.01, "base_channels": 4, "latent_size": 20}
    gan = from_preset("dcgan", n_steps=2, device="cpu", **small)
    pipeline = Pipeline([("balance", gan), ("classify", quick())])
    images, labels = np.concatenate([IMAGES, IMAGES]), np.concatenate([LABELS, LABELS])
    grid = {"balance__schedule__n_steps": [1, 2], "classify__loss": ["ldam"]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(images, labels)
    assert search.best_params_["classify__loss"] == "ldam"
    best = search.best_estimator_
    assert best["balance"].schedule.n_steps == search.best_params_["balance__schedule__n_steps"]
    assert best["classify"].real_counts_.tolist() == [16, 48]
    assert best["classify"].counts_.tolist() == [48, 48]


@pytest.mark.parametrize("memory", [False, True])
def test_a_pipeline_does_not_lose_which_images_are_synthetic(memory: bool, tmp_path: Any) -> None:
    cache = str(tmp_path) if memory else None
    copy = RandomOversampler(sampling_strategy={"ill": 12})
    steps = [("copy", copy), ("smote", SMOTEOversampler()), ("classify", quick())]
    pipeline = Pipeline(steps, memory=cache).fit(IMAGES, LABELS)
    assert pipeline["classify"].real_counts_.tolist() == [12, 24]
    assert pipeline["classify"].counts_.tolist() == [24, 24]


def test_metadata_is_routed_and_ends_in_the_mask() -> None:
    synthetic = np.arange(32) < 3
    with sklearn.config_context(enable_metadata_routing=True):
        smote = SMOTEOversampler().set_fit_resample_request(synthetic=True)
        classifier = quick().set_fit_request(synthetic=False, sample_weight=False)
        pipeline = Pipeline([("smote", smote), ("classify", classifier)])
        pipeline.fit(IMAGES, LABELS, synthetic=synthetic)
    assert pipeline["classify"].real_counts_.tolist() == [5, 24]


@pytest.mark.parametrize(
    "carry", [marked(IMAGES, np.arange(32) < 3), marked(by_reference(IMAGES), np.arange(32) < 3)]
)
def test_an_own_mask_goes_before_that_of_the_images(carry: Any) -> None:
    assert quick().fit(carry, LABELS).real_counts_.tolist() == [5, 24]
    none = np.zeros(32, dtype=bool)
    assert quick().fit(carry, LABELS, synthetic=none).real_counts_.tolist() == [8, 24]


def test_thresholds_and_calibration_of_scikit_learn() -> None:
    tuned = TunedThresholdClassifierCV(quick(), cv=2).fit(IMAGES, LABELS)
    assert set(tuned.predict(IMAGES).tolist()) <= set(NAMES.tolist())
    calibrated = CalibratedClassifierCV(quick(), cv=2).fit(IMAGES, LABELS)
    assert calibrated.predict_proba(IMAGES).shape == (32, 2)


def test_logarithms_of_probabilities() -> None:
    fitted = quick().fit(IMAGES, LABELS)
    logarithms = fitted.predict_log_proba(IMAGES)
    np.testing.assert_allclose(np.exp(logarithms), fitted.predict_proba(IMAGES))


def test_weights_of_images(tmp_path: Any) -> None:
    """Without the images of a class, it is not learned; ones change nothing, not even the key."""
    plain = quick(n_steps=12, learning_rate=0.01).fit(IMAGES, LABELS)
    ones = quick(n_steps=12, learning_rate=0.01).fit(IMAGES, LABELS, sample_weight=np.ones(32))
    np.testing.assert_array_equal(plain.predict_proba(IMAGES), ones.predict_proba(IMAGES))
    healthy = (LABELS == "normal") * 1.0
    blind = quick(n_steps=12, learning_rate=0.01).fit(
        IMAGES, LABELS, sample_weight=healthy, workspace=tmp_path
    )
    assert blind.predict_proba(IMAGES)[:, 0].mean() < 0.5 * plain.predict_proba(IMAGES)[:, 0].mean()


@pytest.mark.parametrize(
    "weights", [np.ones(31), np.full(32, -1.0), np.full(32, np.nan), np.zeros(32), np.ones((32, 2))]
)
def test_bad_weights_are_refused(weights: Any) -> None:
    with pytest.raises(DataError, match="sample_weight"):
        quick().fit(IMAGES, LABELS, sample_weight=weights)


def test_weights_that_a_second_stage_would_ignore_are_refused() -> None:
    with pytest.raises(SettingError, match="second_stage='none'"):
        quick(second_stage="crt").fit(IMAGES, LABELS, sample_weight=np.ones(32))


def test_tags() -> None:
    classifier, sampler = get_tags(quick()), get_tags(SMOTEOversampler())
    assert is_classifier(quick())
    assert classifier.classifier_tags is not None
    assert classifier.target_tags.required
    assert not classifier.input_tags.two_d_array
    assert not sampler.input_tags.two_d_array
    assert is_sampler(SMOTEOversampler())
    assert isinstance(SMOTEOversampler(), SamplerMixin)


@pytest.mark.parametrize(
    "convert",
    [
        torch.tensor,
        lambda images: torch.tensor(images).bfloat16().requires_grad_(),
        MetaTensor,
        np.ndarray.tolist,
        lambda images: images.astype(np.float64),
        lambda images: (1000 * images).astype(np.int16),
        lambda images: np.repeat(images, 2, axis=1),
        lambda images: np.repeat(images, 4, axis=1),
    ],
)
def test_images_of_many_kinds(convert: Any) -> None:
    images = convert((IMAGES / 256).astype(np.float32))
    fitted = quick().fit(images, LABELS, validation=(images, LABELS))
    assert np.isfinite(fitted.predict_proba(images)).all()
    new, labels = SMOTEOversampler().fit_resample(images, LABELS)
    assert new.shape[1:] == fitted.shape_
    assert new.dtype == fitted.dtype_
    assert len(labels) == 48


def test_pretrained_networks_take_gray_and_color_alone() -> None:
    with pytest.raises(DataError, match="1 or 3 channels for pretrained weights, got 2"):
        frozen().fit(np.repeat(IMAGES, 2, axis=1), LABELS)


def test_a_table_of_numbers_gets_fitting_advice() -> None:
    with pytest.raises(DataError, match=r"imblearn\.over_sampling\.SMOTE"):
        SMOTEOversampler().fit_resample(IMAGES.reshape(32, -1), LABELS)
