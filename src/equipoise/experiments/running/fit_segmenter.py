"""Train and apply one cell of a study of volumes: fit on patches, segment the test patients."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.estimators.patches.frequencies import Frequencies
from equipoise.experiments.running.cell_record import conditions, devices_of, seeded_method
from equipoise.experiments.running.fit_watch import FitWatch, history_rows, timed
from equipoise.experiments.running.peak_memory import PeakMemory
from equipoise.experiments.study import Study
from equipoise.runs.case_measures import measure_all, write_measures
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import VolumeCellRecord
from equipoise.runs.csv_records import write_csv
from equipoise.runs.outcome import Outcome
from equipoise.training.progress import Listener, listening

# Of frequencies.csv; the last three are the requested share of a class, its share of the sampled
# voxels and its share of all pixels of the patches.
FREQUENCY_COLUMNS = ("stage", "class", "asked", "centers", "pixels")

Maps = Sequence[NDArray[np.uint8]]


class CaseSegmenter(Protocol):
    """The estimator that a method of a study of volumes consists of.

    Attributes:
        tau_: Strength of the prior correction.
        notes_: Notes of the fit that belong in the report.
        frequencies_: Class shares of the patches; of each stage by name where there are several.
    """

    tau_: float
    notes_: tuple[str, ...]
    frequencies_: Frequencies | Mapping[str, Frequencies]

    def fit(self, train: VolumeDataset, *, validation: VolumeDataset, workspace: Path) -> Self:
        """Learn from training patients; the validation patients select weights and thresholds."""

    def predict(self, images: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Return codes (z, y, x) of images (c, z, y, x), 0 outside the mask."""

    def save(self, folder: Path) -> None:
        """Write the fitted segmenter to a new folder."""


def segment_cell(cell: Cell, study: Study, workspace: Path, listener: Listener) -> Outcome:
    """Train the method of a cell on the training patients and segment the test patients.

    Args:
        cell: Method, split and seed.
        study: The study of volumes.
        workspace: Folder of checkpoints and finished fits.
        listener: Receives the progress of the fits.
    """
    pipeline = seeded_method(cell, study)
    split = study.split(cell.split)
    train = study.volumes.subset(split.train)
    validation = study.volumes.subset(split.validation)
    test = study.volumes.subset(split.test)
    segmenter: CaseSegmenter = pipeline.steps[-1][1]
    watch = FitWatch(listener)
    seconds = dict.fromkeys(("train", "predict", "measure"), 0.0)
    with PeakMemory() as memory, listening(watch):
        with timed(seconds, "train"):
            segmenter.fit(train, validation=validation, workspace=workspace)
        with timed(seconds, "predict"):
            maps = []
            for row in range(len(test)):
                case = test.arrays(row)  # the segmenter does not see case.codes
                maps.append(segmenter.predict(case.images, case.mask))
        with timed(seconds, "measure"):
            measures = measure_all(test, maps)
    record = VolumeCellRecord(
        **vars(conditions(cell, study)),
        device=devices_of(pipeline),
        seconds=seconds,
        resumed=watch.was_resumed(pipeline),
        peak_memory_mb=memory.megabytes,
        peak_device_memory_mb=memory.device_megabytes,
        voxels_before=tuple(train.counts.tolist()),
        tau=segmenter.tau_,
        notes=tuple(segmenter.notes_),
    )
    return Outcome(
        record=record,
        predictions=predictions_of(test, maps),
        history=history_rows(pipeline),
        files={
            "segmenter": segmenter.save,
            "measures.csv": lambda path: write_measures(measures, path),
            "frequencies.csv": lambda path: write_frequencies(segmenter.frequencies_, path),
        },
    )


def predictions_of(test: VolumeDataset, maps: Maps) -> dict[str, NDArray[Any]]:
    """Return the arrays to store; label maps (z, y, x) are on the grid of the prepared cases."""
    predictions: dict[str, NDArray[Any]] = {"test_ids": test.ids, "test_groups": test.groups}
    for row, codes in enumerate(maps):
        predictions[f"map_{row}"] = np.asarray(codes, dtype=np.uint8)
    return predictions


def write_frequencies(frequencies: Frequencies | Mapping[str, Frequencies], path: Path) -> None:
    """Write the class shares of the patches, of each stage where a segmenter has several."""
    stages = frequencies if isinstance(frequencies, Mapping) else {"": frequencies}
    rows = []
    for stage, of_stage in stages.items():
        for row in of_stage.rows():
            shares = (row["asked_share"], row["drawn_share"], row["pixel_share"])
            rows.append((stage, row["class"], *shares))
    write_csv(path, FREQUENCY_COLUMNS, rows)
