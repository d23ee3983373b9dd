"""Train and apply one cell: split, resample the training images, fit, predict the real held-out images."""

from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from equipoise.arrays import Images, Labels, Scores
from equipoise.data.dataset import ImageDataset
from equipoise.experiments.running.cell_record import devices_of, facts_of, seeded_method
from equipoise.experiments.running.fit_watch import (
    Outcome,
    Spy,
    Writer,
    histories_of,
    history_rows,
    timed,
)
from equipoise.experiments.running.peak_memory import PeakMemory
from equipoise.experiments.study import Study
from equipoise.runs.cell import Cell
from equipoise.training.progress import Listener, listening

KEPT_PER_CLASS = 500  # synthetic images of each class that a cell keeps to be judged


class Classifier(Protocol):
    """What a study needs of the last step of a method."""

    classes_: Labels

    def fit(
        self, X: Images, y: Labels, *, validation: tuple[Images, Labels], workspace: Path,
        synthetic: NDArray[np.bool_],
    ) -> Self:  # fmt: skip
        """Learn from training images, some of them synthetic (n,); the validation images are real ones."""

    def predict_proba(self, X: Images) -> Scores:
        """Return (n, number of `classes_`) probabilities."""

    def save(self, folder: Path) -> None:
        """Write the fitted classifier to a new folder."""


def fit_cell(cell: Cell, study: Study, workspace: Path, listener: Listener) -> Outcome:
    """Train the method of a cell on the training rows of its split and score the held-out ones."""
    pipeline, split = seeded_method(cell, study), study.split(cell.split)
    train, *held_out = (
        study.images.subset(rows) for rows in (split.train, split.validation, split.test)
    )
    spy, seconds = Spy(listener), dict.fromkeys(("resample", "train", "predict"), 0.0)
    with PeakMemory() as memory, listening(spy):
        balanced, predictions = _train(
            pipeline, train, *held_out, workspace=workspace, seconds=seconds
        )
    record = {
        **facts_of(cell, study),
        "status": "done",
        **dict.fromkeys(("error", "error_type", "traceback")),
        "device": devices_of(pipeline),
        "seconds": seconds,
        "resumed": spy.resumed
        or spy.n_fits < sum(len(histories_of(step)) for _, step in pipeline.steps),
        "peak_memory_mb": memory.megabytes,
        "peak_device_memory_mb": memory.device_megabytes,
        "counts_before": train.counts.tolist(),
        "counts_after": balanced.counts.tolist(),
        "diversity": _diversity(pipeline),
        "curation": _curation(pipeline),
    }
    return Outcome(
        record=record,
        predictions=predictions,
        history=[row for name, step in pipeline.steps for row in history_rows(name, step)],
        files=_files(pipeline),
        synthetic=_some_synthetic(balanced),
    )


def _files(pipeline: Pipeline) -> dict[str, Writer]:
    """Give what writes the fitted classifier, and the fitted generator where the method has one."""
    *resamplers, (_, classifier) = pipeline.steps
    generators = [step for _, step in resamplers if hasattr(step, "save")]
    return {
        "classifier": classifier.save,
        **({"generator": generators[0].save} if generators else {}),
    }


def _train(
    pipeline: Pipeline, train: ImageDataset, validation: ImageDataset, test: ImageDataset, *, workspace: Path,
    seconds: dict[str, float],
) -> tuple[ImageDataset, dict[str, NDArray[Any]]]:  # fmt: skip
    """Return the images that the classifier learned from and its predictions; add up the seconds of each stage."""
    *resamplers, (_, classifier) = pipeline.steps
    held: dict[str, Any] = {
        "validation": (validation.images, validation.labels),
        "workspace": workspace,
    }
    balanced = train
    with timed(seconds, "resample"):
        for _, resampler in resamplers:
            balanced = balanced.resample(resampler, **held)
    with timed(seconds, "train"):
        classifier.fit(balanced.images, balanced.labels, synthetic=balanced.synthetic, **held)
    with timed(seconds, "predict"):
        predictions = _predict(classifier, validation, "validation") | _predict(
            classifier, test, "test"
        )
    return balanced, predictions


def _predict(classifier: Classifier, images: ImageDataset, part: str) -> dict[str, NDArray[Any]]:
    """Score images; a class that was not in training has probability 0."""
    scores = np.zeros((len(images), len(images.class_names)))
    scores[:, classifier.classes_] = classifier.predict_proba(images.images)
    return {
        f"{part}_ids": images.ids.astype(str),
        f"{part}_true": images.labels,
        f"{part}_score": scores,
        f"{part}_groups": images.groups,
    }


def _diversity(pipeline: Pipeline) -> dict[str, float]:
    """Collect how much the synthetic images of a class differ, as a share of what real ones do, by label."""
    shares = (getattr(step, "diversity_", {}) for _, step in pipeline.steps)
    return {str(label): float(share) for found in shares for label, share in found.items()}


def _curation(pipeline: Pipeline) -> dict[str, Any]:
    """Collect what filters kept of the synthetic images, in their order, by label."""
    return {
        str(label): {
            "filters": [[name, shown, kept] for name, (shown, kept) in found.items()],
            "filled": step.filled_[label],
        }
        for _, step in pipeline.steps
        for label, found in getattr(step, "curation_", {}).items()
    }


def _some_synthetic(balanced: ImageDataset) -> ImageDataset | None:
    rows = np.flatnonzero(balanced.synthetic)
    if not len(rows):
        return None
    labels = balanced.labels[rows]
    return balanced.subset(
        np.concatenate([rows[labels == k][:KEPT_PER_CLASS] for k in np.unique(labels)])
    )
