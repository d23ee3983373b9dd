"""A file that cannot grow is recognized in the error of every writer, and leaves nothing behind."""

import errno
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from equipoise.atomic import atomic_folder, reading, write_json
from equipoise.data.dataset import ImageDataset
from equipoise.shortages import is_full_disk, remedy
from equipoise.training.checkpoint import Checkpoint
from equipoise.training.persistence import save_fitted

ARRAY = np.random.default_rng(0).normal(size=4000)


def archive(folder: Path) -> None:
    with atomic_folder(folder / "cell") as temporary:
        np.savez_compressed(temporary / "predictions.npz", scores=ARRAY)


def checkpoint(folder: Path) -> None:
    Checkpoint(folder / "fit.pt", {"a": nn.Linear(50, 50)}).save(
        {"done": 1, "stopped": False, "rows": []}
    )


WRITERS: dict[str, Callable[[Path], None]] = {
    "weights": lambda folder: save_fitted(
        folder / "a", "classifier", {"a": torch.from_numpy(ARRAY)}, {}
    ),
    "checkpoint": checkpoint,
    "archive": archive,
    "json": lambda folder: write_json(folder / "a.json", ARRAY.tolist(), checksum=True),
}


@pytest.fixture
def _small_files() -> Iterator[None]:
    """Let no file grow beyond 2 kB, as on a full disk."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.usefixtures("_small_files")
@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_is_recognized_and_leaves_no_file(writer: str, tmp_path: Path) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 (each library has its own)
        WRITERS[writer](tmp_path)
    assert is_full_disk(caught.value)
    assert "make room" in remedy(caught.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.usefixtures("_small_files")
def test_images_that_do_not_fit_leave_no_file(toy: ImageDataset, tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 (NumPy's has no number)
        toy.save(tmp_path / "dataset")
    assert is_full_disk(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "full", "named"),
    [
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True, "quota"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), True, "make room"),
        (OSError(errno.EMFILE, "Too many open files"), False, "ulimit -n"),
        (RuntimeError("can't start new thread"), False, "ulimit -v"),
        (OSError(errno.EIO, "Input/output error"), False, ""),
        (ValueError("a bug"), False, ""),
    ],
)
def test_what_ran_out_is_recognized(error: Exception, full: bool, named: str) -> None:
    assert is_full_disk(error) == full
    assert named in remedy(error)
    assert bool(remedy(error)) == bool(named)


def test_an_error_that_a_full_disk_led_to_is_one() -> None:
    error = RuntimeError("unexpected pos 576 vs 534")
    error.__context__ = OSError(errno.ENOSPC, "No space left on device")
    assert is_full_disk(error)


def test_a_file_that_cannot_be_opened_is_not_damaged(tmp_path: Path) -> None:
    errors = (
        OSError(errno.EMFILE, "Too many open files"),
        RuntimeError("Too many open files (24)"),
    )
    for error in errors:
        with (
            pytest.raises(type(error), match="open files"),
            reading(tmp_path / "model.safetensors"),
        ):
            raise error
