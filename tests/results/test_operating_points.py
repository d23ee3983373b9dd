"""Operating points: exact ties, agreement with the main table, incomplete runs."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_less
from sklearn.metrics import balanced_accuracy_score, precision_score, recall_score

from equipoise.metrics.operating import MEAN_RECALL, MEASURES, POINTS
from equipoise.results.image_tables import summarize
from equipoise.results.operating_points import (
    TABLES,
    OperatingTables,
    PointRow,
    read_operating,
    tabulate_operating,
    write_operating,
)
from equipoise.results.records import Comparison
from equipoise.runs.run import open_run

WriteRun = Callable[..., Path]
ARMS = {"none": (1.2, -1.0), "shifted": (1.2, 0.0), "separating": (2.6, -1.0)}
N_DRAWS = 60


def tables_of(folder: Path) -> OperatingTables:
    return tabulate_operating(open_run(folder).images, n_draws=N_DRAWS)


def row(tables: OperatingTables, method: str, point: str, measure: str) -> PointRow:
    return next(
        r for r in tables.points if (r.method, r.point, r.measure) == (method, point, measure)
    )


def against_baseline(tables: OperatingTables, method: str, point: str) -> Comparison:
    metric = f"{point}/{POINTS[point].compared}"
    return next(c for c in tables.comparisons if (c.method, c.metric) == (method, metric))


def stored(folder: Path, method: str, seed: int) -> dict[str, np.ndarray]:
    with np.load(folder / f"cells/{method}/split-0/seed-{seed}/predictions.npz") as arrays:
        return dict(arrays)


def test_a_method_that_only_moves_the_threshold_ties_everywhere_but_at_a_half(
    write_run: WriteRun,
) -> None:
    tables = tables_of(write_run(ARMS, n_seeds=4, counts=(300, 120)))
    assert against_baseline(tables, "shifted", "largest").verdict == "better"
    for point in POINTS.keys() - {"largest"}:
        c = against_baseline(tables, "shifted", point)
        assert (c.difference, c.verdict) == (0, "no variation")
        assert against_baseline(tables, "separating", point).verdict == "better"
        for measure in MEASURES:
            assert (
                row(tables, "shifted", point, measure).mean
                == row(tables, "none", point, measure).mean
            )


def test_at_a_half_it_is_the_main_table(write_run: WriteRun) -> None:
    folder = write_run(ARMS, n_splits=2)
    tables, results = tables_of(folder), summarize(open_run(folder), n_draws=N_DRAWS)
    for method in results.methods:
        for measure in MEASURES.keys() - {"cost"}:
            same = "balanced_accuracy" if measure == MEAN_RECALL else measure
            ours, theirs = row(tables, method.method, "largest", measure), method.metrics[same]
            assert_allclose([ours.mean, ours.sd], [theirs.mean, theirs.sd], rtol=1e-9)
            assert_allclose(
                [ours.low, ours.high, ours.n_runs],
                [theirs.low, theirs.high, theirs.n_runs],
                rtol=1e-9,
            )
    for wanted in (c for c in results.comparisons if c.metric == "balanced_accuracy"):
        c = against_baseline(tables, wanted.method, "largest")
        assert_allclose(
            [c.difference, c.low, c.high, c.p, c.p_holm, c.detectable],
            [
                wanted.difference,
                wanted.low,
                wanted.high,
                wanted.p,
                wanted.p_holm,
                wanted.detectable,
            ],
            rtol=1e-6,
        )


def test_thresholds_are_chosen_on_validation_and_measured_on_test(write_run: WriteRun) -> None:
    folder = write_run(ARMS)
    expected = []
    for seed in range(3):
        arrays = stored(folder, "separating", seed)
        positive = arrays["validation_score"][arrays["validation_true"] == 1, 1]
        called = (
            arrays["test_score"][:, 1] >= np.sort(positive)[::-1][22]
        )  # 23 of 24 are more than 95 %, 22 less
        truth = arrays["test_true"]
        measured = (
            (~called[truth == 0]).mean(),
            recall_score(truth, called),
            precision_score(truth, called),
        )
        expected.append([*measured, balanced_accuracy_score(truth, called)])
    measures = ("rare_specificity", "rare_recall", "rare_precision", MEAN_RECALL)
    means = [row(tables_of(folder), "separating", "recall_0.95", m).mean for m in measures]
    assert_allclose(means, np.mean(expected, axis=0))


def test_calibration_before_and_after(write_run: WriteRun) -> None:
    folder = write_run(ARMS, n_splits=2, counts=(200, 80))
    tables = tables_of(folder)
    of = {(c.method, c.version): c for c in tables.calibration}
    main = {
        m.method: m.metrics["ece"] for m in summarize(open_run(folder), n_draws=N_DRAWS).methods
    }
    for method in ARMS:
        as_trained = of[method, "as_trained"]
        assert_allclose([as_trained.ece, as_trained.ece_sd], [main[method].mean, main[method].sd])
        assert np.isnan(as_trained.fitted)
        assert_allclose(of[method, "corrected"].ece, of["none", "corrected"].ece, atol=0.1)
    assert of["shifted", "as_trained"].ece > 1.5 * of["shifted", "corrected"].ece
    assert_allclose(of["shifted", "corrected"].ece, of["none", "corrected"].ece)
    odds = {
        m: of[m, "corrected"].fitted / (1 - of[m, "corrected"].fitted) for m in ("none", "shifted")
    }
    assert_allclose(
        odds["shifted"] / odds["none"], np.exp(1.0), rtol=0.1
    )  # as if trained with that many more


def test_each_test_image_counts_once_in_the_reliability_curve(write_run: WriteRun) -> None:
    tables = tables_of(write_run(ARMS, n_splits=2, n_seeds=3, counts=(50, 20)))
    for method in ARMS:
        for version in ("as_trained", "temperature", "corrected"):
            bins = [r for r in tables.reliability if (r.method, r.version) == (method, version)]
            assert_allclose(sum(r.n for r in bins), 140)
            assert_allclose(sum(r.n * r.observed for r in bins), 40)
            for r in bins:
                assert r.start <= r.predicted <= r.end
                assert_array_less(
                    [-1e-12, r.low, r.observed, r.high],
                    np.add([r.low, r.observed, r.high, 1], 1e-12),
                )


def test_more_classes_are_the_positive_one_against_all_others(write_run: WriteRun) -> None:
    folder = write_run(ARMS, counts=(50, 30, 12))
    tables = tables_of(folder)
    values = [
        balanced_accuracy_score(arrays["test_true"] == 2, arrays["test_score"].argmax(axis=1) == 2)
        for arrays in (stored(folder, "none", seed) for seed in range(3))
    ]
    assert_allclose(row(tables, "none", "largest", MEAN_RECALL).mean, np.mean(values))
    assert against_baseline(tables, "shifted", "corrected").verdict == "no variation"


def test_the_tables_come_back_from_their_files(write_run: WriteRun) -> None:
    folder = write_run(ARMS)
    assert read_operating(folder) is None
    write_operating(tables_of(folder), folder)
    tables, expected = read_operating(folder), tables_of(folder)
    assert tables is not None
    for name in TABLES:
        rows, wanted = getattr(tables, name), getattr(expected, name)
        assert len(rows) == len(wanted) > 0
        for read_row, expected_row in zip(rows, wanted, strict=True):
            for key, value in vars(expected_row).items():
                assert_allclose(vars(read_row)[key], value, atol=5.1e-7) if isinstance(
                    value, float
                ) else None
                assert isinstance(value, float) or vars(read_row)[key] == value


def test_the_same_bytes_for_the_same_predictions(write_run: WriteRun) -> None:
    folders = [
        write_run(ARMS, failed=[("shifted", "split-0", 1)], name=name) for name in ("a", "b")
    ]
    for folder in folders:
        write_operating(tables_of(folder), folder)
    for file, _ in TABLES.values():
        first, second = ((folder / file).read_bytes() for folder in folders)
        assert first == second
        assert b"nan" not in first


def test_torn_folders(write_run: WriteRun) -> None:
    cells = {(m, "split-0", s) for m in ARMS for s in range(3)}
    nothing = tables_of(write_run(ARMS, failed=cells, name="nothing"))
    assert {r.n_runs for r in nothing.points} == {r.n_runs for r in nothing.calibration} == {0}
    assert nothing.reliability == []
    some = tables_of(
        write_run(
            ARMS, missing=[("none", "split-0", 0)], failed=[("shifted", "split-0", 1)], name="some"
        )
    )
    assert against_baseline(some, "shifted", "corrected").n_runs == 1
    assert against_baseline(some, "shifted", "corrected").verdict == "not enough runs"


def test_without_the_positive_class_in_validation_nothing_is_chosen_there(
    write_run: WriteRun,
) -> None:
    folder = write_run(ARMS)
    for path in folder.glob("cells/*/*/*/predictions.npz"):
        with np.load(path) as arrays:
            rows = arrays["validation_true"] == 0
            without_positive = {
                n: arrays[n][rows] if n.startswith("validation") else arrays[n]
                for n in arrays.files
            }
        np.savez(path, allow_pickle=False, **without_positive)
    tables = tables_of(folder)
    assert {r.point for r in tables.points if r.n_runs} == {"largest"}
    assert {c.version for c in tables.calibration if c.n_runs} == {"as_trained", "temperature"}
    assert {c.metric for c in tables.comparisons if c.verdict != "not enough runs"} == {
        f"largest/{MEAN_RECALL}"
    }


def test_without_the_positive_class_in_test_only_specificity_is_known(write_run: WriteRun) -> None:
    tables = tables_of(write_run(ARMS, counts_of={"split-0": (60, 0)}))
    measured = {r.measure for r in tables.points if r.n_runs}
    assert measured == {"rare_specificity", "rare_npv", "cost"}


@pytest.mark.slow
def test_a_large_study_is_tabulated_in_seconds(write_run: WriteRun) -> None:
    arms = {f"method-{i}": (1.2, i / 10) for i in range(9)} | {"none": (1.2, 0.0)}
    folder = write_run(arms, n_splits=3, n_seeds=5, counts=(480, 120))
    start = time.process_time()
    tabulate_operating(open_run(folder).images)
    assert time.process_time() - start < 15
