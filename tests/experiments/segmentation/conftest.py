"""Fixtures of studies of volumes."""

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imblearn.pipeline import Pipeline

from equipoise.data.patient_folds import patient_folds
from equipoise.data.volume_dataset import VolumeDataset
from equipoise.experiments.study import Study
from equipoise.testing.volumes import volumes_of


@pytest.fixture
def volume_fakes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module of the fake segmenter, importable by worker processes too."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    module = importlib.import_module("segmentation_fakes")
    yield module
    module.NearestMeanSegmenter.seen.clear()


@pytest.fixture
def brains(tmp_path: Path) -> VolumeDataset:
    """Six patients with a bright block of class 1 and a brighter one of class 2 inside it."""
    maps = []
    for i in range(6):
        codes = np.zeros((4, 12, 12), dtype=np.uint8)
        codes[1:3, 3 : 8 + i % 2, 3:9] = 1
        codes[1:3, 4:6, 4:6] = 2
        maps.append(codes)
    return volumes_of(maps, tmp_path / "prepared")


@pytest.fixture
def make_volume_study(brains: VolumeDataset, volume_fakes: Any) -> Callable[..., Study]:
    """Return a function that makes a study of fake segmenters; its arguments replace fields."""

    def make(**fields: Any) -> Study:
        methods = {
            name: Pipeline([("segment", volume_fakes.NearestMeanSegmenter(shift=shift))])
            for name, shift in {"random": 0.0, "brighter": 0.4}.items()
        }
        given = {
            "name": "blocks",
            "dataset": brains,
            "splits": patient_folds(brains, n_folds=3),
            "methods": methods,
            "seeds": (0, 1),
            "primary_metric": "mean_dice",
        }
        return Study(**{**given, **fields})

    return make
