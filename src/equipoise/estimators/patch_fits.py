"""Finished trainings of patch networks, found again by content, so that equal ones are done once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock
from torch import Tensor

from equipoise.atomic import make_folder
from equipoise.training.persistence import load_fitted, save_fitted

KIND = "patch-training"


@dataclass(frozen=True)
class PatchFit:
    """What a training leaves.

    Attributes:
        tensors: Weights of the network and of its loss.
        facts: JSON values by name.
    """

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]


def once(workspace: Path | None, key: str, train: Callable[[Path | None], PatchFit]) -> PatchFit:
    """Give the training of this content: the stored one, or a new one that is stored.

    Of several processes that want the same one, the first trains and the others wait. The system takes the lock
    from a process that dies, and the next one goes on from its checkpoint.

    Args:
        workspace: Folder of finished trainings and checkpoints; None keeps nothing.
        key: `equipoise.arrays.fingerprint` of all that the training depends on.
        train: Path of the checkpoint to the training.
    """
    if workspace is None:
        return train(None)
    folder = Path(workspace) / f"{KIND}-{key[:32]}"
    checkpoint = folder.with_suffix(".pt")
    make_folder(folder.parent)
    with FileLock(folder.with_suffix(".lock")):
        if not folder.is_dir():
            trained = train(checkpoint)
            save_fitted(folder, KIND, trained.tensors, trained.facts)
        checkpoint.unlink(missing_ok=True)
    return PatchFit(*load_fitted(folder, KIND))
