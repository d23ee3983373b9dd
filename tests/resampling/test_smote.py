"""SMOTE on images: blends within rounding of the segment, in the type and range of X."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest

from equipoise.data import smote as interpolation
from equipoise.exceptions import DataError, SettingError
from equipoise.resampling import smote
from equipoise.resampling.smote import SMOTEOversampler, bytes_needed
from equipoise.testing.oversamplers import RARE, toy_images

KINDS = ("smote", "borderline_smote", "adasyn")


@pytest.mark.parametrize(("dtype", "rounding"), [("uint8", 0.5), ("uint16", 0.5), ("float32", 0.0)])
def test_every_new_image_is_within_rounding_of_a_segment_of_its_class(
    dtype: str, rounding: float
) -> None:
    images, labels = toy_images(dtype=dtype)
    images += images.dtype.type(
        0 if dtype == "uint8" else 3000
    )  # black is not 0 in a film or a scan
    class_pixels = images[labels == RARE].reshape(-1, 64).astype(float)
    new = (
        SMOTEOversampler()
        .fit(images, labels)
        .generate(np.full(12, RARE))
        .reshape(-1, 64)
        .astype(float)
    )
    starts, ends = (rows.ravel() for rows in np.indices((len(class_pixels), len(class_pixels))))
    apart = starts != ends
    start, along = class_pixels[starts[apart]], (class_pixels[ends] - class_pixels[starts])[apart]
    for image in new:
        share = ((image - start) * along).sum(axis=1) / (along**2).sum(axis=1)
        # rounding moves the foot on the segment too: at most 0.5 |along|_1 / |along|_2^2 of it
        slack = rounding * (
            1 + np.abs(along).max(axis=1) * np.abs(along).sum(axis=1) / (along**2).sum(axis=1)
        )
        miss = np.abs(start + np.clip(share, 0, 1)[:, None] * along - image).max(axis=1)
        assert (miss <= slack + 1e-3).any()


def test_classes_that_needed_no_images_are_refused_by_name() -> None:
    images, labels = toy_images()
    fitted = SMOTEOversampler().fit(images, labels)
    assert sorted(fitted.images_) == [1, 2]
    assert fitted.generated_classes_.tolist() == [1, 2]
    with pytest.raises(DataError, match=r"class 0.*sampling_strategy"):
        fitted.generate(np.array([0]))


def test_only_images_on_the_border_are_blended() -> None:
    """Ten dark images of class 1, three among the bright ones of class 0: no new image is dark."""
    rng = np.random.default_rng(0)
    brightness = np.concatenate(
        [rng.uniform(0, 50, 10), rng.uniform(190, 210, 3), rng.uniform(180, 220, 20)]
    )
    images = np.broadcast_to(brightness[:, None, None, None], (33, 1, 4, 4)).astype(np.uint8)
    labels = np.array([1] * 13 + [0] * 20)
    requested_labels = np.ones(60, dtype=int)
    synthetic = {
        kind: SMOTEOversampler(kind=kind, k_neighbors=2)
        .fit(images, labels)
        .generate(requested_labels)
        for kind in KINDS
    }
    assert synthetic["smote"].min() < 50
    assert synthetic["borderline_smote"].min() >= 190
    assert synthetic["adasyn"].min() >= 190


def test_volumes_are_blended_too() -> None:
    images = np.random.default_rng(0).integers(0, 255, (12, 1, 4, 5, 6), dtype=np.uint8)
    new, labels = SMOTEOversampler().fit_resample(images, np.array([0] * 8 + [1] * 4))
    assert new.shape == (16, 1, 4, 5, 6)
    assert np.bincount(labels).tolist() == [8, 8]


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = toy_images()
    whole = SMOTEOversampler(kind="adasyn").fit_resample(images, labels)[0]
    monkeypatch.setattr(smote, "CHUNK", 3)
    monkeypatch.setattr(interpolation, "BLOCK_BYTES", 5 * 64 * 4)
    np.testing.assert_array_equal(
        SMOTEOversampler(kind="adasyn").fit_resample(images, labels)[0], whole
    )


def test_what_would_not_fit_into_memory_is_refused_before_the_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images, labels = toy_images()
    needed = bytes_needed(images, n_blended=24, n_new=16)
    assert needed == 64 * (24 + 2 * 16 + 44) + 6 * 4 * 64 * 44
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=needed))
    SMOTEOversampler().fit(images, labels)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=needed - 1))
    monkeypatch.setattr(
        smote, "find_neighborhood", lambda *_, **__: pytest.fail("The search began.")
    )
    with pytest.raises(
        DataError,
        match=r"0\.0 GiB.*0\.0 GiB.*size.*sampling_strategy",
    ):
        SMOTEOversampler().fit(images, labels)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"kind": "smoat"}, "Did you mean 'smote'"),
        ({"k_neighbors": 0}, "k_neighbors of at least 1, got 0"),
    ],
)
def test_settings_are_checked_before_any_image_is_read(setting: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        SMOTEOversampler(**setting).check_settings(32)
