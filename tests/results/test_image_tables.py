"""The tables of complete, incomplete and unusual runs."""

import csv
import math
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from equipoise.exceptions import DataError, SettingError
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.metrics.base import Predictions
from equipoise.metrics.classification import METRICS
from equipoise.metrics.statistics import paired_test
from equipoise.results import image_tables as table
from equipoise.results.bootstrap_scores import score
from equipoise.results.image_tables import write_image_tables
from equipoise.results.records import Comparison, Results
from equipoise.results.tables import write_all_tables
from equipoise.runs.cell import Cell
from equipoise.runs.run import open_run
from equipoise.runs.store import RunStore

WriteRun = Callable[..., Path]
ARMS = {
    "none": (1.2, -1.0),
    "same": (1.2, -1.0),
    "shifted": (1.2, 0.0),
    "separating": (2.6, -1.0),
    "bad": (0.2, -1.0),
}


def summarize(folder: Path) -> Results:
    """Summarize with fewer draws than a user gets, for speed."""
    return table.summarize(open_run(folder), n_draws=200)


def row(results: Results, method: str, metric: str = "balanced_accuracy") -> Comparison:
    return next(c for c in results.comparisons if (c.method, c.metric) == (method, metric))


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_summaries_are_means_over_the_runs(write_run: WriteRun) -> None:
    folder = write_run({"none": (1.2, 0.0)})
    result = summarize(folder).methods[0]
    values = []
    for seed in range(3):
        with np.load(folder / f"cells/none/split-0/seed-{seed}/predictions.npz") as p:
            arrays = {"y_true": p["test_true"], "y_score": p["test_score"], "positive": 1}
            values.append(METRICS["mcc"].function(**arrays))
    summary = result.metrics["mcc"]
    assert_allclose([summary.mean, summary.sd], [np.mean(values), np.std(values, ddof=1)])
    assert summary.low < summary.mean < summary.high
    assert (summary.n_runs, result.n_runs, result.n_failed) == (3, 3, 0)
    assert set(result.metrics) == {*METRICS, "decided_balanced_accuracy"}


def test_rows_of_classes_and_the_summed_confusion_matrix(write_run: WriteRun) -> None:
    results = summarize(write_run({"none": (1.2, 0.0)}, n_splits=2, counts=(50, 20, 10)))
    method = results.methods[0]
    assert (
        [r.name for r in method.per_class]
        == list(results.class_names)
        == ["class-0", "class-1", "class-2"]
    )
    assert [r.support for r in method.per_class] == [100, 40, 20]  # both splits, each once
    assert method.confusion.sum(axis=1).tolist() == [300, 120, 60]  # two splits, three seeds
    assert_allclose(
        np.mean([r.recall for r in method.per_class]), method.metrics["balanced_accuracy"].mean
    )
    assert_allclose(method.per_class[2].recall, method.metrics["rare_recall"].mean)
    assert_allclose(np.mean([r.auroc for r in method.per_class]), method.metrics["auroc"].mean)
    assert results.test_patients == (100, 40, 20)


def test_the_words_of_the_comparisons(write_run: WriteRun) -> None:
    results = summarize(write_run(ARMS, n_splits=3, counts=(150, 60)))
    assert {name: row(results, name).verdict for name in ARMS if name != "none"} == {
        "same": "no variation",
        "shifted": "better",
        "separating": "better",
        "bad": "worse",
    }
    assert row(results, "separating", "auroc").verdict == "better"
    assert row(results, "shifted", "auroc").verdict == "no variation"
    for c in results.comparisons:
        if c.verdict == "no variation":
            continue
        assert c.p <= c.p_holm <= 1
        assert c.low <= c.difference <= c.high
        assert c.verdict not in {"better", "worse"} or (c.low > 0 or c.high < 0)
    same = row(results, "same")
    assert (same.difference, same.verdict) == (0, "no variation")
    assert np.isnan([same.low, same.high, same.p, same.p_holm, same.detectable]).all()


