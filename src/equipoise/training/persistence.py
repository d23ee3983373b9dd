"""Fitted estimators on disk: tensors as safetensors, everything else as JSON. Never pickle."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from equipoise.atomic import atomic_folder, read_json, reading, write_json
from equipoise.checksums import check_file
from equipoise.exceptions import DataError


def save_fitted(
    folder: Path, kind: str, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]
) -> None:
    """Write `model.safetensors` and `model.json` into a new folder, atomically.

    Args:
        folder: The new folder.
        kind: Kind of estimator, for example "classifier".
        tensors: Weights and buffers by name.
        facts: Everything else, as JSON values.
    """
    contiguous = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    with atomic_folder(Path(folder)) as temporary:
        save_file(contiguous, temporary / "model.safetensors")
        write_json(temporary / "model.json", {"kind": kind, "facts": facts})


def load_fitted(folder: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors and the facts that `save_fitted` wrote.

    Raises:
        DataError: The folder contains no saved model, one of another kind, or a damaged one.

    Example:
        >>> import tempfile, torch
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_fitted(Path(folder) / "model", "toy", {"a": torch.ones(2)}, {"k": 3})
        ...     load_fitted(Path(folder) / "model", "toy")
        ({'a': tensor([1., 1.])}, {'k': 3})
    """
    path = Path(folder) / "model.json"
    stored_kind = read_kind(path, kind)
    if stored_kind != kind:
        raise DataError(f"Expected a saved {kind} in {folder}, found a {stored_kind}.")
    weights = Path(folder) / "model.safetensors"
    with reading(weights):
        tensors = load_file(weights)
    return tensors, read_json(path)["facts"]


def read_kind(path: Path, noun: str) -> str:
    """Read which kind of model a `model.json` describes.

    Args:
        path: The file.
        noun: What is expected, for the message.

    Raises:
        DataError: There is no such file, or it is damaged.
    """
    check_file(path)
    if not path.is_file():
        raise DataError(f"Expected a saved {noun} in {path.parent}, found no model.json.")
    with reading(path):
        stored = read_json(path)
        return str((stored["kind"], stored["facts"])[0])


def restore_weights(module: nn.Module, tensors: Mapping[str, Tensor], folder: str | Path) -> None:
    """Load the tensors of a saved model into its network.

    Raises:
        DataError: They are not those of the network: another version wrote them, or the folder is
            damaged.

    Example:
        >>> network = nn.Linear(1, 1)
        >>> restore_weights(network, {"weight": network.weight}, "runs/films")
        Traceback (most recent call last):
            ...
        equipoise.exceptions.DataError: Expected in runs/films the weights of this version's ...
    """
    try:
        module.load_state_dict(dict(tensors))
    except RuntimeError as error:
        reason = str(error).partition(":")[2].split()
        raise DataError(
            f"Expected in {folder} the weights of this version's network, got others "
            f"({' '.join(reason)}). Train the model again, or use the version that wrote it."
        ) from error
