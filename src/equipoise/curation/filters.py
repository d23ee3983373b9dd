"""Filters of synthetic images of one class: `FILTERS`, in the order in which they are meant to follow.

A filter gives each image its margin: how far it lies above the bar, 0 and more is kept. Bars come from the real
training images of the class alone (methods 9.6).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Images, Rows
from equipoise.curation.density_ratio import acceptance, rejection_scores, usual_gamma
from equipoise.curation.reference import Reference, spreads
from equipoise.metrics.memorization import BLOCK, Distances, Features, nearest

DROPPED = 0.2  # share of a batch that "agreement_top" drops

Margins = NDArray[np.float64]  # (n,)


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidates:
    """Synthetic images of one class.

    Attributes:
        images: (n, c, h, w) in storage type, possibly not finite.
        features: (n, d), standardized as those of the real images.
        agreement: (n,) the judge's probability of the class that was asked for.
        tau: Least of these for the filter "agreement".
        chance: (n,) uniform in [0, 1).
        accepted: (m, d) features of those accepted before.
    """

    images: Images
    features: Features
    agreement: NDArray[np.float64]
    tau: float
    chance: NDArray[np.float64]
    accepted: Features

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, rows: Rows) -> "Candidates":
        """Keep some, in that order."""
        own = ("images", "features", "agreement", "chance")
        return replace(self, **{name: getattr(self, name)[rows] for name in own})


@dataclass(frozen=True, kw_only=True)
class Filter:
    """A filter.

    Attributes:
        name: Key in `FILTERS`.
        summary: What it drops, in one sentence.
        source: Where it is defined.
        margins: Candidates (at least one) and reference to (n,); below 0 is dropped.
    """

    name: str
    summary: str
    source: str
    margins: Callable[[Candidates, Reference], Margins]


def _sanity(made: Candidates, real: Reference) -> Margins:
    low, high = real.span
    with np.errstate(invalid="ignore"):
        flat = made.images.reshape(len(made), -1)
        possible = (
            np.isfinite(flat).all(axis=1) & (flat >= low).all(axis=1) & (flat <= high).all(axis=1)
        )
        return np.where(possible, spreads(made.images) - real.spread, -np.inf)


def _agreement(made: Candidates, _real: Reference) -> Margins:
    return made.agreement - made.tau


def _agreement_top(made: Candidates, _real: Reference) -> Margins:
    return np.asarray(made.agreement - np.quantile(made.agreement, DROPPED))


def _rejection(made: Candidates, real: Reference) -> Margins:
    logits = real.ratio.logits(made.features)
    scores = rejection_scores(logits, max(real.ratio.highest, float(logits.max())))
    return np.asarray(acceptance(scores, gamma=usual_gamma(scores)) - made.chance)


def _memorization(made: Candidates, real: Reference) -> Margins:
    return np.asarray(nearest(made.features, real.features).distance - real.closest)


def _redundancy(made: Candidates, real: Reference) -> Margins:
    """Walk through the candidates; one that is kept bars its neighborhood for those behind it."""
    distance = np.full(len(made), np.inf)
    if len(made.accepted):
        distance = nearest(made.features, made.accepted).distance
    for start in range(0, len(made), BLOCK):
        for row, others in enumerate(
            _distances(made.features[start : start + BLOCK], made.features), start
        ):
            if distance[row] >= real.closest:
                distance[row + 1 :] = np.minimum(distance[row + 1 :], others[row + 1 :])
    return np.asarray(distance - real.closest)


def _distances(some: Features, all_: Features) -> Distances:
    squares = (some**2).sum(axis=1)[:, None] + (all_**2).sum(axis=1) - 2 * some @ all_.T
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))


FILTERS: dict[str, Filter] = {
    one.name: one
    for one in (
        Filter(
            name="sanity",
            summary="Drops images with impossible values and those flatter than all but 1 % of the real ones.",
            source="methods 9.6, step 1",
            margins=_sanity,
        ),
        Filter(
            name="agreement",
            summary="Drops images that a classifier of the real images does not take for their class.",
            source="methods 9.6, step 2",
            margins=_agreement,
        ),
        Filter(
            name="agreement_top",
            summary="Drops the fifth of the images that such a classifier is least sure of.",
            source="methods 9.6, step 2, relative variant",
            margins=_agreement_top,
        ),
        Filter(
            name="rejection",
            summary="Drops images by lot, the rather the more they differ from real ones as a whole.",
            source="methods 9.6, step 3; Azadi et al. 2019, with a classifier in place of the critic",
            margins=_rejection,
        ),
        Filter(
            name="memorization",
            summary="Drops images nearer to a training image than training images are to one another.",
            source="methods 9.6, step 4",
            margins=_memorization,
        ),
        Filter(
            name="redundancy",
            summary="Drops images nearer to a kept one than real images are to one another.",
            source="methods 9.6, step 5",
            margins=_redundancy,
        ),
    )
}
DEFAULT = ("sanity", "agreement", "rejection", "memorization", "redundancy")
