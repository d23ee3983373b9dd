"""Near copies of training images among others: found in the pixels, confirmed in the features."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Images, Labels, Rows
from equipoise.audit.gate import Rule
from equipoise.data.dataset import ImageDataset
from equipoise.data.likeness import Likeness, Matches
from equipoise.features.base import Extractor, Features, extract
from equipoise.metrics.memorization import among, nearest, standardized

SHOWN = 4  # pairs of each class that are kept to be looked at, copies or not


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A synthetic image and the real training image that it resembles most.

    Attributes:
        synthetic: Row of the synthetic image.
        train: Row of the training image; ids may name patients and are not kept.
        label: Class of the synthetic image.
        likeness: See `equipoise.data.likeness`; 1 for the same image.
        distance: Distance in features once the synthetic image is laid on the other, as a multiple of the median
            distance of a held-out image to its nearest training image.
        mirrored: Whether it had to be mirrored for that.
        copy: Whether it is a near copy by the rule.
    """

    synthetic: int
    train: int
    label: int
    likeness: float
    distance: float
    mirrored: bool
    copy: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What a search among n images found: the match of each, and (n,) True where it is a near copy."""

    matches: Matches
    copy: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class CopySearch:
    """Training images against which others are held.

    Attributes:
        likeness: Codes of the training images.
        features: (m, d) features of the real images, training images first.
        n_train: How many of them are training images.
        extractor: What made them.
        reach: Largest distance of a near copy to its original, in standardized features.
        unit: Median distance of a held-out image to its nearest training image; 1 where that is 0.
        rule: Thresholds of the gate.
    """

    likeness: Likeness
    features: Features
    n_train: int
    extractor: Extractor
    reach: float
    unit: float
    rule: Rule

    @classmethod
    def among(
        cls,
        train: ImageDataset,
        others: ImageDataset,
        features: Features,
        extractor: Extractor,
        rule: Rule,
    ) -> "CopySearch":
        """Measure what is usual between images of different patients, on held-out ones if there are any.

        Args:
            train: Training images.
            others: Held-out images, possibly none.
            features: Of both, as the extractor gave them, training images first.
            extractor: What made them.
            rule: Thresholds of the gate.
        """
        known, held = standardized(features[: len(train)], features[len(train) :], by=features)
        usual = nearest(held, known).distance if len(held) else among(known, train.groups)
        usual = usual[np.isfinite(usual)]
        return cls(
            likeness=Likeness.of(train.images, others.images if len(others) else None),
            features=features,
            n_train=len(train),
            extractor=extractor,
            reach=float(np.quantile(usual, rule.reach)) if len(usual) else np.inf,
            unit=float(np.median(usual)) or 1.0 if len(usual) else 1.0,
            rule=rule,
        )

    def look(self, images: Images) -> Found:
        """Search for near copies among images."""
        matches = self.likeness.match(images)
        copy = matches.likeness >= self.rule.likeness
        rows = np.flatnonzero(copy)
        copy[rows] = self.distances(images, matches, rows) <= self.reach
        return Found(matches=matches, copy=copy)

    def distances(self, images: Images, matches: Matches, rows: Rows) -> NDArray[np.float64]:
        """Lay the images of some rows on their matches and measure the distance in features."""
        if not len(rows):
            return np.empty(0)
        laid, known = standardized(
            extract(matches.align(images, rows), self.extractor),
            self.features[matches.row[rows]],
            by=self.features,
        )
        return np.asarray(np.linalg.norm(laid - known, axis=1))

    def pairs(self, images: Images, labels: Labels, found: Found) -> Iterator[Pair]:
        """List the near copies, and the most alike pairs of each class, most alike first."""
        by_likeness = np.argsort(-found.matches.likeness, kind="stable")
        top = [by_likeness[labels[by_likeness] == label][:SHOWN] for label in np.unique(labels)]
        kept = np.zeros(len(labels), dtype=bool)
        kept[np.concatenate([*top, np.flatnonzero(found.copy)])] = True
        rows = by_likeness[kept[by_likeness]]
        for row, distance in zip(rows, self.distances(images, found.matches, rows), strict=True):
            yield Pair(
                synthetic=int(row),
                train=int(found.matches.row[row]),
                label=int(labels[row]),
                likeness=float(found.matches.likeness[row]),
                distance=float(distance / self.unit),
                mirrored=bool(found.matches.mirrored[row]),
                copy=bool(found.copy[row]),
            )
