"""Features of the last images stay in memory for the next head, bounded, and are never stale."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from equipoise.data.feature_store import FeatureStore
from equipoise.estimators.frozen import extractor as extractors
from equipoise.estimators.frozen.extractor import FrozenExtractor
from equipoise.estimators.frozen.feature_network import PENULTIMATE, RANDOM, FeatureDescription
from equipoise.estimators.frozen.views import views_of

VIEWS = views_of("film", 2)
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 1, 16, 16)).astype(np.uint8)


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extractors, "_remembered", {})


def make(folder: Path) -> FrozenExtractor:
    description = FeatureDescription(
        network="small_cnn", pretrained=RANDOM, layers=(PENULTIMATE,), side=None, device="cpu"
    )
    return FrozenExtractor(description, shape=IMAGES.shape[1:], span=(0.0, 255.0), workspace=folder)


def test_the_next_head_reads_no_file_and_has_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path).fill(IMAGES, VIEWS)
    first = make(tmp_path)(IMAGES, VIEWS).copy()
    turned = make(tmp_path)(IMAGES[::-1].copy(), VIEWS)
    monkeypatch.setattr(FeatureStore, "features", None)  # a call would raise
    np.testing.assert_array_equal(make(tmp_path)(IMAGES.copy(), VIEWS), first)
    np.testing.assert_array_equal(turned, first[::-1])


def test_features_whose_files_are_gone_are_computed_and_stored_again(tmp_path: Path) -> None:
    first = make(tmp_path)(IMAGES, VIEWS).copy()
    shutil.rmtree(tmp_path / "frozen")
    np.testing.assert_array_equal(make(tmp_path)(IMAGES, VIEWS), first)
    assert make(tmp_path).n_missing(IMAGES, VIEWS) == 0


def test_the_oldest_features_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extractor = make(tmp_path)
    n_bytes = extractor(IMAGES, VIEWS).nbytes
    monkeypatch.setattr(extractors, "MOST_REMEMBERED", n_bytes)
    extractor(IMAGES[:3], VIEWS)
    assert [len(array) for array in extractors._remembered.values()] == [3]
    monkeypatch.setattr(extractors, "MOST_REMEMBERED", 1)
    extractor(IMAGES, VIEWS)
    assert not extractors._remembered
