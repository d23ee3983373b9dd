"""Mean ROC and precision-recall curves of the rare class."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.testing import assert_allclose

from equipoise.results.curves import Curves, mean_curves
from equipoise.results.image_tables import summarize
from equipoise.runs.run import open_run

WriteRun = Callable[..., Path]


def curves_of(folder: Path, points: int = 101) -> dict[str, Curves]:
    images = open_run(folder).images
    return mean_curves(images, images.methods, points=points)


def test_the_areas_are_those_of_the_table(write_run: WriteRun) -> None:
    folder = write_run({"none": (1.2, -1.0), "good": (2.6, 0.0)}, n_splits=2, counts=(150, 60))
    results = summarize(open_run(folder), n_draws=10)
    for method, curves in zip(
        results.methods, curves_of(folder, points=2001).values(), strict=True
    ):
        width = np.diff(curves.grid)
        sensitivity = (curves.sensitivity[1:] + curves.sensitivity[:-1]) / 2
        assert_allclose(sensitivity @ width, method.metrics["auroc"].mean, atol=2e-3)
        assert_allclose(curves.precision[1:] @ width, method.metrics["auprc"].mean, atol=2e-3)
        assert_allclose(curves.prevalence, 60 / 210)
        assert curves.n_runs == 6


def test_a_perfect_and_a_useless_score(write_run: WriteRun) -> None:
    curves = curves_of(
        write_run({"perfect": (50.0, 0.0), "useless": (0.0, -60.0)}, n_seeds=1), points=11
    )
    assert curves["perfect"].sensitivity.tolist() == [0.0, *[1.0] * 10]
    assert curves["perfect"].precision.tolist() == [1.0] * 11
    assert_allclose(curves["useless"].sensitivity.mean(), 0.5, atol=0.2)


def test_curves_rise_and_end_at_one_and_at_the_prevalence(write_run: WriteRun) -> None:
    curves = curves_of(write_run({"none": (1.2, 0.0)}, counts=(40, 20, 12)))["none"]
    assert (np.diff(curves.sensitivity) >= 0).all()
    assert (curves.sensitivity[0], curves.sensitivity[-1]) == (0.0, 1.0)
    assert curves.precision[-1] >= curves.prevalence


def test_runs_without_the_rare_class_have_no_curve(write_run: WriteRun) -> None:
    arms = {"none": (1.2, 0.0), "broken": (1.2, 0.0)}
    folder = write_run(
        arms,
        n_splits=2,
        counts_of={"split-1": (60, 0)},
        failed=[("broken", "split-0", seed) for seed in range(3)],
    )
    curves = curves_of(folder)
    assert list(curves) == ["none"]
    assert curves["none"].n_runs == 3
