"""A tiny finished run on volumes: NIfTI files on an oblique grid, written by nibabel."""

from pathlib import Path

import nibabel
import numpy as np
from imblearn.pipeline import Pipeline
from numpy.typing import NDArray

from equipoise.data.patient_folds import patient_folds
from equipoise.data.reading import read_volumes
from equipoise.data.volumes.options import VolumeOptions
from equipoise.estimators.cascade import CascadeSegmenter
from equipoise.estimators.segmenter import Segmenter
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.randomness import make_rng
from equipoise.runs.store import RunStore

SHAPE = (22, 20, 7)  # x, y, z
SCHEME = "brats2013"
TINY = {
    "network": "center_cnn_valid",
    "width": 2,
    "patch_size": 32,
    "n_steps": 2,
    "batch_size": 8,
    "epoch_steps": 2,
    "evaluate_every": 2,
    "n_slices": 2,
    "stride": 8,
    "device": "cpu",
}
ROTATION = np.array([[0.8, 0.6, 0.0], [0.6, -0.8, 0.0], [0.0, 0.0, 1.0]])  # about z, mirrored
AFFINE = np.eye(4)
AFFINE[:3, :3] = ROTATION * [1.5, 1.5, 3.0]
AFFINE[:3, 3] = (11.0, -7.0, 40.0)


def write_case(
    folder: Path, seed: int, *, values: tuple[int, ...] = (1, 2, 3, 4), label: bool = True
) -> Path:
    """Write flair, t1c, t2 and, with `label`, seg: a box of brain with one tumor cube per value."""
    rng = make_rng(seed, "case")
    codes = np.zeros(SHAPE, dtype=np.uint8)
    for i, value in enumerate(values):
        codes[4 + 3 * i : 7 + 3 * i, 6:11, 2:5] = value
    brain = np.zeros(SHAPE, dtype=bool)
    brain[2:19, 3:17, 1:6] = True
    folder.mkdir(parents=True)
    for name in ("flair", "t1c", "t2"):
        image = np.where(brain, 100 + 20 * codes + rng.normal(0, 5, size=SHAPE), 0)
        _save(folder / f"{name}.nii.gz", image.astype(np.float32))
    if label:
        _save(folder / "seg.nii.gz", codes)
    return folder


def finished_run(folder: Path) -> tuple[RunStore, Path]:
    """Run two methods on FLAIR and T1c of three patients, the last of whom no split tests.

    Returns:
        The run, and the folder that contains the case folders a, b and c.
    """
    for seed, name in enumerate("abc"):
        write_case(folder / "cases" / name, seed)
    options = VolumeOptions(labels=SCHEME, modalities=("FLAIR", "T1c"), cache=folder / "cache")
    dataset = read_volumes(folder / "cases", options).dataset
    segmenter = Segmenter(**TINY)  # type: ignore[arg-type]
    folds = sorted(patient_folds(dataset), key=lambda split: int(split.test[0]))
    study = Study(
        name="brains",
        dataset=dataset,
        splits=folds[:2],
        methods={
            "one": Pipeline([("segment", segmenter)]),
            "cascade": Pipeline(
                [("segment", CascadeSegmenter(detect=segmenter, divide=segmenter, device="cpu"))]
            ),
        },
        seeds=(0,),
        primary_metric="mean_dice",
    )
    store = RunStore(folder / "run")
    run_study(study, store, executor=InProcess())
    return store, folder / "cases"


def _save(path: Path, array: NDArray[np.generic]) -> None:
    nibabel.save(nibabel.Nifti1Image(array, AFFINE), path)
