"""The whole check: silent on healthy runs, complete on broken ones, in the order of seriousness."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from equipoise.atomic import write_json
from equipoise.results.image_tables import summarize
from equipoise.results.records import Results
from equipoise.results.reference import ReferenceGain, write_reference
from equipoise.results.regime.check import check_regime, few_patients
from equipoise.runs.run import Run, open_run

WriteRun = Callable[..., Path]


def opened(folder: Path) -> tuple[Run, Results]:
    run = open_run(folder)
    return run, summarize(run, n_draws=50)


def with_gains(folder: Path, gains: dict[str, tuple[float, float]]) -> None:
    """Write a reference that differs by (difference, half the width) from each method."""
    evidence = folder / "evidence" / "reference"
    evidence.mkdir(parents=True, exist_ok=True)
    write_json(evidence / "reference.json", {"notes": []})
    rows = []
    for method, (difference, half) in gains.items():
        row = ReferenceGain(
            features="statistics",
            method=method,
            reference=0.8,
            auroc=0.8 - difference,
            difference=difference,
            low=difference - half,
            high=difference + half,
        )
        rows.append(row)
    write_reference(evidence, [], rows)


def test_a_healthy_run_has_no_warning(write_run: WriteRun) -> None:
    folder = write_run({"none": (1.5, -1.0), "other": (1.6, 0.0)}, n_splits=2)
    with_gains(folder, {"none": (0.02, 0.05), "other": (-0.05, 0.02)})
    assert check_regime(*opened(folder)) == ()


def test_nothing_is_wrong_with_what_has_not_finished(write_run: WriteRun) -> None:
    missing = [("none", "split-0", seed) for seed in range(3)]
    assert check_regime(*opened(write_run({"none": (1.0, 0.0)}, missing=missing))) == ()


@pytest.mark.parametrize(("n_patients", "is_few"), [(9, True), (10, False)])
def test_fewer_than_ten_patients_of_a_class_are_named(
    write_run: WriteRun, n_patients: int, is_few: bool
) -> None:
    run, results = opened(write_run({"none": (1.0, 0.0)}, counts=(40, n_patients)))
    warnings = list(few_patients(results, run.description))
    assert bool(warnings) == is_few
    if warnings:
        assert warnings[0].numbers == {"test patients of class-1": 9}
        assert warnings[0].unusable == ()
        assert "class-1 has 9 test patients" in warnings[0].text
        assert "more splits" in warnings[0].text
        (of_images,) = few_patients(replace(results, unit="image"), run.description)
        assert "class-1 has 9 test images" in of_images.text
        assert "patient" not in of_images.text


def test_patients_are_counted_and_not_images(write_run: WriteRun) -> None:
    folder = write_run({"none": (1.0, 0.0)}, counts=(40, 4), images_per_patient=5)
    run, results = opened(folder)
    (warning,) = few_patients(results, run.description)
    assert warning.numbers == {"test patients of class-1": 4}
    assert warning.unusable == ("none",)  # fewer than six cannot show anything


def test_more_splits_are_not_advised_where_there_are_no_more_images(write_run: WriteRun) -> None:
    run, results = opened(write_run({"none": (1.0, 0.0)}, counts=(40, 4)))
    dataset = replace(run.description.dataset, counts=(160, 5))  # in all parts together
    (warning,) = few_patients(results, replace(run.description, dataset=dataset))
    assert "leave class-1 out" in warning.text
    assert "with more splits" not in warning.text


@pytest.mark.parametrize(
    ("gains", "methods", "every"),
    [
        ({"none": (0.1, 0.05), "other": (0.01, 0.05)}, ("none",), False),
        ({"none": (0.1, 0.05), "other": (0.2, 0.05)}, ("none", "other"), True),
        ({"none": (0.1, 0.2), "other": (0.2, 0.05)}, (), False),
    ],
)
def test_a_baseline_below_the_reference_is_named(
    write_run: WriteRun,
    gains: dict[str, tuple[float, float]],
    methods: tuple[str, ...],
    every: bool,
) -> None:
    folder = write_run({"none": (1.5, 0.0), "other": (1.6, 0.0)}, n_splits=2)
    with_gains(folder, gains)
    warnings = check_regime(*opened(folder))
    assert [warning.methods for warning in warnings] == ([methods] if methods else [])
    if methods:
        assert warnings[0].kind == "below the reference"
        assert ("every method" in warnings[0].text) == every
        assert "+0.10 [+0.05, +0.15]" in warnings[0].text


def test_a_difference_that_nobody_would_notice_is_no_warning(write_run: WriteRun) -> None:
    folder = write_run({"none": (1.5, 0.0), "other": (1.6, 0.0)}, n_splits=2)
    with_gains(folder, {"none": (0.008, 0.002), "other": (0.0, 0.1)})
    assert check_regime(*opened(folder)) == ()


def test_what_ranks_backwards_is_not_told_to_move_its_threshold(write_run: WriteRun) -> None:
    run, results = opened(write_run({"none": (-1.5, -9.0), "other": (1.5, -9.0)}))
    found = {warning.kind: warning.methods for warning in check_regime(run, results)}
    assert found == {"ranked backwards": ("none",), "one class called": ("other",)}


def test_the_most_serious_comes_first(write_run: WriteRun) -> None:
    run, results = opened(write_run({"none": (-1.5, 0.0)}, counts=(40, 9)))
    few = replace(results, test_patients=(40, 9))
    kinds = [warning.kind for warning in check_regime(run, few)]
    assert kinds == ["ranked backwards", "few patients"]