def test_a_comparison_is_the_paired_test_of_its_runs(write_run: WriteRun) -> None:
    folder = write_run(ARMS, n_splits=2, counts=(60, 9))
    study = open_run(folder).images
    scores = score(study, n_draws=200)
    none, other = (
        [i for i, f in enumerate(study.finished) if f.cell.method == m]
        for m in ("none", "separating")
    )
    values, draws = scores.values["auroc"], scores.draws["auroc"]
    expected = paired_test(
        values[other] - values[none],
        draws[other] - draws[none],
        np.repeat([0, 1], 3),
        n_patients=18,
        n_comparisons=8,  # four methods on two metrics
    )
    comparison = row(summarize(folder), "separating", "auroc")
    assert_allclose(
        [
            comparison.difference,
            comparison.low,
            comparison.high,
            comparison.p,
            comparison.detectable,
        ],
        [expected.difference, expected.low, expected.high, expected.p, expected.detectable],
    )


def test_lower_may_be_better(write_run: WriteRun) -> None:
    results = summarize(write_run(ARMS, n_splits=3, primary_metric="brier"))
    better = row(results, "separating", "brier")
    assert better.difference < 0
    assert better.verdict == "better"
    assert row(results, "bad", "brier").verdict == "worse"


def test_the_primary_metric_may_be_auroc(write_run: WriteRun) -> None:
    results = summarize(write_run(ARMS, primary_metric="auroc"))
    assert [c.metric for c in results.comparisons] == ["auroc"] * 4 + ["auprc"] * 4


def test_one_run_is_not_enough(write_run: WriteRun) -> None:
    results = summarize(write_run(ARMS, n_seeds=1))
    assert {c.verdict for c in results.comparisons} == {"not enough runs"}
    better = row(results, "separating")
    assert better.difference > 0
    assert better.n_runs == 1
    assert np.isnan([better.low, better.high, better.p, better.p_holm, better.detectable]).all()
    assert math.isnan(results.methods[0].metrics["auroc"].sd)


def test_five_patients_of_a_class_are_not_enough(write_run: WriteRun) -> None:
    five, six = (summarize(write_run(ARMS, counts=(60, n), name=f"run-{n}")) for n in (5, 6))
    assert {c.verdict for c in five.comparisons} == {"not enough runs"}
    assert row(six, "separating").verdict != "not enough runs"


def test_images_of_one_patient_are_not_independent(write_run: WriteRun) -> None:
    single = summarize(write_run(ARMS, name="single"))
    copies = summarize(write_run(ARMS, images_per_patient=4, name="copies"))
    for name in ("accuracy", "auroc", "auprc", "rare_f1"):
        a, b = (r.methods[0].metrics[name] for r in (single, copies))
        assert_allclose(b.mean, a.mean)
        assert_allclose(
            b.high - b.low, a.high - a.low, rtol=0.15
        )  # other draws; half as wide if independent


def test_failed_and_missing_cells_are_counted_and_the_rest_is_paired(write_run: WriteRun) -> None:
    folder = write_run(
        ARMS,
        n_seeds=4,
        failed=[("bad", "split-0", 2)],
        missing=[("none", "split-0", 0), ("bad", "split-0", 1)],
    )
    results = summarize(folder)
    assert (results.n_requested, results.n_missing) == (20, 2)
    assert [f.cell for f in results.failures] == [Cell("bad", "split-0", 2)]
    assert "became NaN" in results.failures[0].error
    assert row(results, "separating").n_runs == 3
    assert row(results, "bad").n_runs == 1
    assert row(results, "bad").verdict == "not enough runs"
    bad = next(m for m in results.methods if m.method == "bad")
    assert (bad.n_runs, bad.n_failed) == (2, 1)


def test_a_run_in_which_everything_failed_still_has_tables(
    write_run: WriteRun, tmp_path: Path
) -> None:
    folder = write_run(
        {"none": (1, 0), "other": (1, 0)},
        failed={(m, "split-0", s) for m in ("none", "other") for s in range(3)},
    )
    results = summarize(folder)
    assert len(results.failures) == 6
    assert {c.verdict for c in results.comparisons} == {"not enough runs"}
    assert results.methods[0].metrics["auroc"].n_runs == 0
    write_image_tables(results, tmp_path / "out")
    assert read(tmp_path / "out" / "table.csv")[0]["mean"] == ""
    assert read(tmp_path / "out" / "per_class.csv") == []


def test_a_fold_without_the_rare_class_is_left_out_not_counted_as_zero(write_run: WriteRun) -> None:
    results = summarize(write_run(ARMS, n_splits=3, counts_of={"split-1": (60, 0)}))
    none = results.methods[0]
    assert none.metrics["auroc"].n_runs == none.metrics["balanced_accuracy"].n_runs == 6
    assert none.metrics["accuracy"].n_runs == 9
    assert none.metrics["auroc"].mean > 0.6
    assert none.per_class[1].recall > 0.2
    assert row(results, "separating").n_runs == 6


