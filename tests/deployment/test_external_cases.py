"""Every network of a run segments the cases of another data set, of other patients."""

from pathlib import Path

import numpy as np
import pytest
from tests.deployment.conftest import SegmentedRun

from equipoise.data.reading import read_volumes
from equipoise.data.volume_dataset import VolumeDataset
from equipoise.data.volumes.options import VolumeOptions
from equipoise.deployment.external_cases import ExternalRow, measure_external, write_external
from equipoise.deployment.segment import load_segmenter
from equipoise.exceptions import DataError, LeakageError
from equipoise.runs.csv_records import read_rows
from equipoise.testing.volume_runs import write_case


def test_every_network_segments_the_cases_of_another_data_set(
    segmented: SegmentedRun, tmp_path: Path
) -> None:
    run = segmented.run
    write_case(tmp_path / "far" / "p", 8, values=(1, 2, 3))
    options = VolumeOptions(
        labels="msd_brain", modalities=("FLAIR", "T1c"), cache=tmp_path / "cache"
    )
    dataset = read_volumes(tmp_path / "far", options).dataset
    rows = measure_external(run, dataset)
    networks = [(row.method, row.split) for row in rows[::3]]
    assert networks == [(cell.method, cell.split) for cell in run.cells]
    assert [row.region for row in rows[:3]] == ["whole", "core", "active"]
    arrays = dataset.arrays(0)
    prediction = load_segmenter(run, run.cells[0]).predict(arrays.images, arrays.mask)
    of_run = {"whole": (1, 2, 3, 4), "core": (1, 3, 4), "active": (4,)}
    of_labels = {"whole": (1, 2, 3), "core": (2, 3), "active": (3,)}
    for row in rows[:3]:
        predicted = np.isin(prediction, of_run[row.region])
        truth = np.isin(arrays.codes, of_labels[row.region])
        both = (predicted & truth).sum()
        assert row.dice == pytest.approx(2 * both / (predicted.sum() + truth.sum()))
        assert row.sensitivity == pytest.approx(both / truth.sum())
    write_external(rows, tmp_path / "external.csv")
    again = read_rows(tmp_path / "external.csv", ExternalRow)
    assert [row.dice for row in again] == pytest.approx([row.dice for row in rows], abs=1e-6)


def test_external_cases_are_of_other_patients_with_the_same_modalities(
    segmented: SegmentedRun, tmp_path: Path
) -> None:
    def read(modalities: tuple[str, ...]) -> VolumeDataset:
        options = VolumeOptions(labels="brats2013", modalities=modalities, cache=tmp_path / "cache")
        return read_volumes(segmented.cases, options).dataset

    with pytest.raises(DataError, match=r"\['FLAIR', 'T1c'\] of the run"):
        measure_external(segmented.run, read(("T1c", "FLAIR")))
    with pytest.raises(LeakageError, match="got a, b, c"):
        measure_external(segmented.run, read(("FLAIR", "T1c")))
