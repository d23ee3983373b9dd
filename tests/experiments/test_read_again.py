"""Images are read again with the options stored in the run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.data.duplicates import find_duplicates, merge_groups
from equipoise.data.images.options import ReadOptions
from equipoise.data.reading import read
from equipoise.exceptions import DataError, SettingError
from equipoise.experiments.image_plan import plan_study, read_again
from equipoise.experiments.protocol import Budget, Protocol
from equipoise.runs.reading import Reading

OPTIONS = ReadOptions(size=24, fit="crop", channels="rgb", groups=r"patient(\d+)")
READING = Reading(source="images", options=OPTIONS, duplicates="refuse")


@pytest.fixture
def films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Oblong noise of two classes; the first image of "ill" is stored twice, for two patients."""
    monkeypatch.setenv("EQUIPOISE_CACHE", "off")
    rng = np.random.default_rng(0)
    for name in ("ill", "well"):
        (tmp_path / "films" / name).mkdir(parents=True)
        for i in range(6):
            pixels = rng.integers(0, 255, size=(30, 40), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "films" / name / f"patient{i // 2}_{i}.png")
    (tmp_path / "films" / "ill" / "patient9_9.png").write_bytes(
        (tmp_path / "films" / "ill" / "patient0_0.png").read_bytes()
    )
    return tmp_path / "films"


def test_images_are_read_as_the_run_read_them(films: Path) -> None:
    stored = Reading.from_json(READING.to_json())
    dataset = read_again(films, stored)
    assert dataset.fingerprint == read(films, OPTIONS).dataset.fingerprint
    assert dataset.images.shape == (13, 3, 24, 24)


def test_copies_are_merged_again_where_the_run_merged_them(films: Path) -> None:
    plain = read_again(films, READING)
    merged = read_again(films, replace(READING, duplicates="merge"))
    expected = merge_groups(plain, find_duplicates(plain))
    assert merged.fingerprint == expected.fingerprint != plain.fingerprint


def test_a_study_stores_how_its_images_were_read(films: Path) -> None:
    protocol = Protocol(methods=("none",), n_splits=1, duplicates="merge")
    study = plan_study(read(films, OPTIONS), protocol, Budget(n_steps=2), name="films")
    assert study.reading == Reading(source="images", options=OPTIONS, duplicates="merge")
    assert read_again(films, study.reading).fingerprint == study.images.fingerprint


def test_images_that_no_reader_read_cannot_be_read_again(films: Path) -> None:
    with pytest.raises(DataError, match=r"demo.*STUDY\.py"):
        read_again(films, Reading(source="demo"))


def test_options_are_checked_again(films: Path) -> None:
    value = READING.to_json()
    assert isinstance(value["options"], dict)
    value["options"]["size"] = 3
    with pytest.raises(SettingError, match="size"):
        Reading.from_json(value)


def test_nothing_is_read_of_an_absent_place(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        read_again(tmp_path / "nowhere", READING)
