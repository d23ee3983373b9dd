"""A calibrated log density ratio of real and synthetic images, and rejection sampling by it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from equipoise.metrics.memorization import Features
from equipoise.randomness import derive_seed

Logits = NDArray[np.float64]  # (n,)

EPSILON = 1e-6
PERCENTILE = 80.0  # of the scores of a batch: images there are accepted with probability 1/2
FOLDS = 5
COMPONENTS = 32  # principal components that separate real from synthetic images


@dataclass(frozen=True, eq=False)
class DensityRatio:
    """A linear log density ratio of real and synthetic features, up to a constant.

    Attributes:
        weights: (d,).
        highest: Largest ratio among the synthetic images that it was fitted on.
    """

    weights: NDArray[np.float64]
    highest: float

    def logits(self, features: Features) -> Logits:
        """Return the log density ratio (n,) of features (n, d), larger for more real images."""
        return np.asarray(features @ self.weights)


def fit_density_ratio(real: Features, fake: Features, *, seed: int) -> DensityRatio:
    """Fit a classifier of real and synthetic images of one class, calibrated on held-out images.

    A linear discriminant on principal components with shrunk covariance (Ledoit and Wolf, 2004),
    which works with few images; its slope is that of a logistic regression on cross-fitted scores
    (Platt, 1999). Where real and synthetic images are indistinguishable, that slope is about 0 and
    no image is preferred.

    Args:
        real: (n >= 2, d) features of real images.
        fake: (m >= 2, d) features of synthetic images.
        seed: Seed of the folds.

    Source: Azadi et al. (2019). They use the discriminator of the GAN; ours is a separate
    classifier of features, because oversamplers do not keep their discriminator, other generators
    have none, and that of a Wasserstein or hinge GAN is not a density ratio.
    """
    features = np.concatenate([real, fake])
    truth = np.repeat([1, 0], [len(real), len(fake)])
    discriminant = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    n_components = min(COMPONENTS, len(features) // 2, features.shape[1])
    components = PCA(n_components, svd_solver="full")
    model = make_pipeline(components, discriminant)
    random_state = derive_seed(seed, "density ratio") % 2**32
    n_folds = min(FOLDS, len(real), len(fake))
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=random_state)
    held_out = cross_val_predict(model, features, truth, cv=folds, method="decision_function")
    model.fit(features, truth)
    slope = platt_slope(held_out, truth)
    weights = components.components_.T @ discriminant.coef_[0] * slope
    return DensityRatio(weights, float((fake @ weights).max()))


def platt_slope(scores: Logits, truth: NDArray[np.int64]) -> float:
    """Return the slope of Platt's sigmoid, at least 0; 0 where real images do not score higher."""
    spread = float(scores.std()) or 1.0
    platt = LogisticRegression().fit((scores / spread)[:, None], truth)
    return max(0.0, float(platt.coef_[0, 0])) / spread


def rejection_scores(logits: Logits, highest: float) -> Logits:
    """Return F = (d - d_M) - log(1 - exp(d - d_M - epsilon)) of Azadi et al. (2019), gamma = 0.

    Args:
        logits: (n,) log density ratios d.
        highest: d_M, at least every d.
    """
    difference = logits - highest
    return np.asarray(difference - np.log1p(-np.exp(difference - EPSILON)))


def acceptance(scores: Logits, *, gamma: float = 0.0) -> Logits:
    """Return acceptance probabilities sigmoid(F - gamma); with gamma = 0 they are exp(d - d_M).

    Example:
        >>> import numpy as np
        >>> acceptance(rejection_scores(np.array([-5.0, -1.0, 0.0]), 0.0)).round(4).tolist()
        [0.0067, 0.3679, 1.0]
    """
    return np.asarray(expit(scores - gamma))


def default_gamma(scores: Logits) -> float:
    """Return the 80th percentile of the scores of a batch, which accepts a few images of ten."""
    return float(np.percentile(scores, PERCENTILE))
