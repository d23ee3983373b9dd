"""Fixtures of studies: fake estimators and a small study made of them."""

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from imblearn.pipeline import Pipeline

from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import hold_out
from equipoise.experiments.study import Study
from equipoise.resampling.random import RandomUndersampler


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module of fake estimators, importable by worker processes too."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    module = importlib.import_module("study_fakes")
    yield module
    module.NearestMean.fits.clear()
    module.NoisyCopies.seen.clear()
    module.Watch.now = 0.0


@pytest.fixture
def make_study(toy: ImageDataset, fakes: Any) -> Callable[..., Study]:
    """Return a function that makes a study of fake methods; its arguments replace fields."""

    def make(**fields: Any) -> Study:
        classify = ("classify", fakes.NearestMean())
        methods = {
            "none": Pipeline([classify]),
            "fewer": Pipeline([("balance", RandomUndersampler()), classify]),
            "copies": Pipeline([("balance", fakes.NoisyCopies()), classify]),
        }
        splits = hold_out(toy, n_splits=2)
        return Study(
            **{"name": "toy", "dataset": toy, "splits": splits, "methods": methods, "seeds": (0, 1), **fields}
        )

    return make
