"""Copies are found, similar images are not, and pairs that cross a split are named or merged."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn

from equipoise.data import correlated_pairs
from equipoise.data import duplicates as module
from equipoise.data.dataset import SYNTHETIC, ImageDataset, concatenate
from equipoise.data.duplicates import Duplicates, find_duplicates, merge_groups, refuse_crossing
from equipoise.data.phantoms.datasets import cells, chest_films
from equipoise.data.splits import Split, hold_out
from equipoise.exceptions import DataError, LeakageError

Change = Callable[[NDArray[Any]], NDArray[Any]]  # (c, h, w) uint8 to the same


def rows(*numbers: int) -> NDArray[np.int64]:
    return np.array(numbers, dtype=np.int64)


def with_copies(
    dataset: ImageDataset, change: Change, originals: NDArray[np.int64]
) -> ImageDataset:
    """Append changed copies of some rows, as new patients."""
    copies = dataset.subset(originals)
    copies = replace(
        copies,
        images=np.stack([change(image) for image in copies.images]),
        groups=copies.groups + 10_000,
        ids=np.array([f"copy of {name}" for name in copies.ids]),
    )
    return concatenate([dataset, copies])


def jpeg(image: NDArray[Any]) -> NDArray[Any]:
    file = io.BytesIO()
    picture(image).save(file, "JPEG", quality=40)
    return channels_first(Image.open(file))


def resized(image: NDArray[Any]) -> NDArray[Any]:
    side = image.shape[1]
    return channels_first(
        picture(image).resize((side * 3 // 4, side * 3 // 4)).resize((side, side))
    )


def paler(image: NDArray[Any]) -> NDArray[Any]:
    return (image * 0.8 + 40).astype(np.uint8)


def noisy(image: NDArray[Any]) -> NDArray[Any]:
    return np.clip(image + np.random.default_rng(0).normal(0, 5, image.shape), 0, 255).astype(
        np.uint8
    )


def picture(image: NDArray[Any]) -> Image.Image:
    return Image.fromarray(image.transpose(1, 2, 0).squeeze())


def channels_first(image: Image.Image) -> NDArray[Any]:
    array = np.asarray(image)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


@pytest.mark.parametrize("change", [jpeg, resized, paler, noisy])
@pytest.mark.parametrize("draw", [cells, chest_films])
def test_changed_copies_are_near_duplicates(
    draw: Callable[..., ImageDataset], change: Change
) -> None:
    originals = np.arange(0, 60, 3)
    dataset = with_copies(draw([40, 20], size=48), change, originals)
    duplicates = find_duplicates(dataset)
    assert len(duplicates.exact) == 0
    pairs = {tuple(pair) for pair in duplicates.near.tolist()}
    expected = set(zip(originals.tolist(), range(60, 80), strict=True))
    assert pairs <= expected
    assert len(pairs) >= 0.95 * len(expected)
    assert duplicates.distance.shape == (len(pairs),)
    assert (duplicates.distance <= 36).all()


@pytest.mark.parametrize("draw", [cells, chest_films])
@pytest.mark.parametrize("size", [28, 48])
def test_different_phantoms_are_no_duplicates(draw: Callable[..., ImageDataset], size: int) -> None:
    duplicates = find_duplicates(draw([300, 60], size=size))
    assert duplicates.pairs.shape == (0, 2)


def test_exact_copies_are_paired_with_the_first(toy: ImageDataset) -> None:
    dataset = toy.subset(rows(0, 1, 0, 2, 0, 2))
    duplicates = find_duplicates(dataset)
    assert duplicates.exact.tolist() == [[0, 2], [0, 4], [3, 5]]
    assert len(duplicates.near) == 0
    assert duplicates.pairs.dtype == np.int64


def pairs_by_rule(
    images: NDArray[Any], max_bits: int, min_correlation: float
) -> tuple[list[list[int]], list[int]]:
    """Compare each image with all others: the rule of `find_duplicates`, without its search."""
    thumbnails = module._thumbnails(images)
    low = dctn(thumbnails, axes=(1, 2), norm="ortho")[:, :16, :16].reshape(len(images), -1)[:, 1:]
    bits = low > np.median(low, axis=1, keepdims=True)
    standardized = module._standardized(thumbnails)
    a, b = np.triu_indices(len(images), k=1)
    distance = (bits[a] != bits[b]).sum(axis=1)
    correlation = (standardized[a] * standardized[b]).mean(axis=(1, 2))
    near = (distance <= max_bits) & (correlation >= min_correlation)
    return np.stack([a, b], axis=1)[near].tolist(), distance[near].tolist()


def of_one_class(images: NDArray[Any]) -> ImageDataset:
    n = len(images)
    return ImageDataset(
        images=images,
        labels=np.zeros(n, dtype=np.int64),
        class_names=("film",),
        groups=np.arange(n),
        ids=np.arange(n).astype(str),
    )


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(2, 30),
    n_originals=st.integers(1, 12),
    noise_and_side=st.tuples(st.sampled_from([1, 4, 15, 60]), st.sampled_from([5, 8, 17])),
    rule=st.sampled_from([(36, 0.97), (36, 0.5), (255, 0.9), (0, 0.97), (100, -1.0)]),
)
def test_near_pairs_are_those_of_the_rule(
    seed: int,
    n: int,
    n_originals: int,
    noise_and_side: tuple[int, int],
    rule: tuple[int, float],
) -> None:
    """Clusters of hardly different images, and blank ones of different levels."""
    noise, side = noise_and_side
    rng = np.random.default_rng(seed)
    originals = rng.integers(0, 256, size=(n_originals, 1, side, side))
    images = originals[rng.integers(0, n_originals, n)]
    images = images + rng.integers(-noise, noise + 1, size=images.shape)
    blank = rng.random(n) < 0.2
    images[blank] = rng.integers(0, 256, size=(n, 1, 1, 1))[blank]
    images = np.unique(images.clip(0, 255).astype(np.uint8), axis=0)
    dataset = of_one_class(images)
    with pytest.MonkeyPatch.context() as patch:
        for place, name, value in (
            (module, "BLOCK", 7),
            (module, "N_SAMPLED", 9),
            (correlated_pairs, "BOX", 6),
            (correlated_pairs, "TILE", 5),
        ):
            patch.setattr(place, name, value)
        duplicates = find_duplicates(dataset, max_bits=rule[0], min_correlation=rule[1])
    pairs, distances = pairs_by_rule(images, *rule)
    assert duplicates.near.tolist() == pairs
    assert duplicates.distance.tolist() == distances


def test_many_black_and_blank_images_are_not_compared_pair_by_pair() -> None:
    """Compared pair by pair, these would be 2 * 10 ** 8 pairs of equal hashes."""
    levels = np.arange(20_000, dtype=np.uint16).clip(max=10_000)
    images = np.broadcast_to(levels[:, None, None, None], (len(levels), 1, 4, 4))
    dataset = of_one_class(images)
    duplicates = find_duplicates(dataset)
    assert duplicates.exact.tolist() == [[10_000, row] for row in range(10_001, 20_000)]
    assert len(duplicates.near) == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_blank_images_are_exact_duplicates_or_none(toy: ImageDataset, dtype: type) -> None:
    levels: NDArray[Any] = np.array([0, 0, 7, 9], dtype=dtype)
    images = np.broadcast_to(levels[:, None, None, None], (4, 1, 16, 16))
    duplicates = find_duplicates(replace(toy.subset(rows(0, 1, 2, 3)), images=images))
    assert duplicates.exact.tolist() == [[0, 1]]
    assert len(duplicates.near) == 0


def test_every_storage_type_and_shape_is_compared_alike(toy: ImageDataset) -> None:
    films = with_copies(chest_films([8, 8], size=48), paler, np.arange(5))
    expected = find_duplicates(films).near.tolist()
    assert len(expected) == 5
    wide = np.repeat(films.images, 2, axis=3)
    for images in (
        films.pixels.astype(np.uint16) * 16,
        films.pixels.astype(np.float32) / 255,
        wide,
    ):
        assert find_duplicates(replace(films, images=images)).near.tolist() == expected


def test_copies_with_different_labels_are_counted(toy: ImageDataset) -> None:
    dataset = toy.subset(rows(0, 1, 0, 1))
    duplicates = find_duplicates(replace(dataset, labels=rows(0, 0, 1, 0)))
    assert duplicates.exact.tolist() == [[0, 2], [1, 3]]
    assert duplicates.conflicting.tolist() == [[0, 2]]


def test_volumes_are_refused(toy: ImageDataset) -> None:
    volumes = np.zeros((len(toy), 1, 4, 4, 4), dtype=np.uint8)
    with pytest.raises(DataError, match=r"\(n, c, h, w\), got \(52, 1, 4, 4, 4\)"):
        find_duplicates(replace(toy, images=volumes))


# ---- crossing ----

NONE = np.empty((0, 2), dtype=np.int64)
SPLIT = Split(name="split-1", train=rows(0, 1, 2), validation=rows(3, 4), test=rows(5, 6))


def exact_pairs(*pairs: tuple[int, int]) -> Duplicates:
    return Duplicates(exact=np.array(pairs), near=NONE, distance=rows(), conflicting=NONE)


def test_crossings_into_test_and_into_validation_are_separate() -> None:
    crossing = exact_pairs((0, 1), (0, 3), (2, 5), (4, 6), (5, 6), (3, 4), (0, 9)).crossing(SPLIT)
    assert crossing.into_test.tolist() == [[2, 5], [4, 6]]
    assert crossing.into_validation.tolist() == [[0, 3]]


def test_no_duplicates_cross_nothing(toy: ImageDataset) -> None:
    no_duplicates = Duplicates(exact=NONE, near=NONE, distance=rows(), conflicting=NONE)
    assert (
        len(no_duplicates.crossing(SPLIT).into_test)
        == len(no_duplicates.crossing(SPLIT).into_validation)
        == 0
    )
    np.testing.assert_array_equal(merge_groups(toy, no_duplicates).groups, toy.groups)
    refuse_crossing(toy, no_duplicates, [SPLIT])


def test_crossing_into_test_is_refused_by_name(toy: ImageDataset) -> None:
    refuse_crossing(toy, exact_pairs((0, 1), (0, 3)), [SPLIT])
    with pytest.raises(
        LeakageError, match=r"2 pairs .*split-1: image-0002 = image-0005; "
    ) as error:
        refuse_crossing(toy, exact_pairs((2, 5), (4, 6)), [SPLIT])
    assert "--duplicates merge" in str(error.value)
    assert "--duplicates report" in str(error.value)
    with pytest.raises(LeakageError, match=r"4 pairs .*; image-0001 = image-0006 .*1 more"):
        refuse_crossing(toy, exact_pairs((2, 5), (4, 6), (1, 6), (0, 5)), [SPLIT])


def test_copies_with_different_labels_are_named_where_they_cross(toy: ImageDataset) -> None:
    labels = toy.labels
    a, b = int(np.flatnonzero(labels == 0)[0]), int(np.flatnonzero(labels == 1)[0])
    pairs = replace(exact_pairs((2, 5), (a, b)), conflicting=np.array([(a, b)]))
    copies = rf"{toy.ids[a]} = {toy.ids[b]} \({' and '.join(toy.class_names[:2])}\)"
    with pytest.raises(LeakageError, match=f"1 pair of copies has different labels, .*{copies}"):
        refuse_crossing(toy, pairs, [SPLIT])


def test_merged_patients_are_never_separated(toy: ImageDataset) -> None:
    dataset = with_copies(toy, lambda image: image, np.arange(0, 52, 4))
    duplicates = find_duplicates(dataset)
    assert len(duplicates.exact) == 13
    with pytest.raises(LeakageError, match="into test"):
        refuse_crossing(dataset, duplicates, hold_out(dataset))
    merged = merge_groups(dataset, duplicates)
    splits = hold_out(merged, n_splits=10)
    refuse_crossing(merged, duplicates, splits)
    assert all(len(duplicates.crossing(split).into_validation) == 0 for split in splits)


def test_merging_follows_chains_and_keeps_the_smallest_number(toy: ImageDataset) -> None:
    dataset = replace(toy.subset(np.arange(7)), groups=rows(40, 30, 20, 20, 7, 7, 99))
    merged = merge_groups(dataset, exact_pairs((0, 1), (1, 2), (4, 5)))
    assert merged.groups.tolist() == [20, 20, 20, 20, 7, 7, 99]


def test_synthetic_images_are_not_merged(toy: ImageDataset) -> None:
    with pytest.raises(LeakageError, match="real images only"):
        merge_groups(replace(toy, groups=np.full(len(toy), SYNTHETIC)), exact_pairs((0, 1)))


# ---- real images ----


def load_gray(folder: Path) -> ImageDataset:
    with (folder / "manifest.csv").open() as file:
        listed = list(csv.DictReader(file))
    files = [row["file"] for row in listed]
    images = [np.asarray(Image.open(folder / name).convert("L").resize((96, 96))) for name in files]
    classes, labels = np.unique([row["label"] for row in listed], return_inverse=True)
    _, groups = np.unique([row["group"] for row in listed], return_inverse=True)
    return ImageDataset(
        images=np.stack(images)[:, None],
        labels=labels.astype(np.int64),
        class_names=tuple(classes.tolist()),
        groups=groups.astype(np.int64),
        ids=np.array(files),
    )


@pytest.mark.slow
def test_listed_duplicates_of_real_films_are_found_and_no_others(shared: Path) -> None:
    dataset = load_gray(shared / "data" / "kermany_cxr")
    with (shared / "data" / "kermany_cxr" / "duplicates.csv").open() as file:
        listed = [(row["file_a"], row["file_b"]) for row in csv.DictReader(file)]
    duplicates = find_duplicates(dataset)
    pairs = {frozenset(dataset.ids[pair]) for pair in duplicates.pairs}
    assert pairs <= {frozenset(pair) for pair in listed}
    assert {name for pair in pairs for name in pair} == {name for pair in listed for name in pair}


def test_real_cells_are_distinguished(shared: Path) -> None:
    dataset = load_gray(shared / "data" / "herlev_papsmear")
    duplicates = find_duplicates(dataset)
    assert len(duplicates.pairs) <= 5
    assert (dataset.groups[duplicates.pairs[:, 0]] == dataset.groups[duplicates.pairs[:, 1]]).all()
