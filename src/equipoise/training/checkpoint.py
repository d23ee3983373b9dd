"""Exact resume: the state of a fit on disk."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypedDict, cast

import torch

from equipoise.atomic import atomic_file, reading, remove_file
from equipoise.exceptions import DamagedFileError


class Stateful(Protocol):
    """Anything with a state dict of tensors, numbers, strings, lists and dicts."""

    def state_dict(self) -> Mapping[str, object]:
        """Return the state."""

    def load_state_dict(self, state: Any) -> Any:
        """Restore a state."""


class LoopState(TypedDict):
    """State of the training loop: steps done, whether a hook stopped it, rows of its history."""

    done: int
    stopped: bool
    rows: list[dict[str, float]]


@dataclass
class Checkpoint:
    """Saves the parts of a fit every few seconds, and restores them when the fit starts again.

    Random generators need no state here: every step seeds itself (see `chance`).

    Attributes:
        path: The file; written atomically, removed by `finish`.
        parts: Models, optimizers, averages and hooks by name.
        every_seconds: Shortest time between two saves; 0 saves after every step.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     checkpoint = Checkpoint(Path(folder) / "fit.pt", {"model": torch.nn.Linear(1, 1)})
        ...     checkpoint.save({"done": 7, "stopped": False, "rows": []})
        ...     checkpoint.restore()["done"]
        7
    """

    path: Path
    parts: Mapping[str, Stateful]
    every_seconds: float = 20.0
    _last: float = field(default_factory=time.monotonic)

    def restore(self) -> LoopState | None:
        """Load the parts from disk and return the state of the loop; None without a whole file.

        A damaged file is removed: the fit starts again.
        """
        if not self.path.is_file():
            return None
        try:
            with reading(self.path):
                state = torch.load(self.path, map_location="cpu", weights_only=True)
        except DamagedFileError:
            self.finish()
            return None
        for name, part in self.parts.items():
            part.load_state_dict(state["parts"][name])
        return cast(LoopState, state["loop"])

    def due(self) -> bool:
        """Return whether it is time to save."""
        return time.monotonic() - self._last >= self.every_seconds

    def save(self, loop: LoopState) -> None:
        """Write the parts and the state of the loop."""
        parts = {name: part.state_dict() for name, part in self.parts.items()}
        # Through a file of Python: an error of the disk that torch meets itself has no reason.
        with atomic_file(self.path, checksum=True) as temporary, temporary.open("wb") as file:
            torch.save({"parts": parts, "loop": dict(loop)}, file)
        self._last = time.monotonic()

    def finish(self) -> None:
        """Remove the file; the fit is complete."""
        remove_file(self.path)
