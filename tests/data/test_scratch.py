"""Arrays that lie in temporary files where they are large."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from equipoise.data.scratch import blank_images
from equipoise.exceptions import SettingError

SHAPE, UINT8 = (3, 1, 4, 4), np.dtype(np.uint8)


@pytest.fixture
def _all_are_large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EQUIPOISE_CACHE", str(tmp_path))
    monkeypatch.setattr("equipoise.data.scratch.LARGE", 0)


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
