from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipoise.atomic import read_json, write_json
from equipoise.curation.dosed import DosedOversampler
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.parameters import describe_steps
from equipoise.experiments.protocol import Budget
from equipoise.metrics.classification import METRICS
from equipoise.results.dose_response import DoseRow, dose_response, fall_behind, write_dose
from equipoise.results.ladders import DOSED, find_ladders
from equipoise.runs.csv_records import read_rows
from equipoise.runs.description import MethodDescription
from equipoise.runs.run import open_run

WriteRun = Callable[..., Path]
HELPFUL = {
    "none": (0.2, 0.0),
    "dcgan@0.25": (0.8, 0.0),
    "dcgan@0.5": (1.6, 0.0),
    "dcgan@2": (1.6, 0.0),
}


def described(*names: str) -> list[dict[str, Any]]:
    return [
        {"name": n, "steps": [step.to_json() for step in describe_steps(m)]}
        for n, m in build_methods(names, Budget(device="cpu")).items()
    ]


def with_doses(folder: Path) -> Path:
    """Describe the methods of a fabricated run according to their names."""
    study = read_json(folder / "study.json")
    write_json(
        folder / "study.json",
        {**study, "methods": described(*(m["name"] for m in study["methods"]))},
    )
    return folder


def rows_of(folder: Path) -> list[DoseRow]:
    return dose_response(open_run(folder).images, n_draws=60)


def test_the_name_of_the_dosed_resampler_is_current() -> None:
    assert f"{DosedOversampler.__module__}.{DosedOversampler.__qualname__}" == DOSED


def test_doses_of_one_generator_and_one_unit_form_a_ladder() -> None:
    names = (
        "none",
        "dcgan@2",
        "dcgan",
        "dcgan@0.5",
        "cdcgan@1",
        "dcgan+120",
        "cdcgan_half@1",
        "cdcgan_half@2",
    )
    ladders = [
        (ladder.base, ladder.unit, list(ladder.doses.items()))
        for ladder in find_ladders([MethodDescription.from_json(m) for m in described(*names)])
    ]
    assert ladders == [
        ("dcgan", "share", [("none", 0.0), ("dcgan@0.5", 0.5), ("dcgan@2", 2.0)]),
        ("cdcgan", "share", [("none", 0.0), ("cdcgan@1", 1.0)]),
        ("dcgan", "per_class", [("none", 0.0), ("dcgan+120", 120.0)]),
        (
            "cdcgan_half",
            "share",
            [("cdcgan_half@1", 1.0), ("cdcgan_half@2", 2.0)],
        ),  # another classifier than none
    ]


def test_a_run_without_doses_has_no_curve(write_run: WriteRun) -> None:
    folder = write_run({"none": (1.0, 0.0), "dcgan": (1.5, 0.0)})
    assert rows_of(folder) == []
    write_dose([], folder)
    assert not (folder / "dose.csv").exists()


def test_the_knee_is_where_the_gain_ends(write_run: WriteRun) -> None:
    rows = rows_of(with_doses(write_run(HELPFUL, n_seeds=3, n_splits=2)))
    main = [row for row in rows if not row.class_name]
    assert [row.dose for row in main] == [0.0, 0.25, 0.5, 2.0]
    assert [row.knee for row in main] == [0, 0, 1, 0]
    assert {row.n_runs for row in main} == {6}
    assert main[2].difference_low > 0
    assert np.isnan(main[0].difference)
    assert [row.class_name for row in rows[4:]] == ["class-0"] * 4 + ["class-1"] * 4


def test_images_that_do_not_help_are_not_advised(write_run: WriteRun) -> None:
    arms = {"none": (1.0, 0.0), "dcgan@0.5": (1.0, 0.0), "dcgan@2": (0.4, 0.0)}
    main = [row for row in rows_of(with_doses(write_run(arms))) if not row.class_name]
    assert [row.knee for row in main] == [1, 0, 0]


def test_scores_are_means_over_the_runs_that_all_doses_have(write_run: WriteRun) -> None:
    folder = with_doses(
        write_run(HELPFUL, missing=[("dcgan@2", "split-0", 1)], primary_metric="brier")
    )
    rows = rows_of(folder)
    shared = [f for f in open_run(folder).images.finished if f.cell.seed != 1]
    rule = METRICS["brier"].rule
    for row in rows[:4]:
        cells = [f for f in shared if f.cell.method == row.method]
        assert row.n_runs == len(cells) == 2
        assert row.test == pytest.approx(np.mean([rule(f.predictions)[0] for f in cells]))
        assert row.validation == pytest.approx(np.mean([rule(f.validation)[0] for f in cells]))
    best = min(row.validation for row in rows[:4])
    for row in rows[:4]:
        assert row.behind == pytest.approx(row.validation - best)  # a low Brier score is good


def test_the_test_images_choose_nothing(write_run: WriteRun) -> None:
    folder = with_doses(write_run(HELPFUL))
    before = rows_of(folder)
    for path in folder.glob("cells/*/*/*/predictions.npz"):
        with np.load(path) as stored:
            arrays = dict(stored)
        arrays["test_score"] = arrays["test_score"][:, ::-1]
        np.savez(path, allow_pickle=False, **arrays)
    after = rows_of(folder)
    assert [row.test for row in after] != [row.test for row in before]
    for name in ("knee", "behind", "error", "validation"):
        assert [getattr(row, name) for row in after] == [getattr(row, name) for row in before]


def test_the_error_is_that_of_the_paired_difference() -> None:
    values = np.array([[0.5, 0.7, 0.9], [0.6, 0.9, 0.9]])
    _, behind, error = fall_behind(values, np.zeros((2, 3, 9)), np.arange(3))
    gaps = values[1] - values[0]
    np.testing.assert_allclose(behind, [gaps.mean(), 0])
    np.testing.assert_allclose(error, [gaps.std(ddof=1) / np.sqrt(3), 0])
    draws = np.random.default_rng(0).normal(size=(2, 3, 500))
    both = fall_behind(values, draws, np.arange(3))[2]
    patients = np.var((draws[1] - draws[0]).mean(axis=0), ddof=1)
    np.testing.assert_allclose(both[0], np.sqrt(gaps.var(ddof=1) / 3 + patients))


def test_seeds_of_a_split_are_one_unit_and_one_run_has_its_patients_only() -> None:
    values = np.array([[0.5, 0.7, 0.6, 0.8], [0.8, 0.8, 0.9, 0.9]])
    error = fall_behind(values, np.zeros((2, 4, 9)), np.array([0, 0, 1, 1]))[2]
    np.testing.assert_allclose(error[0], np.std([0.2, 0.2], ddof=1) / np.sqrt(2), atol=1e-12)
    draws = np.random.default_rng(0).normal(size=(2, 1, 200))
    alone = fall_behind(values[:, :1], draws, np.array([0]))[2]
    assert alone[0] == pytest.approx(np.std(draws[1] - draws[0], ddof=1))


def test_the_table_reads_back(write_run: WriteRun) -> None:
    folder = with_doses(write_run(HELPFUL))
    write_dose(rows_of(folder), folder)
    rows = read_rows(folder / "dose.csv", DoseRow)
    assert [(row.method, row.knee, row.dose) for row in rows[:4]] == [
        (row.method, row.knee, row.dose) for row in rows_of(folder)[:4]
    ]
