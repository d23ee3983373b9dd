"""Estimators that train in no time, so that tests see the study and not the training.

A module of its own, not a part of a test: worker processes must be able to import it.
"""

import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from equipoise.atomic import write_json
from equipoise.randomness import make_rng
from equipoise.resampling.base import Held, Resampler
from equipoise.training.progress import report

Array = NDArray[Any]


class Watch:
    """A clock that only the fakes move."""

    now = 0.0

    @classmethod
    def read(cls) -> float:
        return cls.now


class NearestMean(BaseEstimator):
    """Knows classes by their mean brightness; its chance shows in the scores."""

    fits: ClassVar[list[dict[str, Any]]] = []

    def __init__(
        self, *, n_steps: int = 10, rate: float = 1.0, seed: int = 0, trouble: str = ""
    ) -> None:
        self.n_steps = n_steps
        self.rate = rate
        self.seed = seed
        self.trouble = trouble

    def fit(
        self,
        X: Array,
        y: Array,
        *,
        validation: Held,
        workspace: Path | None,
        synthetic: Array | None = None,
    ) -> Self:
        self.fits.append(
            {"X": X, "y": y, "validation": validation, "seed": self.seed, "synthetic": synthetic}
        )
        if self.trouble == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.trouble == "stopped":
            raise KeyboardInterrupt
        if self.trouble:
            raise MemoryError(self.trouble)
        Watch.now += 3.0 + 0.25 * self.n_steps
        for step in range(self.n_steps):
            report("classifier", step + 1, self.n_steps)
        self.classes_ = np.unique(y)
        self.means_ = np.array([X[y == k].mean() for k in self.classes_])
        self.noise_ = make_rng(self.seed).normal(size=len(self.classes_))
        self.history_ = SimpleNamespace(
            rows=[{"step": 1, "loss": 0.1 + self.seed % 7, "accuracy": 1 / 3}]
        )
        return self

    def predict_proba(self, X: Array) -> Array:
        far = np.abs(X.mean(axis=(1, 2, 3))[:, None] - self.means_ + self.noise_) / 20
        weights = np.exp(-far)
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))

    def save(self, folder: Path) -> None:
        folder.mkdir()
        write_json(folder / "model.json", self.means_.tolist())


class Pretrained(NearestMean):
    """Trains another estimator before itself."""

    def __init__(self, *, pretraining: NearestMean, n_steps: int = 10, seed: int = 0) -> None:
        super().__init__(n_steps=n_steps, seed=seed)
        self.pretraining = pretraining

    def fit(self, X: Array, y: Array, **settings: Any) -> Self:
        self.pretraining.fit(X, y, **settings)
        return super().fit(X, y, **settings)


class NoisyCopies(Resampler):
    """Fills class 1 up with its mean image and noise."""

    seen: ClassVar[list[Array]] = []

    def __init__(self, *, seed: int = 0, n_steps: int = 20) -> None:
        self.seed = seed
        self.n_steps = n_steps

    def fit_resample(
        self, X: Array, y: Array, *, validation: Held | None = None, workspace: Path | None = None
    ) -> tuple[Array, Array]:
        self.seen.append(X)
        Watch.now += 1.0 + 0.5 * self.n_steps
        for step in range(self.n_steps):
            report("generator", step + 1, self.n_steps)
        self.history_ = {
            "class-1": SimpleNamespace(rows=[{"step": self.n_steps, "critic_loss": 0.5}])
        }
        n_new = int((y == 0).sum() - (y == 1).sum())
        noise = make_rng(self.seed, "noise").normal(0, 9, size=(n_new, *X.shape[1:]))
        new = np.clip(X[y == 1].mean(axis=0) + noise, 0, 255).astype(X.dtype)
        return np.concatenate([X, new]), np.concatenate([y, np.ones(n_new, dtype=np.int64)])


class OnlyRare(Resampler):
    """Loses every class but 1."""

    def fit_resample(
        self, X: Array, y: Array, *, validation: Held | None = None, workspace: Path | None = None
    ) -> tuple[Array, Array]:
        self.sample_indices_ = np.flatnonzero(y == 1)
        return X[y == 1], y[y == 1]


class Unloadable(NearestMean):
    """Cannot be made again in another process."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        raise RuntimeError("a worker that cannot start")
