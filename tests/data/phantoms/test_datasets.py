"""Drawn images: fixed by the seed, stable when more are drawn, with patients and a signal."""

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from equipoise.data.dataset import ImageDataset
from equipoise.data.phantoms.datasets import cells, chest_films
from equipoise.data.splits import hold_out
from equipoise.exceptions import SettingError

Draw = Callable[..., ImageDataset]
BOTH = pytest.mark.parametrize(("draw", "channels"), [(cells, 3), (chest_films, 1)])


@BOTH
@pytest.mark.parametrize("size", [28, 45, 256])
def test_shape_type_and_names(draw: Draw, channels: int, size: int) -> None:
    dataset = draw([5, 2], size=size)
    assert dataset.images.shape == (7, channels, size, size)
    assert dataset.images.dtype == np.uint8
    assert dataset.labels.tolist() == [0, 0, 0, 0, 0, 1, 1]
    assert len(set(dataset.ids.tolist())) == 7
    assert dataset.ids[5] == f"{dataset.class_names[1]}-00000"
    assert dataset.images.min() < 60
    assert dataset.images.max() > 150


@pytest.mark.parametrize(("draw", "most"), [(cells, 7), (chest_films, 3)])
def test_every_number_of_classes_has_names(draw: Draw, most: int) -> None:
    for k in range(2, most + 1):
        dataset = draw([1] * k, size=28)
        assert len(set(dataset.class_names)) == k
        assert dataset.counts.tolist() == [1] * k


@BOTH
def test_same_seed_same_bytes_other_seed_other_images(draw: Draw, channels: int) -> None:
    first, again, other = (draw([70, 9], size=32, seed=seed) for seed in (3, 3, 4))
    assert first.fingerprint == again.fingerprint
    assert (first.pixels != other.pixels).mean() > 0.5
    assert len(np.unique(first.images, axis=0)) == 79


@BOTH
def test_an_image_does_not_depend_on_how_many_are_drawn(draw: Draw, channels: int) -> None:
    many, few = draw([140, 70], size=32), draw([67, 3], size=32)
    for label, n in enumerate(few.counts):
        larger, smaller = (d.subset(np.flatnonzero(d.labels == label)[:n]) for d in (many, few))
        assert larger.fingerprint == smaller.fingerprint


@BOTH
def test_patients_have_several_images_mostly_of_one_class(draw: Draw, channels: int) -> None:
    dataset = draw([200, 100], size=28)
    patients, sizes = np.unique(dataset.groups, return_counts=True)
    assert 1.8 < sizes.mean() < 3.5
    shared = [
        len(set(dataset.labels[dataset.groups == patient].tolist())) == 2 for patient in patients
    ]
    assert 0 < np.mean(shared) < 0.15
    for split in hold_out(dataset):
        split.check(dataset)


@BOTH
def test_images_of_a_patient_are_alike(draw: Draw, channels: int) -> None:
    dataset = draw([300, 2], size=28)
    tint = dataset.images[:300].mean(axis=(2, 3)).mean(axis=1)
    neighbors = dataset.groups[:299] == dataset.groups[1:300]
    steps = np.abs(np.diff(tint))
    assert steps[neighbors].mean() < 0.8 * steps[~neighbors].mean()


def test_cells_darken_in_the_middle_with_the_class() -> None:
    dataset = cells([80] * 5, size=32)
    middle = dataset.images[:, :, 12:20, 12:20].mean(axis=(1, 2, 3))
    means = [middle[dataset.labels == label].mean() for label in range(5)]
    assert means == sorted(means, reverse=True)


def test_films_of_the_sick_are_brighter_in_the_lungs() -> None:
    dataset = chest_films([150, 150, 150], size=32)
    lungs = dataset.images[:, 0, 8:20, 5:27].mean(axis=(1, 2))
    healthy, pneumonia, covid = (lungs[dataset.labels == label].mean() for label in range(3))
    assert pneumonia > healthy + 2
    assert covid > healthy + 2


@BOTH
def test_pixels_alone_are_informative_but_not_sufficient(draw: Draw, channels: int) -> None:
    train, test = draw([200, 200], size=32, seed=0), draw([100, 100], size=32, seed=1)
    flat = [d.images[:, :, ::2, ::2].reshape(len(d), -1) / 255 for d in (train, test)]
    model = LogisticRegression(C=0.01, max_iter=500).fit(flat[0], train.labels)
    assert 0.6 < roc_auc_score(test.labels, model.decision_function(flat[1])) < 0.97


@BOTH
@pytest.mark.parametrize(
    ("counts", "size", "message"),
    [
        ([5], 32, "classes, got 1"),
        ([5] * 8, 32, "classes, got 8"),
        ([5, 0], 32, r"at least 1 image of every class, got \[5, 0\]"),
        ([5, 5], 27, "from 28 to 256 pixels, got 27"),
        ([5, 5], 257, "from 28 to 256 pixels, got 257"),
    ],
)
def test_impossible_requests_are_refused(
    draw: Draw, channels: int, counts: list[int], size: int, message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        draw(counts, size=size)
