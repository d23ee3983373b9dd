"""Train and apply one cell of a study of images: resample, fit, predict held-out images."""

from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from equipoise.arrays import Labels, Scores
from equipoise.data.dataset import ImageDataset
from equipoise.data.feature_store import keys_remembered
from equipoise.experiments.running.cell_record import conditions, devices_of, seeded_method
from equipoise.experiments.running.fit_watch import FitWatch, history_rows, timed
from equipoise.experiments.running.peak_memory import PeakMemory
from equipoise.experiments.study import Study
from equipoise.image_rows import ImageSource
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import ClassCuration, FilterCount, ImageCellRecord
from equipoise.runs.outcome import Outcome, Writer
from equipoise.training.progress import Listener, listening

KEPT_PER_CLASS = 500  # synthetic images of each class that a cell stores for the evidence

Predictions = dict[str, NDArray[Any]]


class Classifier(Protocol):
    """What a study needs of the last step of a method."""

    classes_: Labels

    def fit(
        self,
        X: ImageSource,
        y: Labels,
        *,
        validation: tuple[ImageSource, Labels],
        workspace: Path,
        synthetic: NDArray[np.bool_],
    ) -> Self:
        """Learn from images, some of them synthetic (n,); validation images are real."""

    def predict_proba(self, X: ImageSource) -> Scores:
        """Return (n, number of `classes_`) probabilities."""

    def save(self, folder: Path) -> None:
        """Write the fitted classifier to a new folder."""


@runtime_checkable
class KeepsBothWeights(Protocol):
    """A classifier whose one training yields the weights of both checkpoint policies."""

    def predict_proba_other(self, X: ImageSource) -> Scores | None:
        """Return (n, number of `classes_`) probabilities under the other policy; None without."""


def fit_cell(cell: Cell, study: Study, workspace: Path, listener: Listener) -> Outcome:
    """Train the method of a cell on the training rows of its split and score the held-out ones.

    Args:
        cell: Method, split and seed.
        study: The study of images.
        workspace: Folder of checkpoints and finished fits.
        listener: Receives the progress of the fits.
    """
    pipeline = seeded_method(cell, study)
    split = study.split(cell.split)
    train = study.images.subset(split.train)
    validation = study.images.subset(split.validation)
    test = study.images.subset(split.test)
    watch = FitWatch(listener)
    seconds = dict.fromkeys(("resample", "train", "predict"), 0.0)
    held_out = (validation.images, test.images)
    with PeakMemory() as memory, listening(watch), keys_remembered(*held_out):
        balanced = resample_and_fit(pipeline, train, validation, workspace, seconds)
        *resamplers, (_, classifier) = pipeline.steps
        with timed(seconds, "predict"):
            predictions = predict_part(classifier, validation, "validation")
            predictions |= predict_part(classifier, test, "test")
    record = ImageCellRecord(
        **vars(conditions(cell, study)),
        device=devices_of(pipeline),
        seconds=seconds,
        resumed=watch.was_resumed(pipeline),
        peak_memory_mb=memory.megabytes,
        peak_device_memory_mb=memory.device_megabytes,
        counts_before=tuple(train.counts.tolist()),
        counts_after=tuple(balanced.counts.tolist()),
        diversity=diversity_of(pipeline),
        curation=curation_of(pipeline),
    )
    files: dict[str, Writer] = {"classifier": classifier.save}
    generators = [step for _, step in resamplers if hasattr(step, "save")]
    if generators:
        files["generator"] = generators[0].save
    return Outcome(
        record=record,
        predictions=predictions,
        history=history_rows(pipeline),
        files=files,
        synthetic=None if replays(pipeline) else synthetic_sample(balanced),
    )


def resample_and_fit(
    pipeline: Pipeline,
    train: ImageDataset,
    validation: ImageDataset,
    workspace: Path,
    seconds: dict[str, float],
) -> ImageDataset:
    """Resample the training images, fit the classifier on them, and return them.

    Args:
        pipeline: The method; its steps are fitted in place.
        train: Training images.
        validation: Real validation images, for monitoring and for choosing weights.
        workspace: Folder of checkpoints and finished fits.
        seconds: The durations of "resample" and "train" are added here.
    """
    *resamplers, (_, classifier) = pipeline.steps
    held_out = (validation.images, validation.labels)
    balanced = train
    with timed(seconds, "resample"):
        for _, resampler in resamplers:
            balanced = balanced.resample(resampler, validation=held_out, workspace=workspace)
    with timed(seconds, "train"):
        classifier.fit(
            balanced.images,
            balanced.labels,
            synthetic=balanced.synthetic,
            validation=held_out,
            workspace=workspace,
        )
    return balanced


def predict_part(classifier: Classifier, images: ImageDataset, part: str) -> Predictions:
    """Score the images of a part of a split; a class that was not in training has probability 0.

    The scores of the other checkpoint policy, if any, stand beside them.
    """
    scores = np.zeros((len(images), len(images.class_names)))  # (n, k)
    scores[:, classifier.classes_] = classifier.predict_proba(images.images)
    predictions = {
        f"{part}_ids": images.ids.astype(str),
        f"{part}_true": images.labels,
        f"{part}_score": scores,
        f"{part}_groups": images.groups,
    }
    if isinstance(classifier, KeepsBothWeights):
        of_classes = classifier.predict_proba_other(images.images)
        if of_classes is not None:
            other = np.zeros_like(scores)
            other[:, classifier.classes_] = of_classes
            predictions[f"{part}_score_other"] = other
    return predictions


def diversity_of(pipeline: Pipeline) -> dict[int, float]:
    """Return the diversity of the synthetic images of each class, as a share of the real ones'."""
    diversity = {}
    for _, step in pipeline.steps:
        for label, share in getattr(step, "diversity_", {}).items():
            diversity[int(label)] = float(share)
    return diversity


def curation_of(pipeline: Pipeline) -> dict[int, ClassCuration]:
    """Return how many synthetic images of each class the filters kept."""
    curation = {}
    for _, step in pipeline.steps:
        for label, counts in getattr(step, "curation_", {}).items():
            filters = []
            for name, (n_shown, n_kept) in counts.items():
                filters.append(FilterCount(name, n_shown, n_kept))
            n_filled = step.filled_[label]
            curation[int(label)] = ClassCuration(filters=tuple(filters), n_filled=n_filled)
    return curation


def replays(pipeline: Pipeline) -> bool:
    """Return whether the rows marked as synthetic are copies of real images: nothing to audit."""
    *resamplers, _ = pipeline.steps
    return any(resampler.adds_copies for _, resampler in resamplers)


def synthetic_sample(balanced: ImageDataset) -> ImageDataset | None:
    """Return the first `KEPT_PER_CLASS` synthetic images of each class; None without any."""
    rows = np.flatnonzero(balanced.synthetic)
    if not len(rows):
        return None
    labels = balanced.labels[rows]
    samples = [rows[labels == label][:KEPT_PER_CLASS] for label in np.unique(labels)]
    return balanced.subset(np.concatenate(samples))
