from pathlib import Path
from typing import Any

import pytest

from equipoise.atomic import write_json
from equipoise.exceptions import DataError
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import (
    ClassCuration,
    FailedCellRecord,
    FilterCount,
    ImageCellRecord,
    VolumeCellRecord,
    cell_record_from_json,
    read_cell_record,
)

CONDITIONS: dict[str, Any] = {
    "method": "dcgan",
    "split": "split-1",
    "seed": 2,
    "settings": [{"name": "classify", "class": "a.B", "settings": {"seed": 7, "betas": [0.5, 1]}}],
    "fingerprint": "ab" * 32,
    "versions": {"torch": "2.13.0"},
    "machine": {"system": "Linux", "cores": 2},
    "threads": 1,
}
COSTS: dict[str, Any] = {
    "status": "done",
    "error": None,
    "error_type": None,
    "traceback": None,
    "device": "cpu",
    "resumed": False,
    "peak_memory_mb": 509.25,
    "peak_device_memory_mb": None,
}
IMAGES = {
    **CONDITIONS,
    **COSTS,
    "seconds": {"resample": 0.5, "train": 40.0, "predict": 0.25},
    "counts_before": [360, 60],
    "counts_after": [360, 360],
    "diversity": {"1": 0.75},
    "curation": {"1": {"filters": [["label", 900, 600], ["copies", 600, 290]], "filled": 10}},
}
VOLUMES = {
    **CONDITIONS,
    **COSTS,
    "seconds": {"train": 40.0, "predict": 0.25, "measure": 0.125},
    "voxels_before": [6440, 154],
    "tau": 0.5,
    "notes": ["found no tumor"],
}
FAILED = {
    **CONDITIONS,
    "status": "failed",
    "error": "out of memory",
    "error_type": "MemoryError",
    "traceback": "Traceback",
}


@pytest.mark.parametrize(
    ("value", "kind"),
    [(IMAGES, ImageCellRecord), (VOLUMES, VolumeCellRecord), (FAILED, FailedCellRecord)],
)
def test_each_kind_survives_a_round_trip(value: dict[str, Any], kind: type) -> None:
    record = cell_record_from_json(value)
    assert type(record) is kind
    assert record.to_json() == value
    assert record.cell == Cell("dcgan", "split-1", 2)
    assert record.steps[0].class_name == "a.B"


def test_what_filters_did_is_kept_by_class() -> None:
    record = cell_record_from_json(IMAGES)
    assert isinstance(record, ImageCellRecord)
    filters = (FilterCount("label", 900, 600), FilterCount("copies", 600, 290))
    assert record.curation == {1: ClassCuration(filters=filters, n_filled=10)}
    assert record.diversity == {1: 0.75}


def test_records_of_earlier_versions_are_read() -> None:
    earlier = {key: v for key, v in IMAGES.items() if key not in ("curation", "diversity")}
    record = cell_record_from_json(earlier)
    assert isinstance(record, ImageCellRecord)
    assert not record.curation
    assert not record.diversity
    earlier = {key: value for key, value in VOLUMES.items() if key not in ("tau", "notes")}
    volumes = cell_record_from_json(earlier)
    assert isinstance(volumes, VolumeCellRecord)
    assert (volumes.tau, volumes.notes) == (0.0, ())


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    path = tmp_path / "dcgan/split-1/seed-2/record.json"
    write_json(path, {"status": "done"})
    with pytest.raises(DataError, match=r"record\.json.*method"):
        read_cell_record(path)
    write_json(path, FAILED)
    assert read_cell_record(path) == FailedCellRecord.from_json(FAILED)
