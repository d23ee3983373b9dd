"""Train and apply one cell of a study of volumes: fit on patches of the training patients, segment the others."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.experiments.running.cell_record import devices_of, facts_of, seeded_method
from equipoise.experiments.running.fit_watch import (
    Outcome,
    Spy,
    Writer,
    histories_of,
    history_rows,
    timed,
)
from equipoise.experiments.running.peak_memory import PeakMemory
from equipoise.experiments.study import Study
from equipoise.runs.case_measures import measure_all, write_measures
from equipoise.runs.cell import Cell
from equipoise.runs.csv_records import write_csv
from equipoise.training.progress import Listener, listening

FREQUENCIES = {  # columns of frequencies.csv, shares of classes -> their names in `Frequencies.rows`
    "class": "class",
    "asked": "asked_share",
    "centers": "drawn_share",
    "pixels": "pixel_share",
}

Maps = Sequence[NDArray[np.uint8]]


class CaseSegmenter(Protocol):
    """What a study needs of a method's only step."""

    tau_: float
    notes_: tuple[str, ...]

    def fit(self, train: VolumeDataset, *, validation: VolumeDataset, workspace: Path) -> Self:
        """Learn from the training patients; the others choose weights and thresholds."""

    def predict(self, images: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Give codes (z, y, x) of images (c, z, y, x), 0 outside the mask."""

    def save(self, folder: Path) -> None:
        """Write the fitted segmenter to a new folder."""


def segment_cell(cell: Cell, study: Study, workspace: Path, listener: Listener) -> Outcome:
    """Train the method of a cell on the training patients of its split and segment the test patients."""
    pipeline, split, dataset = seeded_method(cell, study), study.split(cell.split), study.volumes
    train, validation, test = (
        dataset.subset(rows) for rows in (split.train, split.validation, split.test)
    )
    segmenter: CaseSegmenter = pipeline.steps[-1][1]
    spy, seconds = Spy(listener), dict.fromkeys(("train", "predict", "measure"), 0.0)
    with PeakMemory() as memory, listening(spy):
        with timed(seconds, "train"):
            segmenter.fit(train, validation=validation, workspace=workspace)
        with timed(seconds, "predict"):
            maps = [segmenter.predict(*_seen(test, row)) for row in range(len(test))]
        with timed(seconds, "measure"):
            measures = measure_all(test, maps)
    return Outcome(
        record={
            **facts_of(cell, study),
            "status": "done",
            **dict.fromkeys(("error", "error_type", "traceback")),
            "device": devices_of(pipeline),
            "seconds": seconds,
            "resumed": spy.resumed or spy.n_fits < len(histories_of(segmenter)),
            "peak_memory_mb": memory.megabytes,
            "peak_device_memory_mb": memory.device_megabytes,
            "voxels_before": train.counts.tolist(),
            "tau": segmenter.tau_,
            "notes": list(segmenter.notes_),
        },
        predictions=_predictions(test, maps),
        history=[row for name, step in pipeline.steps for row in history_rows(name, step)],
        files=_files(pipeline, partial(write_measures, measures)),
    )


def _seen(dataset: VolumeDataset, row: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Give what a segmenter may see of a case: all but its label map."""
    arrays = dataset.arrays(row)
    return arrays.images, arrays.mask


def _predictions(test: VolumeDataset, maps: Maps) -> dict[str, NDArray[Any]]:
    """Name the arrays to store; the label maps are those of the prepared cases, cropped to the brain."""
    return {
        "test_ids": test.ids,
        "test_groups": test.groups,
        **{f"map_{row}": np.asarray(codes, dtype=np.uint8) for row, codes in enumerate(maps)},
    }


def _files(pipeline: Pipeline, measures: Writer) -> Mapping[str, Writer]:
    segmenter = pipeline.steps[-1][1]

    def frequencies(path: Path) -> None:
        write_csv(path, ("stage", *FREQUENCIES), list(_frequencies(segmenter)))

    return {"segmenter": segmenter.save, "measures.csv": measures, "frequencies.csv": frequencies}


def _frequencies(segmenter: Any) -> Iterator[tuple[Any, ...]]:
    """Walk through the class shares of the patches, of each stage where a segmenter has several."""
    found = segmenter.frequencies_
    for stage, frequencies in (found if isinstance(found, Mapping) else {"": found}).items():
        for row in frequencies.rows():
            yield (stage, *(row[column] for column in FREQUENCIES.values()))
