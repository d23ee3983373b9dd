"""Exact resume: the state of a fit on disk, and where finished fits are kept."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

from equipoise.atomic import atomic_file


class Stateful(Protocol):
    """Anything with a state dict of tensors, numbers, strings, lists and dicts."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state."""

    def load_state_dict(self, state: Any) -> Any:
        """Take over a state."""


@dataclass
class Checkpoint:
    """Saves the parts of a fit every few seconds, and puts them back when the fit starts again.

    Chance needs no state here: every step seeds itself (see `chance`).

    Attributes:
        path: The file; written atomically, removed by `finish`.
        parts: Models, optimizers, averages and hooks by name.
        every_seconds: Shortest time between two saves; 0 saves after every step.
    """

    path: Path
    parts: Mapping[str, Stateful]
    every_seconds: float = 20.0
    _last: float = field(default_factory=time.monotonic)

    def restore(self) -> dict[str, Any] | None:
        """Load the parts from disk and return the loop's own state, or None where there is no file."""
        if not self.path.is_file():
            return None
        state = torch.load(self.path, map_location="cpu", weights_only=True)
        for name, part in self.parts.items():
            part.load_state_dict(state["parts"][name])
        return dict(state["loop"])

    def due(self) -> bool:
        """Say whether it is time to save."""
        return time.monotonic() - self._last >= self.every_seconds

    def save(self, loop: dict[str, Any]) -> None:
        """Write the parts and the loop's own state."""
        parts = {name: part.state_dict() for name, part in self.parts.items()}
        with atomic_file(self.path) as temporary:
            torch.save({"parts": parts, "loop": loop}, temporary)
        self._last = time.monotonic()

    def finish(self) -> None:
        """Remove the file; the fit is complete."""
        self.path.unlink(missing_ok=True)
