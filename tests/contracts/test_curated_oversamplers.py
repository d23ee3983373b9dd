"""A curated oversampler obeys the contract of oversamplers, whatever its filters drop."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from equipoise.curation.filters import FILTERS
from equipoise.curation.oversampler import CuratedOversampler
from equipoise.estimators.classifier import ImageClassifier
from equipoise.resampling.diffusion.oversampler import DiffusionOversampler
from equipoise.resampling.gan.presets import from_preset
from equipoise.resampling.smote import SMOTEOversampler
from equipoise.testing import oversamplers
from equipoise.testing.oversamplers import CHECKS

SHORT: dict[str, Any] = {
    "n_steps": 3,
    "batch_size": 6,
    "learning_rate": 0.01,
    "base_channels": 4,
    "device": "cpu",
}
JUDGE = ImageClassifier(
    n_steps=3, batch_size=6, batch_sampler="balanced", augmentation="none", device="cpu"
)


@pytest.fixture(autouse=True)
def _side_of_the_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge is a classifier, which needs 12 px."""
    monkeypatch.setattr(oversamplers, "SIDE", 12)


OVERSAMPLERS = {
    "smote": CuratedOversampler(SMOTEOversampler(), judge=JUDGE, filters=tuple(FILTERS)),
    "dcgan": CuratedOversampler(
        from_preset("dcgan", **SHORT | {"latent_size": 40}), judge=JUDGE, rounds=2
    ),
    "edm": CuratedOversampler(
        DiffusionOversampler(**SHORT | {"sampling_steps": 2}), judge=JUDGE, rounds=2
    ),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    "name", ["dcgan", *(pytest.param(n, marks=pytest.mark.slow) for n in ("smote", "edm"))]
)
def test_curated(name: str, check: Callable[[Any, Path], None], tmp_path: Path) -> None:
    check(OVERSAMPLERS[name], tmp_path)
