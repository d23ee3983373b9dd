"""Real images are accepted only if they are those of the run."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from equipoise.data.dataset import ImageDataset
from equipoise.exceptions import DataError
from equipoise.experiments.description import describe
from equipoise.experiments.running.train_cell import pack_images
from equipoise.experiments.study import Study
from equipoise.runs.real_images import check_images_of, packed_images
from equipoise.runs.store import RunStore


@pytest.fixture
def store(make_study: Callable[..., Study], tmp_path: Path) -> RunStore:
    """Return a run that packed its images for worker processes."""
    study, store = make_study(), RunStore(tmp_path / "run")
    store.open(describe(study), dataset=study.dataset, splits=study.splits)
    pack_images(study.images, store)
    return store


def test_what_the_workers_read_is_found(store: RunStore, toy: ImageDataset) -> None:
    images = packed_images(store)
    assert images is not None
    assert images.fingerprint == toy.fingerprint


def test_a_run_in_one_process_packs_none(make_study: Callable[..., Study], tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    study = make_study()
    store.open(describe(study), dataset=study.dataset, splits=study.splits)
    assert packed_images(store) is None


def test_others_in_their_place_are_refused(store: RunStore, toy: ImageDataset) -> None:
    folder = next((store.workspace / "dataset").iterdir())
    replace(toy, images=255 - toy.pixels).save(folder)
    with pytest.raises(DataError, match=r"got others in .*dataset"):
        packed_images(store)


def test_damaged_ones_are_named(store: RunStore) -> None:
    folder = next((store.workspace / "dataset").iterdir())
    whole = (folder / "images.npy").read_bytes()
    (folder / "images.npy").write_bytes(whole[:200])
    with pytest.raises(DataError, match=r"Cannot read .*Delete "):
        packed_images(store)


def test_any_difference_counts(store: RunStore, toy: ImageDataset) -> None:
    check_images_of(store, toy, "films")
    for other in (
        replace(toy, labels=toy.labels[::-1]),
        replace(toy, groups=toy.groups + 1),
        toy.subset([0, 1]),
    ):
        with pytest.raises(DataError, match=r"52 images, uint8, \[1, 16, 16\].* films"):
            check_images_of(store, other, "films")
