"""Work that the cells of a study share, done once before the first of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from equipoise.arrays import Rows, ValueRange, value_range
from equipoise.experiments.study import Study
from equipoise.image_rows import ImageSource


@runtime_checkable
class Prepares(Protocol):
    """A classifier that can do work for images before it is fitted to some of them."""

    @property
    def preparation(self) -> object:
        """What the work depends on: classifiers with equal values share it."""

    def n_missing(self, X: ImageSource, span: ValueRange, workspace: Path) -> int:
        """Return how many pieces of work `prepare` would do."""

    def prepare(self, X: ImageSource, span: ValueRange, workspace: Path) -> int:
        """Work on images in advance; return how many pieces of work were missing."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Preparation:
    """Work that one classifier can do in advance.

    Attributes:
        classifier: Of equal ones the first.
        images: The images of all splits.
        span: Values of black and white of their training images.
    """

    classifier: Prepares
    images: ImageSource
    span: ValueRange

    def n_missing(self, workspace: Path) -> int:
        """Return how many pieces of work a workspace lacks."""
        return self.classifier.n_missing(self.images, self.span, workspace)

    def run(self, workspace: Path) -> int:
        """Do the work; return how many pieces were missing."""
        return self.classifier.prepare(self.images, self.span, workspace)


def prepare_study(study: Study, workspace: Path) -> int:
    """Let the classifiers of a study work on all of its images in advance.

    Frozen networks compute the features of every image, which all methods, splits and seeds share.

    Args:
        study: A study of images; nothing happens for one of volumes.
        workspace: Folder in which the cells look for the results.

    Returns:
        How many pieces of work were missing.
    """
    return sum(preparation.run(workspace) for preparation in preparations(study))


def preparations(study: Study) -> Iterator[Preparation]:
    """Yield the work of a study that can be done in advance; nothing for one of volumes."""
    if study.task != "classification":
        return
    dataset = study.images
    classifiers = distinct_classifiers(study)
    rows_of_span: dict[ValueRange, list[Rows]] = {}
    for split in study.splits if classifiers else ():
        parts = np.concatenate([split.train, split.validation, split.test])
        span = value_range(dataset.subset(split.train).images)
        rows_of_span.setdefault(span, []).append(parts)
    for classifier in classifiers:
        for span, rows in rows_of_span.items():
            images = dataset.subset(np.unique(np.concatenate(rows))).images
            yield Preparation(classifier=classifier, images=images, span=span)


def distinct_classifiers(study: Study) -> list[Prepares]:
    """Return the classifiers that prepare, of equal ones the first."""
    distinct: dict[str, Prepares] = {}
    for method in study.methods.values():
        _, classifier = method.steps[-1]
        if isinstance(classifier, Prepares):
            distinct.setdefault(repr(classifier.preparation), classifier)
    return list(distinct.values())
