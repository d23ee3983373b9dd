"""The simple reference as results: compared on the same patients, written and read back."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from equipoise.atomic import write_json
from equipoise.metrics.base import Predictions
from equipoise.metrics.classification import METRICS
from equipoise.results.reference import (
    read_reference,
    reference_cells,
    reference_gains,
    score_reference,
    write_reference,
)
from equipoise.runs.image_run import ImageRun
from equipoise.runs.run import open_run

WriteRun = Callable[..., Path]


def reference_like(images: ImageRun, method: str) -> ImageRun:
    """Use the first seed of a method on each split as the reference."""
    scores: dict[str, tuple[Predictions, Predictions]] = {}
    for cell in images.cells_of(method):
        scores.setdefault(cell.cell.split, (cell.validation, cell.predictions))
    return reference_cells(images, "reference: statistics", scores)


def test_a_cell_for_each_split_with_the_patients_of_the_run(write_run: WriteRun) -> None:
    images = open_run(write_run({"none": (1.0, 0.0)}, n_splits=2)).images
    reference = reference_like(images, "none")
    assert [cell.cell.split for cell in reference.finished] == ["split-0", "split-1"]
    assert reference.methods == ("reference: statistics",)
    assert np.array_equal(reference.finished[0].patients, images.finished[0].patients)


def test_a_reference_beats_what_ranks_worse_and_not_itself(write_run: WriteRun) -> None:
    arms = {"none": (0.3, 0.0), "equal": (2.5, 0.0)}
    images = open_run(write_run(arms, n_splits=2, n_seeds=1)).images
    gains = {
        row.method: row
        for row in reference_gains(images, reference_like(images, "equal"), "statistics")
    }
    assert gains["none"].beaten
    assert gains["none"].difference == pytest.approx(gains["none"].reference - gains["none"].auroc)
    assert (gains["equal"].difference, gains["equal"].beaten) == (0.0, False)


def test_it_has_every_metric_and_survives_the_folder(write_run: WriteRun) -> None:
    folder = write_run({"none": (1.0, 0.0)}, n_splits=2)
    images = open_run(folder).images
    assert read_reference(folder) is None
    reference = reference_like(images, "none")
    scores = score_reference(reference, "statistics")
    evidence = folder / "evidence" / "reference"
    evidence.mkdir(parents=True)
    write_json(evidence / "reference.json", {"fits": [], "notes": ["left out"]})
    write_reference(evidence, scores, reference_gains(images, reference, "statistics"))
    stored = read_reference(folder)
    assert stored is not None
    assert stored.scores_of("statistics").keys() == {*METRICS, "decided_balanced_accuracy"}
    area = stored.scores_of("statistics")["auroc"]
    assert area.low < area.mean < area.high
    assert (stored.features, stored.notes) == (("statistics",), ("left out",))
    assert [row.method for row in stored.gains] == ["none"]
