from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from equipoise.curation.dosed import DosedOversampler
from equipoise.data.dataset import ImageDataset
from equipoise.exceptions import DataError, SettingError
from equipoise.resampling.diffusion.oversampler import DiffusionOversampler
from equipoise.resampling.gan.oversampler import GANOversampler
from equipoise.resampling.gan.presets import from_preset
from equipoise.resampling.loading import load_oversampler
from equipoise.resampling.random import RandomOversampler, ReplayOversampler
from equipoise.resampling.smote import SMOTEOversampler
from equipoise.resampling.vae.oversampler import VAEOversampler
from equipoise.testing.oversamplers import (
    COUNTS,
    check_global_randomness,
    check_originals_first,
    check_validation_is_not_learned_from,
    toy_images,
)
from equipoise.training.progress import listening

SHORT: dict[str, Any] = {
    "n_steps": 4,
    "batch_size": 6,
    "learning_rate": 0.01,
    "base_channels": 4,
    "device": "cpu",
}
CHECKS = (check_originals_first, check_global_randomness, check_validation_is_not_learned_from)


def gan(preset: str = "dcgan") -> GANOversampler:
    return from_preset(preset, **SHORT | {"latent_size": 40})


def vae() -> VAEOversampler:
    return VAEOversampler(
        **SHORT | {"trunk": "small_cnn", "latent_channels": 4, "base_channels": 2}
    )


def counts(dose: DosedOversampler) -> Counter[int]:
    images, labels = toy_images()
    added = dose.fit_resample(images, labels)[1][len(labels) :]
    return Counter(added.tolist())


@pytest.mark.parametrize(
    ("dose", "added"),
    [
        ({"share": 0.0}, (0, 0, 0)),
        ({"share": 0.05}, (1, 0, 1)),
        ({"share": 0.5}, (10, 5, 7)),
        ({"share": 2.0}, (40, 20, 28)),
        ({"per_class": 0}, (0, 0, 0)),
        ({"per_class": 120}, (120, 120, 120)),
    ],
)
def test_every_class_gets_its_dose(dose: dict[str, Any], added: tuple[int, ...]) -> None:
    counter = counts(DosedOversampler(SMOTEOversampler(), **dose))
    assert tuple(counter[label] for label in range(3)) == added


def test_paper_s4_added_240_and_960_images_in_all() -> None:
    """To 1,440 benign and 1,197 malignant images (Mukhedkar and Kim)."""
    labels = np.repeat([0, 1], [1440, 1197])
    for n, total in ((120, 240), (480, 960)):
        totals = DosedOversampler(SMOTEOversampler(), per_class=n).totals(labels)
        assert totals == {0: 1440 + n, 1: 1197 + n}
        assert sum(totals.values()) - len(labels) == total


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_it_is_a_resampler(check: Callable[[Any, Path], None], tmp_path: Path) -> None:
    check(DosedOversampler(gan(), share=0.5), tmp_path)


@pytest.mark.parametrize(
    "generator",
    [gan(), gan("cdcgan"), DiffusionOversampler(**SHORT | {"sampling_steps": 3}), vae()],
    ids=["dcgan", "cdcgan", "diffusion", "vae"],
)
def test_all_doses_share_one_fit(generator: Any, tmp_path: Path) -> None:
    steps: list[int] = []
    images, labels = toy_images()
    with listening(lambda _name, step, _n_steps: steps.append(step)):
        DosedOversampler(generator, share=0.5).fit_resample(images, labels, workspace=tmp_path)
        trained = len(steps)
        for dose in ({"share": 2.0}, {"per_class": 3}):
            DosedOversampler(generator, **dose).fit_resample(images, labels, workspace=tmp_path)
    assert trained > 0
    assert len(steps) == trained, "a dose trained its generator again"


def test_a_smaller_dose_is_the_beginning_of_a_larger_one(tmp_path: Path) -> None:
    images, labels = toy_images()
    added = {}
    for dose in (3, 8):
        dosed = DosedOversampler(gan(), per_class=dose)
        resampled = dosed.fit_resample(images, labels, workspace=tmp_path)
        added[dose] = [array[len(images) :] for array in resampled]
    for label in range(3):
        few, many = (new[new_labels == label] for new, new_labels in added.values())
        np.testing.assert_array_equal(few, many[:3])


def test_randomness_is_that_of_the_generator() -> None:
    images, labels = toy_images()
    dose = DosedOversampler(gan(), share=0.5)
    first, _ = clone(dose).set_params(generator__random_state=0).fit_resample(images, labels)
    second, _ = clone(dose).set_params(generator__random_state=1).fit_resample(images, labels)
    assert not np.array_equal(first, second)


def test_the_dose_of_copies_keeps_their_patients(toy: ImageDataset) -> None:
    more = toy.resample(DosedOversampler(RandomOversampler(), share=1.0))
    np.testing.assert_array_equal(more.counts, 2 * toy.counts)
    assert not more.synthetic.any()


def test_the_dose_of_a_replay_is_marked_as_that_of_a_generator(toy: ImageDataset) -> None:
    dose = DosedOversampler(ReplayOversampler(), share=0.5)
    assert dose.adds_copies
    assert not DosedOversampler(RandomOversampler(), share=0.5).adds_copies
    replayed = toy.resample(dose)
    generated = toy.resample(DosedOversampler(SMOTEOversampler(), share=0.5))
    np.testing.assert_array_equal(replayed.labels, generated.labels)
    np.testing.assert_array_equal(replayed.synthetic, generated.synthetic)


def test_fitted_attributes_are_those_of_the_generator(tmp_path: Path) -> None:
    images, labels = toy_images()
    dose = DosedOversampler(gan(), share=0.5)
    assert (dose.minimum, dose.device) == (8, "cpu")
    assert not hasattr(dose, "history_")
    assert not hasattr(dose, "save")
    dose.fit_resample(images, labels)
    assert dose.history_.keys() == {"class 0", "class 1", "class 2"}
    assert dose.diversity_.keys() == {0, 1, 2}
    assert dose.sampling_strategy_ == {0: COUNTS[0] // 2, 1: COUNTS[1] // 2, 2: COUNTS[2] // 2}
    dose.save(tmp_path / "model")
    loaded = load_oversampler(tmp_path / "model")
    assert isinstance(loaded, GANOversampler)
    np.testing.assert_array_equal(
        loaded.generate(np.array([1]), random_state=3),
        dose.generator_.generate(np.array([1]), random_state=3),
    )


@pytest.mark.parametrize(
    "dose",
    [
        {},
        {"share": 0.5, "per_class": 3},
        {"share": -0.1},
        {"per_class": -1},
        {"share": float("nan")},
    ],
)
def test_an_invalid_dose_is_refused(dose: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=r"share.*per_class"):
        DosedOversampler(SMOTEOversampler(), **dose).check_settings(8)


def test_settings_of_the_generator_are_checked_too() -> None:
    with pytest.raises(SettingError, match="objective"):
        DosedOversampler(gan().set_params(game__objective="hing"), share=0.5).check_settings(8)


def test_a_class_too_small_for_the_generator_is_refused_even_the_largest() -> None:
    images, labels = toy_images((7, 7))
    with pytest.raises(DataError, match=r"Class 0.* 8"):
        DosedOversampler(gan(), share=0.5).fit_resample(images, labels)
