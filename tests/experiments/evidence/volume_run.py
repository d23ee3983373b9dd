"""A run on volumes without a network: voxels are judged by their brightness, more or less well."""

from pathlib import Path
from typing import Any, Self

import numpy as np
from imblearn.pipeline import Pipeline
from sklearn.base import BaseEstimator

from equipoise.atomic import write_json
from equipoise.data.patient_folds import patient_folds
from equipoise.data.volume_dataset import VolumeDataset
from equipoise.data.volumes.labels import BRATS_2013
from equipoise.estimators.patches.frequencies import Frequencies
from equipoise.evidence.finished_run import Judged
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.study import Study
from equipoise.results.tables import write_all_tables
from equipoise.runs.store import RunStore
from equipoise.testing.volumes import volumes_of
from equipoise.training.loop import History
from equipoise.training.progress import report

LOW_GRADE = 4  # the patient without class 1 and 4


class BrightnessSegmenter(BaseEstimator):
    """Takes the class whose code is nearest to the brightness plus `shift`; learns nothing."""

    def __init__(
        self, *, shift: float = 0.0, mode: str = "center", tau: float = 0.0, note: str = "", stages: bool = False,
        fail: bool = False, seed: int = 0,
    ) -> None:  # fmt: skip
        self.shift = shift
        self.mode = mode
        self.tau = tau
        self.note = note
        self.stages = stages
        self.fail = fail
        self.seed = seed

    def fit(
        self,
        train: VolumeDataset,
        *,
        validation: VolumeDataset | None = None,
        workspace: Path | None = None,
    ) -> Self:
        """Record what a segmenter does."""
        if self.fail:
            raise ValueError("it was told to fail")
        counted = Frequencies(train.class_names, np.full(train.k, 1 / train.k))
        counted.add(np.repeat(np.arange(train.k), [4, 1, 1, 1, 1]))
        if self.mode == "dense":
            counted.add(
                np.zeros(0, dtype=np.int64), np.repeat(np.arange(train.k), [92, 2, 2, 2, 2])
            )
        history = History(
            rows=[{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.4, "validation_mean_dice": 0.3}]
        )
        history.rows[1]["hard share of class 4"] = 0.75
        self.tau_, self.notes_, self.seed_ = self.tau, (self.note,) if self.note else (), self.seed
        if self.stages:
            self.histories_ = {"detect": history, "divide": history}
            self.frequencies_: Any = {"detect": counted, "divide": counted}
        else:
            self.history_, self.frequencies_ = history, counted
        report("segmenter", 1, 1)
        return self

    def predict(self, images: Any, mask: Any) -> Any:
        """Judge every voxel for itself, a little differently with every seed."""
        brightness = np.asarray(images[0], dtype=float) + self.shift + 0.01 * (self.seed_ % 7)
        return np.where(mask, np.clip(np.rint(brightness), 0, 4), 0).astype(np.uint8)

    def save(self, folder: Path) -> None:
        """Write what there is."""
        folder.mkdir()
        write_json(folder / "model.json", {"shift": self.shift})


def label_maps() -> list[Any]:
    """Five patients whose tumors differ in size; the last has no necrosis and nothing enhancing."""
    maps = []
    for i in range(5):
        codes = np.zeros((5, 14, 12 + i), dtype=np.uint8)
        codes[1:4, 3 : 9 + i % 3, 3:10] = 2
        codes[2:4, 4:8, 4:9] = 3
        if i != LOW_GRADE:
            codes[2, 4:8, 4:8] = 4
            codes[2, 5:7, 5:7] = 1
        maps.append(codes)
    return maps


def drawn_brains(folder: Path) -> VolumeDataset:
    """The patients as a data set of two modalities, whose borders hold no brain."""
    maps = label_maps()
    masks = [
        np.pad(np.ones(np.array(codes.shape) - (0, 2, 2), dtype=bool), ((0, 0), (1, 1), (1, 1)))
        for codes in maps
    ]
    brains = volumes_of(maps, folder, masks=masks, scheme=BRATS_2013)
    return VolumeDataset(
        volumes=brains.volumes, groups=brains.groups, modalities=("T1c", "FLAIR"), scheme=BRATS_2013
    )


def volume_study(
    dataset: VolumeDataset, shifts: dict[str, dict[str, Any]] | None = None, **fields: Any
) -> Study:
    """Make a study of segmenters; `shifts` are {name of a method: its settings}."""
    shifts = shifts or {"random": {}, "darker": {"shift": -0.4}}
    methods = {
        name: Pipeline([("segment", BrightnessSegmenter(**given))])
        for name, given in shifts.items()
    }
    given = {
        "name": "blocks",
        "splits": patient_folds(dataset, n_folds=2),
        "seeds": (0,),
        "baseline": next(iter(shifts)),
        "primary_metric": "mean_dice",
    }
    return Study(dataset=dataset, methods=methods, **{**given, **fields})


def volume_run(
    folder: Path, shifts: dict[str, dict[str, Any]] | None = None, **fields: Any
) -> Judged:
    """Run such a study, with its tables."""
    study = volume_study(drawn_brains(folder / "prepared"), shifts, **fields)
    store = RunStore(folder / "run")
    study.run(store, executor=InProcess())
    write_all_tables(store.folder)
    return Judged(study, store)
