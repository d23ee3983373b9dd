"""Tests of several methods on several data sets, by ranks.

They assume independent data sets and use the order of the methods on each, not how far apart they
are. Overview: Demsar (2006), JMLR 7:1.
"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc

from equipoise.metrics.classic_tests import signed_ranks
from equipoise.metrics.statistics import CONFIDENCE, holm, midranks

Values = NDArray[np.float64]


def average_ranks(values: Values) -> Values:
    """Compute the (k,) average ranks of (n data sets, k methods).

    The largest value has rank 1; ties share their mean rank.

    Source: Demsar (2006), section 3.2.2.

    Example:
        >>> import numpy as np
        >>> average_ranks(np.array([[0.9, 0.8, 0.7], [0.6, 0.6, 0.5]])).tolist()
        [1.25, 1.75, 3.0]
    """
    return np.asarray(np.mean([midranks(-of_set) for of_set in values], axis=0))


def friedman(ranks: Values, n: int) -> tuple[float, float, float]:
    """Test whether k methods are equal, from their average ranks over n data sets.

    Args:
        ranks: (k,) average ranks.
        n: Data sets.

    Returns:
        Friedman's chi2, Iman and Davenport's F (infinite if all data sets agree on every rank), and
        the p value of F with k - 1 and (k - 1) (n - 1) degrees of freedom.

    Source: Friedman (1937); Iman and Davenport (1980); chi2 is not corrected for ties, as in
    Demsar (2006), section 3.2.2.

    Example:
        >>> import numpy as np
        >>> chi2, f, p = friedman(np.array([3.143, 2.0, 2.893, 1.964]), 14)
        >>> round(chi2, 2), round(f, 2), round(p, 3)
        (9.28, 3.69, 0.02)
    """
    k = len(ranks)
    chi2 = 12 * n / (k * (k + 1)) * (float((ranks**2).sum()) - k * (k + 1) ** 2 / 4)
    disagreement = n * (k - 1) - chi2
    f = (n - 1) * chi2 / disagreement if disagreement > 1e-9 else float("inf")
    return chi2, f, float(fdtrc(k - 1, (k - 1) * (n - 1), max(f, 0.0)))


def critical_difference(k: int, n: int) -> float:
    """Compute Nemenyi's critical difference of average ranks at 5 %: q sqrt(k (k + 1) / (6 n)).

    Args:
        k: Methods, at least 2.
        n: Data sets, at least 1.

    Source: Nemenyi (1963), as in Demsar (2006), section 3.2.2.

    Example:
        >>> round(critical_difference(4, 14), 2)
        1.25
    """
    from scipy.stats import studentized_range  # takes a second, and only rankings need it

    q = float(studentized_range.ppf(CONFIDENCE, k, np.inf)) / np.sqrt(2)
    return float(q * np.sqrt(k * (k + 1) / (6 * n)))


def cliques(values: Values) -> list[tuple[int, int]]:
    """Group neighboring methods no two of which differ, by signed ranks with Holm over all pairs.

    Unlike average ranks, a pair's test does not depend on which other methods are in the table.
    With fewer than 6 data sets no pair can differ, and all methods form one group.

    Args:
        values: (n data sets, k methods), the best method first.

    Returns:
        First and last position of each largest group of at least two.

    Source: Benavoli et al. (2016), JMLR 17(5):1.

    Example:
        >>> import numpy as np
        >>> cliques(np.array([[0.9, 0.8, 0.7]] * 4))
        [(0, 2)]
    """
    k = values.shape[1]
    pairs = list(combinations(range(k), 2))
    p = holm([signed_ranks(values[:, i] - values[:, j]) for i, j in pairs])
    equal = np.eye(k, dtype=bool)  # (k, k), upper triangle
    for (i, j), value in zip(pairs, p, strict=True):
        equal[i, j] = value >= 1 - CONFIDENCE

    groups: list[tuple[int, int]] = []
    for first in range(k - 1):
        last = first
        while last + 1 < k and equal[first : last + 1, last + 1].all():
            last += 1
        inside_previous = bool(groups) and last <= groups[-1][1]
        if last > first and not inside_previous:
            groups.append((first, last))
    return groups
