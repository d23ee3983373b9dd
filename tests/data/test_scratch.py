"""Arrays that lie in temporary files where they are large."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from equipoise.data.scratch import ScratchArrays, blank_images
from equipoise.exceptions import SettingError

SHAPE, UINT8 = (3, 1, 4, 4), np.dtype(np.uint8)


@pytest.fixture
def _all_are_large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EQUIPOISE_CACHE", str(tmp_path))
    monkeypatch.setattr("equipoise.image_rows._limit", 0)


@pytest.mark.usefixtures("_all_are_large")
@pytest.mark.parametrize("reserves", [True, False], ids=["POSIX", "macOS"])
def test_a_large_array_lies_in_a_file_without_a_name(
    reserves: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if not reserves:
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    images = blank_images(SHAPE, UINT8)
    assert isinstance(images, np.memmap)
    assert (images.shape, images.dtype) == (SHAPE, UINT8)
    assert not images.any()
    images[1] = 7
    assert images.sum() == 7 * 16
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("_all_are_large")
def test_a_full_disk_is_refused_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_arguments: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(SettingError, match=rf"{tmp_path}, got: No space .*EQUIPOISE_CACHE"):
        blank_images(SHAPE, UINT8)


@pytest.mark.usefixtures("_all_are_large")
def test_many_arrays_share_few_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("equipoise.data.scratch.FILE_BYTES", 1000)
    scratch, rng = ScratchArrays(), np.random.default_rng(0)
    arrays = [rng.random(shape) for shape in [(3, 2), (5, 1), (0, 2), (200, 2), (40,), (90, 1)]]
    arrays.append(np.asfortranarray(rng.random((4, 5))))
    moved = [scratch.moved(array) for array in arrays]
    files = set()
    for array, copy in zip(arrays, moved, strict=True):
        np.testing.assert_array_equal(copy, array, strict=True)
        base = copy
        while not isinstance(base, np.memmap):
            assert base.base is not None  # no array of its own
            base = base.base
        files.add(id(base))
    assert len(files) == 4
