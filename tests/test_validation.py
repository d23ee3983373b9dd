"""Each bad array gets a message of its own; good ones pass unchanged."""

from typing import Any

import numpy as np
import pytest

from equipoise.exceptions import DataError, EquipoiseError
from equipoise.validation import (
    check_class_sizes,
    check_images,
    check_images_and_labels,
    check_labels,
)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
@pytest.mark.parametrize("shape", [(2, 1, 4, 5), (2, 4, 4, 5), (0, 1, 4, 4), (2, 1, 4, 4, 4)])
def test_good_images_pass_unchanged(shape: tuple[int, ...], dtype: Any) -> None:
    images: Any = np.zeros(shape, dtype=dtype)
    assert check_images(images) is images


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.uint32, np.float16, np.float64])
def test_other_numbers_become_float32(dtype: Any) -> None:
    images = np.array([0, 1, 100], dtype=dtype).reshape(3, 1, 1, 1)
    checked = check_images(images)
    assert checked.dtype == np.float32
    np.testing.assert_array_equal(checked, images)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([[1, 2], [3]], r"as an array \(n, c, h, w\), got list"),
        (np.full((2, 1, 8, 8), "a"), "as numbers, got <U1"),
        (np.full((2, 1, 8, 8), 2**24 + 1), "whole numbers beyond"),
        (np.full((2, 1, 8, 8), 1e39), "Expected finite photos"),
        (np.zeros((17, 64)), r"X\.reshape\(-1, 1, height, width\)"),
        (
            np.zeros((17, 8, 8), dtype=np.uint8),
            r"\(n, c, h, w\), got \(17, 8, 8\)\. .* X\[:, None\]",
        ),
        (
            np.zeros((2, 8, 8, 3), dtype=np.uint8),
            r"1 to 4 channels on axis 1, got shape \(2, 8, 8, 3\).*moveaxis",
        ),
        (
            np.full((2, 1, 8, 8), np.nan, dtype=np.float32),
            "Expected finite photos, got NaN or infinity",
        ),
        (np.full((2, 1, 8, 8), np.inf, dtype=np.float32), "Expected finite photos"),
    ],
)
def test_bad_images_are_named(images: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        check_images(images, name="photos")
    assert "photos" in str(error.value)
    assert isinstance(error.value, EquipoiseError)


@pytest.mark.parametrize("labels", [[0, 1, 5], np.array([0, 1, 5], dtype=np.uint8), (0, 1, 5)])
def test_good_labels_become_int64(labels: Any) -> None:
    checked = check_labels(labels, 3)
    assert checked.dtype == np.int64
    assert checked.tolist() == [0, 1, 5]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1], r"Expected labels of shape \(3,\), one for each image, got \(2,\)"),
        ([[0], [1], [1]], r"got \(3, 1\)"),
        (3, r"got \(\)"),
        ([0.0, 1.0, 2.0], "float64"),
        ([True, False, True], "bool"),
        (["a", "b", "c"], "<U1"),
    ],
)
def test_bad_labels_are_named(labels: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_labels(labels, 3)


def test_images_and_labels_together() -> None:
    images, labels = check_images_and_labels(np.zeros((2, 1, 4, 4), dtype=np.uint8), [0, 1])
    assert (len(images), labels.tolist()) == (2, [0, 1])
    with pytest.raises(DataError, match="at least one image"):
        check_images_and_labels(np.zeros((0, 1, 4, 4), dtype=np.uint8), [])


def test_small_classes_are_refused_with_a_way_out() -> None:
    labels = np.array([0, 0, 0, 3, 3, 7])
    check_class_sizes(labels, 1, method="SMOTE", alternatives="copies")
    with pytest.raises(DataError, match=r"Class 3 .* 2 .*SMOTE.* 3.*copies"):
        check_class_sizes(labels, 3, method="SMOTE", alternatives="copies")
    with pytest.raises(DataError, match=r"Class 7 .* 1 .*SMOTE"):
        check_class_sizes(labels, 2, method="SMOTE", alternatives="copies")
