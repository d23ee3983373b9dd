"""Copies are like their originals, other patients' images are not, and copies are aligned."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.fft import dctn
from scipy.spatial.distance import cdist

from equipoise.data.likeness import SHIFTS, Likeness
from equipoise.data.phantoms.datasets import cells, chest_films
from equipoise.exceptions import DataError

Images = NDArray[np.uint8]

FILMS = chest_films((40, 20), size=64).images
SMEARS = cells((40, 20), size=32).images


@pytest.mark.parametrize("images", [FILMS, SMEARS])
def test_brightness_and_contrast_do_not_matter(images: Images) -> None:
    matches = Likeness.of(images).match((images * 0.5 + 40).astype(np.float32))
    assert matches.row.tolist() == list(range(60))
    assert matches.likeness.min() > 1 - 1e-5
    assert not matches.mirrored.any()
    assert not matches.shift.any()


@pytest.mark.parametrize("images", [FILMS, SMEARS])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("by", [(0, 0), (2, -1), (-1, 2)])
def test_mirrored_and_moved_copies_are_aligned(
    images: Images, flip: bool, by: tuple[int, int]
) -> None:
    moved = np.roll(images[:, :, :, ::-1] if flip else images, by, axis=(2, 3))
    matches = Likeness.of(images).match(moved)
    aligned = matches.align(moved, np.arange(60))
    inner = (slice(None), slice(None), slice(4, -4), slice(4, -4))
    right = matches.row == np.arange(60)
    assert right.mean() > 0.95
    assert np.mean(matches.mirrored == flip) > 0.95
    assert np.mean((aligned[inner] == images[inner]).all(axis=(1, 2, 3))) > 0.95


def test_images_of_other_patients_are_not_alike() -> None:
    other_films = chest_films((40, 20), size=64, seed=5).images
    assert Likeness.of(FILMS, FILMS).match(other_films).likeness.max() < 0.9


def test_likeness_is_a_cosine_of_standardized_frequencies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without shifts: frequencies of the thumbnail, scaled to length 1, standardized."""
    monkeypatch.setattr("equipoise.data.likeness.SHIFTS", (0,))

    def codes(images: Images) -> NDArray[np.float64]:
        small = images.astype(float).mean(axis=1).reshape(-1, 32, 2, 32, 2).mean(axis=(2, 4))
        low = dctn(small, axes=(1, 2), norm="ortho")[:, :16, :16].reshape(len(small), -1)[:, 1:]
        return np.asarray(low / np.linalg.norm(low, axis=1, keepdims=True))

    references = codes(FILMS[:30])
    mean, spread = references.mean(axis=0), references.std(axis=0)
    queries = [(codes(images) - mean) / spread for images in (FILMS[30:], FILMS[30:, :, :, ::-1])]
    standardized = (references - mean) / spread
    cosines = np.stack([1 - cdist(query, standardized, "cosine") for query in queries])
    matches = Likeness.of(FILMS[:30]).match(FILMS[30:])
    assert np.allclose(matches.likeness, cosines.max(axis=(0, 2)), atol=1e-4)
    assert np.array_equal(matches.mirrored, cosines.max(axis=2).argmax(axis=0) == 1)


def test_an_image_without_contrast_is_like_none() -> None:
    blank = np.full((2, 1, 64, 64), 9, dtype=np.uint8)
    assert Likeness.of(FILMS).match(blank).likeness.tolist() == [0, 0]
    assert Likeness.of(np.concatenate([FILMS, blank])).match(FILMS).row.max() < 60


@pytest.mark.parametrize(("side", "step"), [(28, 1), (64, 1), (128, 2)])
def test_a_step_is_a_sixty_fourth_of_the_side(side: int, step: int) -> None:
    images = chest_films((20, 20), size=side).images
    matches = Likeness.of(images).match(np.roll(images, 2 * step, axis=3))
    assert np.mean(matches.shift[:, 1] == -2 * step) > 0.9
    assert max(SHIFTS) == 2


def test_other_sizes_and_volumes_are_refused() -> None:
    with pytest.raises(DataError, match=r"\(64, 64\).*\(32, 32\)"):
        Likeness.of(FILMS).match(SMEARS)
    for images in (FILMS[:0], FILMS[:, :, None]):
        with pytest.raises(DataError, match="at least one image"):
            Likeness.of(images)
    assert Likeness.of(FILMS).match(FILMS[:0]).likeness.shape == (0,)
