import os
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from equipoise import atomic
from equipoise.arrays import Images, Rows, fingerprint
from equipoise.data import feature_store
from equipoise.data.feature_store import (
    FEATURES,
    FeatureStore,
    HalfFeatures,
    image_keys,
    keys_remembered,
)

KEYS = ["a", "b", "c", "d", "e"]


class Source:
    """Features of row r are (r, r); counts how often each row was computed."""

    def __init__(self) -> None:
        self.computed: list[int] = []

    def __call__(self, rows: Rows) -> HalfFeatures:
        self.computed += rows.tolist()
        return np.repeat(rows[:, None], 2, axis=1).astype(np.float16)


def test_what_is_stored_is_not_computed_again(tmp_path: Path) -> None:
    source = Source()
    FeatureStore(tmp_path / "view", 2).features(KEYS[:3], source)
    features = FeatureStore(tmp_path / "view", 2).features(KEYS, source)
    assert source.computed == [0, 1, 2, 3, 4]
    assert features.tolist() == [[0, 0], [1, 1], [2, 2], [3, 3], [4, 4]]


def test_rows_follow_the_keys_in_any_order(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "view", 2)
    store.features(KEYS, Source())
    assert store.features(["d", "a", "d"], Source())[:, 0].tolist() == [3, 0, 3]
    assert store.missing(["d", "x", "x", "a"]).tolist() == [1]


def test_what_a_killed_process_had_finished_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_store, "BLOCK", 2)
    source = Source()

    def killed(rows: Rows) -> HalfFeatures:
        if 2 in rows:
            raise KeyboardInterrupt
        return source(rows)

    with pytest.raises(KeyboardInterrupt):
        FeatureStore(tmp_path / "view", 2).features(KEYS, killed)
    FeatureStore(tmp_path / "view", 2).features(KEYS, source)
    assert source.computed == [0, 1, 2, 3, 4]


def test_damaged_blocks_are_computed_again(tmp_path: Path) -> None:
    FeatureStore(tmp_path / "view", 2).features(KEYS, Source())
    [block] = (tmp_path / "view").iterdir()
    data = (block / FEATURES).read_bytes()
    (block / FEATURES).write_bytes(data[:-3])
    source = Source()
    features = FeatureStore(tmp_path / "view", 2).features(KEYS, source)
    assert len(source.computed) == 5
    assert features[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_a_block_is_verified_once_while_its_files_stay_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FeatureStore(tmp_path / "view", 2).features(KEYS, Source())
    verified: list[str] = []

    def noted(path: Path) -> AbstractContextManager[None]:
        verified.append(path.name)
        return atomic.reading(path)

    monkeypatch.setattr(feature_store, "reading", noted)
    for _ in range(2):
        FeatureStore(tmp_path / "view", 2).features(KEYS, Source())
    assert verified == [feature_store.KEYS, FEATURES]
    [block] = (tmp_path / "view").iterdir()
    os.utime(block / FEATURES, ns=(0, 0))
    FeatureStore(tmp_path / "view", 2).features(KEYS, Source())
    assert len(verified) == 4


def test_features_fill_an_array(tmp_path: Path) -> None:
    views = np.full((5, 2, 2), -1, dtype=np.float16)
    store = FeatureStore(tmp_path / "view", 2)
    store.features(KEYS[:3], Source())
    store.features(KEYS, Source(), out=views[:, 1])
    assert views[:, :, 0].tolist() == [[-1, 0], [-1, 1], [-1, 2], [-1, 3], [-1, 4]]


def test_remembered_images_are_hashed_once_and_only_if_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images, further_images = np.zeros((2, 3, 1, 4, 4), dtype=np.uint8)
    hashed: list[Images] = []

    def noted(image: Images) -> str:
        hashed.append(image)
        return fingerprint(image)

    monkeypatch.setattr(feature_store, "fingerprint", noted)
    with keys_remembered(images, further_images):
        assert image_keys(images) == image_keys(images)
        assert image_keys(images[1:]) == image_keys(images)[1:]
        assert len(hashed) == 3 + 2
    image_keys(images)
    assert len(hashed) == 3 + 2 + 3


def test_without_a_folder_nothing_is_kept() -> None:
    source = Source()
    store = FeatureStore(None, 2)
    store.features(KEYS[:1], source)
    store.features(KEYS[:1], source)
    assert source.computed == [0, 0]


def test_keys_depend_on_pixels_shape_and_type() -> None:
    images = np.zeros((2, 1, 4, 4), dtype=np.uint8)
    images[1, 0, 0, 0] = 1
    keys = image_keys(images)
    others = [*image_keys(images[:1].reshape(1, 1, 2, 8)), *image_keys(images[:1].view(np.int8))]
    assert len({*keys, *others}) == 4
    assert image_keys(images[1:]) == keys[1:]
