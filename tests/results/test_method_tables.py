"""The intervals in the tables hold with few patients: those of Jeffreys for a recall."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.testing import assert_allclose
from scipy import stats

from equipoise.metrics.classification import METRICS
from equipoise.results.image_tables import summarize
from equipoise.results.method_tables import summarize_runs
from equipoise.results.operating_points import tabulate_operating
from equipoise.runs.run import open_run

WriteRun = Callable[..., Path]


def test_a_detection_of_all_has_an_interval_with_width(write_run: WriteRun) -> None:
    folder = write_run({"none": (9.0, 0.0)}, n_seeds=1, counts=(40, 9))
    run = open_run(folder)
    results = summarize(run)
    expected = stats.beta.ppf(0.015, 9.5, 0.5)
    recall = results.methods[0].metrics["rare_recall"]
    assert (recall.mean, recall.high) == (1, 1)
    assert_allclose(recall.low, expected, atol=0.03)
    for name in ("balanced_accuracy", "auroc", "auprc", "rare_f1", "mcc", "rare_precision"):
        assert results.methods[0].metrics[name].low < 0.98
    points = {(row.point, row.measure): row for row in tabulate_operating(run.images).points}
    point = points["largest", "rare_recall"]
    assert_allclose((point.low, point.high), (recall.low, 1.0), atol=0.03)


def test_intervals_stay_within_the_bounds(write_run: WriteRun) -> None:
    folder = write_run({"none": (3.0, -6.0), "bad": (-9.0, 0.0)}, counts=(12, 6), n_splits=2)
    for method in summarize(open_run(folder), n_draws=200).methods:
        for name, summary in method.metrics.items():
            bottom, top = METRICS.get(name, METRICS["accuracy"]).bounds
            assert bottom - 1e-9 <= summary.low <= summary.mean <= summary.high <= top + 1e-9


def test_runs_without_the_metric_are_left_out() -> None:
    values = np.array([0.5, np.nan, 0.7])
    summary = summarize_runs(values, np.array([0.5, 0.7]))
    assert_allclose(summary.mean, 0.6)
    assert summary.n_runs == 2
    assert_allclose((summary.low, summary.high), (0.503, 0.697))
