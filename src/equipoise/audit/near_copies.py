"""Near copies of training images: candidates by pixels, confirmed by features."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Labels, Rows
from equipoise.audit.gate import GateRule
from equipoise.data.dataset import ImageDataset
from equipoise.data.likeness import Likeness, Matches
from equipoise.features.base import Extractor, Features, extract
from equipoise.image_rows import ImageSource
from equipoise.metrics.memorization import among, nearest, standardized

PAIRS_PER_CLASS = 4  # most alike pairs that are reported, copies or not


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A synthetic image and the real training image that it resembles most.

    Attributes:
        synthetic: Row of the synthetic image.
        train: Row of the training image; its id might name a patient and is not stored.
        label: Class of the synthetic image.
        likeness: See `equipoise.data.likeness`; 1 for the same image.
        distance: Distance in features once the synthetic image is aligned with the other one,
            relative to the median distance of a held-out image to its nearest training image.
        mirrored: Whether the alignment mirrors it.
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
class NearCopies:
    """The result of a search among n images: the match of each, and (n,) True for near copies."""

    matches: Matches
    copy: NDArray[np.bool_]

    @property
    def n(self) -> int:
        """Number of near copies."""
        return int(self.copy.sum())


@dataclass(frozen=True, kw_only=True, eq=False)
class CopySearch:
    """An index of training images, for finding near copies of them among synthetic images.

    Attributes:
        likeness: Codes of the training images.
        features: (m, d) features of the real images, training images first.
        n_train: How many of them are training images.
        extractor: Extractor of these features.
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
    rule: GateRule

    @classmethod
    def build(
        cls,
        train: ImageDataset,
        held_out: ImageDataset,
        features: Features,
        extractor: Extractor,
        rule: GateRule,
    ) -> "CopySearch":
        """Index training images and measure the usual distances between patients.

        Distances are from held-out to training images or, if nothing is held out, between training
        patients.

        Args:
            train: Training images.
            held_out: Held-out images; may be empty.
            features: (m, d) features of both as extracted, training images first.
            extractor: Extractor of these features.
            rule: Thresholds of the gate.
        """
        train_features, held_out_features = standardized(
            features[: len(train)], features[len(train) :], by=features
        )
        if len(held_out):
            usual = nearest(held_out_features, train_features).distance
        else:
            usual = among(train_features, train.groups)
        usual = usual[np.isfinite(usual)]
        return cls(
            likeness=Likeness.of(train.images, held_out.images if len(held_out) else None),
            features=features,
            n_train=len(train),
            extractor=extractor,
            reach=float(np.quantile(usual, rule.reach)) if len(usual) else np.inf,
            unit=float(np.median(usual)) or 1.0 if len(usual) else 1.0,
            rule=rule,
        )

    def search(self, images: ImageSource) -> NearCopies:
        """Find the near copies among images (n, c, h, w)."""
        matches = self.likeness.match(images)
        copy = matches.likeness >= self.rule.likeness
        rows = np.flatnonzero(copy)
        copy[rows] = self.distances(images, matches, rows) <= self.reach
        return NearCopies(matches=matches, copy=copy)

    def distances(self, images: ImageSource, matches: Matches, rows: Rows) -> NDArray[np.float64]:
        """Align the images of some rows with their matches and return the distances in features."""
        if not len(rows):
            return np.empty(0)
        aligned = extract(matches.align(images, rows), self.extractor)
        originals = self.features[matches.row[rows]]
        aligned, originals = standardized(aligned, originals, by=self.features)
        return np.asarray(np.linalg.norm(aligned - originals, axis=1))

    def pairs(self, images: ImageSource, labels: Labels, copies: NearCopies) -> Iterator[Pair]:
        """Yield the near copies and the most alike pairs of each class, most alike first."""
        by_likeness = np.argsort(-copies.matches.likeness, kind="stable")
        reported = copies.copy.copy()
        for label in np.unique(labels):
            of_class = by_likeness[labels[by_likeness] == label]
            reported[of_class[:PAIRS_PER_CLASS]] = True
        rows = by_likeness[reported[by_likeness]]
        distances = self.distances(images, copies.matches, rows)
        for row, distance in zip(rows, distances, strict=True):
            yield Pair(
                synthetic=int(row),
                train=int(copies.matches.row[row]),
                label=int(labels[row]),
                likeness=float(copies.matches.likeness[row]),
                distance=float(distance / self.unit),
                mirrored=bool(copies.matches.mirrored[row]),
                copy=bool(copies.copy[row]),
            )
