import math

import pytest

from equipoise.metrics.classification import METRICS
from equipoise.metrics.statistics import PairedTest
from equipoise.results.comparison import Contrast, conclude_family


def contrast(method: str, metric: str, p: float, difference: float = 0.1) -> Contrast:
    return Contrast(
        method=method,
        baseline="none",
        metric=METRICS[metric],
        n_runs=3,
        test=PairedTest(difference=difference, p=p),
    )


def test_a_family_is_all_methods_on_all_its_metrics() -> None:
    p = [0.004, 0.02, 0.03, 0.011]
    family = [
        contrast("a", "balanced_accuracy", p[0]),
        contrast("b", "balanced_accuracy", p[1]),
        contrast("a", "auroc", p[2]),
        contrast("b", "auroc", p[3], difference=-0.1),
    ]
    rows = conclude_family(family)
    # By hand: 4 x .004, 3 x .011, 2 x .02, and no less than that for the largest.
    assert [row.p_holm for row in rows] == pytest.approx([0.016, 0.04, 0.04, 0.033])
    assert [row.verdict for row in rows] == ["better", "better", "better", "worse"]
    assert [row.p for row in rows] == p
    assert conclude_family(family[1:3])[1].p_holm == pytest.approx(0.04)


def test_what_could_not_be_tested_does_not_count() -> None:
    untested = contrast("b", "auroc", math.nan)
    rows = conclude_family([contrast("a", "auroc", 0.03), untested])
    assert (rows[0].p_holm, rows[1].verdict) == (0.03, "not enough runs")


def test_lower_is_better_for_an_error() -> None:
    names = [name for name, metric in METRICS.items() if not metric.higher_is_better]
    rows = conclude_family([contrast("a", names[0], 0.01), contrast("b", names[0], 0.01, -0.1)])
    assert [row.verdict for row in rows] == ["worse", "better"]


def test_no_difference_is_larger_than_the_metric_allows() -> None:
    test = PairedTest(difference=0.2, low=-1.4, high=1.9, p=0.4, detectable=3.3)
    (row,) = conclude_family(
        [Contrast(method="a", baseline="b", metric=METRICS["auroc"], n_runs=2, test=test)]
    )
    assert (row.low, row.high) == (-1.0, 1.0)
    assert math.isinf(row.detectable)
