"""Where a fit is stored: finished ones are found by content, killed ones resume."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from equipoise.atomic import remove_file
from equipoise.exceptions import DataError
from equipoise.training.checkpoint import Checkpoint, Stateful
from equipoise.training.persistence import load_fitted, save_fitted

Tensors = Mapping[str, Tensor]
Results = Mapping[str, Any]  # JSON values by name
Fitted = tuple[Tensors, Results]


@dataclass(frozen=True)
class Slot:
    """The place of one fit in a workspace.

    Attributes:
        workspace: The folder; None stores nothing.
        kind: What is fitted; part of the names on disk.
        key: `arrays.content_key` of all that the fit depends on.
    """

    workspace: Path | None
    kind: str
    key: str

    def load(self) -> Fitted | None:
        """Return the finished fit, or None where there is none yet or a damaged one, removed."""
        if self.workspace is None or not self._folder(self.workspace).is_dir():
            return None
        folder = self._folder(self.workspace)
        try:
            fitted = load_fitted(folder, self.kind)
        except (DataError, FileNotFoundError):
            shutil.rmtree(folder, ignore_errors=True)
            return None
        # a kill may have left the checkpoint behind
        remove_file(self._checkpoint_file(self.workspace))
        return fitted

    def checkpoint(self, parts: Mapping[str, Stateful]) -> Checkpoint | None:
        """Return the checkpoint of the fit, or None where nothing is stored."""
        if self.workspace is None:
            return None
        return Checkpoint(self._checkpoint_file(self.workspace), parts)

    def store(self, fitted: Fitted, checkpoint: Checkpoint | None) -> None:
        """Store a finished fit; its checkpoint is no longer needed."""
        if self.workspace is None:
            return
        folder = self._folder(self.workspace)
        if not folder.is_dir():  # another process may have finished the same fit first
            save_fitted(folder, self.kind, *fitted)
        if checkpoint is not None:
            checkpoint.finish()

    def _folder(self, workspace: Path) -> Path:
        return Path(workspace) / f"{self.kind}-{self.key[:24]}"

    def _checkpoint_file(self, workspace: Path) -> Path:
        return Path(workspace) / f"{self.kind}-{self.key[:24]}.checkpoint.pt"
