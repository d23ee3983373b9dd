"""`alpha`: the probability that a fake has label 0 (Sun and Li)."""

from typing import Any

import pytest

from equipoise.exceptions import SettingError
from equipoise.resampling.gan.label_prior import label_probabilities


@pytest.mark.parametrize(
    ("alpha", "counts", "expected"),
    [
        ("uniform", (30, 10), (0.5, 0.5)),
        ("empirical", (30, 10), (0.75, 0.25)),
        ("inverse", (30, 10), (0.25, 0.75)),
        (0.25, (30, 10), (0.25, 0.75)),  # paper S2: alpha is the probability of the majority class
        (0.25, (10, 30), (0.75, 0.25)),
        (1, (30, 10), (1.0, 0.0)),
        ((0.2, 0.3, 0.5), (5, 6, 7), (0.2, 0.3, 0.5)),
        ("uniform", (5, 6, 7), (1 / 3, 1 / 3, 1 / 3)),
    ],
)
def test_probabilities(alpha: Any, counts: tuple[int, ...], expected: tuple[float, ...]) -> None:
    assert label_probabilities(alpha, counts).tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("alpha", "counts", "message"),
    [
        ("unifrom", (3, 1), "Did you mean 'uniform'"),
        (1.5, (3, 1), "between 0 and 1"),
        (0.5, (3, 2, 1), "needs 2 classes, got 3"),
        ((0.5, 0.5), (3, 2, 1), "3 probabilities that sum to 1"),
        ((0.5, 0.6), (3, 1), "2 probabilities that sum to 1"),
        ((1.5, -0.5), (3, 1), "2 probabilities that sum to 1"),
    ],
)
def test_what_is_no_prior_is_refused(alpha: Any, counts: tuple[int, ...], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        label_probabilities(alpha, counts)
