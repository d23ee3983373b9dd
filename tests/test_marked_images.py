"""The mask of synthetic images travels with them, and never with other images."""

import pickle

import numpy as np
import pytest

from equipoise.image_rows import ImageRows, ImageSource, by_reference
from equipoise.marked_images import Mask, marked, synthetic_of, unmarked

IMAGES = np.arange(4, dtype=np.uint8)[:, None, None, None]
MASK = np.array([False, False, True, True])


@pytest.mark.parametrize("images", [IMAGES, by_reference(IMAGES)])
def test_images_carry_their_mask(images: ImageSource) -> None:
    carrying = marked(images, MASK)
    assert carrying.shape == images.shape
    np.testing.assert_array_equal(np.asarray(carrying), np.asarray(images))
    np.testing.assert_array_equal(synthetic_of(carrying), MASK)
    assert synthetic_of(images) is None


def test_what_is_computed_or_selected_has_none() -> None:
    carrying = marked(IMAGES, MASK)
    assert isinstance(carrying, np.ndarray)
    for derived in (carrying[1:], carrying[[0, 2]], carrying + 1, carrying.copy(), carrying.T):
        assert synthetic_of(derived) is None
    assert synthetic_of(np.concatenate([carrying, carrying])) is None
    rows = marked(by_reference(IMAGES), MASK)
    assert isinstance(rows, ImageRows)
    assert synthetic_of(rows.selected([2])) is None


def test_pickles_carry_it() -> None:
    """A pipeline with a cache of its steps pickles them."""
    carrying = marked(IMAGES, MASK)
    again = pickle.loads(pickle.dumps(carrying))
    np.testing.assert_array_equal(synthetic_of(again), MASK)
    np.testing.assert_array_equal(again, IMAGES)
    assert isinstance(carrying, np.ndarray)
    assert pickle.loads(pickle.dumps(carrying[:1])).tolist() == IMAGES[:1].tolist()


def test_real_images_stay_as_they_are() -> None:
    assert marked(IMAGES, np.zeros(4, dtype=bool)) is IMAGES
    assert unmarked(IMAGES) is IMAGES
    plain = unmarked(marked(IMAGES, MASK))
    assert type(plain) is np.ndarray
    assert np.shares_memory(plain, IMAGES)


def test_a_mask_is_booleans() -> None:
    mask: Mask | None = synthetic_of(marked(IMAGES, MASK))
    assert mask is not None
    assert mask.dtype == bool
