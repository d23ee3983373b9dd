"""Generators that are fitted in no time: one that draws new images, one that copies; and a run made with them.

A module of its own, not a part of a test: tests of the command line use it too.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from imblearn.pipeline import Pipeline
from study_fakes import NearestMean  # type: ignore[import-not-found]  # whoever imports this has it on the path

from equipoise.arrays import Images, Labels
from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import hold_out
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.study import Study
from equipoise.randomness import make_rng
from equipoise.resampling.base import Held, Oversampler
from equipoise.resampling.random import RandomOversampler
from equipoise.resampling.smote import SMOTEOversampler
from equipoise.runs.store import RunStore

SCALE = {"uint8": 1.0, "uint16": 16.0, "float32": 1 / 256}


class Painter(Oversampler):
    """Draws noise about the mean brightness of a class: new images of the right kind, of nobody."""

    def _fit(
        self, X: Images, codes: Labels, validation: Held | None, workspace: Path | None
    ) -> None:
        self.levels_ = np.array(
            [[X[codes == k].mean(), X[codes == k].std()] for k in np.unique(codes)]
        )

    def _generate(self, codes: Labels, seed: int) -> Images:
        mean, sd = (self.levels_[codes, i].reshape(-1, 1, 1, 1) for i in (0, 1))
        noise = make_rng(seed, "paint").normal(size=(len(codes), *self.shape_))
        top = 255 * SCALE[self.dtype_.name]
        images: Images = np.clip(mean + sd * noise, 0, top).astype(self.dtype_)
        return images

    def _state(self) -> tuple[Mapping[str, torch.Tensor], Mapping[str, Any]]:
        return {"levels": torch.from_numpy(self.levels_)}, {}

    def _set_state(self, tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> None:
        self.levels_ = tensors["levels"].numpy()


class Copier(Oversampler):
    """Gives training images back: what the gate is there for."""

    def _fit(
        self, X: Images, codes: Labels, validation: Held | None, workspace: Path | None
    ) -> None:
        self.images_, self.codes_ = X.copy(), codes

    def _generate(self, codes: Labels, seed: int) -> Images:
        rng = make_rng(seed, "copy")
        return np.stack(
            [self.images_[rng.choice(np.flatnonzero(self.codes_ == code))] for code in codes]
        )

    def _state(self) -> tuple[Mapping[str, torch.Tensor], Mapping[str, Any]]:
        return {
            "images": torch.from_numpy(self.images_),
            "codes": torch.from_numpy(self.codes_),
        }, {}

    def _set_state(self, tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> None:
        self.images_, self.codes_ = tensors["images"].numpy(), tensors["codes"].numpy()


def noise_dataset(dtype: str = "uint8", channels: int = 1, side: int = 16) -> ImageDataset:
    """Draw 40 images of "well" and 16 of "ill", brighter, each of a patient of its own."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [40, 16]).astype(np.int64)
    values = rng.normal(
        90 + 60 * labels[:, None, None, None], 25, size=(len(labels), channels, side, side)
    )
    return ImageDataset(
        images=(np.clip(values, 0, 255) * SCALE[dtype]).astype(dtype),
        labels=labels,
        class_names=("well", "ill"),
        groups=np.arange(len(labels), dtype=np.int64),
        ids=np.array(
            [f"{('well', 'ill')[label]}/patient{i:02d}.png" for i, label in enumerate(labels)]
        ),
    )


def finished_run(folder: Path, dataset: ImageDataset | None = None, **fields: Any) -> RunStore:
    """Run five methods, three of which keep a generator, on two splits with two seeds."""
    dataset, classify = dataset or noise_dataset(), ("classify", NearestMean())
    methods = {
        "none": Pipeline([classify]),
        "oversampling": Pipeline([("balance", RandomOversampler()), classify]),
        "painter": Pipeline([("balance", Painter()), classify]),
        "copier": Pipeline([("balance", Copier()), classify]),
        "smote": Pipeline([("balance", SMOTEOversampler()), classify]),
    }
    given: dict[str, Any] = {"name": "noise", "methods": methods, "seeds": (0, 1), **fields}
    study = Study(dataset=dataset, splits=hold_out(dataset, n_splits=2), **given)
    store = RunStore(folder)
    study.run(store, executor=InProcess())
    assert not any(store.has_failed(cell) for cell in study.cells())
    return store
