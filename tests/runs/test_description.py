from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from equipoise.atomic import read_json, write_json
from equipoise.data.images import listing
from equipoise.data.images.options import ReadOptions
from equipoise.data.volumes import loading
from equipoise.exceptions import DataError
from equipoise.runs.containment import read_description
from equipoise.runs.description import StudyDescription
from equipoise.runs.reading import Reading

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"
PUBLISHED = sorted(RESULTS.glob("*/study.json"))


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.parent.name)
def test_every_published_description_survives_a_round_trip(path: Path) -> None:
    stored = read_json(path)
    description = StudyDescription.from_json(stored)
    assert description.to_json() == {"task": "classification", **stored}
    assert StudyDescription.from_json(description.to_json()) == description
    assert len(description.method_names) == len(stored["methods"])
    assert description.notes == tuple(stored["facts"]["notes"])
    assert description.skipped == tuple(stored["facts"].get("skipped", ()))


def test_both_tasks_are_among_the_published() -> None:
    tasks = [StudyDescription.from_json(read_json(path)).task for path in PUBLISHED]
    assert set(tasks) == {"classification", "segmentation"}


def test_reading_options_are_kept_where_there_are_some() -> None:
    stored = read_json(PUBLISHED[0])
    assert StudyDescription.from_json(stored).reading is None
    reading = Reading(source="images", options=ReadOptions(size=32))
    description = StudyDescription.from_json({**stored, "reading": reading.to_json()})
    assert description.reading == reading
    assert description.to_json()["reading"] == reading.to_json()


def test_the_data_set_of_the_other_task_is_refused() -> None:
    volumes = StudyDescription.from_json(read_json(RESULTS / "s3_brain_tumor_drawn/study.json"))
    images = StudyDescription.from_json(read_json(RESULTS / "herlev_two/study.json"))
    assert volumes.volumes.modalities
    assert images.images.dtype == "uint8"
    with pytest.raises(DataError, match="on volumes"):
        _ = volumes.images
    with pytest.raises(DataError, match="on images"):
        _ = images.volumes


@pytest.mark.parametrize("text", ["{broken", "[]", '{"name": "a"}'])
def test_a_damaged_description_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text(text)
    with pytest.raises(DataError, match=r"study\.json .*Delete"):
        read_description(tmp_path)


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no study\.json"):
        read_description(tmp_path)


def test_a_stored_description_is_read(tmp_path: Path) -> None:
    stored: dict[str, Any] = read_json(PUBLISHED[0])
    write_json(tmp_path / "study.json", stored)
    assert read_description(tmp_path) == StudyDescription.from_json(stored)


@pytest.mark.parametrize(
    ("study", "note", "unit"),
    [
        ("herlev_two", listing.NO_PATIENTS, "image"),
        ("s3_brain_tumor_drawn", loading.NO_PATIENTS, "case"),
        ("herlev_two", "142 files were converted.", "patient"),
    ],
)
def test_images_or_cases_count_where_no_patients_are_known(
    study: str, note: str, unit: str
) -> None:
    stored = read_json(RESULTS / study / "study.json")
    description = replace(StudyDescription.from_json(stored), facts={"notes": ["x", note]})
    assert description.unit == unit
