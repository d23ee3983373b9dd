"""Forecast of classifiers on frozen features: of features that cells share, and of their heads."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equipoise.data.feature_store import image_keys
from equipoise.estimators.frozen.classifier import FrozenClassifier
from equipoise.estimators.frozen.timing import time_head
from equipoise.experiments.running.preparation import Preparation, preparations
from equipoise.experiments.study import Study
from equipoise.image_rows import ImageSource
from equipoise.resampling.base import Oversampler

PROBED = 8  # images whose features are computed to time them: one batch of the processor
MOST_IMAGES = 2000  # training images of a timed head


@dataclass
class FrozenProbe:
    """Times the parts of a study whose classifiers are heads on frozen features.

    Args:
        study: A study of images.
        clock: Returns seconds.
    """

    study: Study
    clock: Callable[[], float]

    def __post_init__(self) -> None:
        self._per_piece: dict[str, float] = {}  # seconds for an image in a view, by preparation
        self._heads: dict[str, float] = {}  # seconds, by settings

    def shared_seconds(self, workspace: Path) -> float:
        """Estimate the seconds of the features that the workspace lacks."""
        total = 0.0
        for preparation in preparations(self.study):
            n_missing = preparation.n_missing(workspace)
            if n_missing:
                total += n_missing * self.seconds_per_piece(preparation)
        return total

    def seconds_per_piece(self, preparation: Preparation) -> float:
        """Measure the seconds that an image takes in a view."""
        key = repr(preparation.classifier.preparation)
        if key not in self._per_piece:
            images = preparation.images[:PROBED]
            with tempfile.TemporaryDirectory() as folder:
                self._fill(preparation, images[:1], Path(folder))  # warm-up
                start = self.clock()
                n_pieces = self._fill(preparation, images[1:], Path(folder))
                # a batch is always filled up: the last image counts as those that it stands for
                n_batches = max(1, round(n_pieces / max(1, len(images) - 1)))
                seconds = self.clock() - start
            self._per_piece[key] = seconds / (n_batches * PROBED)
        return self._per_piece[key]

    def has_timed(self, steps: list[tuple[str, Any]]) -> bool:
        """Return whether `cell_seconds` trains nothing for the steps of a method."""
        classifier = steps[-1][1]
        return not isinstance(classifier, FrozenClassifier) or self._kind(classifier) in self._heads

    def cell_seconds(self, steps: list[tuple[str, Any]]) -> float:
        """Estimate the seconds of the classifier of a method; 0 where it is of another kind.

        That is: finding the features, those of synthetic images, and training the head.
        """
        classifier = steps[-1][1]
        if not isinstance(classifier, FrozenClassifier):
            return 0.0
        split = self.study.splits[0]
        counts = self.study.images.subset(split.train).counts
        seconds = self._head_seconds(classifier, counts.tolist())
        images = self.study.images.images[split.train[:PROBED]]
        start = self.clock()
        image_keys(images)
        n_images = len(split.train) + len(split.validation) + len(split.test)
        seconds += (self.clock() - start) / len(images) * n_images
        if any(isinstance(step, Oversampler) for _, step in steps[:-1]):
            n_synthetic = int((counts.max() - counts).sum())
            for preparation in preparations(self.study):
                if preparation.classifier.preparation == classifier.preparation:
                    per_image = self.seconds_per_piece(preparation) * len(classifier.settings.views)
                    return float(seconds + n_synthetic * per_image)
        return float(seconds)

    def _fill(self, preparation: Preparation, images: ImageSource, folder: Path) -> int:
        return preparation.classifier.prepare(images, preparation.span, folder)

    def _head_seconds(self, classifier: FrozenClassifier, counts: list[int]) -> float:
        settings, key = classifier.settings, self._kind(classifier)
        if key not in self._heads:
            share = min(1.0, MOST_IMAGES / sum(counts))
            probed = [max(2, round(share * n)) for n in counts]
            seconds = time_head(
                settings,
                probed,
                n_validation=round(share * len(self.study.splits[0].validation)),
                dimension=classifier.dimension(self.study.images.images.shape[1:]),
                clock=self.clock,
            )
            self._heads[key] = seconds * sum(counts) / sum(probed)
        return self._heads[key]

    def _kind(self, classifier: FrozenClassifier) -> str:
        """Return a text that is the same for heads that take equally long."""
        settings = classifier.settings
        return repr((settings.head_kind, settings.second_stage, classifier.preparation))


def has_frozen(study: Study) -> bool:
    """Return whether any classifier of a study is a head on frozen features."""
    lasts = [method.steps[-1][1] for method in study.methods.values()]
    return any(isinstance(last, FrozenClassifier) for last in lasts)
