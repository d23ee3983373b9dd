"""All cells share draws, however few are measured together and whether weights stay in memory."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from equipoise.metrics.base import Values
from equipoise.metrics.statistics import patient_draws
from equipoise.results import bootstrap_scores, shared_draws
from equipoise.results.bootstrap_scores import score
from equipoise.results.operating_points import tabulate_operating
from equipoise.results.shared_draws import SharedDraws
from equipoise.runs.run import open_run

WriteRun = Callable[..., Path]
ARMS = {"none": (1.2, -1.0), "shifted": (1.2, 0.0)}


def test_cells_measured_one_by_one_have_the_same_scores(
    write_run: WriteRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run(write_run(ARMS, n_splits=2)).images
    together = score(run, n_draws=40)
    points = tabulate_operating(run, n_draws=40)
    monkeypatch.setattr(bootstrap_scores, "CELLS_AT_ONCE", 1)
    monkeypatch.setattr(shared_draws, "MOST_WEIGHTS", 0)
    apart = score(run, n_draws=40, compared=["auroc"])
    assert list(apart.draws) == ["auroc"]
    assert np.array_equal(apart.draws["auroc"], together.draws["auroc"])
    for name, of_methods in apart.posterior.items():
        assert_allclose(apart.values[name], together.values[name], rtol=1e-12)
        for method, draws in of_methods.items():
            assert_allclose(draws, together.posterior[name][method], rtol=1e-12)
    # as text, in which NaN equals NaN
    assert repr(tabulate_operating(run, n_draws=40).comparisons) == repr(points.comparisons)


@pytest.mark.parametrize("most", [0, shared_draws.MOST_WEIGHTS])
@pytest.mark.parametrize("n_images", [6, shared_draws.WEIGHTS_PER_BLOCK])
def test_draws_are_those_of_single_blocks_every_time(
    most: int, n_images: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_draws, "MOST_WEIGHTS", most)
    calls = []

    def draw(rng: np.random.Generator, *, n_draws: int, block: int) -> Iterator[Values]:
        calls.append(block)
        return patient_draws(np.array([0, 0, 0, 1, 1]), rng, n_draws=n_draws, block=block)

    codes = np.array([10, 11, 12, 20, 21])
    draws = SharedDraws(draw, "patients", codes, n_draws=37, n_images=n_images)
    patients = np.array([21, 10, 10])
    first, second = (list(draws.of_images(patients)) for _ in range(2))
    assert len(calls) == (1 if most else 2)
    for (columns, weights), (columns_again, weights_again) in zip(first, second, strict=True):
        assert columns == columns_again
        assert np.array_equal(weights, weights_again)
        assert weights.shape == (columns.stop - columns.start, 3)
    assert [columns.stop for columns, _ in first] == ([37] if n_images == 6 else [16, 32, 37])
    weights = np.concatenate([weights for _, weights in first])
    assert set(weights[:, 0]) <= {0.0, 2.0}
    assert set(np.round(weights[:, 1], 6)) <= {0.0, 1.5, 3.0}
