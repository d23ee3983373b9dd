"""Slices: the best, the median and the worst patient, the right slice of each, no names."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.fixtures.volume_run import volume_run

from equipoise.atomic import read_json
from equipoise.evidence.finished_run import FinishedRun
from equipoise.evidence.gathering import gather_evidence
from equipoise.evidence.kinds.slices import TUMOR, chosen_methods, largest_slice, roles
from equipoise.runs.case_measures import read_measures
from equipoise.runs.run import open_run

METHODS = ("random", "darker")


@pytest.fixture(scope="module")
def gathered(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[FinishedRun, dict[str, Any], dict[str, Any]]:
    run = volume_run(tmp_path_factory.mktemp("run"), seeds=(0, 1))
    gather_evidence(run)
    folder = run.folder / "evidence" / "slices"
    with np.load(folder / "slices.npz", allow_pickle=False) as arrays:
        return run, read_json(folder / "slices.json"), dict(arrays)


def mean_dice(run: FinishedRun, method: str) -> dict[int, float]:
    """Compute the mean Dice of each patient from the files, region by region."""
    of_patient: dict[int, list[float]] = {}
    for cell in run.cells:
        if cell.method == method:
            measures = read_measures(run.path(cell) / "measures.csv")
            sizes = [measures.regions[name] for name in ("whole", "core", "active")]
            dice = [(2 * m["tp"] + 1e-9) / (2 * m["tp"] + m["fp"] + m["fn"] + 1e-9) for m in sizes]
            for i, patient in enumerate(measures.patients.tolist()):  # 1 where both are empty
                of_patient.setdefault(patient, []).append(float(np.mean([d[i] for d in dice])))
    return {patient: float(np.mean(values)) for patient, values in of_patient.items()}


@pytest.mark.parametrize("method", METHODS)
def test_best_median_and_worst_are_those_of_the_mean_over_seeds(gathered: Any, method: str) -> None:
    run, summary, _ = gathered
    scores = mean_dice(run, method)
    ranked = sorted(scores, key=lambda patient: (-scores[patient], patient))
    patients = {}
    for exhibit in summary["exhibits"]:
        if exhibit["of"] == method:
            patient = summary["slices"][exhibit["slice"]]["patient"]
            patients[exhibit["role"]] = patient
            assert exhibit["mean_dice"] == pytest.approx(scores[patient])
    assert patients == {"best": ranked[0], "median": ranked[2], "worst": ranked[4]}


def test_a_slice_is_the_one_with_most_tumor_or_most_errors(gathered: Any) -> None:
    run, summary, _ = gathered
    regions = run.study.volumes.regions
    for exhibit in summary["exhibits"]:
        selected = summary["slices"][exhibit["slice"]]
        truth = run.study.volumes.arrays(selected["patient"]).codes
        methods = summary["methods"] if exhibit["of"] == summary["reference"] else [exhibit["of"]]
        if exhibit["reason"] == TUMOR:
            counts = [(plane > 0).sum() for plane in truth]
        else:
            errors = np.zeros(len(truth), dtype=int)
            for method in methods:
                codes = first_map(run, method, selected["patient"])
                for region in regions.values():
                    errors += (np.isin(codes, region) ^ np.isin(truth, region)).sum(axis=(1, 2))
            counts = errors.tolist()
        assert counts[selected["z"]] == max(counts)


def first_map(run: FinishedRun, method: str, patient: int) -> Any:
    for cell in run.cells:
        stored = run.predictions(cell)
        if cell.method == method and patient in stored["test_groups"]:
            return stored[f"map_{stored['test_groups'].tolist().index(patient)}"]
    raise AssertionError


def test_pixels_are_those_of_the_case_and_the_map(gathered: Any) -> None:
    run, summary, pixels = gathered
    assert summary["modalities"] == ["T1c", "FLAIR"]
    for i, selected in enumerate(summary["slices"]):
        z = selected["z"]
        arrays = run.study.volumes.arrays(selected["patient"])
        assert np.array_equal(pixels[f"truth_{i}"], arrays.codes[z])
        assert pixels[f"image_{i}"].shape == (2, *arrays.codes.shape[1:])
        assert pixels[f"image_{i}"].dtype == np.uint8
        assert not pixels[f"image_{i}"][:, ~arrays.mask[z]].any()
        for j, method in enumerate(summary["methods"]):
            predicted = first_map(run, method, selected["patient"])[z]
            assert np.array_equal(pixels[f"drawn_{i}_{j}"], predicted)


def test_the_dice_beside_a_map_is_that_of_this_map(gathered: Any) -> None:
    run, summary, _ = gathered
    patient = summary["slices"][0]["patient"]
    truth = run.study.volumes.arrays(patient).codes == 4
    predicted = first_map(run, "darker", patient) == 4
    expected = 2 * (truth & predicted).sum() / (truth.sum() + predicted.sum())
    assert summary["dice"]["darker"][str(patient)]["active"] == pytest.approx(expected)


def test_no_case_is_named(gathered: Any) -> None:
    run, _, _ = gathered
    text = (run.folder / "evidence" / "slices" / "slices.json").read_text()
    assert not any(name in text for name in run.study.volumes.ids)


def test_one_patient_is_best_median_and_worst() -> None:
    assert roles({3: 0.5}) == {3: "best and median and worst"}
    assert roles({0: 0.2, 1: 0.9}) == {1: "best and median", 0: "worst"}
    assert roles({0: 0.2, 1: 0.9, 2: 0.4}) == {1: "best", 2: "median", 0: "worst"}


def lacking(gathered: Any, folder: Path, *methods: str) -> Path:
    """Gather again after deleting the cells of methods."""
    run = gathered[0]
    shutil.copytree(run.folder, folder)
    for method in methods:
        shutil.rmtree(folder / "cells" / method)
    gather_evidence(FinishedRun(run.study, open_run(folder)))
    return folder / "evidence" / "slices" / "slices.json"


def test_without_the_baseline_the_first_method_is_the_reference(
    gathered: Any, tmp_path: Path
) -> None:
    summary = read_json(lacking(gathered, tmp_path / "run", "random"))
    assert (summary["methods"], summary["reference"]) == (["darker"], "darker")


def test_without_a_finished_cell_nothing_is_written(gathered: Any, tmp_path: Path) -> None:
    assert not lacking(gathered, tmp_path / "run", *METHODS).exists()


def test_at_most_six_methods_the_best_and_the_reference() -> None:
    scores = {f"method-{i}": {0: 0.1 * i} for i in range(8)}
    assert chosen_methods(scores, "method-0") == [f"method-{i}" for i in (0, 3, 4, 5, 6, 7)]


def test_a_case_without_tumor_shows_its_middle() -> None:
    assert largest_slice(np.zeros(7, dtype=np.int64)) == 3
