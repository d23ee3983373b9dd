import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from equipoise.exceptions import DataError
from equipoise.experiments.region_metrics import by_size, region_metrics
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.metrics.segmentation import MEASURES
from equipoise.results.records import Results
from equipoise.results.tables import write_all_tables
from equipoise.results.volume_tables import summarize_volumes, under_omissions, write_volume_tables
from equipoise.runs.case_measures import CaseMeasures, join_cases, read_measures, write_measures
from equipoise.runs.run import Run, open_run
from equipoise.runs.store import RunStore

MakeStudy = Callable[..., Study]


@pytest.fixture
def run(make_volume_study: MakeStudy, tmp_path: Path) -> Run:
    """Return a finished run: two methods, three folds of two patients, two seeds."""
    run_study(make_volume_study(), RunStore(tmp_path / "run"), executor=InProcess())
    return open_run(tmp_path / "run")


def measures(
    dice: list[float], *, patients: list[int] | None = None, size: float = 100.0
) -> CaseMeasures:
    """Cases whose only region has this Dice, with as many predicted as true voxels."""
    tp = np.array(dice) * size
    zeros = np.zeros(len(dice))
    counts = {**dict.fromkeys(MEASURES, zeros), "tp": tp, "fp": size - tp, "fn": size - tp}
    return CaseMeasures(
        ids=np.array([f"case-{i}" for i in range(len(dice))]),
        patients=np.arange(len(dice)) if patients is None else np.array(patients),
        regions={"whole": counts},
    )


def rows_of(run: Run, results: Results, method: str, metric: str) -> dict[str, float]:
    """Return the written value of each patient, mean over the seeds."""
    values: dict[str, list[float]] = {}
    for line in (_written(run, results) / "patients.csv").read_text().splitlines()[1:]:
        name, _, patient, of, value = line.split(",")
        if (name, of) == (method, metric):
            values.setdefault(patient, []).append(float(value))
    return {patient: float(np.mean(numbers)) for patient, numbers in values.items()}


def folds_of(run: Run) -> dict[str, str]:
    """Return the fold that tested each patient."""
    folds = {}
    for finished in run.volumes.finished:
        for patient in finished.measures.patients:
            folds[str(patient)] = finished.cell.split
    return folds


def widest(values: dict[str, float], folds: dict[str, str]) -> tuple[float, float, float]:
    """Return mean and half widths of t over folds, and of t over folds and patients together."""
    by_fold: dict[str, list[float]] = {}
    for patient, value in values.items():
        by_fold.setdefault(folds[patient], []).append(value)
    k, m = len(by_fold), len(values)
    of_folds = stats.sem([np.mean(numbers) for numbers in by_fold.values()]) ** 2
    of_patients = stats.sem(list(values.values())) ** 2
    total = of_folds + of_patients
    freedom = total**2 / (of_folds**2 / (k - 1) + of_patients**2 / (m - 1))
    return (
        float(np.mean(list(values.values()))),
        float(stats.t.ppf(0.975, k - 1) * np.sqrt(of_folds)),
        float(stats.t.ppf(0.975, freedom) * np.sqrt(total)),
    )


def test_means_and_intervals_are_over_folds_and_patients(run: Run) -> None:
    results = summarize_volumes(run)
    assert results.headline == ("mean_dice", "dice_label_1", "dice_label_2")
    method = results.methods[0]
    assert (method.method, method.n_runs, method.metrics["mean_dice"].n_runs) == ("random", 6, 2)
    values = rows_of(run, results, "random", "mean_dice")
    assert len(values) == 6
    summary = method.metrics["mean_dice"]
    mean, *halves = widest(values, folds_of(run))
    expected = (mean, max(0, mean - max(halves)), min(1, mean + max(halves)))
    assert (summary.mean, summary.low, summary.high) == pytest.approx(expected, abs=1e-5)


def _written(run: Run, results: Results) -> Path:
    write_volume_tables(results, run)
    return run.folder


def test_the_comparison_is_paired_over_folds_and_patients(run: Run) -> None:
    results = summarize_volumes(run)
    ours = rows_of(run, results, "brighter", "dice_label_2")
    theirs = rows_of(run, results, "random", "dice_label_2")
    differences = {patient: ours[patient] - theirs[patient] for patient in ours}
    (row,) = [row for row in results.comparisons if row.metric == "dice_label_2"]
    mean, *halves = widest(differences, folds_of(run))
    assert row.difference == pytest.approx(mean, abs=1e-5)
    assert (row.low, row.high) == pytest.approx((mean - max(halves), mean + max(halves)), abs=1e-5)
    assert (row.method, row.baseline, row.n_runs) == ("brighter", "random", 12)
    assert "6 test patients in 3 folds, 2 seeds" in results.verdict[0]


