"""AUROCs below 0.5, and validation far above test: beyond what the patients explain, or not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from equipoise.results.regime.areas import area_gap, below_chance, validation_above_test
from equipoise.runs.run import open_run

WriteRun = Callable[..., Path]


def test_healthy_methods_are_left_alone(write_run: WriteRun) -> None:
    arms = {"none": (0.8, -1.0), "weak": (0.4, 0.0), "strong": (3.0, 0.0)}
    images = open_run(write_run(arms, n_splits=3)).images
    assert not list(below_chance(images))
    assert not list(validation_above_test(images))


def test_images_ranked_backwards_are_told_from_chance(write_run: WriteRun) -> None:
    arms = {"none": (1.0, 0.0), "reversed": (-1.0, 0.0), "coin": (-0.3, 0.0)}
    images = open_run(write_run(arms, n_seeds=4, counts=(40, 16))).images
    found = {warning.kind: warning for warning in below_chance(images)}
    assert found["ranked backwards"].methods == ("reversed",)
    assert found["ranked backwards"].numbers["high"] < 0.5
    assert found["no better than chance"].methods == ("coin",)
    assert found["no better than chance"].numbers["high"] > 0.5
    assert not list(below_chance(images, ignored=arms))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_test_images_of_another_kind_are_noticed(write_run: WriteRun, n_classes: int) -> None:
    counts = (60, 40, 30)[:n_classes]
    folder = write_run({"none": (2.0, 0.0), "other": (2.0, 0.0)}, n_splits=2, counts=counts)
    for path in (folder / "cells" / "none").glob("*/*/predictions.npz"):
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files}
        rng = np.random.default_rng(0)
        arrays["test_score"] = rng.permutation(arrays["test_score"])
        np.savez(path, allow_pickle=False, **arrays)
    (warning,) = validation_above_test(open_run(folder).images)
    assert warning.methods == ("none",)
    assert warning.numbers["validation"] - warning.numbers["test"] > warning.numbers["explained"]


def test_five_perfect_patients_in_validation_are_no_gap(write_run: WriteRun) -> None:
    """All five rank first, so their own variance is 0; that of the sizes is not."""
    folder = write_run({"none": (1.5, 0.0)}, n_seeds=1, counts=(40, 24))
    for path in (folder / "cells").glob("*/*/*/predictions.npz"):
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files}
        rows = np.r_[0:15, 40:45]
        for name in list(arrays):
            if name.startswith("validation"):
                arrays[name] = arrays[name][rows]
        rare = np.where(arrays["validation_true"] == 1, 0.9, 0.1)
        arrays["validation_score"] = np.stack([1 - rare, rare], axis=1)
        np.savez(path, allow_pickle=False, **arrays)
    gap = area_gap(open_run(folder).images.finished)
    assert gap is not None
    assert gap.validation == 1.0
    assert gap.error > gap.gap.error
    assert not gap.exceeds_chance


@pytest.mark.parametrize("n_splits", [1, 9, 11, 18])
def test_classes_that_are_told_apart_perfectly_are_no_gap(
    write_run: WriteRun, n_splits: int
) -> None:
    """Nine times 1 / 9 is more than 1 in floating point, and its variance was negative."""
    folder = write_run({"none": (60.0, 0.0)}, n_splits=n_splits, n_seeds=1, counts=(12, 8))
    gap = area_gap(open_run(folder).images.finished)
    assert gap is not None
    assert gap.test == pytest.approx(1.0)
    assert gap.error == 0
    assert not gap.exceeds_chance


def test_few_false_alarms_where_validation_and_test_are_alike(write_run: WriteRun) -> None:
    alarms = 0
    for study in range(40):
        arms = {f"m{i}": (1.0, 0.0) for i in range(study, study + 1)}
        folder = write_run(arms, n_splits=1, n_seeds=1, counts=(40, 12), name=f"run-{study}")
        for path in (folder / "cells").glob("*/*/*/predictions.npz"):
            with np.load(path) as stored:
                arrays = {name: stored[name] for name in stored.files}
            rng = np.random.default_rng(study)
            for part in ("test", "validation"):
                rare = 1 / (1 + np.exp(-rng.normal(1.0 * arrays[f"{part}_true"])))
                arrays[f"{part}_score"] = np.stack([1 - rare, rare], axis=1)
            np.savez(path, allow_pickle=False, **arrays)
        gap = area_gap(open_run(folder).images.finished)
        alarms += gap is not None and gap.exceeds_chance
    assert alarms <= 2


def test_no_gap_without_cells_or_classes(write_run: WriteRun) -> None:
    images = open_run(write_run({"none": (1.0, 0.0)}, counts=(40, 1))).images
    assert area_gap([]) is None
    assert area_gap(images.finished) is None
    assert not list(below_chance(images))
