"""Work that the cells of a study share, done once before the first of them."""

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from equipoise.arrays import Images, Rows, ValueRange, value_range
from equipoise.experiments.study import Study


@runtime_checkable
class Prepares(Protocol):
    """A classifier that can do work for images before it is fitted to some of them."""

    @property
    def preparation(self) -> object:
        """What the work depends on: classifiers with equal values share it."""

    def prepare(self, X: Images, span: ValueRange, workspace: Path) -> int:
        """Work on images in advance; return how many pieces of work were missing."""


def prepare_study(study: Study, workspace: Path) -> int:
    """Let the classifiers of a study work on all of its images in advance.

    Frozen networks compute the features of every image, which all methods, splits and seeds share.

    Args:
        study: A study of images; nothing happens for one of volumes.
        workspace: Folder in which the cells look for the results.

    Returns:
        How many pieces of work were missing.
    """
    if study.task != "classification":
        return 0
    dataset = study.images
    rows_of_span: dict[ValueRange, list[Rows]] = {}
    for split in study.splits:
        parts = np.concatenate([split.train, split.validation, split.test])
        span = value_range(dataset.images[split.train])
        rows_of_span.setdefault(span, []).append(parts)
    n_done = 0
    for classifier in distinct_classifiers(study):
        for span, rows in rows_of_span.items():
            images = dataset.images[np.unique(np.concatenate(rows))]
            n_done += classifier.prepare(images, span, workspace)
    return n_done


def distinct_classifiers(study: Study) -> list[Prepares]:
    """Return the classifiers that prepare, of equal ones the first."""
    distinct: dict[str, Prepares] = {}
    for method in study.methods.values():
        _, classifier = method.steps[-1]
        if isinstance(classifier, Prepares):
            distinct.setdefault(repr(classifier.preparation), classifier)
    return list(distinct.values())
