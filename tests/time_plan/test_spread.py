"""The spread of a pilot's differences."""

import numpy as np
import pytest

from equipoise.results.power import ASSUMED, PatientCounts, StudySize, scaled, variance_between_runs
from equipoise.time_plan.spread import pooled_ratio, shrunk

SIZE = StudySize(
    n_test=(150.0, 30.0),
    patients=PatientCounts(in_split=(150.0, 30.0), in_all=(300.0, 60.0)),
    overlap=0.25,
    n_splits=1,
    n_seeds=1,
    n_comparisons=4,
)


@pytest.mark.parametrize("ratio", [0.25, 1.0, 3.0])
def test_scaled_assumptions_scale_the_variance(ratio: float) -> None:
    for metric, assumed in ASSUMED.items():
        before = variance_between_runs(SIZE, metric, assumed)
        after = variance_between_runs(SIZE, metric, scaled(assumed, ratio))
        assert after == pytest.approx(ratio * before)


def test_a_small_pilot_is_drawn_to_the_assumption() -> None:
    assert shrunk(5.0, 4.0) == 3.0
    assert shrunk(5.0, 0.0) == 1.0
    assert shrunk(5.0, 1e9) == pytest.approx(5.0)


def test_the_ratio_ignores_the_differences_themselves() -> None:
    rng = np.random.default_rng(0)
    differences = rng.normal(0.0, 0.03, size=(4, 5))
    rows = {str(i): row for i, row in enumerate(differences)}
    moved = {name: row + 0.1 for name, row in rows.items()}
    assert pooled_ratio(rows, 0.0009) == pytest.approx(pooled_ratio(moved, 0.0009))


def test_the_ratio_of_many_splits_is_that_of_the_variances() -> None:
    rng = np.random.default_rng(0)
    rows = {str(i): rng.normal(0.0, 0.06, size=2000) for i in range(3)}
    assert pooled_ratio(rows, 0.0009) == pytest.approx(4.0, rel=0.1)
