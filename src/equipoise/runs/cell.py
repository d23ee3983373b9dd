"""`Cell`: one method on one split with one seed, the unit that is trained, stored and repeated."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cell:
    """One method on one split with one seed."""

    method: str
    split: str
    seed: int

    @property
    def folder(self) -> Path:
        """Place of the cell inside `cells/` of a run."""
        return Path(self.method, self.split, f"seed-{self.seed}")

    def __str__(self) -> str:
        return f"{self.method}, {self.split}, seed {self.seed}"
