"""How much likelier a synthetic image is real: a calibrated log density ratio, and rejection sampling by it."""

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
PERCENTILE = 80.0  # of the scores of a batch: the image there is accepted with probability 1/2
FOLDS = 5
COMPONENTS = 32  # principal components that real and synthetic images are told apart by


@dataclass(frozen=True, eq=False)
class DensityRatio:
    """A linear log density ratio of real and synthetic features, up to a constant that rejection does not see.

    Attributes:
        weights: (d,).
        highest: Largest ratio among the synthetic images that it was fitted on.
    """

    weights: NDArray[np.float64]
    highest: float

    def logits(self, features: Features) -> Logits:
        """Give the log density ratio of each image, larger where it looks more real."""
        return np.asarray(features @ self.weights)


def fit_density_ratio(real: Features, fake: Features, *, seed: int) -> DensityRatio:
    """Learn to tell real from synthetic images of one class, and calibrate that on images not learned from.

    A linear discriminant on principal components with shrunk covariance (Ledoit and Wolf 2004), which can live with
    few images; its slope is that of a logistic regression on cross-fitted scores. Where real and synthetic images
    cannot be told apart, that slope is about 0 and no image is preferred.

    Args:
        real: (n >= 2, d) features of real images.
        fake: (m >= 2, d) features of synthetic images.
        seed: Of the folds.

    Source: methods 9.6, step 3. Azadi et al. (2019) go on with the critic of the GAN. Ours is a classifier of its
    own on features, because no oversampler keeps its critic, other generators have none, and that of a Wasserstein
    or hinge game gives no density ratio.
    """
    features, truth = np.concatenate([real, fake]), np.repeat([1, 0], [len(real), len(fake)])
    discriminant = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    components = PCA(min(COMPONENTS, len(features) // 2, features.shape[1]), svd_solver="full")
    model = make_pipeline(components, discriminant)
    chance = derive_seed(seed, "density ratio") % 2**32
    folds = StratifiedKFold(min(FOLDS, len(real), len(fake)), shuffle=True, random_state=chance)
    held_out = cross_val_predict(model, features, truth, cv=folds, method="decision_function")
    model.fit(features, truth)
    weights = components.components_.T @ discriminant.coef_[0] * _slope(held_out, truth)
    return DensityRatio(weights, float((fake @ weights).max()))


def _slope(scores: Logits, truth: NDArray[np.int64]) -> float:
    """Fit the slope of Platt's sigmoid; 0 where real images do not score higher."""
    spread = float(scores.std()) or 1.0
    platt = LogisticRegression().fit((scores / spread)[:, None], truth)
    return max(0.0, float(platt.coef_[0, 0])) / spread


def rejection_scores(logits: Logits, highest: float) -> Logits:
    """Compute F with gamma = 0: (d - d_M) - log(1 - exp(d - d_M - epsilon)); d_M is at least every d."""
    below = logits - highest
    return np.asarray(below - np.log1p(-np.exp(below - EPSILON)))


def acceptance(scores: Logits, *, gamma: float = 0.0) -> Logits:
    """Turn `rejection_scores` into probabilities; with gamma = 0 they are exp(d - d_M), the exact ones."""
    return np.asarray(expit(scores - gamma))


def usual_gamma(scores: Logits) -> float:
    """Give the gamma that accepts one image of a batch in a few, not one in a thousand: its 80th percentile."""
    return float(np.percentile(scores, PERCENTILE))