def test_the_order_of_stored_images_does_not_matter(write_run: WriteRun, tmp_path: Path) -> None:
    folder = write_run(ARMS)
    before = summarize(folder)
    path = folder / "cells/separating/split-0/seed-1/predictions.npz"
    with np.load(path) as stored:
        np.savez(path, allow_pickle=False, **{name: stored[name][::-1] for name in stored.files})
    after = summarize(folder)
    write_image_tables(before, tmp_path / "before")
    write_image_tables(after, tmp_path / "after")
    for name in ("table.csv", "comparisons.csv", "per_class.csv"):
        assert read(tmp_path / "before" / name) == read(tmp_path / "after" / name)


def test_cells_tested_on_other_images_are_no_pairs(write_run: WriteRun) -> None:
    folder = write_run(ARMS)
    path = folder / "cells/separating/split-0/seed-1/predictions.npz"
    with np.load(path) as stored:
        np.savez(path, allow_pickle=False, **{name: stored[name][1:] for name in stored.files})
    with pytest.raises(DataError, match=r"test images .*split-0.*separating, split-0, seed 1"):
        summarize(folder)


def test_not_a_run_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no study\.json"):
        summarize(tmp_path)


def test_an_unknown_primary_metric_is_named(write_run: WriteRun) -> None:
    with pytest.raises(SettingError, match=r"'balanced_acuracy'.* 'balanced_accuracy'"):
        summarize(write_run(ARMS, primary_metric="balanced_acuracy"))


def test_tables_are_the_same_bytes_whatever_the_run_took(
    write_run: WriteRun, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        folder = write_run(ARMS, n_splits=2, failed=[("bad", "split-1", 0)], name=name)
        write_image_tables(summarize(folder), tmp_path / f"tables-{name}")
    for file in ("table.csv", "comparisons.csv", "per_class.csv"):
        first, second = ((tmp_path / f"tables-{name}" / file).read_bytes() for name in ("a", "b"))
        assert first == second
        assert b"second" not in first
        assert b"nan" not in first


def test_what_the_tables_hold(write_run: WriteRun, tmp_path: Path) -> None:
    results = summarize(write_run(ARMS))
    write_image_tables(results, tmp_path / "tables")
    lines = read(tmp_path / "tables" / "table.csv")
    assert len(lines) == len(ARMS) * (1 + len(METRICS))
    assert list(lines[0]) == ["method", "n_failed", "metric", "mean", "sd", "low", "high", "n_runs"]
    assert float(lines[0]["mean"]) == pytest.approx(
        results.methods[0].metrics["accuracy"].mean, abs=1e-6
    )
    comparisons = read(tmp_path / "tables" / "comparisons.csv")
    assert [(line["method"], line["verdict"]) for line in comparisons[:1]] == [
        ("same", "no variation")
    ]
    assert len(read(tmp_path / "tables" / "per_class.csv")) == len(ARMS) * 2
    costs = read(tmp_path / "tables" / "costs.csv")
    assert costs[2] == {
        "method": "none",
        "stage": "train",
        "seconds": "2.000000",
        "peak_memory_mb": "102.000000",
    }


def test_what_a_study_writes_is_read(make_study: Callable[..., Study], tmp_path: Path) -> None:
    store = RunStore(tmp_path / "run")
    run_study(make_study(), store, executor=InProcess())
    results = summarize(store.folder)
    assert [(m.method, m.n_runs) for m in results.methods] == [
        ("none", 4),
        ("fewer", 4),
        ("copies", 4),
    ]
    assert (results.n_requested, results.n_missing, results.failures) == (12, 0, ())
    assert results.class_names == ("class-0", "class-1")
    assert results.rare_class == 1
    assert set(results.methods[0].seconds) == {"resample", "train", "predict"}


def test_stored_predictions_stay_as_small_as_they_were_read(write_run: WriteRun) -> None:
    """Sorted images and the like, kept for every cell, would fill the memory of a large run."""
    run = open_run(write_run({"none": ARMS["none"], "bad": ARMS["bad"]}, n_splits=2))
    write_all_tables(run)
    names = {field.name for field in fields(Predictions)}
    for cell in run.images.finished:
        for predictions in (cell.predictions, cell.validation):
            assert vars(predictions).keys() <= {*names, "_per_image"}
            assert not vars(predictions).get("_per_image")
