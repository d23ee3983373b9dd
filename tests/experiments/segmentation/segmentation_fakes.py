"""A segmenter that needs no network: a voxel is of the class whose training mean is nearest."""

from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from equipoise.atomic import write_json
from equipoise.data.volume_dataset import VolumeDataset
from equipoise.training.progress import report


class Rows:
    """What `Frequencies` gives."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def rows(self) -> list[dict[str, Any]]:
        share = 1 / len(self.names)
        return [
            {"class": name, "asked_share": share, "drawn_share": share, "pixel_share": float("nan")}
            for name in self.names
        ]


class Log:
    """A history."""

    def __init__(self, rows: list[dict[str, float]]) -> None:
        self.rows = rows


class NearestMeanSegmenter(BaseEstimator):
    """Class means of the first channel; `shift` adds to every voxel before it is judged."""

    seen: list[tuple[list[str], list[str]]] = []  # noqa: RUF012 (what fits were given, for the test)

    def __init__(
        self, *, shift: float = 0.0, n_steps: int = 2, fail: bool = False, seed: int = 0
    ) -> None:
        self.shift = shift
        self.n_steps = n_steps
        self.fail = fail
        self.seed = seed

    def check_settings(self) -> None:
        """Nothing can be wrong."""

    def fit(
        self,
        train: VolumeDataset,
        *,
        validation: VolumeDataset | None = None,
        workspace: Path | None = None,
    ) -> Self:
        if self.fail:
            raise ValueError("it was told to fail")
        held = [] if validation is None else validation.ids.tolist()
        self.seen.append((train.ids.tolist(), held))
        codes = [train.arrays(row).codes for row in range(len(train))]
        values = [np.asarray(train.arrays(row).images[0], dtype=float) for row in range(len(train))]
        joined, labels = (
            np.concatenate([v.ravel() for v in values]),
            np.concatenate([c.ravel() for c in codes]),
        )
        self.means_ = np.array([joined[labels == k].mean() for k in range(train.k)])
        self.history_ = Log([{"step": 1.0, "loss": 0.5}])
        self.frequencies_ = Rows(train.class_names)
        self.tau_, self.notes_ = 0.25, ("A note.",)
        for step in range(self.n_steps):
            report("segmenter", step + 1, self.n_steps)
        return self

    def predict(self, images: Any, mask: Any) -> Any:
        values = np.asarray(images[0], dtype=float) + self.shift
        nearest = np.abs(values[..., None] - self.means_).argmin(axis=-1).astype(np.uint8)
        return np.where(mask, nearest, 0).astype(np.uint8)

    def save(self, folder: Path) -> None:
        folder.mkdir()
        write_json(folder / "model.json", self.means_.tolist())
