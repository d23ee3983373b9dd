"""How much a metric moves with the test images that chance drew, foretold from their number and its own level."""

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def recall_variance(n: Values, level: float) -> float:
    """Give the variance of a balanced accuracy: the mean of k binomial recalls, r (1 - r) / n each.

    Args:
        n: (k,) independent test images of each class, above 0.
        level: Recall of every class, in 0..1.
    """
    return float((level * (1 - level) / n).sum()) / len(n) ** 2


def area_variance(n: Values, level: float) -> float:
    """Give the variance of an AUROC (Hanley and McNeil 1982, Radiology 143:29), whose scores are exponential.

    For more than two classes: of the mean one-vs-rest area, as if the areas were independent [choice].

    Args:
        n: (k,) independent test images of each class, at least 1.
        level: Every area, in 0.5..1.
    """
    own = n if len(n) > 2 else n[:1]
    rest = n.sum() - own
    two_true, two_false = level / (2 - level), 2 * level**2 / (1 + level)
    pairs = (own - 1) * (two_true - level**2) + (rest - 1) * (two_false - level**2)
    return float(((level * (1 - level) + pairs) / (own * rest)).sum()) / len(own) ** 2
