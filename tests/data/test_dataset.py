"""`ImageDataset`: subset and concatenate, the fingerprint, resampling, saving and loading."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from equipoise.arrays import Images, Labels
from equipoise.data.dataset import SYNTHETIC, ImageDataset, concatenate
from equipoise.exceptions import DataError
from equipoise.image_rows import ImageRows, ImageSource
from equipoise.resampling.random import RandomOversampler, RandomUndersampler

FIELDS = ("images", "labels", "groups", "ids", "masks")


@st.composite
def image_datasets(draw: st.DrawFn) -> ImageDataset:
    """Any storage type, 1 or 3 channels, 1 to 4 classes, with or without masks."""
    n, k = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    shape = (n, draw(st.sampled_from([1, 3])), draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype: Any = draw(st.sampled_from([np.uint8, np.uint16, np.float32]))
    return ImageDataset(
        images=rng.integers(0, 200, shape).astype(dtype),
        labels=rng.integers(0, k, n),
        class_names=tuple("abcd"[:k]),
        groups=rng.integers(-1, 5, n),
        ids=np.array([f"id-{i}" for i in range(n)]),
        masks=rng.integers(0, 3, (n, *shape[2:])) if draw(st.booleans()) else None,
    )


def assert_equal(a: ImageDataset, b: ImageDataset) -> None:
    assert a.class_names == b.class_names
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert a.images.dtype == b.images.dtype
    assert a.fingerprint == b.fingerprint


@settings(deadline=None, max_examples=50)
@given(dataset=image_datasets(), cut=st.integers(0, 12))
def test_subsets_concatenated_are_the_whole(dataset: ImageDataset, cut: int) -> None:
    rows = np.arange(len(dataset))
    assert_equal(concatenate([dataset.subset(rows[:cut]), dataset.subset(rows[cut:])]), dataset)


@settings(deadline=None, max_examples=50)
@given(dataset=image_datasets(), seed=st.integers(0, 99))
def test_subset_takes_indices_and_masks_alike(dataset: ImageDataset, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(dataset))
    assert_equal(dataset.subset(order).subset(np.argsort(order)), dataset)
    mask = dataset.labels == 0
    assert_equal(dataset.subset(mask), dataset.subset(np.flatnonzero(mask)))


@settings(deadline=None, max_examples=25)
@given(dataset=image_datasets(), memory_map=st.booleans())
def test_nothing_is_lost_on_disk(
    tmp_path_factory: pytest.TempPathFactory, dataset: ImageDataset, memory_map: bool
) -> None:
    folder = tmp_path_factory.mktemp("saved") / "dataset"
    dataset.save(folder)
    loaded = ImageDataset.load(folder, memory_map=memory_map)
    assert isinstance(loaded.images, np.memmap) == memory_map
    assert_equal(loaded, dataset)


def test_a_large_set_is_hashed_and_stored_once(
    tmp_path: Path, toy: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What maps a whole stored file shares it; a part, or what was replaced meanwhile, does not."""
    for name in ("data.dataset.MOST_COPIED", "image_rows._limit"):
        monkeypatch.setattr(f"equipoise.{name}", 0)
    toy.save(tmp_path / "first")
    loaded = ImageDataset.load(tmp_path / "first", memory_map=True)
    images = loaded.subset(slice(1, 9)).images
    assert isinstance(images, ImageRows)
    with monkeypatch.context() as patches:
        patches.setattr("equipoise.image_rows.blocks", None)  # hashing would need it
        assert images.digests.shape == (8, 16)
    assert loaded.fingerprint == toy.fingerprint
    image_file = tmp_path / "first" / "images.npy"
    relabeled = replace(loaded, labels=1 - loaded.labels)
    for name, dataset, n_names in (("part", loaded.subset(slice(1, 9)), 1), ("all", relabeled, 2)):
        dataset.save(tmp_path / name)
        assert image_file.stat().st_nlink == n_names
        assert_equal(ImageDataset.load(tmp_path / name), dataset)
    toy.subset(slice(0, 5)).save(tmp_path / "first")
    loaded.save(tmp_path / "again")
    assert_equal(ImageDataset.load(tmp_path / "again"), toy)
    assert (tmp_path / "again" / "images.npy").stat().st_nlink == 1


def test_a_file_that_others_may_read_stays_as_it_is(
    tmp_path: Path, toy: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("equipoise.image_rows._limit", 0)
    toy.save(tmp_path / "first")
    (tmp_path / "first" / "images.npy").chmod(0o644)
    ImageDataset.load(tmp_path / "first", memory_map=True).save(tmp_path / "second")
    assert (tmp_path / "first" / "images.npy").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "first" / "images.npy").stat().st_nlink == 1


def test_a_folder_without_a_dataset_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing.* no dataset\.json"):
        ImageDataset.load(tmp_path / "nothing")


def test_ids_of_any_type_are_stored_without_pickle(tmp_path: Path, toy: ImageDataset) -> None:
    replace(toy, ids=toy.ids.astype(object)).save(tmp_path / "saved")
    assert ImageDataset.load(tmp_path / "saved").ids.tolist() == toy.ids.tolist()


