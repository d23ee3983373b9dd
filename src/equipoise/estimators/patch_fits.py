"""Finished trainings of patch networks, stored by content, so that equal trainings run once."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from torch import Tensor

from equipoise.atomic import PRIVATE_FILE, make_folder, remove_file
from equipoise.exceptions import DataError
from equipoise.training.persistence import load_fitted, save_fitted

KIND = "patch-training"


@dataclass(frozen=True, kw_only=True, eq=False)
class PatchFit:
    """The result of a training.

    Attributes:
        tensors: Weights of the network and of its loss.
        rows: Rows of the training history.
        voxels: (k,) sampled voxels of each class.
        pixels: (k,) pixels of each class in the patches; 0 in center mode.
        seconds: Duration of the training.
    """

    tensors: Mapping[str, Tensor]
    rows: list[dict[str, float]]
    voxels: list[int]
    pixels: list[int]
    seconds: float

    def save(self, folder: Path) -> None:
        """Write it to a new folder."""
        counts = {"drawn": self.voxels, "pixels": self.pixels}
        save_fitted(
            folder, KIND, self.tensors, {"rows": self.rows, **counts, "seconds": self.seconds}
        )

    @classmethod
    def load(cls, folder: Path) -> "PatchFit":
        """Read what `save` wrote.

        Raises:
            DataError: The folder contains no finished training.
        """
        tensors, stored = load_fitted(folder, KIND)
        return cls(
            tensors=tensors,
            rows=stored["rows"],
            voxels=stored["drawn"],
            pixels=stored["pixels"],
            seconds=stored["seconds"],
        )


def load_or_train(
    workspace: Path | None, key: str, train: Callable[[Path | None], PatchFit]
) -> PatchFit:
    """Return the stored training of this content, or train and store it.

    Of several processes that need the same training, the first trains and the others wait. The
    operating system releases the lock of a process that dies, and the next one resumes from its
    checkpoint. A damaged training is repeated.

    Args:
        workspace: Folder of finished trainings and checkpoints; None stores nothing.
        key: `equipoise.arrays.fingerprint` of everything that the training depends on.
        train: Maps the path of the checkpoint to the training.
    """
    if workspace is None:
        return train(None)
    folder = Path(workspace) / f"{KIND}-{key[:32]}"
    checkpoint = folder.with_suffix(".pt")
    make_folder(folder.parent)
    with FileLock(folder.with_suffix(".lock"), mode=PRIVATE_FILE):
        try:
            fitted = PatchFit.load(folder)
        except (DataError, FileNotFoundError):  # there is none, or a damaged one
            shutil.rmtree(folder, ignore_errors=True)
            train(checkpoint).save(folder)
            fitted = PatchFit.load(folder)
        remove_file(checkpoint)
    return fitted
