"""The record of a prepared case survives the disk, and damage to its files is noticed."""

from dataclasses import replace
from pathlib import Path

import pytest

from equipoise.atomic import read_json
from equipoise.data.volumes.case_record import CaseRecord, is_complete
from equipoise.testing.volume_readers import plain_geometry

RECORD = CaseRecord(
    id="p1",
    digest="0" * 64,
    shape=(4, 6, 8),
    start=(1, 1, 1),
    geometry=plain_geometry((6, 8, 10)),
    counts=(184, 1, 5, 1, 1),
    values=(0, 1, 2, 3, 4),
    scheme="brats2013",
    modalities=("FLAIR", "T1c"),
    n4=True,
    sha256={"FLAIR": "a", "label": "b"},
    tumor_outside_brain=2,
    air_in_mask=0,
    has_background=True,
    has_labels=False,
    version=1,
)


def test_a_record_survives_the_disk(tmp_path: Path) -> None:
    RECORD.save(tmp_path)
    assert CaseRecord.load(tmp_path) == RECORD


def test_records_of_earlier_versions_have_no_hashes_and_no_n4(tmp_path: Path) -> None:
    RECORD.save(tmp_path)
    stored = read_json(tmp_path / "case.json")
    del stored["sha256"], stored["n4"]
    assert CaseRecord.from_json(stored) == replace(RECORD, sha256={}, n4=False)


@pytest.mark.parametrize("damage", ["truncated", "absent", "no record", "empty record"])
def test_incomplete_folders_are_noticed(damage: str, tmp_path: Path) -> None:
    (tmp_path / "codes.npy").write_bytes(b"12345")
    RECORD.save(tmp_path)
    assert is_complete(tmp_path)
    if damage == "truncated":
        (tmp_path / "codes.npy").write_bytes(b"1234")
    elif damage == "absent":
        (tmp_path / "codes.npy").unlink()
    elif damage == "no record":
        (tmp_path / "case.json").unlink()
    else:
        (tmp_path / "case.json").write_text("")
    assert not is_complete(tmp_path)