def changed(array: NDArray[Any], value: Any) -> NDArray[Any]:
    copy = array.copy()
    copy.flat[-1] = value
    return copy


def test_the_fingerprint_sees_every_field(toy: ImageDataset) -> None:
    masks = np.zeros((len(toy), 16, 16), dtype=np.int64)
    variants = [
        toy,
        toy.subset(np.arange(len(toy))[::-1]),
        toy.subset(np.arange(len(toy) - 1)),
        replace(toy, images=changed(toy.pixels, 1)),
        replace(toy, images=toy.pixels.astype(np.uint16)),
        replace(toy, labels=changed(toy.labels, 0)),
        replace(toy, groups=changed(toy.groups, 0)),
        replace(toy, ids=changed(toy.ids, "other")),
        replace(toy, class_names=("a", "b")),
        replace(toy, masks=masks),
        replace(toy, masks=changed(masks, 1)),
    ]
    assert len({variant.fingerprint for variant in variants}) == len(variants)


def test_the_fingerprint_ignores_how_arrays_are_stored(toy: ImageDataset) -> None:
    same = replace(
        toy,
        images=np.asfortranarray(toy.images),
        labels=toy.labels.astype(np.int32),
        groups=toy.groups.astype(np.uint8),
        ids=toy.ids.astype("<U99"),
    )
    assert same.fingerprint == toy.fingerprint
    assert same.labels.dtype == same.groups.dtype == np.int64


def test_counts_rare_class_and_ratio(toy: ImageDataset) -> None:
    assert toy.counts.tolist() == [40, 12]
    assert (toy.rare_class, toy.imbalance_ratio, len(toy)) == (1, 40 / 12, 52)
    wide = replace(toy, class_names=("a", "b", "absent"))
    assert wide.counts.tolist() == [40, 12, 0]
    assert (wide.rare_class, wide.imbalance_ratio) == (1, 40 / 12)
    tie = toy.subset(np.r_[0:5, 40:45])
    assert tie.rare_class == 0


# ---- resampling ----


class Doubler:
    """Appends the mirrored images to the originals."""

    def fit_resample(self, X: ImageSource, y: Labels, **settings: Any) -> tuple[Images, Labels]:
        self.settings = settings
        return np.concatenate([np.asarray(X), X[..., ::-1]]), np.concatenate([y, y])


def test_new_images_have_no_patient_and_new_names(toy: ImageDataset) -> None:
    doubler = Doubler()
    result = toy.resample(doubler, workspace=Path("w"))
    assert doubler.settings == {"workspace": Path("w")}
    assert len(result) == 104
    assert_equal(result.subset(np.arange(52)), toy)
    assert result.synthetic.tolist() == [False] * 52 + [True] * 52
    assert (result.groups[52:] == SYNTHETIC).all()
    assert result.ids[[52, 103]].tolist() == ["synthetic-000000", "synthetic-000051"]


def test_copies_keep_their_patients_and_names(toy: ImageDataset) -> None:
    masked = replace(toy, masks=np.arange(52)[:, None, None] * np.ones((16, 16), dtype=np.int64))
    for resampler, counts in ((RandomOversampler(), [40, 40]), (RandomUndersampler(), [12, 12])):
        result = masked.resample(resampler)
        assert result.counts.tolist() == counts
        assert not result.synthetic.any()
        row_of = {name: row for row, name in enumerate(toy.ids)}
        assert_equal(result, masked.subset([row_of[name] for name in result.ids]))


def test_synthetic_images_are_not_resampled_again(toy: ImageDataset) -> None:
    with pytest.raises(DataError, match=r"real images only.*synthetic"):
        toy.resample(Doubler()).resample(Doubler())


# ---- bad input ----


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": np.array(["a"])}, "52 ids.* got 1"),
        ({"masks": np.zeros((3, 16, 16))}, "52 masks.* got 3"),
        (
            {"groups": np.zeros(51, dtype=np.int64)},
            r"groups of shape \(52,\).* got \(51,\)",
        ),
        ({"groups": np.full(52, "p1")}, "groups .*<U2"),
        ({"labels": np.zeros(52)}, "labels .*float64"),
        ({"labels": np.full(52, 2)}, "0 to 1 for 2 class.* got 2 to 2"),
        ({"labels": np.full(52, -1)}, "got -1 to -1"),
        (
            {"images": np.zeros((52, 16, 16), dtype=np.uint8)},
            r"images of shape \(n, c, h, w\)",
        ),
    ],
)
def test_fields_that_do_not_fit_are_refused(
    toy: ImageDataset, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        replace(toy, **change)


@pytest.mark.parametrize(
    "change",
    [
        {"class_names": ("a", "b")},
        {"images": np.zeros((52, 1, 16, 17), dtype=np.uint8)},
        {"images": np.zeros((52, 1, 16, 16), dtype=np.uint16)},
        {"masks": np.zeros((52, 16, 16), dtype=np.int64)},
    ],
)
def test_datasets_of_two_kinds_do_not_join(toy: ImageDataset, change: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"masks\), got 2"):
        concatenate([toy, replace(toy, **change)])


def test_no_datasets_do_not_join() -> None:
    with pytest.raises(DataError, match=r"masks\), got 0"):
        concatenate([])
