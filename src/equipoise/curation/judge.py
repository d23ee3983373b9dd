"""The judge of synthetic images: a calibrated classifier of the real training images."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from torch import Tensor

from equipoise import __version__
from equipoise.arrays import Labels, Rows, Scores, content_key
from equipoise.atomic import atomic_folder, read_json, reading, write_json
from equipoise.estimators.loading import AnyClassifier, load_classifier
from equipoise.estimators.scoring import probabilities
from equipoise.exceptions import DataError
from equipoise.image_rows import ImageSource
from equipoise.metrics.calibration import fit_temperature, scale_temperature
from equipoise.metrics.memorization import Features
from equipoise.randomness import make_rng, stored_settings, whole_seed
from equipoise.training.loop import History

HELD_OUT = 0.2  # share of each class, at least one image, on which the temperature is fitted


@dataclass(frozen=True, eq=False)
class Judge:
    """A fitted classifier with a temperature.

    Attributes:
        classifier: Trained on real training images alone.
        temperature: Its probabilities are softmax(log p / temperature) (Guo et al., 2017).
        center: (d,) means of the features of all real training images.
        factor: (d,) one over their standard deviations; 0 where a feature is constant.
        history: Training history of the classifier.
    """

    classifier: AnyClassifier
    temperature: float
    center: NDArray[np.float64]
    factor: NDArray[np.float64]
    history: History

    def assess(self, images: ImageSource) -> tuple[Features, Scores]:
        """Return standardized features (n, d) and calibrated probabilities (n, k).

        Values that are not finite count as 0.
        """
        features = _features(self.classifier, np.nan_to_num(images, posinf=0.0, neginf=0.0))
        logits = self.classifier.head_(features).detach()
        scores = probabilities(logits, self.classifier.loss_)
        standardized = (_to_numpy(features) - self.center) * self.factor
        return standardized, scale_temperature(scores, self.temperature)

    def save(self, folder: Path) -> None:
        """Write it to a new folder."""
        stored = {
            "temperature": self.temperature,
            "rows": self.history.rows,
            "center": self.center.tolist(),
            "factor": self.factor.tolist(),
        }
        with atomic_folder(folder) as temporary:
            self.classifier.save(temporary / "classifier")
            write_json(temporary / "judge.json", stored)

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto") -> "Judge":
        """Read what `save` wrote.

        Raises:
            DataError: The folder is damaged.
        """
        path = folder / "judge.json"
        with reading(path):
            stored = read_json(path)
            return cls(
                classifier=load_classifier(folder / "classifier", device=device),
                temperature=float(stored["temperature"]),
                center=np.asarray(stored["center"]),
                factor=np.asarray(stored["factor"]),
                history=History(rows=list(stored["rows"])),
            )


def fit_judge(
    classifier: AnyClassifier, X: ImageSource, codes: Labels, *, workspace: Path | None
) -> Judge:
    """Train a classifier on four fifths of the real training images and calibrate it on the rest.

    With a workspace the finished judge is stored there by content: all curated arms of a cell share
    it, a killed fit resumes, and a damaged one is repeated. The split is by image, because
    resamplers do not know the patients: where a patient has several images, the judge may be
    slightly overconfident.

    Args:
        classifier: Its settings; it is cloned.
        X: (n, c, h, w) real training images in storage type.
        codes: (n,) classes 0..k-1, each present.
        workspace: Folder of finished fits and checkpoints.
    """
    seed = whole_seed(classifier.random_state)
    classifier = clone(classifier).set_params(random_state=seed)
    if workspace is None:
        return _train(classifier, X, codes, None)
    params = sorted(stored_settings(classifier.get_params()).items())
    key = content_key(X, codes, params, HELD_OUT, __version__)
    folder = Path(workspace) / f"judge-{key[:24]}"
    if folder.is_dir():
        try:
            return Judge.load(folder, device=classifier.device)
        except (DataError, FileNotFoundError):
            shutil.rmtree(folder, ignore_errors=True)
    _train(classifier, X, codes, workspace).save(folder)
    return Judge.load(folder, device=classifier.device)


def held_out_rows(codes: Labels, seed: int) -> Rows:
    """Draw a fifth of each class, at least one image, and return their rows in order."""
    rng = make_rng(seed, "curation", "held back")
    rows = []
    for code in np.unique(codes):
        members = rng.permutation(np.flatnonzero(codes == code))
        rows.append(members[: max(1, round(HELD_OUT * len(members)))])
    return np.sort(np.concatenate(rows))


def balanced_rows(codes: Labels, rows: Rows) -> Rows:
    """Repeat rows until every class has equally many.

    Synthetic images are requested by class, so that prevalence must not enter the calibration.
    """
    members = [rows[codes[rows] == code] for code in np.unique(codes[rows])]
    largest = max(map(len, members))
    return np.concatenate([np.resize(class_rows, largest) for class_rows in members])


def _train(
    classifier: AnyClassifier, X: ImageSource, codes: Labels, workspace: Path | None
) -> Judge:
    held_out = held_out_rows(codes, whole_seed(classifier.random_state))
    train = np.setdiff1d(np.arange(len(codes)), held_out)
    fitted = clone(classifier).fit(X[train], codes[train], workspace=workspace)
    calibration = balanced_rows(codes, held_out)
    temperature = fit_temperature(
        y_true=codes[calibration], y_score=fitted.predict_proba(X[calibration])
    )
    features = _to_numpy(_features(fitted, X))
    deviation = features.std(axis=0)
    return Judge(
        classifier=fitted,
        temperature=temperature,
        center=features.mean(axis=0),
        factor=np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0),
        history=fitted.history_,
    )


def _features(classifier: AnyClassifier, images: ImageSource) -> Tensor:
    return torch.from_numpy(classifier.features(images)).to(classifier.head_.weight)


def _to_numpy(features: Tensor) -> Features:
    return np.asarray(features.double().cpu().numpy())
