"""Variances of recalls and AUROCs from the number of test images alone, and intervals of an AUROC.

Closed forms for a metric before or after the fact, where no predictions can be resampled.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtri

from equipoise.metrics.statistics import CONFIDENCE

Values = NDArray[np.float64]

NEAR = 1e-9  # areas closer to 0 than this count as 0


def recall_variance(n: Values, level: float) -> float:
    """Compute the variance of a balanced accuracy, the mean of k binomial recalls.

    sum over classes of r (1 - r) / n_c, over k^2.

    Args:
        n: (k,) independent test images of each class, above 0.
        level: Recall r of every class, in 0..1.

    Source: the variance of the binomial distribution.

    Example:
        >>> import numpy as np
        >>> round(recall_variance(np.array([40.0, 10.0]), 0.8), 6)
        0.005
    """
    return float((level * (1 - level) / n).sum()) / len(n) ** 2


def area_variance(n: Values, level: float) -> float:
    """Compute the variance of the AUROC of two classes, or of the mean one-vs-rest AUROC of more.

    Args:
        n: (k,) independent test images of each class, at least 1; the positive class first.
        level: Every area, in 0.5..1.

    Source: Hanley and McNeil (1982), Radiology 143:29, Eq. 1 and 2, which assume scores with
    exponential distributions. For more than two classes the areas count as independent, which is
    our simplification.

    Example:
        >>> import numpy as np
        >>> round(area_variance(np.array([51.0, 58.0]), 0.893) ** 0.5, 4)
        0.0325

    See Also:
        `auroc_variance`: symmetric in the two classes, for intervals of a measured area.
    """
    positives = n if len(n) > 2 else n[:1]
    negatives = n.sum() - positives
    q1 = level / (2 - level)  # two positives both outrank one negative
    q2 = 2 * level**2 / (1 + level)  # one positive outranks two negatives
    pairs = (positives - 1) * (q1 - level**2) + (negatives - 1) * (q2 - level**2)
    variances = (level * (1 - level) + pairs) / (positives * negatives)
    return float(variances.sum()) / len(positives) ** 2


def auroc_variance(auroc: float, n_true: int, n_false: int) -> float:
    """Compute the variance of an AUROC whose true value is `auroc`, symmetric in the two classes.

    At 0.5 it is that of the Mann-Whitney statistic without ties, (m + n + 1) / (12 m n).

    Args:
        auroc: True area, in 0..1.
        n_true: Independent positive cases, at least 1.
        n_false: Independent negative cases, at least 1.

    Source: Newcombe (2006), Statistics in Medicine 25:559, method 5: Hanley and McNeil (1982) with
    the mean of both sizes in the place of each.

    Example:
        >>> round(auroc_variance(0.5, 10, 20) * (12 * 10 * 20), 6)
        31.0
    """
    mean_size = (n_true + n_false) / 2 - 1
    spread = (1 - auroc) / (2 - auroc) + auroc / (1 + auroc)
    return auroc * (1 - auroc) * (1 + mean_size * spread) / (n_true * n_false)


def auroc_interval(auroc: float, n_true: int, n_false: int) -> tuple[float, float]:
    """Compute the 95 % interval of an AUROC; it has a width even at 0 and 1.

    Each end is the area whose own standard error just reaches the measured one.

    Args:
        auroc: Measured area, in 0..1.
        n_true: Independent positive cases, at least 1.
        n_false: Independent negative cases, at least 1.

    Source: Newcombe (2006), Statistics in Medicine 25:559, method 5.

    Example:
        >>> low, high = auroc_interval(1.0, 20, 20)
        >>> round(low, 2), high
        (0.9, 1.0)
    """
    return _lower_end(auroc, n_true, n_false), 1 - _lower_end(1 - auroc, n_true, n_false)


def detectable_auroc(n_true: int, n_false: int, level: float = 0.05, power: float = 0.8) -> float:
    """Compute the smallest true AUROC that a one-sided test shows to be above 0.5 with `power`.

    Args:
        n_true: Independent positive cases, at least 1.
        n_false: Independent negative cases, at least 1.
        level: Of the test.
        power: Probability of a p value below `level`.

    Returns:
        The area, in 0.5..1; 1 where so few cases show none.

    Source: Hanley and McNeil (1982), section "sample size", with `auroc_variance`.

    Example:
        >>> round(detectable_auroc(6, 6), 2), round(detectable_auroc(150, 150), 2)
        (0.88, 0.58)
    """
    critical = 0.5 + ndtri(1 - level) * np.sqrt(auroc_variance(0.5, n_true, n_false))

    def excess(area: float) -> float:
        sd = np.sqrt(auroc_variance(area, n_true, n_false))
        return float(area - critical - ndtri(power) * sd)

    return float(brentq(excess, 0.5, 1.0)) if excess(1.0) > 0 else 1.0


def _lower_end(auroc: float, n_true: int, n_false: int) -> float:
    z = ndtri((1 + CONFIDENCE) / 2)
    if auroc < NEAR:
        return 0.0

    def excess(area: float) -> float:
        return float((auroc - area) ** 2 - z**2 * auroc_variance(area, n_true, n_false))

    return float(brentq(excess, 0.0, auroc - NEAR / 2))