def test_two_of_three_folds_test_nothing(run: Run) -> None:
    for path in (run.folder / "cells" / "brighter" / "fold-1").glob("seed-*"):
        shutil.rmtree(path)
    results = summarize_volumes(open_run(run.folder))
    assert {row.verdict for row in results.comparisons} == {"not enough runs"}
    assert "3 folds that both have finished" in results.verdict[0]


def test_all_regions_and_methods_are_one_family(run: Run) -> None:
    rows = summarize_volumes(run).comparisons
    p = [row.p for row in rows if np.isfinite(row.p)]
    assert len(rows) == 3
    assert min(row.p_holm for row in rows) == pytest.approx(min(1.0, len(p) * min(p)))


def test_tables_are_the_same_bytes_each_time(run: Run, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_all_tables(open_run(shutil.copytree(run.folder, tmp_path / name)))
    for table in ("table.csv", "comparisons.csv", "patients.csv"):
        assert (tmp_path / "a" / table).read_bytes() == (tmp_path / "b" / table).read_bytes()
    assert {path.name for path in (tmp_path / "a").glob("*.csv")} == {
        "table.csv",
        "comparisons.csv",
        "patients.csv",
        "costs.csv",
    }


def test_an_unfinished_run_compares_what_both_have(run: Run, make_volume_study: MakeStudy) -> None:
    shutil.rmtree(run.folder / "cells" / "brighter" / "fold-1" / "seed-0")
    results = summarize_volumes(open_run(run.folder))
    assert results.n_missing == 1
    assert {row.n_runs for row in results.comparisons} == {10}
    assert "1 of 12 runs not finished" in results.verdict[1]


def test_a_patient_of_several_cases_is_left_out_whole() -> None:
    metric = region_metrics(["whole"])["dice_whole"]
    cases = measures([0.2, 0.4, 0.9], patients=[5, 5, 8])
    values = under_omissions(metric, cases, cases.patients, np.array([5, 8]))
    assert values.tolist() == pytest.approx([0.5, 0.9, 0.3, 0.3, 0.9])


def test_no_case_no_value() -> None:
    """Counts pooled over no patients would give the Dice of two empty sets, which is 1."""
    metric = region_metrics(["whole"])["dice_pooled_whole"]
    case = measures([0.2], patients=[3])
    assert np.isnan(under_omissions(metric, case, case.patients, np.array([3]))[1])


def test_measures_survive_the_disk(tmp_path: Path) -> None:
    written = measures([0.25, 1.0])
    written.regions["whole"]["hd95_mm"][1] = np.nan
    write_measures(written, tmp_path / "measures.csv")
    read = read_measures(tmp_path / "measures.csv")
    assert read.ids.tolist() == written.ids.tolist()
    for key in MEASURES:
        np.testing.assert_allclose(read.regions["whole"][key], written.regions["whole"][key])


def test_folds_are_joined_in_the_order_of_names() -> None:
    a, b = measures([0.1, 0.3]).subset([1]), measures([0.1, 0.3]).subset([0])
    assert join_cases([a, b], [2, 5]).ids.tolist() == ["case-0", "case-1"]
    assert join_cases([a, b], [2, 5]).fold_codes.tolist() == [5, 2]


def test_metrics_have_names_that_suit_columns() -> None:
    names = list(region_metrics(["whole", "core"], ["edema", "non-enhancing"]))
    assert names[:5] == [
        "mean_dice",
        "dice_whole",
        "dice_core",
        "dice_class_edema",
        "dice_class_non-enhancing",
    ]
    assert len(names) == len(set(names)) == 1 + 7 * 4


def test_regions_are_read_from_the_largest_and_equal_ones_by_their_codes() -> None:
    """Sorted by name, label 10 would come before label 2."""
    assert by_size({"active": [4], "core": [1, 3, 4], "whole": [1, 2, 3, 4]}) == [
        "whole",
        "core",
        "active",
    ]
    assert by_size({"label 10": [2], "label 2": [1]}) == ["label 2", "label 10"]


def test_a_run_on_volumes_has_no_images(run: Run, tmp_path: Path) -> None:
    assert run.description.task == "segmentation"
    with pytest.raises(DataError, match="on volumes"):
        _ = run.images
    with pytest.raises(DataError, match=r"no study\.json"):
        open_run(tmp_path / "nowhere")
