"""Fitted estimators on disk: tensors as safetensors, everything else as JSON. Never pickle."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from equipoise.atomic import atomic_folder, read_json, write_json
from equipoise.exceptions import DataError


def save_fitted(
    folder: Path, kind: str, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]
) -> None:
    """Write `model.safetensors` and `model.json` into a new folder, all or nothing."""
    with atomic_folder(Path(folder)) as temporary:
        save_file(
            {k: v.detach().cpu().contiguous() for k, v in tensors.items()},
            temporary / "model.safetensors",
        )
        write_json(temporary / "model.json", {"kind": kind, "facts": facts})


def load_fitted(folder: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_fitted` wrote.

    Raises:
        DataError: The folder is not a saved model, or holds another kind.
    """
    path = Path(folder) / "model.json"
    if not path.is_file():
        raise DataError(f"Expected a saved {kind} in {folder}, found no model.json.")
    stored = read_json(path)
    if stored["kind"] != kind:
        raise DataError(f"Expected a saved {kind} in {folder}, found a {stored['kind']}.")
    return load_file(Path(folder) / "model.safetensors"), stored["facts"]
