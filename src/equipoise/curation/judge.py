"""The judge of synthetic images: a classifier of the real training images, its probabilities and its features."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from torch import Tensor

from equipoise import __version__
from equipoise.arrays import Images, Labels, Rows, Scores, fingerprint
from equipoise.atomic import atomic_folder, read_json, write_json
from equipoise.estimators.classifier import ImageClassifier
from equipoise.estimators.scoring import features_in_chunks, probabilities
from equipoise.metrics.calibration import fit_temperature, scale_temperature
from equipoise.metrics.memorization import Features
from equipoise.networks.backbones import find_backbone
from equipoise.randomness import make_rng
from equipoise.training.loop import History

HELD_BACK = 0.2  # of the images of each class, at least one: the temperature must not be fitted on what was learned


@dataclass(frozen=True, eq=False)
class Judge:
    """A fitted classifier with a temperature.

    Attributes:
        classifier: Learned from real training images alone.
        temperature: Its probabilities are softmax(log p / temperature).
        center: (d,) means of the features of all real training images.
        factor: (d,) one over their standard deviations; 0 where a feature is constant.
        history: What its fit recorded.
    """

    classifier: ImageClassifier
    temperature: float
    center: NDArray[np.float64]
    factor: NDArray[np.float64]
    history: History

    def look(self, images: Images) -> tuple[Features, Scores]:
        """Give standardized features (n, d) and calibrated probabilities (n, k).

        A value that is not finite is looked at as 0.
        """
        features = _features(self.classifier, np.nan_to_num(images, posinf=0.0, neginf=0.0))
        logits = self.classifier.head_(features).detach()
        scores = probabilities(logits, self.classifier.loss_)
        standard = (_double(features) - self.center) * self.factor
        return standard, scale_temperature(scores, self.temperature)

    def save(self, folder: Path) -> None:
        """Write it to a new folder."""
        facts = {"temperature": self.temperature, "rows": self.history.rows}
        standard = {"center": self.center.tolist(), "factor": self.factor.tolist()}
        with atomic_folder(folder) as temporary:
            self.classifier.save(temporary / "classifier")
            write_json(temporary / "judge.json", facts | standard)

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto") -> "Judge":
        """Read what `save` wrote."""
        facts: Mapping[str, Any] = read_json(folder / "judge.json")
        return cls(
            classifier=ImageClassifier.load(folder / "classifier", device=device),
            temperature=float(facts["temperature"]),
            center=np.asarray(facts["center"]),
            factor=np.asarray(facts["factor"]),
            history=History(rows=list(facts["rows"])),
        )


def fit_judge(
    classifier: ImageClassifier, X: Images, codes: Labels, *, workspace: Path | None
) -> Judge:
    """Train a classifier on four fifths of the real training images and fit its temperature on the rest.

    With a workspace the finished judge is kept there by content: all curated arms of a cell share it, and a killed
    fit goes on. The rest is drawn by images, because a resampler is not told the patients: where a patient has
    several, the judge may be a little too sure.

    Args:
        classifier: Its settings; it is cloned.
        X: (n, c, h, w) real training images in storage type.
        codes: (n,) classes 0..k-1, each present.
        workspace: Folder of finished fits and checkpoints.
    """
    if workspace is None:
        return _train(classifier, X, codes, None)
    key = fingerprint(X, codes, sorted(classifier.get_params().items()), HELD_BACK, __version__)
    folder = Path(workspace) / f"judge-{key[:24]}"
    if not folder.is_dir():
        _train(classifier, X, codes, workspace).save(folder)
    return Judge.load(folder, device=classifier.device)


def _train(classifier: ImageClassifier, X: Images, codes: Labels, workspace: Path | None) -> Judge:
    held = held_back(codes, classifier.seed)
    learned = np.setdiff1d(np.arange(len(codes)), held)
    judge = clone(classifier).fit(X[learned], codes[learned], workspace=workspace)
    even = balanced_rows(codes, held)
    features = _double(_features(judge, X))
    deviation = features.std(axis=0)
    return Judge(
        classifier=judge,
        temperature=fit_temperature(y_true=codes[even], y_score=judge.predict_proba(X[even])),
        center=features.mean(axis=0),
        factor=np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0),
        history=judge.history_,
    )


def _features(judge: ImageClassifier, images: Images) -> Tensor:
    backbone = find_backbone(judge.network)
    return features_in_chunks(backbone, judge.network_, images, judge.span_)


def _double(features: Tensor) -> Features:
    return np.asarray(features.double().cpu().numpy())


def held_back(codes: Labels, seed: int) -> Rows:
    """Draw the rows, a fifth of each class, at least one."""
    rng, rows = make_rng(seed, "curation", "held back"), []
    for code in np.unique(codes):
        members = rng.permutation(np.flatnonzero(codes == code))
        rows.append(members[: max(1, round(HELD_BACK * len(members)))])
    return np.sort(np.concatenate(rows))


def balanced_rows(codes: Labels, rows: Rows) -> Rows:
    """Repeat rows until every class has as many: synthetic images are asked for by class, not by prevalence."""
    members = [rows[codes[rows] == code] for code in np.unique(codes[rows])]
    most = max(map(len, members))
    return np.concatenate([np.resize(some, most) for some in members])
