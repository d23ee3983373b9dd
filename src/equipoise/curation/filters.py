"""Filters of synthetic images of one class: `FILTERS`, in their recommended order.

A filter computes the margin of each image: its distance above a threshold, which the real training
images of the class determine; images with a margin of 0 or more are kept.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Images, Rows
from equipoise.curation.density_ratio import acceptance, default_gamma, rejection_scores
from equipoise.curation.reference import Reference, spreads
from equipoise.metrics.memorization import BLOCK, Features, nearest

DROPPED = 0.2  # share of a batch that "agreement_top" drops

Margins = NDArray[np.float64]  # (n,)


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidates:
    """Synthetic images of one class.

    Attributes:
        images: (n, c, h, w) in storage type, possibly not finite.
        features: (n, d), standardized like those of the real images.
        agreement: (n,) the judge's probability of the requested class.
        tau: Smallest of these for the filter "agreement".
        uniform: (n,) random numbers in [0, 1) for rejection sampling.
        accepted: (m, d) features of the images accepted in earlier rounds.
    """

    images: Images
    features: Features
    agreement: NDArray[np.float64]
    tau: float
    uniform: NDArray[np.float64]
    accepted: Features

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, rows: Rows) -> "Candidates":
        """Return some candidates, in that order."""
        return replace(
            self,
            images=self.images[rows],
            features=self.features[rows],
            agreement=self.agreement[rows],
            uniform=self.uniform[rows],
        )


@dataclass(frozen=True, kw_only=True)
class Filter:
    """A filter.

    Attributes:
        name: Key in `FILTERS`.
        summary: What it drops, in one sentence.
        source: Publication, or "equipoise" for definitions of our own.
        margins: At least one candidate, and the reference, to (n,); below 0 is dropped.
    """

    name: str
    summary: str
    source: str
    margins: Callable[[Candidates, Reference], Margins]


def sanity(candidates: Candidates, reference: Reference) -> Margins:
    """Return the contrast above the 1 % quantile of real images; -inf for impossible values."""
    low, high = reference.span
    flat = candidates.images.reshape(len(candidates), -1)
    with np.errstate(invalid="ignore"):
        possible = np.isfinite(flat).all(axis=1)
        possible &= (flat >= low).all(axis=1) & (flat <= high).all(axis=1)
        contrast = spreads(candidates.images)
        return np.where(possible, contrast - reference.spread, -np.inf)


def agreement(candidates: Candidates, _reference: Reference) -> Margins:
    """Return the judge's probability of the requested class above tau."""
    return candidates.agreement - candidates.tau


def agreement_top(candidates: Candidates, _reference: Reference) -> Margins:
    """Return the judge's probability of the requested class above its 20 % quantile."""
    return np.asarray(candidates.agreement - np.quantile(candidates.agreement, DROPPED))


def rejection(candidates: Candidates, reference: Reference) -> Margins:
    """Return the acceptance probability of rejection sampling above a uniform random number.

    Source: Azadi et al. (2019). Ours uses a classifier of features as discriminator, and the larger
    of the maxima of this batch and of the fit as d_M.
    """
    logits = reference.ratio.logits(candidates.features)
    scores = rejection_scores(logits, max(reference.ratio.highest, float(logits.max())))
    accepted = acceptance(scores, gamma=default_gamma(scores))
    return np.asarray(accepted - candidates.uniform)


def memorization(candidates: Candidates, reference: Reference) -> Margins:
    """Return the distance to the nearest training image above that between training images."""
    distance = nearest(candidates.features, reference.features).distance
    return np.asarray(distance - reference.closest)


def redundancy(candidates: Candidates, reference: Reference) -> Margins:
    """Return the distance to the nearest image kept before, above that between training images.

    Candidates are processed in order: one that is kept excludes those after it in its
    neighborhood.
    """
    distance = np.full(len(candidates), np.inf)
    if len(candidates.accepted):
        distance = nearest(candidates.features, candidates.accepted).distance
    features = candidates.features
    squares = (features**2).sum(axis=1)  # (n,)
    for start in range(0, len(candidates), BLOCK):
        block = features[start : start + BLOCK]
        squared = (block**2).sum(axis=1)[:, None] + squares - 2 * block @ features.T
        to_all = np.sqrt(np.maximum(squared, 0.0))  # (block, n)
        for row, to_others in enumerate(to_all, start):
            if distance[row] >= reference.closest:
                distance[row + 1 :] = np.minimum(distance[row + 1 :], to_others[row + 1 :])
    return np.asarray(distance - reference.closest)


FILTERS: dict[str, Filter] = {
    "sanity": Filter(
        name="sanity",
        summary="Drops images with impossible values and those flatter than 99 % of the real ones.",
        source="equipoise",
        margins=sanity,
    ),
    "agreement": Filter(
        name="agreement",
        summary="Drops images that a classifier of the real images does not assign to their class.",
        source="equipoise, with temperature scaling (Guo et al., 2017)",
        margins=agreement,
    ),
    "agreement_top": Filter(
        name="agreement_top",
        summary="Drops the fifth of the images that such a classifier is least confident of.",
        source="equipoise, relative variant of agreement",
        margins=agreement_top,
    ),
    "rejection": Filter(
        name="rejection",
        summary="Drops images at random, more likely the more they differ from real ones overall.",
        source="Azadi et al. (2019), with a classifier in place of the discriminator",
        margins=rejection,
    ),
    "memorization": Filter(
        name="memorization",
        summary="Drops images nearer to a training image than training images are to one another.",
        source="equipoise",
        margins=memorization,
    ),
    "redundancy": Filter(
        name="redundancy",
        summary="Drops images nearer to a kept one than real images are to one another.",
        source="equipoise",
        margins=redundancy,
    ),
}
DEFAULT = ("sanity", "agreement", "rejection", "memorization", "redundancy")
