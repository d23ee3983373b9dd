"""A simple reference that every network should beat: logistic regression on fixed features."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.preprocessing import StandardScaler

from equipoise.arrays import Labels, Rows, Scores, ValueRange, value_range
from equipoise.atomic import JsonObject, write_json
from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import Split
from equipoise.estimators.frozen.objectives import Rows as TrainingRows
from equipoise.estimators.frozen.solver import solve_all
from equipoise.evidence.finished_run import FinishedRun
from equipoise.evidence.gathering import EvidenceCard
from equipoise.evidence.reference_features import ReferenceFeatures, reference_features
from equipoise.features.base import Features
from equipoise.losses import LOSSES
from equipoise.metrics.base import Predictions
from equipoise.metrics.classification import METRICS
from equipoise.randomness import make_rng
from equipoise.results.records import RANKING
from equipoise.results.reference import (
    reference_cells,
    reference_gains,
    score_reference,
    write_reference,
)

CARD = EvidenceCard(summary="a simple reference: logistic regression on fixed features", version=2)
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # C of scikit-learn: small values shrink more
MOST_TRAINED = 4000  # training images in all, equally many of each class at most


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedReference:
    """A regression on the training images of one split.

    Attributes:
        penalty: C, chosen on the validation images.
        n_train: Training images that it was fitted to.
        validation: (m, k) scores of the validation images.
        test: (n, k) scores of the test images.
    """

    penalty: float
    n_train: int
    validation: Scores
    test: Scores


@dataclass(frozen=True, eq=False)
class Regression:
    """A logistic regression.

    Attributes:
        classes: (k',) labels among the training images.
        weights: (k', d).
        biases: (k',).
    """

    classes: Labels
    weights: NDArray[np.float64]
    biases: NDArray[np.float64]

    def scores(self, features: NDArray[np.float64], n_classes: int) -> Scores:
        """Return (n, k) probabilities; a class without training images has 0."""
        scores = np.zeros((len(features), n_classes))
        scores[:, self.classes] = softmax(features @ self.weights.T + self.biases, axis=1)
        return scores


def gather(run: FinishedRun, folder: Path) -> None:
    """Fit a reference for each kind of features at hand; nothing is written without a finished run.

    `table.csv` has every metric, `gains.csv` the differences in AUROC from every method,
    `<features>-<split>.npz` the scores in the order of the split's rows. The features are those of
    `equipoise.evidence.reference_features`.
    """
    images = run.run.images
    if not images.finished:
        return
    kinds, notes = reference_features(run)
    fits: list[JsonObject] = []
    scores, gains = [], []
    for kind in kinds:
        features = kind.name
        predictions = {}
        for split, fitted in fit_splits(run, kind):
            predictions[split.name] = _predictions(run, split, fitted)
            fits.append(
                {
                    "features": features,
                    "split": split.name,
                    "C": fitted.penalty,
                    "n_train": fitted.n_train,
                }
            )
            np.savez_compressed(
                folder / f"{features}-{split.name}.npz",
                allow_pickle=False,
                validation_score=fitted.validation,
                test_score=fitted.test,
            )
            if fitted.n_train < len(split.train):
                notes.append(
                    f"On {split.name}, the reference was fitted to {fitted.n_train:,} of "
                    f"{len(split.train):,} training images, drawn at random within classes."
                )
        reference = reference_cells(images, f"reference: {features}", predictions)
        scores += score_reference(reference, features)
        gains += reference_gains(images, reference, features)
    write_reference(folder, scores, gains)
    write_json(folder / "reference.json", {"fits": fits, "notes": list(dict.fromkeys(notes))})


def fit_splits(
    run: FinishedRun, kind: ReferenceFeatures
) -> Iterator[tuple[Split, FittedReference]]:
    """Fit the regression on each split that has a finished cell."""
    images = run.study.images
    tested = {cell.split for cell in run.cells}
    of_span: dict[ValueRange, Features] = {}  # 16-bit images are scaled by their training images
    for split in run.study.splits:
        if split.name not in tested:
            continue
        span = value_range(images.images[split.train])
        if span not in of_span:
            of_span[span] = kind.compute(span)
        yield split, fit_reference(of_span[span], images, split, positive=run.study.positive)


def fit_reference(
    features: Features, images: ImageDataset, split: Split, *, positive: int
) -> FittedReference:
    """Fit a logistic regression to standardized features of the training images of a split.

    Classes weigh equally; C is the value with the best AUROC on the validation images, the smallest
    of equals. Test images are only scored.

    Args:
        features: (n, d) of all images.
        images: Their classes.
        split: Rows that train, validate and test.
        positive: The positive class.

    Example:
        >>> from equipoise.data.phantoms.datasets import cells
        >>> from equipoise.data.splits import hold_out
        >>> dataset = cells((40, 20), size=32)
        >>> (split,) = hold_out(dataset, n_splits=1)
        >>> features = dataset.images.mean(axis=(2, 3))
        >>> fitted = fit_reference(features, dataset, split, positive=1)
        >>> fitted.test.shape == (len(split.test), 2)
        True
    """
    n_classes = len(images.class_names)
    rows = training_rows(images.labels, split, n_classes)
    scaler = StandardScaler().fit(features[rows])
    train = scaler.transform(features[rows])
    validation = scaler.transform(features[split.validation])
    models = fit_regressions(train, images.labels[rows])
    fits: list[FittedReference] = []
    areas: list[float] = []  # AUROC of the validation images; -1 where it is not defined
    for penalty, model in zip(PENALTIES, models, strict=True):
        fitted = FittedReference(
            penalty=penalty,
            n_train=len(rows),
            validation=model.scores(validation, n_classes),
            test=model.scores(scaler.transform(features[split.test]), n_classes),
        )
        area = METRICS[RANKING].function(
            y_true=images.labels[split.validation], y_score=fitted.validation, positive=positive
        )
        fits.append(fitted)
        areas.append(float(np.nan_to_num(area, nan=-1.0)))
    return fits[int(np.argmax(areas))]


def fit_regressions(features: NDArray[np.float64], labels: Labels) -> list[Regression]:
    """Fit a logistic regression with classes of equal weight for each of `PENALTIES`.

    They are those of scikit-learn with class_weight="balanced", solved together.
    """
    known, codes = np.unique(labels, return_inverse=True)
    if len(known) == 1:
        constant = np.zeros((1, features.shape[1]))
        return [Regression(known, constant, np.zeros(1))] * len(PENALTIES)
    rows = TrainingRows(
        inputs=torch.as_tensor(features, dtype=torch.float32),
        codes=torch.as_tensor(codes),
        weights=torch.ones(len(codes)),
    )
    loss = LOSSES["class_weights"](rows.codes.bincount())
    layer = torch.nn.Linear(features.shape[1], len(known))
    # of two classes scikit-learn penalizes one weight vector, which is twice each of ours
    factor = 2 if len(known) == 2 else 1
    decays = [factor / (len(codes) * penalty) for penalty in PENALTIES]
    regressions = []
    for solution in solve_all(layer, loss, rows, decays, lambda _done, _total: None):
        weights, biases = (solution.state[name].double().numpy() for name in ("weight", "bias"))
        regressions.append(Regression(known, weights, biases))
    return regressions


def training_rows(labels: Labels, split: Split, n_classes: int) -> Rows:
    """Draw at most `MOST_TRAINED` / `n_classes` training rows of each class, in increasing order.

    They depend on the split alone.
    """
    quota = MOST_TRAINED // n_classes
    order = make_rng(0, "reference", split.name).permutation(split.train)
    rows = []
    for label in range(n_classes):
        rows.append(order[labels[order] == label][:quota])
    return np.sort(np.concatenate(rows))


def _predictions(
    run: FinishedRun, split: Split, fitted: FittedReference
) -> tuple[Predictions, Predictions]:
    """Return validation and test predictions in the order in which cells are read."""
    images, positive = run.study.images, run.study.positive
    order = np.argsort(images.ids[split.test].astype(str), kind="stable")
    validation = Predictions(
        y_true=images.labels[split.validation], y_score=fitted.validation, positive=positive
    )
    test = Predictions(
        y_true=images.labels[split.test][order], y_score=fitted.test[order], positive=positive
    )
    return validation, test
