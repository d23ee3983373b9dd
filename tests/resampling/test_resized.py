from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipoise.curation.dosed import DosedOversampler
from equipoise.exceptions import DataError, SettingError
from equipoise.experiments.methods.catalogue import METHODS
from equipoise.experiments.protocol import Budget
from equipoise.resampling.loading import load_oversampler
from equipoise.resampling.resized import ResizedOversampler
from equipoise.resampling.smote import SMOTEOversampler

LABELS = np.repeat([0, 1], [12, 4])


def stripes(side: int, *, dtype: str = "uint8", channels: int = 1) -> Any:
    """Columns that brighten from left to right, the same in every image of a class."""
    ramp = np.linspace(0.1, 0.9, side) * np.ones((side, side))
    unit = ramp[None, None] * np.where(LABELS, 1.0, 0.5)[:, None, None, None]
    scale = {"uint8": 255, "uint16": 4095, "float32": 1}[dtype]
    return np.repeat(unit * scale, channels, axis=1).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_images_have_the_side_and_type_of_the_originals(dtype: str) -> None:
    images = stripes(32, dtype=dtype, channels=3)
    resized = ResizedOversampler(SMOTEOversampler(), side=16)
    resampled = resized.fit_resample(images, LABELS)[0]
    assert resampled.shape == (24, 3, 32, 32)
    assert resampled.dtype == images.dtype
    np.testing.assert_array_equal(resampled[:16], images)
    # a ramp survives both resizings, up to its border
    scale = float(images.max())
    error = np.abs(resampled[16:, :, :, 2:-2].astype(float) - images[15, 0, 0, 2:-2]) / scale
    assert error.max() < 0.03


def test_the_generator_sees_small_images() -> None:
    resized = ResizedOversampler(SMOTEOversampler(), side=8)
    resized.fit(stripes(32), LABELS)
    assert resized.generator_.shape_ == (1, 8, 8)


def test_images_that_are_not_larger_stay_as_they_are() -> None:
    images = stripes(16)
    resized = ResizedOversampler(SMOTEOversampler(random_state=3), side=64, random_state=3)
    plain, _ = SMOTEOversampler(random_state=3).fit_resample(images, LABELS)
    np.testing.assert_array_equal(resized.fit_resample(images, LABELS)[0], plain)


def test_doses_and_loading_work(tmp_path: Path) -> None:
    dosed = DosedOversampler(ResizedOversampler(SMOTEOversampler(), side=8), per_class=3)
    labels = dosed.fit_resample(stripes(16), LABELS)[1]
    assert np.bincount(labels).tolist() == [15, 7]
    dosed.save(tmp_path / "saved")
    loaded = load_oversampler(tmp_path / "saved")
    wanted = np.array([1, 1, 0])
    np.testing.assert_array_equal(
        loaded.generate(wanted, random_state=5), dosed.generator_.generate(wanted, random_state=5)
    )


def test_images_that_are_not_square_are_refused() -> None:
    images = np.zeros((16, 1, 16, 12), dtype=np.uint8)
    with pytest.raises(DataError, match="square"):
        ResizedOversampler(SMOTEOversampler(), side=8).fit(images, LABELS)


@pytest.mark.parametrize("name", ["dcgan", "vae", "edm", "bagan", "s1_dcgan", "dcgan_curated"])
def test_every_generator_takes_the_side_of_the_budget(name: str) -> None:
    step = METHODS[name].build(Budget(gan_side=16)).steps[0][1]
    sides = [value for key, value in step.get_params(deep=True).items() if key.endswith("side")]
    assert 16 in sides
    plain = METHODS[name].build(Budget()).steps[0][1]
    assert not any(isinstance(v, ResizedOversampler) for v in plain.get_params().values())


def test_a_side_that_the_generator_cannot_have_is_refused_before_training() -> None:
    step = METHODS["dcgan"].build(Budget(gan_side=9)).steps[0][1]
    with pytest.raises(SettingError):
        step.check_settings(128)
