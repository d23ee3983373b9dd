"""Tests of several methods on several data sets, by ranks (Demsar 2006, JMLR 7:1).

They assume independent data sets and use the order of the methods on each, not how far apart they are.
"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from equipoise.metrics.classic_tests import signed_ranks
from equipoise.metrics.statistics import CONFIDENCE, holm

Values = NDArray[np.float64]


def average_ranks(values: Values) -> Values:
    """Give the (k,) average ranks of (n data sets, k methods); the largest value has rank 1, ties share theirs."""
    return np.asarray(stats.rankdata(-values, axis=1).mean(axis=0))


def friedman(ranks: Values, n: int) -> tuple[float, float, float]:
    """Test that k methods are alike from their average ranks over n data sets: chi2, F and the p value of F.

    Friedman 1937, Iman and Davenport 1980; as in Demsar 2006 (JMLR 7:1) chi2 is not corrected for ties.
    """
    k = len(ranks)
    chi2 = 12 * n / (k * (k + 1)) * (float((ranks**2).sum()) - k * (k + 1) ** 2 / 4)
    left = n * (k - 1) - chi2
    f = (
        (n - 1) * chi2 / left if left > 1e-9 else float("inf")
    )  # every data set agrees on every rank
    return chi2, f, float(stats.f.sf(f, k - 1, (k - 1) * (n - 1)))


def critical_difference(k: int, n: int) -> float:
    """Give Nemenyi's critical difference (1963) at 5 % for k methods on n data sets: q sqrt(k (k + 1) / (6 n))."""
    q = float(stats.studentized_range.ppf(CONFIDENCE, k, np.inf)) / np.sqrt(2)
    return float(q * np.sqrt(k * (k + 1) / (6 * n)))


def cliques(values: Values) -> list[tuple[int, int]]:
    """Group neighbors no two of which differ: Wilcoxon's signed ranks, Holm over all pairs (Benavoli et al. 2016).

    Unlike average ranks, a pair's test does not depend on which other methods are in the table. With fewer than 6
    data sets it can show nothing, and all methods form one group.

    Args:
        values: (n data sets, k methods), the best method first.

    Returns:
        First and last position of each largest group of at least two.
    """
    k = values.shape[1]
    pairs = list(combinations(range(k), 2))
    p = holm([signed_ranks(values[:, i] - values[:, j]) for i, j in pairs])
    alike = {pair for pair, value in zip(pairs, p, strict=True) if value >= 1 - CONFIDENCE}
    spans = [
        (i, j) for i, j in pairs if all(pair in alike for pair in combinations(range(i, j + 1), 2))
    ]
    return [
        (i, j)
        for i, j in spans
        if not any(a <= i and j <= b and (a, b) != (i, j) for a, b in spans)
    ]
